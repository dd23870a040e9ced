"""Facts about the training corpus, for the model card and the service."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Final

import polars as pl

from fakenews_assets.data.corpus import in_order_of_arrival
from fakenews_assets.data.splits.splitting import SPLITS
from fakenews_resources.storage.artifact import Artifact, Record
from fakenews_resources.storage.store import Store

_CLEAN: Final = "clean_news/"
_MOST_SOURCES: Final = 10


@dataclass(frozen=True)
class BatchFacts:
    """One batch of the corpus."""

    name: str
    origin: str
    """What it came from: a source's address, or the name of a file without its folder."""
    received: date
    rows_in: int
    rejected: int
    real: int
    fake: int
    unlabelled: int


@dataclass(frozen=True)
class SplitFacts:
    """One split."""

    name: str
    real: int
    fake: int
    clusters: int
    """Groups of near-duplicates, single articles included."""
    first: date | None
    """Earliest day of publication; None: no article has one."""
    last: date | None


@dataclass(frozen=True)
class SourceFacts:
    """Articles of one source, over all splits."""

    name: str
    real: int
    fake: int


@dataclass(frozen=True)
class Corpus:
    """The articles behind a model."""

    batches: tuple[BatchFacts, ...]
    """In order of arrival."""
    splits: tuple[SplitFacts, ...]
    sources: tuple[SourceFacts, ...]
    """The largest, the largest first."""
    sources_known: int
    """How many sources there are."""
    unsourced: int
    """Articles in a split without a source."""

    def to_json(self) -> str:
        """The same as a JSON object; days are in ISO format."""
        return json.dumps(asdict(self), default=date.isoformat, indent=2, ensure_ascii=False) + "\n"


def describe_corpus(store: Store, lineage: Mapping[str, Record]) -> Corpus:
    """Count batches, splits and sources.

    Args:
        store: holds the values.
        lineage: records of what a model was made of, by key.

    Raises:
        ValueMissing: a version is no longer stored.
    """
    clean = {
        key.removeprefix(_CLEAN): store.get(key, record.version)
        for key, record in lineage.items()
        if key.startswith(_CLEAN)
    }
    splits = store.get("splits", lineage["splits"].version)
    articles = pl.concat(
        [
            splits.scan(split).select("source", "label", "cluster_id", "published_at", split=pl.lit(split))
            for split in SPLITS
        ]
    ).collect()
    sourced = articles.drop_nulls("source")
    sources = (
        sourced.group_by("source")
        .agg(*_classes())
        .sort([pl.col("real") + pl.col("fake"), "source"], descending=[True, False])
    )
    return Corpus(
        batches=_batches(clean),
        splits=tuple(_split_facts(split, articles.filter(pl.col("split") == split)) for split in SPLITS),
        sources=tuple(SourceFacts(*row) for row in sources.head(_MOST_SOURCES).iter_rows()),
        sources_known=sources.height,
        unsourced=articles.height - sourced.height,
    )


def _batches(clean: Mapping[str, Artifact]) -> tuple[BatchFacts, ...]:
    return tuple(
        BatchFacts(
            name=batch.name,
            origin=_origin(str(batch.artifact.meta["source_uri"])),
            received=datetime.fromisoformat(batch.artifact.meta["received_at"]).date(),
            rows_in=(summary := batch.summary).rows_in,
            rejected=summary.rows_in - summary.rows_out,
            real=summary.real,
            fake=summary.fake,
            unlabelled=summary.unlabelled,
        )
        for batch in in_order_of_arrival(clean)
    )


def _origin(uri: str) -> str:
    """An address without local folders, because bundles leave the machine."""
    return uri.rstrip("/").rpartition("/")[2]


def _split_facts(name: str, articles: pl.DataFrame) -> SplitFacts:
    counted = articles.select(
        *_classes(),
        pl.col("cluster_id").n_unique(),
        pl.col("published_at").dt.date().min().alias("first"),
        pl.col("published_at").dt.date().max().alias("last"),
    )
    return SplitFacts(name, *counted.row(0))


def _classes() -> tuple[pl.Expr, pl.Expr]:
    return ((pl.col("label") == 0).sum().alias("real"), (pl.col("label") == 1).sum().alias("fake"))
