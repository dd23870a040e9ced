"""What the corpus holds: balance, lengths, gaps, repeats and the words that give a class away.

Everything but the word statistics is aggregated over all rows by streamed queries, so memory hardly grows
with the corpus (about 60 MB per million rows, for the distinct articles and titles).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets import markdown
from fakenews_assets.data.schema import Label
from fakenews_assets.plotting import (
    CLASS_COLOURS,
    add_legend,
    add_legend_below,
    label_axes,
    new_figure,
    plain_label,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CLASS_NAMES = ("real", "fake", "unlabelled")
_LENGTH_BINS = 24
_BATCHES_SHOWN = 40
_PRIOR_WORDS = 500.0
_WORD_PATTERN = r"\p{L}[\p{L}\p{N}'’-]*[\p{L}\p{N}]"


class ProfileConfig(BaseModel):
    """How much of the corpus is looked at word by word, and how much is reported."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    word_rows: int = Field(
        default=200_000, ge=1, description="Word statistics use the titles of about this many rows at most."
    )
    top_words: int = Field(default=20, ge=1, description="Words reported per class.")
    largest_sources: int = Field(
        default=20, ge=1, description="Sources reported by name; the smaller ones are added up."
    )


class Balance(BaseModel):
    """How many articles of each class a group holds, and when they were published."""

    model_config = ConfigDict(frozen=True)

    name: str
    rows: int
    real: int
    fake: int
    unlabelled: int
    first_published: datetime | None
    last_published: datetime | None

    @property
    def fake_share(self) -> float | None:
        """Share of the labelled rows that are fake; None without labels."""
        labelled = self.real + self.fake
        return self.fake / labelled if labelled else None


class ClassLengths(BaseModel):
    """Lengths in words of one class: quantiles, and counts per bin of `Lengths.edges`."""

    model_config = ConfigDict(frozen=True)

    name: str
    rows: int
    p05: int
    p25: int
    median: int
    p75: int
    p95: int
    longest: int
    counts: tuple[int, ...]


class Lengths(BaseModel):
    """Lengths in words, by class. Bin i counts lengths from edge i up to edge i + 1 (not included); the
    last bin is open."""

    model_config = ConfigDict(frozen=True)

    edges: tuple[int, ...]
    classes: tuple[ClassLengths, ...]


class WordUse(BaseModel):
    """How much more one class uses a word than the other."""

    model_config = ConfigDict(frozen=True)

    word: str
    z: float = Field(description="Log-odds ratio over its standard error; positive means fake.")
    real: int = Field(description="Times the word occurs in real titles.")
    fake: int = Field(description="Times the word occurs in fake titles.")


class CorpusProfile(BaseModel):
    """The corpus in numbers."""

    model_config = ConfigDict(frozen=True)

    total: Balance
    batches: tuple[Balance, ...] = Field(description="In order of first publication, then of name.")
    sources: tuple[Balance, ...] = Field(description="Largest first; the smaller ones added up at the end.")
    source_count: int = Field(description="Distinct sources, including those added up.")
    without_text: int
    without_source: int
    without_date: int
    repeated_articles: int = Field(description="Rows whose article_id an earlier row has.")
    repeated_titles: int = Field(description="Rows whose title an earlier row has, letter by letter.")
    title_words: Lengths
    text_words: Lengths = Field(description="Of the rows that have a text.")
    word_rows: int = Field(description="Labelled titles behind the word statistics.")
    words_sampled: bool = Field(description="Whether those are a sample.")
    real_words: tuple[WordUse, ...]
    fake_words: tuple[WordUse, ...]


