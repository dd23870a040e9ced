"""Cleaning: validate and normalise raw rows, and quarantine the others with a reason.

A batch is processed in chunks, so memory does not grow with the file.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.common import progress
from fakenews_assets.data.cleaning.parsing import parse_rows
from fakenews_assets.data.cleaning.quarantine import kinds_of_rejects
from fakenews_assets.data.cleaning.summary import CleaningSummary, Tally
from fakenews_assets.data.fields.columns import RawChunk
from fakenews_assets.data.fields.labels import question
from fakenews_assets.data.fields.mapping import BatchMapping
from fakenews_assets.data.ratings.labelling import PublisherLabels
from fakenews_assets.data.receiving.raw_files import read_files
from fakenews_assets.data.schema import ARTICLE_SCHEMA, QUARANTINE_SCHEMA, Reason, article_id
from fakenews_assets.data.text.preparation import ROUNDS, TextPreparation
from fakenews_resources.engine.in_process import OrderedMap, in_process

_RECORD_CHARACTERS: Final = 500
_DATE_CHARACTERS: Final = 40
_LONG_TITLE: Final = "title longer than"
_HEADER_NAMES: Final = "columns than the header names"


class CleaningLimits(BaseModel):
    """Limits beyond which a row or the whole batch is rejected."""

    model_config = ConfigDict(frozen=True)

    max_title_chars: int = Field(default=1_000, gt=0, description="A longer title goes to quarantine.")
    max_text_chars: int = Field(default=200_000, gt=0, description="A longer text goes to quarantine.")
    max_reject_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="A batch with a larger share of rejected rows fails as a whole. Rows without a title do not count.",
    )
    max_untitled_share: float = Field(
        default=0.5, ge=0, le=1, description="A batch with a larger share of rows without a title fails too."
    )


class BatchRejected(ValueError):
    """Too many rows of a batch are invalid, or all. Nothing is stored."""

    def __init__(self, message: str, commonest: list[tuple[str, int]], examples: pl.DataFrame) -> None:
        super().__init__(message)
        self.commonest = commonest
        self.examples = examples


def clean_batch(
    raw: Sequence[Path],
    batch: str,
    folder: Path,
    *,
    preparation: TextPreparation,
    limits: CleaningLimits,
    mapping: BatchMapping | None = None,
    labels: PublisherLabels | None = None,
    erased: Collection[str] = (),
    over: OrderedMap = in_process,
) -> CleaningSummary:
    """Clean the received files of a batch into Parquet parts.

    Args:
        raw: the files as received.
        batch: written into every row.
        folder: receives `articles-NNNN.parquet` (ARTICLE_SCHEMA), `quarantine.parquet`
            (QUARANTINE_SCHEMA) and `prepare.json` (the text preparation that was applied).
        mapping: what was given for the batch.
        labels: labels by the publisher's rating, if the batch gets them.
        erased: ids of erased articles; their rows go to quarantine without content.
        over: maps chunks to cleaned chunks; the file is read in this process.

    Raises:
        UnreadableFile: a file as a whole cannot be read.
        BatchRejected: more of its rows are invalid than `limits` allow, or all.
    """
    tally = Tally()
    rejects: list[pl.DataFrame] = []
    mapping = mapping or BatchMapping()
    # Each worker process makes itself the function of a chunk.
    worker = partial(partial, _clean_chunk, batch, preparation, limits, mapping, labels, frozenset(erased))
    for number, cleaned in enumerate(over(worker, read_files(raw, mapping))):
        cleaned.articles.write_parquet(folder / f"articles-{number:04d}.parquet")
        rejects.append(cleaned.rejects)
        tally.add(cleaned.tally)
        progress.advance(cleaned.tally.rows_in)
    quarantine = pl.concat([QUARANTINE_SCHEMA.to_frame(), *rejects]).sort("row")
    _refuse_if_unclear(batch, tally, quarantine, limits)
    _refuse_if_bad(batch, tally, quarantine, limits)
    quarantine.write_parquet(folder / "quarantine.parquet")
    (folder / "prepare.json").write_text(preparation.model_dump_json(indent=2), encoding="utf-8")
    ids = (
        pl.scan_parquet(folder / "articles-*.parquet")
        .select(pl.col("article_id").n_unique())
        .collect()
        .item()
    )
    return tally.summary(quarantine, mapping, repeated=tally.rows_out - ids)


@dataclass(frozen=True)
class _CleanChunk:
    articles: pl.DataFrame
    rejects: pl.DataFrame
    tally: Tally


def _clean_chunk(
    batch: str,
    preparation: TextPreparation,
    limits: CleaningLimits,
    mapping: BatchMapping,
    labels: PublisherLabels | None,
    erased: Collection[str],
    chunk: RawChunk,
) -> _CleanChunk:
    tally = Tally()
    rows = parse_rows(chunk.rows, mapping, labels)
    # Long fields go first: no pattern should have to look through twenty megabytes.
    long_title, long_text = pl.col("title").str.len_chars(), pl.col("text").str.len_chars()
    too_long = (long_title > limits.max_title_chars) | (long_text > limits.max_text_chars)
    bad_label = pl.col("unclear")
    tally.words.update(_commonest(rows["label_found"]))
    # A row that is refused for its label would be quoted.
    refused = rows.filter(bad_label, ~too_long.fill_null(False)) if erased else rows.clear()
    mute = refused["row"].filter(_article_ids(preparation.apply(refused)).is_in(list(erased)))
    rows, rejects = _sift(
        rows,
        {
            Reason.ERASED: (pl.col("row").is_in(mute.implode()), pl.lit("")),
            Reason.FIELD_TOO_LONG: (
                too_long,
                pl.when(long_title > limits.max_title_chars)
                .then(pl.lit(f"{_LONG_TITLE} {limits.max_title_chars:,} characters"))
                .otherwise(pl.lit(f"text longer than {limits.max_text_chars:,} characters")),
            ),
            Reason.LABEL_OUT_OF_RANGE: (
                bad_label,
                pl.format("{} says neither real nor fake", pl.col("label_found").str.head(40)),
            ),
        },
    )
    tally.detector.observe(rows, rows["label"])
    rows, counts, nested = preparation.apply_counting(rows.with_columns(untitled=pl.col("title").is_null()))
    rows = rows.with_columns(article_id=_article_ids(rows), nested=nested)
    rows, unusable = _sift(
        rows,
        {
            Reason.EMPTY_TITLE: (
                pl.col("title") == "",
                pl.when("untitled")
                .then(pl.lit("empty, or a word for a missing value"))
                .otherwise(pl.lit("nothing left after cleaning")),
            ),
            Reason.ERASED: (pl.col("article_id").is_in(list(erased)), pl.lit("")),
            Reason.NESTED: (
                pl.col("nested"),
                pl.lit(f"markup or boilerplate in more than {ROUNDS} layers: send the bare text"),
            ),
        },
    )
    articles = rows.with_columns(batch=pl.lit(batch)).select(ARTICLE_SCHEMA.names())

    all_rejects = pl.concat([chunk.rejects, *rejects, *unusable])
    if chunk.file:  # in which the lines are counted
        all_rejects = all_rejects.with_columns(detail=pl.format("{}: {}", pl.lit(chunk.file), "detail"))
    tally.rows_in = len(articles) + len(all_rejects)
    tally.lines_in = chunk.lines
    tally.rows_out = len(articles)
    tally.labels.update(dict(articles.group_by("label").len().rows()))
    tally.boilerplate.update(counts)
    tally.rated = int(rows["rated"].sum())
    tally.missing_text = int((articles["text"] == "").sum())
    tally.undated = articles["published_at"].null_count()
    unread = rows.filter(pl.col("published_at").is_null())["date_found"].drop_nulls()
    tally.unread_dates = len(unread)
    tally.unread_date = unread[0][:_DATE_CHARACTERS] if len(unread) else ""
    return _CleanChunk(articles, all_rejects, tally)


def _commonest(words: pl.Series) -> dict[str, int]:
    # A column of texts that was taken for labels must not fill the memory.
    return dict(words.drop_nulls().str.head(100).value_counts(sort=True).head(50).iter_rows())


def _sift(
    rows: pl.DataFrame, refusals: dict[Reason, tuple[pl.Expr, pl.Expr]]
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Separate rejected rows from the rest. A row's reason is the first that applies."""
    rejects = []
    for reason, (condition, detail) in refusals.items():
        bad = rows.select(condition.fill_null(False)).to_series()
        if bad.any():
            record = pl.concat_str(
                *(pl.col(name).str.head(_RECORD_CHARACTERS) for name in ("title", "text")),
                separator=" | ",
                ignore_nulls=True,
            ).str.head(_RECORD_CHARACTERS)
            if reason == Reason.ERASED:
                record = pl.lit("")
            rejects.append(
                rows.filter(bad).select(
                    "row",
                    "line",
                    reason=pl.lit(str(reason)),
                    detail=detail,
                    lines=pl.lit(1, pl.Int64),
                    record=record,
                )
            )
            rows = rows.filter(~bad)
    return rows, rejects


