"""Reads the values of raw rows: labels, dates, publishers, and labels that follow from ratings."""

from typing import Final

import polars as pl

from fakenews_assets.data.ratings.labelling import PublisherLabels
from fakenews_assets.data.schema import Label
from fakenews_assets.data.sources import normalise_sources

_LABELS: Final = {
    "0": Label.REAL,
    "1": Label.FAKE,
    "real": Label.REAL,
    "fake": Label.FAKE,
}
"""Accepted label values. Words such as "true" are rejected, because files disagree on their meaning."""

_ISO_8601: Final = (
    r"(?i)^(?<date>\d{4}-\d{1,2}-\d{1,2})"
    r"(?:(?:T|\s+)(?<minute>\d{1,2}:\d{1,2})(?::(?<second>\d{1,2})(?:[.,](?<fraction>\d+))?)?"
    r"\s*(?:(?<offset>[+-]\d{2}(?::?\d{2})?)|Z|UTC|GMT)?)?$"
)
"""A date with optional time, fraction and offset, as databases, pandas and Parquet write it."""

_OTHER_DATES: Final = ("%B %d, %Y", "%b %d, %Y", "%d-%b-%y")


def parse_rows(rows: pl.DataFrame, source: str | None, labels: PublisherLabels | None) -> pl.DataFrame:
    """Parse all columns but title and text.

    Args:
        rows: RAW_SCHEMA.
        source: canonical name of the publisher of rows that name none.
        labels: labels by the publisher's rating, if the batch gets them.

    Returns:
        The rows with `label` (0, 1 or null), `source`, `group` and `published_at` as in ARTICLE_SCHEMA, and with
        `label_found` (the label as written) and `rated` (whether a rating gave it).
    """
    rows = rows.with_columns(
        label_found=pl.col("label").str.strip_chars(),
        label=_parsed_label(),
        source=_publishers(rows, source),
        group=pl.col("group").str.strip_chars().str.to_lowercase(),
        published_at=_parsed_date(),
    )
    return _with_ratings(rows, labels)


def _parsed_label() -> pl.Expr:
    found = pl.col("label").str.strip_chars().str.to_lowercase()
    return found.replace_strict(
        {word: int(label) for word, label in _LABELS.items()}, default=None, return_dtype=pl.Int8
    )


def _parsed_date() -> pl.Expr:
    """Parse a date as a time in UTC. The default offset is UTC, the default time of day midnight."""
    found = pl.col("published_at").str.strip_chars()
    parts = found.str.extract_groups(_ISO_8601).struct
    iso = pl.format(
        "{}T{}:{}.{}{}",
        parts.field("date"),  # null, and with it the whole, where the value is not ISO 8601
        parts.field("minute").fill_null("00:00"),
        parts.field("second").fill_null("00"),
        parts.field("fraction").fill_null("0"),
        parts.field("offset").fill_null("+00:00"),
    )
    readings = [(iso, "%Y-%m-%dT%H:%M:%S%.f%#z"), *((found, pattern) for pattern in _OTHER_DATES)]
    return pl.coalesce(
        text.str.to_datetime(pattern, strict=False, time_zone="UTC", time_unit="us")
        for text, pattern in readings
    )


def _publishers(rows: pl.DataFrame, default: str | None) -> pl.Series:
    named, linked = normalise_sources(rows["source"]), normalise_sources(rows["url"])
    return rows.select(pl.coalesce(named, linked, pl.lit(default, pl.String))).to_series()


def _with_ratings(rows: pl.DataFrame, labels: PublisherLabels | None) -> pl.DataFrame:
    """Fill in the labels that follow from ratings, and mark their rows `rated`."""
    if labels is None:
        return rows.with_columns(rated=pl.lit(False))
    if labels.replace:
        rows = rows.with_columns(label=pl.lit(None, pl.Int8), label_found=pl.lit(None, pl.String))
    rows = rows.with_columns(rating=pl.when(pl.col("label_found").is_null()).then(labels.of(rows["source"])))
    return rows.with_columns(label=pl.coalesce("label", "rating"), rated=pl.col("rating").is_not_null())