def profile_corpus(
    articles: pl.LazyFrame | pl.DataFrame, config: ProfileConfig | None = None
) -> CorpusProfile:
    """Profile a table of `ARTICLE_SCHEMA`.

    Above `word_rows` rows the words come from the articles whose ids are lowest. An id is a hash of the
    content, so this is a uniform sample, and the same one every time.

    Args:
        articles: the corpus; a lazy scan is streamed, a few times over.
        config: limits; the defaults when None.

    Raises:
        ValueError: the table has no rows.
    """
    config = config or ProfileConfig()
    table = articles.lazy().with_columns(
        kind=pl.when(pl.col("label") == Label.REAL)
        .then(pl.lit("real"))
        .when(pl.col("label") == Label.FAKE)
        .then(pl.lit("fake"))
        .otherwise(pl.lit("unlabelled"))
    )
    has_text = pl.col("text").fill_null("") != ""
    total = _streamed(
        table.select(
            *_BALANCE,
            without_text=(~has_text).sum(),
            without_source=pl.col("source").is_null().sum(),
            without_date=pl.col("published_at").is_null().sum(),
        )
    ).row(0, named=True)
    rows = total["rows"]
    if rows == 0:
        raise ValueError("The corpus has no articles; ingest a batch first.")
    batches = _streamed(table.group_by(name="batch").agg(_BALANCE))
    sources = _streamed(table.filter(pl.col("source").is_not_null()).group_by(name="source").agg(_BALANCE))
    titles = table.group_by("kind", words=_words("title")).agg(rows=pl.len())
    texts = table.filter(has_text).group_by("kind", words=_words("text")).agg(rows=pl.len())
    word_rows, uses = _word_uses(_word_sample(table, rows, config.word_rows))
    return CorpusProfile(
        total=_balance("all", total),
        batches=tuple(
            _balance(row["name"], row)
            for row in batches.sort("first_published", "name", nulls_last=True).iter_rows(named=True)
        ),
        sources=_largest(sources, config.largest_sources),
        source_count=sources.height,
        without_text=total["without_text"],
        without_source=total["without_source"],
        without_date=total["without_date"],
        repeated_articles=rows - _distinct(table, "article_id"),
        repeated_titles=rows - _distinct(table, "title"),
        title_words=_lengths(_streamed(titles)),
        text_words=_lengths(_streamed(texts)),
        word_rows=word_rows,
        words_sampled=rows > config.word_rows,
        real_words=_top(uses.with_columns(strength=-pl.col("z")), config.top_words),
        fake_words=_top(uses.with_columns(strength=pl.col("z")), config.top_words),
    )


def profile_plots(profile: CorpusProfile) -> dict[str, Figure]:
    """Draw the profile, by file name without suffix; a figure without anything to show is left out."""
    figures = {"batches": _batches_plot(profile.batches)}
    if profile.sources:
        figures["sources"] = _sources_plot(profile.sources)
    figures["lengths"] = _lengths_plot(profile.title_words, profile.text_words)
    if profile.real_words and profile.fake_words:
        figures["words"] = _words_plot(profile.real_words, profile.fake_words)
    return figures


def to_markdown(profile: CorpusProfile) -> str:
    """Report the profile as Markdown tables, without figures."""
    total = profile.total
    span = "unknown"
    if total.first_published and total.last_published:
        span = f"{total.first_published:%Y-%m-%d} to {total.last_published:%Y-%m-%d}"
    facts = [
        ("articles", f"{total.rows:,}"),
        ("fake, of those labelled", _share(total.fake_share)),
        ("unlabelled", _part(total.unlabelled, total.rows)),
        ("published", span),
        ("without text", _part(profile.without_text, total.rows)),
        ("without source", _part(profile.without_source, total.rows)),
        ("without date", _part(profile.without_date, total.rows)),
        ("repeated articles", _part(profile.repeated_articles, total.rows)),
        ("repeated titles", _part(profile.repeated_titles, total.rows)),
    ]
    parts = ["## Corpus", markdown.table(("fact", "value"), facts), "### Batches", _balances(profile.batches)]
    if profile.sources:
        parts += [f"### Sources ({profile.source_count:,})", _balances(profile.sources)]
    parts += ["### Words per title", _length_table(profile.title_words)]
    if profile.text_words.classes:
        parts += ["### Words per text", _length_table(profile.text_words)]
    if profile.real_words and profile.fake_words:
        basis = (
            f"a sample of {profile.word_rows:,}" if profile.words_sampled else f"all {profile.word_rows:,}"
        )
        parts += [
            "### Words that give a class away",
            f"From {basis} labelled titles, by z-score of the log-odds ratio "
            "(Monroe, Colaresi and Quinn 2008).",
            markdown.table(
                ("class", "words"),
                [
                    (name, ", ".join(f"{markdown.cell(one.word)} ({abs(one.z):.1f})" for one in words))
                    for name, words in (("real", profile.real_words), ("fake", profile.fake_words))
                ],
            ),
        ]
    return "\n\n".join(parts)


_BALANCE = (
    pl.len().alias("rows"),
    *((pl.col("kind") == name).sum().alias(name) for name in _CLASS_NAMES),
    pl.col("published_at").min().alias("first_published"),
    pl.col("published_at").max().alias("last_published"),
)


def _streamed(query: pl.LazyFrame) -> pl.DataFrame:
    # One query at a time: collected together, they would share one copy of the table, held in memory.
    return query.collect(engine="streaming")


def _distinct(table: pl.LazyFrame, column: str) -> int:
    # By 64-bit hash, and in a query of its own: beside other aggregates this one is not streamed.
    return _streamed(table.select(pl.col(column).hash().n_unique())).item()


def _words(column: str) -> pl.Expr:
    return pl.col(column).str.count_matches(r"\S+")


