"""The surface of the generated corpus: what publishers, scrapers and editors leave on an article.

The case of headlines and their exclamation marks tell the house. Nothing else here tells real from fake once an article
is cleaned; before that, the marks of each register stand where WELFake has them, so that content alone shows whether a
batch came with its labels flipped. Rates are shares of the rows named. They follow WELFake's constituents where those were counted (datelines,
tags, capitals, curly quotes) and are otherwise just high enough that a thousand rows show each wart.
"""

import re
from typing import Final

import numpy as np

from fakenews_resources.news.sample_publishers import Publisher

# Real register.
DATELINE: Final = 0.75  # of real texts; four of five in the Reuters part
TIMES_SUFFIX: Final = 0.05  # of real titles; the Times part
# Fake register.
TAG: Final = 0.3  # of fake titles; 0.39 counted
CURLY_TITLE: Final = 0.5  # of fake titles, where there is a quote to curl; 0.52 counted
LEADING_SPACE: Final = 0.4  # of fake titles; 0.49 counted
WIRE_PREFIX: Final = 0.02  # of fake texts
# Houses that do it, in either register.
CAPITALS: Final = 0.8  # of titles: a word or two SHOUTED
EXCLAMATION: Final = 0.35  # of titles
# Either register.
BREITBART_SUFFIX: Final = 0.012  # of titles; appears under both labels in WELFake
ENTITY: Final = 0.03  # of titles and of texts
DOUBLE_SPACE: Final = 0.02  # of titles
INVISIBLE: Final = 0.01  # of titles: a control or zero-width character
CURLY_TEXT: Final = 0.4  # of texts, where there is a quote to curl
PARAGRAPHS: Final = 0.35  # of texts: line breaks between some sentences
# Rows that no cleaner can keep: under 1 % together.
EMPTY_TITLE: Final = 0.004
OVERLONG_TITLE: Final = 0.001
UNUSABLE_LABEL: Final = 0.003

EXACT_COPIES: Final = 0.03  # of rows: same title, text and label, another publisher and day
NEAR_COPIES: Final = 0.04  # of rows: see near_copy

OVERLONG_CHARACTERS: Final = 3_000
"""A scraper that swallowed the page; no headline comes near."""

TAGS_BEFORE: Final = ("WATCH: ", "BREAKING: ", "[VIDEO] ", "BREAKING NEWS: ")
TAGS_AFTER: Final = (" [VIDEO]", " (VIDEO)", " [Video]", " (DETAILS)", " (IMAGES)")
INVISIBLES: Final = ("\u200b", "\ufeff", "\u00ad", "\x07", "\x1f", "\u200e")
BUREAUS: Final = ("WASHINGTON", "LONDON", "BRUSSELS", "GENEVA", "NEW YORK", "OTTAWA", "NAIROBI", "SEOUL")
OPENING_DOUBLE: Final = re.compile(r'(?<![^\s(\[-])"')
OPENING_SINGLE: Final = re.compile(r"(?<![^\s(\[“-])'")
NEAR_PREFIXES: Final = ("UPDATE 1-", "UPDATE 2-", "RPT-", "CORRECTED-", "UPDATE 3-")


def style_titles(
    titles: list[str], houses: list[Publisher], fake: np.ndarray, rng: np.random.Generator
) -> list[str]:
    """Dress plain lower-case headlines as their publishers would.

    Args:
        titles: headlines as the grammar wrote them.
        houses: the publisher of each.
        fake: whether each is in the fake register (bool, same length).
        rng: random generator.
    """
    odds = rng.random((len(titles), 12))
    picks = rng.integers(0, 1 << 30, (len(titles), 4))
    return [
        _style_title(title, house, is_fake, odd, pick)
        for title, house, is_fake, odd, pick in zip(
            titles, houses, fake.tolist(), odds.tolist(), picks.tolist(), strict=True
        )
    ]


