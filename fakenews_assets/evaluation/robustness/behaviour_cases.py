"""Cases of the behavioural tests: articles before and after a change."""

import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import numpy as np
import polars as pl

from fakenews_assets.data.text.names import Names
from fakenews_assets.evaluation.robustness.settings import BehaviourName
from fakenews_assets.models.classifier import Article

LONG_BODY_WORDS: Final = 20_000

_LONG_BODIES: Final = 3
_CURLED: Final = ((re.compile(r'(^|[\s(\[])"'), r"\1“"), (re.compile('"'), "”"), (re.compile("'"), "’"))
_AUXILIARY: Final = re.compile(
    r"\b(is|are|was|were|will|would|can|could|should|has|have|had|did|does|do)\b(?! not)", re.I
)
_SWAPPABLE: Final = re.compile(r"[^\W\d_]{4,}")


@dataclass(frozen=True, slots=True)
class Case:
    """One article, and how it was before the change or which label it has."""

    after: Article
    before: Article | None = None
    label: int | None = None


@dataclass(frozen=True)
class Material:
    """Inputs for making cases."""

    articles: list[Article]
    """Test articles, prepared as the training rows were."""
    names: Names
    """Of the training rows."""
    reads_words: int | None
    """Most words of a body that the model reads; None: all."""
    seed: int = 0

    def rng(self) -> np.random.Generator:
        """A source of chance; each test has its own, so that none depends on another."""
        return np.random.default_rng(self.seed)


def templates() -> dict[str, Any]:
    """The phrases that the tests insert (`behaviour.toml`)."""
    return tomllib.loads(
        (files("fakenews_assets.evaluation.robustness") / "behaviour.toml").read_text(encoding="utf-8")
    )


def cases_of(name: BehaviourName, material: Material) -> list[Case]:
    """The cases of one test; none where no article allows the change."""
    return list(_BUILDERS[name](material))


def _plain_titles(_: Material) -> Iterable[Case]:
    words = templates()
    for label, titles in enumerate((words["plain_real"], words["plain_fake"])):
        yield from (Case(Article(title), label=label) for title in titles)


def _typos(material: Material) -> Iterable[Case]:
    rng = material.rng()
    for article in material.articles:
        title = article.title
        words = list(_SWAPPABLE.finditer(title))
        for word in rng.permutation(len(words))[: rng.integers(1, 3)]:
            # Not the first letter: who types that wrongly notices.
            at = words[word].start() + int(rng.integers(1, len(words[word].group()) - 1))
            title = title[:at] + title[at + 1] + title[at] + title[at + 2 :]
        yield from _changed(article, Article(title, article.text))


def _casing(material: Material) -> Iterable[Case]:
    ways: tuple[Callable[[str], str], ...] = (str.lower, str.upper, _title_case)
    for at, article in enumerate(material.articles):
        yield from _changed(article, Article(ways[at % len(ways)](article.title), article.text))


def _quote_style(material: Material) -> Iterable[Case]:
    for article in [*(Article(title) for title in templates()["quoted"]), *material.articles]:
        yield from _changed(article, Article(_curled(article.title), _curled(article.text)))


def _dateline(material: Material) -> Iterable[Case]:
    for article in material.articles:
        text = f"WASHINGTON (Reuters) - {article.text}" if article.text else ""
        yield Case(Article(f"{article.title} - The New York Times", text), article)


def _swapped_names(material: Material) -> Iterable[Case]:
    titles = pl.Series("title", [article.title for article in material.articles], dtype=pl.String)
    for article, title in zip(material.articles, material.names.swap(titles, material.seed), strict=True):
        yield from _changed(article, Article(title, article.text))


def _negation(material: Material) -> Iterable[Case]:
    for claim, denial in templates()["negations"]:
        yield Case(Article(denial), Article(claim))
    for article in material.articles:
        denied = _AUXILIARY.sub(lambda found: f"{found.group()} not", article.title, count=1)
        yield from _changed(article, Article(denied, article.text))


def _sensational_prefix(material: Material) -> Iterable[Case]:
    openings = templates()["sensational"]
    for at, article in enumerate(material.articles):
        yield Case(Article(openings[at % len(openings)] + article.title, article.text), article)


def _sober_attribution(material: Material) -> Iterable[Case]:
    endings = templates()["attributions"]
    for at, article in enumerate(material.articles):
        yield Case(Article(article.title + endings[at % len(endings)], article.text), article)


def _no_body(material: Material) -> Iterable[Case]:
    blanks = (" ", "\n\n", "\t \u200b", "\u00a0")
    for at, article in enumerate(material.articles):
        yield Case(Article(article.title, blanks[at % len(blanks)]), Article(article.title))


def _long_body(material: Material) -> Iterable[Case]:
    sentences = templates()["body"]
    for at, article in enumerate(material.articles[:_LONG_BODIES]):
        turned = " ".join(sentences[at:] + sentences[:at]).split()
        words = (turned * (LONG_BODY_WORDS // len(turned) + 1))[:LONG_BODY_WORDS]
        body = " ".join(words[: material.reads_words])
        yield Case(Article(article.title, " ".join(words)), Article(article.title, body))


def _other_language(_: Material) -> Iterable[Case]:
    return [Case(Article(title)) for title in templates()["foreign"]]


def _gibberish(_: Material) -> Iterable[Case]:
    return [Case(Article(title)) for title in templates()["gibberish"]]


_BUILDERS: Final[dict[BehaviourName, Callable[[Material], Iterable[Case]]]] = {
    "plain_titles": _plain_titles,
    "typos": _typos,
    "casing": _casing,
    "quote_style": _quote_style,
    "dateline": _dateline,
    "swapped_names": _swapped_names,
    "negation": _negation,
    "sensational_prefix": _sensational_prefix,
    "sober_attribution": _sober_attribution,
    "no_body": _no_body,
    "long_body": _long_body,
    "other_language": _other_language,
    "gibberish": _gibberish,
}


def _changed(before: Article, after: Article) -> list[Case]:
    return [] if after == before else [Case(after, before)]


def _title_case(title: str) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in title.split(" "))


def _curled(line: str) -> str:
    for straight, curly in _CURLED:
        line = straight.sub(curly, line)
    return line.replace(" - ", " – ")
