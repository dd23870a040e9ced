"""Splits of a corpus for the generalization measurement, from the easiest to the hardest."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from fakenews_assets.evaluation.generalization.settings import Protocol

_VAL_SHARE: Final = 0.15
_TEST_SHARE: Final = 0.15
_LARGEST_SOURCE: Final = 0.5
"""Largest share of the corpus that a held-out source may have: without a larger one, too little is left to train on."""
_SMALLEST_SOURCE: Final = 20
"""Rows of each label."""
_MOST_SOURCES: Final = 12


@dataclass(frozen=True)
class Fold:
    """One training set with the rows that it is judged on."""

    protocol: Protocol
    held_out: str | None
    """The held-out source; None: no single source was held out."""
    train: pl.DataFrame
    val: pl.DataFrame
    test: pl.DataFrame


def make_folds(splits: Mapping[str, pl.DataFrame], protocol: Protocol) -> Iterator[Fold]:
    """Split a corpus by a protocol.

    Yields nothing if the corpus does not allow it, such as a split by time without dates.

    Args:
        splits: `train`, `val` and `test` of the graph's splits without held-out publishers, columns of
            ARTICLE_SCHEMA and `cluster_id`.
        protocol: the kind of split.
    """
    every = pl.concat([splits[split] for split in ("train", "val", "test")])
    if protocol == "grouped":
        yield Fold("grouped", None, splits["train"], splits["val"], splits["test"])
    elif protocol == "random":
        yield _in_order(every.sample(fraction=1, shuffle=True, seed=0), "random")
    elif protocol == "time_ordered":
        dated = every.drop_nulls("published_at").sort("published_at", "article_id")
        fold = _in_order(dated, "time_ordered")
        known = pl.concat([fold.train, fold.val])
        test = fold.test.join(known, on="cluster_id", how="anti")
        val = fold.val.join(fold.train, on="cluster_id", how="anti")
        if all(part["label"].n_unique() == 2 for part in (fold.train, val, test)):
            yield Fold("time_ordered", None, fold.train, val, test)
    else:
        in_val = every["article_id"].is_in(splits["val"]["article_id"].implode())
        for source in sources_to_hold_out(every):
            test = every.filter(pl.col("source") == source)
            others = pl.col("source").fill_null("") != source
            train, val = (
                every.filter(split & others).join(test, on="cluster_id", how="anti")
                for split in (~in_val, in_val)
            )
            if all(part["label"].n_unique() == 2 for part in (train, val)):
                yield Fold("source_disjoint", source, train, val, test)


def sources_to_hold_out(articles: pl.DataFrame) -> list[str]:
    """Sources with enough rows of both labels, and not too large a share of all rows; largest first."""
    labels = pl.col("label")
    return (
        articles.drop_nulls("source")
        .group_by("source")
        .agg(rows=pl.len(), fewest=pl.min_horizontal((labels == 0).sum(), (labels == 1).sum()))
        .filter(pl.col("fewest") >= _SMALLEST_SOURCE, pl.col("rows") <= _LARGEST_SOURCE * articles.height)
        .sort("rows", "source", descending=[True, False])["source"]
        .head(_MOST_SOURCES)
        .to_list()
    )


def _in_order(rows: pl.DataFrame, protocol: Protocol) -> Fold:
    test = rows.height - round(rows.height * _TEST_SHARE)
    val = test - round(rows.height * _VAL_SHARE)
    return Fold(protocol, None, rows[:val], rows[val:test], rows[test:])