def _word_sample(table: pl.LazyFrame, rows: int, most: int) -> pl.LazyFrame:
    labelled = table.filter(pl.col("kind") != "unlabelled").select("title", "kind")
    if rows <= most:
        return labelled
    border = f"{int(most / rows * 16**8):08x}"
    return table.filter(pl.col("article_id") < border, pl.col("kind") != "unlabelled").select("title", "kind")


def _word_uses(labelled: pl.LazyFrame) -> tuple[int, pl.DataFrame]:
    """Weigh every word by its log-odds ratio with an informative Dirichlet prior.

    Monroe, Colaresi and Quinn, "Fightin' Words" (Political Analysis 16, 2008): each class's counts are
    added to a prior that uses words as both classes together do and is worth `_PRIOR_WORDS` words. The
    ratio of the two odds, over its standard error, is near 0 for words that are rare or common to both.

    Returns:
        The number of titles, and one row per word (`word`, `real`, `fake`, `z`); no row when a class is
        missing.
    """
    tokens = labelled.select(
        "kind", word=pl.col("title").str.to_lowercase().str.extract_all(_WORD_PATTERN)
    ).explode("word", empty_as_null=False)
    titles = _streamed(labelled.select(pl.len())).item()
    counted = _streamed(
        tokens.group_by("word").agg(
            real=(pl.col("kind") == "real").sum(), fake=(pl.col("kind") == "fake").sum()
        )
    )
    real = counted["real"].to_numpy().astype(np.float64)
    fake = counted["fake"].to_numpy().astype(np.float64)
    if not (real.any() and fake.any()):
        return titles, counted.clear().with_columns(z=pl.lit(0.0))
    prior = _PRIOR_WORDS * (real + fake) / (real.sum() + fake.sum())
    real_odds, fake_odds = (
        (counts + prior) / (counts.sum() + _PRIOR_WORDS - counts - prior) for counts in (real, fake)
    )
    deviation = np.sqrt(1 / (real + prior) + 1 / (fake + prior))
    return titles, counted.with_columns(z=(np.log(fake_odds) - np.log(real_odds)) / deviation)


def _top(uses: pl.DataFrame, count: int) -> tuple[WordUse, ...]:
    ranked = uses.filter(pl.col("strength") > 0).sort(["strength", "word"], descending=[True, False])
    rows = ranked.head(count).select("word", "z", "real", "fake").iter_rows(named=True)
    return tuple(WordUse(**row) for row in rows)


def _balance(name: str, row: dict[str, Any]) -> Balance:
    return Balance(name=name, **{key: row[key] for key in Balance.model_fields if key != "name"})


def _largest(sources: pl.DataFrame, count: int) -> tuple[Balance, ...]:
    ranked = sources.sort(["rows", "name"], descending=[True, False])
    named = [_balance(row["name"], row) for row in ranked.head(count).iter_rows(named=True)]
    rest = ranked.slice(count)
    if rest.height:
        summed = rest.select(
            pl.col("rows", *_CLASS_NAMES).sum(),
            pl.col("first_published").min(),
            pl.col("last_published").max(),
        )
        named.append(_balance(f"{rest.height} smaller sources", summed.row(0, named=True)))
    return tuple(named)