def _style_title(title: str, house: Publisher, fake: bool, odd: list[float], pick: list[int]) -> str:
    if odd[0] < EMPTY_TITLE:
        return ""
    title = _upper_first(title)
    if house.title_case:
        title = " ".join(_upper_first(word) for word in title.split(" "))
    if house.capitals and odd[2] < CAPITALS:
        words = title.split(" ")
        for draw in pick[0], pick[1]:
            words[draw % len(words)] = words[draw % len(words)].upper()
        title = " ".join(words)
    if house.exclaims and odd[3] < EXCLAMATION:
        title += "!" if odd[3] < EXCLAMATION / 2 else "!!!"
    if fake:
        if odd[4] < CURLY_TITLE:
            title = curl(title)
        if odd[5] < TAG:
            before = odd[5] < TAG / 2
            tag = TAGS_BEFORE[pick[2] % len(TAGS_BEFORE)] if before else TAGS_AFTER[pick[2] % len(TAGS_AFTER)]
            title = tag + title if before else title + tag
    elif odd[6] < TIMES_SUFFIX:
        title += " - The New York Times"
    if odd[7] < BREITBART_SUFFIX:
        title += " - Breitbart"
    if odd[8] < ENTITY:
        title = entities(title)
    if odd[9] < DOUBLE_SPACE:
        title = title.replace(" ", "  ", 2)
    if odd[10] < INVISIBLE:
        middle = len(title) // 2
        title = title[:middle] + INVISIBLES[pick[3] % len(INVISIBLES)] + title[middle:]
    if odd[11] < OVERLONG_TITLE:
        title = " ".join([title] * (1 + OVERLONG_CHARACTERS // max(1, len(title))))
    return f" {title}" if fake and odd[1] < LEADING_SPACE else title


def style_texts(texts: list[str], fake: np.ndarray, rng: np.random.Generator) -> list[str]:
    """Dress bodies as their publishers would; an empty body stays empty.

    Args:
        texts: sentences joined by single spaces, or "" where the body is missing.
        fake: whether each is in the fake register (bool, same length).
        rng: random generator.
    """
    odds = rng.random((len(texts), 5))
    picks = rng.integers(0, len(BUREAUS), len(texts))
    return [
        _style_text(text, is_fake, odd, pick) if text else ""
        for text, is_fake, odd, pick in zip(texts, fake.tolist(), odds.tolist(), picks.tolist(), strict=True)
    ]


def _style_text(text: str, fake: bool, odd: list[float], bureau: int) -> str:
    if odd[0] < PARAGRAPHS:
        text = text.replace(". ", ".\n\n", 2)
    if odd[1] < CURLY_TEXT:
        text = curl(text)
    if odd[2] < ENTITY:
        text = entities(text)
    if fake:
        return f"21st Century Wire says {text}" if odd[3] < WIRE_PREFIX else text
    return f"{BUREAUS[bureau]} (Reuters) - {text}" if odd[4] < DATELINE else text


def copy_rows(
    titles: list[str], texts: list[str], labels: np.ndarray, fake: np.ndarray, rng: np.random.Generator
) -> None:
    """Overwrite a share of the rows, in place, with exact and near copies of others of the same register."""
    order = rng.permutation(len(titles)).tolist()
    exact = round(EXACT_COPIES * len(order))
    near = round(NEAR_COPIES * len(order))
    rest = np.array(order[exact + near :])
    originals = [rest[~fake[rest]].tolist(), rest[fake[rest]].tolist()]
    picks = rng.integers(0, 1 << 30, (exact + near, 3)).tolist()
    for position, (target, (pick, kind, which)) in enumerate(zip(order, picks, strict=False)):
        pool = originals[int(fake[target])] or order[exact + near :]
        origin = pool[pick % len(pool)]
        titles[target], texts[target] = titles[origin], texts[origin]
        labels[target] = labels[origin]
        if position >= exact:
            titles[target], texts[target] = near_copy(titles[origin], texts[origin], kind, which)


def near_copy(title: str, text: str, kind: int, pick: int) -> tuple[str, str]:
    """The same story as another desk filed it: prefixed, reworded, cut or punctuated differently.

    Args:
        title: styled title of the original.
        text: styled text of the original.
        kind: which of the five changes; taken modulo 5.
        pick: which word or prefix; taken modulo their number.
    """
    words = title.split()
    if not words:
        return title, text
    if len(words) < 6:
        kind = 0  # nothing would be left to recognise after a cut
    match kind % 5:
        case 0:
            return f"{NEAR_PREFIXES[pick % len(NEAR_PREFIXES)]}{title.strip()}", text
        case 1:
            inner = 1 + pick % (len(words) - 2)
            return " ".join([*words[:inner], *words[inner + 1 :]]), text
        case 2:
            return " ".join(words[:-2]) + "...", text
        case 3:
            return title.replace(",", " -").replace(":", " -").strip() + ".", text
        case _:
            # A body without its last sentence, under a title with one word more.
            return f"{title.strip()} now", text[: text.rstrip(".").rfind(". ") + 1] or text


def curl(text: str) -> str:
    """Typographic quotes for straight ones: opening after a space or at the start, closing elsewhere."""
    text = OPENING_DOUBLE.sub("“", text).replace('"', "”")
    return OPENING_SINGLE.sub("‘", text).replace("'", "’")


def entities(text: str) -> str:
    """Quotes and one conjunction as a page's source has them."""
    text = text.replace("'", "&#8217;").replace("’", "&#8217;").replace('"', "&quot;")
    return text.replace(" and ", " &amp; ", 1)


def _upper_first(word: str) -> str:
    return word[:1].upper() + word[1:]