def _article_ids(rows: pl.DataFrame) -> pl.Series:
    return pl.Series(map(article_id, rows["title"], rows["text"]), dtype=pl.String)


def _refuse_if_unclear(batch: str, tally: Tally, quarantine: pl.DataFrame, limits: CleaningLimits) -> None:
    unclear = quarantine.filter(pl.col("reason") == Reason.LABEL_OUT_OF_RANGE)
    if len(unclear) > limits.max_reject_share * tally.rows_in:
        raise BatchRejected(
            f"Batch {batch!r}: {question(tally.words)}", tally.words.most_common(10), unclear.head(20)
        )


def _refuse_if_bad(batch: str, tally: Tally, quarantine: pl.DataFrame, limits: CleaningLimits) -> None:
    # An erased article says nothing about the file, and a missing title little: many files lack some.
    bad = quarantine.filter(~pl.col("reason").is_in([Reason.ERASED, Reason.EMPTY_TITLE]))
    # An unreadable record may have swallowed others, so its lines count too.
    unreadable = bad.filter(pl.col("reason") == Reason.UNREADABLE_ROW)["lines"].sum()
    share = max(len(bad) / max(tally.rows_in, 1), unreadable / max(tally.lines_in, 1))
    untitled = (quarantine["reason"] == Reason.EMPTY_TITLE).sum() / max(tally.rows_in, 1)
    if share > limits.max_reject_share or (len(quarantine) == tally.rows_in and untitled < 1):
        most = f"{share:.1%} of the file; at most {limits.max_reject_share:.1%} may be"
        remedy = f"{_mend(bad, tally.rows_in)} the file and ingest it again, or raise `max_reject_share` of clean_news in the UI"
    elif untitled > limits.max_untitled_share or untitled == 1:
        most = f"{untitled:.1%} have no title; at most {limits.max_untitled_share:.1%} may lack it"
        remedy = (
            "Name the column that holds the headlines (--column title=NAME), make titles of the first words of the texts"
            " (--title-words 12), or raise `max_untitled_share` of clean_news in the UI"
        )
    else:
        return
    kinds = kinds_of_rejects(quarantine)
    raise BatchRejected(
        f"Batch {batch!r}: {len(quarantine):,} of {tally.rows_in:,} rows cannot be used ({most}). {remedy}. Rejected: "
        + "; ".join(f"{count:,} {kind}" for kind, count in kinds),
        kinds,
        quarantine.head(20),
    )


def _mend(bad: pl.DataFrame, rows: int) -> str:
    """The beginning of a remedy, which says more if no row fits the header, or most titles are as long as texts."""
    if bad["detail"].str.contains(_HEADER_NAMES, literal=True).sum() == rows:
        return (
            "No row has as many columns as the header names. If you gave it, name each column (--header NAME,NAME,...), or"
            ' drop it (--header ""). Else fix'
        )
    if 2 * bad["detail"].str.contains(_LONG_TITLE, literal=True).sum() <= len(bad):
        return "Fix"
    return (
        "Most titles are as long as texts. If they are texts, say so, and make titles of their first words: --column title="
        " --column text=NAME --title-words 12. Else fix"
    )
