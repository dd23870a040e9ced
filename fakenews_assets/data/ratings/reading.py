"""Reads tables of publishers' quality ratings: one rating from 0 (worst) to 1 for each publisher."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.data.fields.columns import COLUMNS, plain_name
from fakenews_assets.data.fields.sources import normalise_sources
from fakenews_assets.data.readers.parquet import PARQUET_MAGIC
from fakenews_resources.landing import Landing
from fakenews_resources.news.base import Received
from fakenews_resources.project import project_path
from fakenews_resources.storage.artifact import Artifact

_SOURCES: Final = (*COLUMNS["source"], *COLUMNS["url"])
_RATINGS: Final = ("rating", "score", "pc1", "quality")
_DELIMITERS: Final = (",", ";", "\t")
_DECIMAL_COMMA: Final = r"^(\d*),(\d+)$"
_PAGE: Final = r"^\s*(?:[A-Za-z][A-Za-z0-9+.-]*:)?(?://)?[^/\s]+\.[^/\s]+/[^/?#\s]"
"""An address with a path, such as a channel of a social network: its rating is not the host's."""

RECEIVED_FOLDER: Final = "received"
TABLE: Final = "ratings"
REPORT_FILE: Final = "report.json"


class RatingsSettings(BaseModel):
    """Settings of `source_ratings`: where the ratings come from, and how they are read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str = Field(
        default="",
        description=(
            "A CSV or Parquet file, a folder of such files, an https:// or gs:// address, or a prefix of a bucket that"
            " ends in `/`. Empty: where the ratings came from before."
        ),
    )
    source_column: str = Field(
        default="", description=f"Column of the publisher. Empty: the first of {', '.join(_SOURCES)}."
    )
    rating_column: str = Field(
        default="", description=f"Column of the rating. Empty: the first of {', '.join(_RATINGS)}."
    )
    max_unusable_share: float = Field(
        default=0.1, ge=0, le=1, description="A table with a larger share of unusable rows is refused."
    )


class RatingsReport(BaseModel):
    """What became of the rows of the files."""

    model_config = ConfigDict(frozen=True)

    columns: tuple[str, str] = Field(
        description="The columns of the publisher and of the rating in the first file."
    )
    rows: int
    publishers: int
    unusable: dict[str, int] = Field(description="Rows left out, by reason.")
    repeated: int = Field(description="Usable rows that repeat a publisher.")
    contradicted: tuple[str, ...] = Field(
        description="Publishers with several different ratings, of which the mean counts."
    )


class RatingsRefused(ValueError):
    """The files are no table of ratings; the message says why."""


@dataclass(frozen=True)
class Ratings:
    """Columns `source` (as `normalise_source` names it) and `rating`, one row for each publisher, in order of name."""

    table: pl.DataFrame
    report: RatingsReport


def store_ratings(
    receive: Callable[[str, Path], Received], uri: str, folder: Path, work: Path, settings: RatingsSettings
) -> dict[str, Any]:
    """Receive the files of a table of ratings and read them.

    Args:
        receive: fetches what is behind an address into a folder.
        uri: as in `settings`, not empty.
        folder: receives the files, the table and the report.
        work: for files that a later call may use again.
        settings: how they are read.

    Returns:
        The manifest.

    Raises:
        SourceError: a file could not be fetched.
        RatingsRefused: they are no table of ratings.
    """
    files = [receive(address, folder / RECEIVED_FOLDER) for address in _addresses(uri, work)]
    ratings = read_ratings([file.path for file in files], settings)
    ratings.table.write_parquet(folder / f"{TABLE}.parquet")
    (folder / REPORT_FILE).write_text(ratings.report.model_dump_json(indent=2), encoding="utf-8")
    return {
        "uri": uri,
        "received_at": datetime.now(UTC).isoformat(),
        "files": [
            {"file": file.path.name, "uri": file.uri, "sha256": file.sha256, "bytes": file.size_bytes}
            for file in files
        ],
    }


def received_files(ratings: Artifact) -> list[Path]:
    """The files of a stored table, in the order in which they were read."""
    return [ratings.path / RECEIVED_FOLDER / one["file"] for one in ratings.meta["files"]]


def with_ratings(articles: pl.DataFrame, ratings: Artifact | None) -> pl.DataFrame:
    """The articles with the `rating` of their `source`, null where there is none; as they are without ratings."""
    return articles if ratings is None else join_ratings(articles, ratings.scan(TABLE).collect())


def join_ratings(articles: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    """The articles with the `rating` of their `source` in a table of `Ratings`, null where there is none."""
    return articles.join(table, on="source", how="left", maintain_order="left")


def read_ratings(files: Sequence[Path], settings: RatingsSettings) -> Ratings:
    """Read and merge tables of ratings. Raises RatingsRefused."""
    tables = [_table(file, settings) for file in files]
    columns = (tables[0].columns[0], tables[0].columns[1])
    rows = pl.concat(
        [table.rename(dict(zip(table.columns, ("written", "rating"), strict=True))) for table in tables]
    )
    rows = rows.with_columns(
        source=normalise_sources(rows["written"]), rating=pl.col("rating").cast(pl.Float64, strict=False)
    )
    rating = pl.col("rating")
    rows = rows.with_columns(
        reason=pl.when(pl.col("source").is_null())
        .then(pl.lit("no publisher"))
        .when(pl.col("written").str.contains(_PAGE))
        .then(pl.lit("a page, not a publisher"))
        .when(rating.is_null() | rating.is_nan())
        .then(pl.lit("no number"))
        .when(~rating.is_between(0, 1))
        .then(pl.lit("outside 0 to 1"))
    )
    usable = rows.filter(pl.col("reason").is_null()).sort("source", "rating")
    table = usable.group_by("source", maintain_order=True).agg(rating.mean(), unlike=rating.n_unique() > 1)
    report = RatingsReport(
        columns=columns,
        rows=rows.height,
        publishers=table.height,
        unusable=dict(rows["reason"].drop_nulls().value_counts().sort("reason").iter_rows()),
        repeated=usable.height - table.height,
        contradicted=tuple(table.filter("unlike")["source"]),
    )
    _refuse_if_unusable(report, settings)
    return Ratings(table.drop("unlike"), report)


def _addresses(uri: str, work: Path) -> list[str]:
    """The files of a folder or prefix, by name; any other address is one file."""
    if not (uri.endswith("/") if uri.startswith("gs://") else project_path(uri).is_dir()):
        return [uri]
    files = Landing(root=uri, settle_seconds=0).look(work).files
    if not files:
        raise RatingsRefused(f"{uri} holds no CSV or Parquet file")
    return [file.uri for file in sorted(files, key=lambda file: file.name)]


def _table(path: Path, settings: RatingsSettings) -> pl.DataFrame:
    """The columns of the publisher and of the rating of a file, as text."""
    try:
        table = _read(path)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise RatingsRefused(f"{path.name} is not a CSV or Parquet file ({error})") from error
    written = _column(path, table, settings.source_column, _SOURCES, "source_column")
    rating = _column(path, table, settings.rating_column, _RATINGS, "rating_column")
    return table.select(
        pl.col(written).cast(pl.String),
        pl.col(rating).cast(pl.String).str.strip_chars().str.replace(_DECIMAL_COMMA, "$1.$2"),
    )


def _read(path: Path) -> pl.DataFrame:
    with path.open("rb") as file:
        if file.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC:
            return pl.read_parquet(path)
    # By the header alone: a decimal comma would end a field of a row.
    separator = max(_DELIMITERS, key=lambda one: pl.read_csv(path, n_rows=0, separator=one).width)
    return pl.read_csv(path, infer_schema=False, separator=separator)


def _column(path: Path, table: pl.DataFrame, asked: str, usual: Sequence[str], setting: str) -> str:
    names = {plain_name(name): name for name in reversed(table.columns)}
    wanted = [plain_name(asked)] if asked else usual
    found = next((names[one] for one in wanted if one in names), None)
    if found is None:
        raise RatingsRefused(
            f"{path.name} has no column {' or '.join(wanted[:4])}; columns found: {', '.join(table.columns[:20])}."
            f" Name one with --{setting.replace('_', '-')} (`{setting}` in the Launchpad)"
        )
    return found


def _refuse_if_unusable(report: RatingsReport, settings: RatingsSettings) -> None:
    unusable = sum(report.unusable.values())
    if report.publishers and unusable <= settings.max_unusable_share * report.rows:
        return
    reasons = "; ".join(f"{reason} ({rows})" for reason, rows in report.unusable.items()) or "no rows"
    raise RatingsRefused(
        f"{unusable} of {report.rows} rows cannot be used: {reasons}. Ratings are numbers from 0 to 1 for domains;"
        " rescale others, or allow more such rows with --max-unusable-share (`max_unusable_share` in the Launchpad)"
    )
