"""The `sample` news source: a generated corpus.

It lets the whole graph run offline in minutes, with the defects of real files. Scores on it only prove that the
plumbing works.

A model has to read the article. Some headlines carry no signal, and some belong to the other register than their
body. The others use words of one register in a frame that both registers share. The words have a long tail, so many
test articles contain a word that training showed once or never. A few use words of both registers equally often, and
only the word order carries the label: a bag of words or word pairs learns little from them, a pretrained encoder does.
Bodies differ in how they source their claims.

Some articles are neutral: only the marks of the house tell who printed them, and with that the label. They tell
nothing of publishers that training did not show, so that a model scores lower on those.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pydantic

from fakenews_resources.news import sample_style as style
from fakenews_resources.news.sample_grammar import Grammar, load_grammar, topics
from fakenews_resources.news.sample_publishers import Publisher, load_publishers

SAMPLE_SCHEMA: Final = pl.Schema(
    {
        "": pl.Int64,
        "title": pl.String,
        "text": pl.String,
        "label": pl.String,
        "source": pl.String,
        "published_at": pl.String,
        "group": pl.String,
    }
)
"""Columns of the file: WELFake's own four, whose serial has no name, then the publisher's domain, the ISO date and the
publisher's leaning. The label is "0" for real, "1" for fake, or unusable; an empty field is null."""

BLOCK_ROWS: Final = 10_000
"""Rows that share a random stream. Part of the output's definition: another value is another corpus."""

MISSING_TEXT: Final = 0.1  # of rows, alike for both labels
LABEL_NOISE: Final = 0.02  # of rows: label against content; no model can score beyond the rest
UNKNOWN_SOURCE: Final = 0.02  # of rows

NEUTRAL: Final = 0.15  # of articles: only the house tells
# Of the headlines of the others:
PLAIN: Final = 0.06  # no signal at all
TURNED: Final = 0.05  # told by order alone
QUOTED: Final = 0.02  # quote the other register, whose words then mislead
MISLEADING: Final = 0.04  # in the other register than the body

WORDS_PER_SENTENCE: Final = 16.0  # mean over the sentence templates
# Of a body's sentences after the first:
TOLD_SENTENCES: Final = 0.65  # in the register of the article
CROSS_SENTENCES: Final = 0.04  # in the other register
SLOGANS: Final = 0.08  # of the publisher's leaning
HOUSE: Final = 0.7  # of bodies: name publisher and reporter
STAFF: Final = 3  # reporters of a publisher

FIRST_YEAR: Final = 2021  # era 0; each era is one year


class SampleSpec(pydantic.BaseModel, frozen=True):
    """What to generate. Equal specs give equal bytes."""

    rows: int = pydantic.Field(
        default=6000, ge=1, description="Rows of the file, copies and broken rows included."
    )
    seed: int = pydantic.Field(default=7, ge=0, description="Random seed.")
    era: int = pydantic.Field(
        default=0,
        ge=0,
        description="Period of the news. Another era has other topics, names, catchwords and dates, so that "
        "drift can be shown.",
    )
    text_words: int = pydantic.Field(
        default=60, ge=20, le=5000, description="Mean number of words of a text, where there is one."
    )


