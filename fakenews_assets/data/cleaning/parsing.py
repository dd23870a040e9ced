"""Reads the values of raw rows: labels, dates, publishers, and labels that follow from ratings."""

import polars as pl

from fakenews_assets.data.fields.dates import parse_dates
from fakenews_assets.data.fields.labels import parse_labels, plain_labels
from fakenews_assets.data.fields.mapping import BatchMapping
from fakenews_assets.data.fields.sources import is_domain, normalise_sources
from fakenews_assets.data.ratings.labelling import PublisherLabels


def parse_rows(rows: pl.DataFrame, mapping: BatchMapping, labels: PublisherLabels | None) -> pl.DataFrame:
    """Parse all columns but title and text.

    Args:
        rows: RAW_SCHEMA.
        mapping: what was given for the batch.
        labels: labels by the publisher's rating, if the batch gets them.

    Returns:
        The rows with `label` (0, 1 or null), `source`, `group` and `published_at` as in ARTICLE_SCHEMA, and with
        `label_found` (the label as written, in lower case), `date_found` (the date as written), `unclear` (whether it says neither real nor fake) and
        `rated` (whether a rating gave the label).
    """
    plain = plain_labels(rows["label"])
    found = parse_labels(plain, mapping.labels)
    rows = rows.with_columns(
        label_found=plain,
        label=found["label"],
        unclear=found["unclear"],
        source=_publishers(rows, mapping.source or None),
        group=pl.col("group").str.strip_chars().str.to_lowercase(),
        date_found=pl.col("published_at"),
        published_at=parse_dates(rows["published_at"], day_first=bool(mapping.day_first)),
    )
    return _with_ratings(rows, labels)


def _publishers(rows: pl.DataFrame, default: str | None) -> pl.Series:
    """A domain names a publisher better than a word, which may be a tag of the data set."""
    found = pl.DataFrame(
        {"named": normalise_sources(rows["source"]), "linked": normalise_sources(rows["url"])}
    )
    domains = [pl.when(is_domain(pl.col(name))).then(name) for name in found.columns]
    return found.select(pl.coalesce(*domains, *found.columns, pl.lit(default, pl.String))).to_series()


def _with_ratings(rows: pl.DataFrame, labels: PublisherLabels | None) -> pl.DataFrame:
    """Fill in the labels that follow from ratings, and mark their rows `rated`."""
    if labels is None:
        return rows.with_columns(rated=pl.lit(False))
    if labels.replace:
        rows = rows.with_columns(
            label=pl.lit(None, pl.Int8), label_found=pl.lit(None, pl.String), unclear=pl.lit(False)
        )
    rows = rows.with_columns(rating=pl.when(pl.col("label_found").is_null()).then(labels.of(rows["source"])))
    return rows.with_columns(label=pl.coalesce("label", "rating"), rated=pl.col("rating").is_not_null())