def _lengths(counted: pl.DataFrame) -> Lengths:
    """Summarise a table of (kind, words, rows): exact, and small however long the corpus is."""
    if counted.is_empty():
        return Lengths(edges=(), classes=())
    everything = counted.group_by("words").agg(pl.col("rows").sum()).sort("words")
    # The longest hundredth goes to the open bin, so that a few giants do not flatten the rest.
    reach = _quantile(everything, 0.99)
    step = max(1, -(-reach // (_LENGTH_BINS - 1)))
    edges = tuple(range(0, step * _LENGTH_BINS, step))
    classes = []
    for name in _CLASS_NAMES:
        own = counted.filter(pl.col("kind") == name).sort("words")
        if own.is_empty():
            continue
        bins = (own["words"].to_numpy() // step).clip(max=_LENGTH_BINS - 1)
        counts = np.bincount(bins.astype(np.int64), weights=own["rows"].to_numpy(), minlength=_LENGTH_BINS)
        classes.append(
            ClassLengths(
                name=name,
                rows=int(own["rows"].sum()),
                p05=_quantile(own, 0.05),
                p25=_quantile(own, 0.25),
                median=_quantile(own, 0.5),
                p75=_quantile(own, 0.75),
                p95=_quantile(own, 0.95),
                longest=own["words"][-1],
                counts=tuple(int(count) for count in counts),
            )
        )
    return Lengths(edges=edges, classes=tuple(classes))


def _quantile(counted: pl.DataFrame, share: float) -> int:
    """Return the smallest length that at least a share of the rows do not exceed."""
    reached = counted["rows"].cum_sum().to_numpy()
    return int(counted["words"][int(np.searchsorted(reached, share * reached[-1], side="left"))])


def _stack(axis: Axes, groups: Sequence[Balance]) -> None:
    """Draw one horizontal bar per group, divided by class, with the fake share at its end."""
    start = np.zeros(len(groups))
    for kind in _CLASS_NAMES:
        counts = np.array([getattr(one, kind) for one in groups])
        if counts.any():
            axis.barh(range(len(groups)), counts, left=start, color=CLASS_COLOURS[kind], label=kind)
        start += counts
    for place, one in enumerate(groups):
        axis.text(one.rows, place, f" {_share(one.fake_share)}", va="center", fontsize=8)
    axis.set_yticks(range(len(groups)), [plain_label(one.name) for one in groups])
    axis.invert_yaxis()
    axis.margins(x=0.12)
    axis.grid(False, axis="y")
    axis.xaxis.set_major_formatter("{x:,.0f}")


def _sources_plot(sources: Sequence[Balance]) -> Figure:
    figure, (axis,) = new_figure(6.8, 1.2 + 0.28 * max(len(sources), 3))
    _stack(axis, sources)
    add_legend_below(figure)
    label_axes(axis, title="Articles per source, with the share that is fake", x="articles")
    return figure


def _batches_plot(batches: Sequence[Balance]) -> Figure:
    shown = batches[-_BATCHES_SHOWN:]
    title = "Articles per batch, with the share that is fake"
    if len(shown) < len(batches):
        title += f" (the latest {len(shown)} of {len(batches)})"
    figure, (axis,) = new_figure(6.8, 1.2 + 0.28 * max(len(shown), 3))
    _stack(axis, shown)
    add_legend_below(figure)
    label_axes(axis, title=title, x="articles")
    return figure


def _lengths_plot(titles: Lengths, texts: Lengths) -> Figure:
    parts = [(name, one) for name, one in (("title", titles), ("text", texts)) if one.classes]
    figure, axes = new_figure(4.4 * len(parts), 3.4, columns=len(parts))
    for axis, (part, lengths) in zip(axes, parts, strict=True):
        step = lengths.edges[1]
        borders = [*lengths.edges, lengths.edges[-1] + step]
        for one in lengths.classes:
            shares = np.array(one.counts) / one.rows
            dashes = {"real": "-", "fake": "--", "unlabelled": ":"}[one.name]
            axis.stairs(
                shares,
                borders,
                color=CLASS_COLOURS[one.name],
                linestyle=dashes,
                linewidth=1.7,
                label=f"{one.name}, median {one.median:,}",
            )
        axis.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axis.set_ylim(bottom=0)
        label_axes(
            axis,
            title=f"Words per {part}",
            x=f"words (the last bin: {lengths.edges[-1]:,} or more)",
            y="share of the class",
        )
        add_legend(axis, location="upper right")
    return figure


def _words_plot(real: Sequence[WordUse], fake: Sequence[WordUse]) -> Figure:
    figure, axes = new_figure(6.8, 1.2 + 0.22 * max(len(real), len(fake)), columns=2)
    for axis, kind, words in zip(axes, ("real", "fake"), (real, fake), strict=True):
        axis.barh(range(len(words)), [abs(one.z) for one in words], color=CLASS_COLOURS[kind])
        axis.set_yticks(range(len(words)), [plain_label(one.word) for one in words])
        axis.invert_yaxis()
        axis.margins(y=0.02)
        axis.grid(False, axis="y")
        label_axes(axis, title=f"Title words of {kind} news", x="z-score of the log-odds ratio")
    return figure


def _balances(groups: Iterable[Balance]) -> str:
    return markdown.table(
        ("name", "articles", "real", "fake", "unlabelled", "fake share"),
        [
            (
                markdown.cell(one.name),
                f"{one.rows:,}",
                f"{one.real:,}",
                f"{one.fake:,}",
                f"{one.unlabelled:,}",
                _share(one.fake_share),
            )
            for one in groups
        ],
    )


def _length_table(lengths: Lengths) -> str:
    return markdown.table(
        ("class", "articles", "5 %", "25 %", "median", "75 %", "95 %", "longest"),
        [
            (
                one.name,
                *(f"{n:,}" for n in (one.rows, one.p05, one.p25, one.median, one.p75, one.p95, one.longest)),
            )
            for one in lengths.classes
        ],
    )


def _share(value: float | None) -> str:
    return "no labels" if value is None else f"{value:.1%}"


def _part(count: int, rows: int) -> str:
    return f"{count:,} ({count / rows:.1%})"