def generate(spec: SampleSpec, chunk_rows: int = 50_000) -> Iterator[pl.DataFrame]:
    """Write the corpus piece by piece; memory stays at about one piece whatever the number of rows.

    Args:
        spec: what to generate.
        chunk_rows: most rows of a piece. It has no influence on the rows.

    Yields:
        Consecutive rows with SAMPLE_SCHEMA.

    Raises:
        ValueError: `chunk_rows` is below 1.
    """
    if chunk_rows < 1:
        raise ValueError(f"chunk_rows is {chunk_rows}: ask for at least one row a piece.")
    grammar = load_grammar(spec.era)
    pending = SAMPLE_SCHEMA.to_frame()
    for block in range(-(-spec.rows // BLOCK_ROWS)):
        pending = pl.concat([pending, _block(spec, grammar, block)])
        while pending.height >= chunk_rows:
            yield pending.head(chunk_rows)
            pending = pending.slice(chunk_rows)
    if pending.height:
        yield pending


def write_sample(spec: SampleSpec, path: Path) -> int:
    """Write the corpus as a UTF-8 CSV file with the header `,title,text,label,source,published_at`.

    The file appears under its name only when it is whole.

    Returns:
        Rows written.
    """
    aside = path.with_name(f"{path.name}.part")
    rows = 0
    with aside.open("wb") as file:
        file.write((",".join(SAMPLE_SCHEMA.names()) + "\n").encode())
        for chunk in generate(spec):
            chunk.write_csv(file, include_header=False)
            rows += chunk.height
    aside.replace(path)
    return rows


def _block(spec: SampleSpec, grammar: Grammar, block: int) -> pl.DataFrame:
    start = block * BLOCK_ROWS
    size = min(BLOCK_ROWS, spec.rows - start)
    rng = np.random.default_rng((spec.seed, spec.era, block))
    publishers = load_publishers()
    shares = np.array([publisher.share for publisher in publishers])
    drawn = rng.choice(len(publishers), size, p=shares / shares.sum())
    fake = rng.random(size) < np.array([publisher.fake for publisher in publishers])[drawn]
    neutral = rng.random(size) < NEUTRAL
    facts = _facts(grammar, size, spec.era, rng).with_columns(_house(grammar, publishers, drawn, rng))
    titles = _titles(grammar, facts, fake, neutral, rng).to_list()
    texts = _texts(grammar, facts, fake, neutral, spec.text_words, rng).to_list()
    houses = [publishers[one] for one in drawn]
    titles, texts = style.style_titles(titles, houses, fake, rng), style.style_texts(texts, fake, rng)
    labels = np.where(fake ^ (rng.random(size) < LABEL_NOISE), "1", "0").astype(object)
    unusable = rng.random(size) < style.UNUSABLE_LABEL
    labels[unusable] = np.where(rng.random(unusable.sum()) < 0.5, "", "2")
    style.copy_rows(titles, texts, labels, fake, rng)
    known = (rng.random(size) >= UNKNOWN_SOURCE).tolist()
    days = rng.integers(0, 365, size)
    first = date(FIRST_YEAR + spec.era, 1, 1)
    return pl.DataFrame(
        {
            "": np.arange(start, start + size),
            "title": titles,
            "text": texts,
            "label": labels.tolist(),
            "source": [house.domain if named else None for house, named in zip(houses, known, strict=True)],
            "published_at": [(first + timedelta(days=day)).isoformat() for day in days.tolist()],
            "group": [house.leaning if named else None for house, named in zip(houses, known, strict=True)],
        },
        schema=SAMPLE_SCHEMA,
    ).with_columns(pl.col("title", "text", "label").replace("", None))


def _facts(grammar: Grammar, size: int, era: int, rng: np.random.Generator) -> pl.DataFrame:
    """Who, where and about what: fixed for each article, so that its body speaks of its title's matter."""
    names = topics()
    weights = np.roll(1 / np.arange(2, len(names) + 2), 3 * era)
    topic = rng.choice(len(names), size, p=weights / weights.sum())
    order = np.argsort(topic, kind="stable")
    back = np.argsort(order, kind="stable")
    counts = np.bincount(topic, minlength=len(names)).tolist()
    nothing_fixed = pl.DataFrame({"_": np.zeros(size, dtype=np.int8)})
    columns = [
        grammar.write(symbol, nothing_fixed, rng).alias(name)
        for name, symbol in {
            "given": "first",
            "surname": "family",
            "role": "role",
            "city": "city",
            "country": "country",
        }.items()
    ]
    for symbol in ("issue", "agency", "wild_thing"):
        parts = [
            grammar.write(symbol, nothing_fixed.head(count), rng, scope=name)
            for name, count in zip(names, counts, strict=True)
        ]
        columns.append(pl.concat(parts).gather(back).alias(symbol))
    return pl.DataFrame(columns)


def _house(
    grammar: Grammar, publishers: tuple[Publisher, ...], drawn: np.ndarray, rng: np.random.Generator
) -> list[pl.Series]:
    """Who printed each article and who wrote it, fixed as facts are."""
    every = pl.DataFrame({"_": np.zeros(STAFF * len(publishers), dtype=np.int8)})
    staff = grammar.write("other", every, np.random.default_rng(0))  # the same in every block
    names = pl.Series([publisher.name for publisher in publishers])
    reporters = staff.gather(STAFF * drawn + rng.integers(0, STAFF, len(drawn)))
    leanings = pl.Series([publisher.leaning for publisher in publishers])
    return [
        names.gather(drawn).alias("outlet"),
        reporters.alias("reporter"),
        leanings.gather(drawn).alias("leaning"),
    ]


def _titles(
    grammar: Grammar, facts: pl.DataFrame, fake: np.ndarray, neutral: np.ndarray, rng: np.random.Generator
) -> pl.Series:
    kinds = ("plain", "turned", "quoted", "headline")
    shares = (PLAIN, TURNED, QUOTED, 1 - PLAIN - TURNED - QUOTED)
    kind = rng.choice(len(kinds), facts.height, p=shares)
    kind[neutral] = 0
    register = _registers(fake ^ (rng.random(facts.height) < MISLEADING))
    groups = [
        (name, scope, (kind == number) & rows)
        for number, name in enumerate(kinds)
        for scope, rows in register
    ]
    return _by_group(grammar, facts, rng, groups)


def _texts(
    grammar: Grammar,
    facts: pl.DataFrame,
    fake: np.ndarray,
    neutral: np.ndarray,
    text_words: int,
    rng: np.random.Generator,
) -> pl.Series:
    sentences = 1 + rng.poisson(max(0.0, text_words / WORDS_PER_SENTENCE - 1), facts.height)
    sentences[rng.random(facts.height) < MISSING_TEXT] = 0
    owner = np.repeat(np.arange(facts.height), sentences)
    first = np.diff(owner, prepend=-1) > 0
    second = np.roll(first, 1) & ~first
    house = second & (rng.random(len(owner)) < HOUSE)
    borders = np.cumsum([CROSS_SENTENCES, TOLD_SENTENCES, SLOGANS])
    kind = np.searchsorted(borders, rng.random(len(owner)), side="right")
    kind[neutral[owner] & (kind < 2)] = 3
    kind[first | house] = -1
    written = _by_group(
        grammar,
        facts[owner],
        rng,
        [
            ("lead", "", first),
            ("house", "", house),
            ("sentence", "", kind == 3),
            *(
                ("told", scope, (kind < 2) & (kind >= 0) & rows)
                for scope, rows in _registers(fake[owner] ^ (kind == 0))
            ),
            *(
                ("slogan", leaning, (kind == 2) & (facts["leaning"] == leaning).to_numpy()[owner])
                for leaning in ("left", "center", "right")
            ),
        ],
    )
    written = written.str.replace_all(r"\b([Aa]) ([aeiou])", "${1}n $2")
    capital = written.str.slice(0, 1).str.to_uppercase() + written.str.slice(1)
    joined = (
        pl.DataFrame({"owner": owner, "sentence": capital})
        .group_by("owner", maintain_order=True)
        .agg(pl.col("sentence").str.join(" "))
    )
    texts = np.full(facts.height, "", dtype=object)
    texts[joined.get_column("owner").to_numpy()] = joined.get_column("sentence").to_list()
    return pl.Series(texts.tolist(), dtype=pl.String)


def _registers(fake: np.ndarray) -> tuple[tuple[str, np.ndarray], tuple[str, np.ndarray]]:
    return ("real", ~fake), ("fake", fake)


def _by_group(
    grammar: Grammar,
    facts: pl.DataFrame,
    rng: np.random.Generator,
    groups: list[tuple[str, str, np.ndarray]],
) -> pl.Series:
    """Write each group's symbol; `groups` holds symbol, scope and members, each row in one of them."""
    written, members = [], []
    for symbol, scope, member in groups:
        at = np.flatnonzero(member)
        if len(at):
            written.append(grammar.write(symbol, facts[at], rng, scope).alias("written"))
            members.append(at)
    if not written:
        return pl.Series([], dtype=pl.String)
    return pl.concat(written).gather(np.argsort(np.concatenate(members)))
