"""Quality on publishers that no model was trained on.

Articles of one publisher succeed and fail together: the unit that varies is the publisher, and every interval draws
publishers. Scores are taken within a batch, because a batch's topic and era often tell its labels. A missing text may
tell them as well: where a batch has texts, only its articles with a text count.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from sklearn.metrics import roc_auc_score

from fakenews_assets.evaluation.metrics.comparison import PairedDifference
from fakenews_assets.models.bootstrap import (
    Interval,
    macro_f1_of_counts,
    percentile_interval,
    resample_weights,
)

_FEWEST_PUBLISHERS: Final = 2
"""Of either label in a batch: the articles of a single one may be told by its house style."""
_FEWEST_ARTICLES: Final = 5
"""Of a publisher whose mean P(fake) is compared with that of others: the mean of fewer says little of it."""

_Array = NDArray[np.float64]


class BatchScore(BaseModel):
    """ROC AUC within one batch."""

    model_config = ConfigDict(frozen=True)

    batch: str
    rows: int
    publishers: int
    roc_auc: float


class PublisherScore(BaseModel):
    """The articles of one publisher."""

    model_config = ConfigDict(frozen=True)

    publisher: str
    group: str | None
    rows: int
    fake_share: float = Field(description="Share of its articles that are labelled fake.")
    mean_probability: float = Field(description="Mean P(fake).")
    called_fake: float = Field(description="Share called fake at the model's threshold, abstained or not.")


class UnseenPublishers(BaseModel):
    """Quality on held-out publishers. Every interval is over publishers."""

    model_config = ConfigDict(frozen=True)

    rows: int
    roc_auc: float = Field(description="Mean of the ROC AUCs within the batches.")
    roc_auc_interval: Interval | None
    macro_f1: float = Field(description="At the model's threshold.")
    macro_f1_interval: Interval | None
    publisher_roc_auc: float | None = Field(
        description="ROC AUC of the mean P(fake) of the publishers with five articles or more; None: all have one label."
    )
    answered_share: float
    precision_real: float | None = Field(description="Of the answers `real`; None: there are none.")
    precision_fake: float | None = Field(description="Of the answers `fake`; None: there are none.")
    batches: tuple[BatchScore, ...]
    publishers: tuple[PublisherScore, ...] = Field(description="Most articles first.")

    @classmethod
    def of(
        cls,
        articles: pl.DataFrame,
        predictions: pl.DataFrame,
        *,
        resamples: int = 1000,
        level: float = 0.95,
        seed: int = 0,
    ) -> Self | None:
        """Score the predictions of articles whose publishers were held out.

        Args:
            articles: columns of ARTICLE_SCHEMA; every row has a label and a source.
            predictions: `LABELLED_PREDICTION_SCHEMA`, the same rows in the same order.
            resamples: how many sets of publishers to draw.
            level: coverage of the intervals.
            seed: equal seeds give equal intervals.

        Returns:
            None where no batch has two publishers of either label.
        """
        rows = countable(articles.hstack(predictions.drop("article_id")))
        if rows.is_empty():
            return None
        batches = [_Batch.of(part, part["probability"]) for part in _by_batch(rows)]
        counts = [_call_counts(part) for part in _by_batch(rows)]
        aucs, f1s = [], []
        for weights in _draws(batches, resamples, seed):
            aucs.append(_mean_auc(batches, weights))
            f1s.append(
                _macro_f1(np.sum([one @ count for one, count in zip(weights, counts, strict=True)], axis=0))
            )
        once = _once(batches)
        publishers = _publisher_scores(rows)
        answered = rows.filter(~pl.col("abstained"))
        return cls(
            rows=rows.height,
            roc_auc=float(_mean_auc(batches, once)[0]),
            roc_auc_interval=percentile_interval(np.concatenate(aucs), level),
            macro_f1=float(_macro_f1(np.concatenate(counts).sum(axis=0, keepdims=True))[0]),
            macro_f1_interval=percentile_interval(np.concatenate(f1s), level),
            publisher_roc_auc=_publisher_auc(publishers),
            answered_share=answered.height / rows.height,
            precision_real=_precision(answered, 0),
            precision_fake=_precision(answered, 1),
            batches=tuple(
                BatchScore(
                    batch=one.name,
                    rows=int(one.fake.sum() + one.real.sum()),
                    publishers=len(one.publishers),
                    roc_auc=float(one.auc(weights)[0]),
                )
                for one, weights in zip(batches, once, strict=True)
            ),
            publishers=tuple(publishers),
        )


def unseen_roc_auc(articles: pl.DataFrame, probability: pl.Series) -> float | None:
    """The ROC AUC of `UnseenPublishers`; None where it is None."""
    rows = countable(articles.with_columns(_score=probability))
    if rows.is_empty():
        return None
    batches = [_Batch.of(part, part["_score"]) for part in _by_batch(rows)]
    return float(_mean_auc(batches, _once(batches))[0])


def compare_unseen(
    articles: pl.DataFrame,
    first: pl.Series,
    second: pl.Series,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> PairedDifference | None:
    """Estimate the difference in ROC AUC on held-out publishers, second minus first, over paired draws of publishers.

    Args:
        articles: as `UnseenPublishers.of` takes them.
        first: (n,) P(fake) of one candidate.
        second: (n,) P(fake) of the other.
        resamples: how many sets of publishers to draw.
        level: coverage of the interval.
        seed: equal seeds give equal intervals.

    Returns:
        None where no batch has two publishers of either label, or too few for an interval.
    """
    rows = countable(articles.with_columns(_first=first, _second=second))
    if rows.is_empty():
        return None
    one, other = ([_Batch.of(part, part[name]) for part in _by_batch(rows)] for name in ("_first", "_second"))
    drawn = [_mean_auc(other, weights) - _mean_auc(one, weights) for weights in _draws(one, resamples, seed)]
    interval = percentile_interval(np.concatenate(drawn), level)
    if interval is None:
        return None
    once = _once(one)
    difference = float((_mean_auc(other, once) - _mean_auc(one, once))[0])
    return PairedDifference(difference=difference, low=interval.low, high=interval.high)


def countable(articles: pl.DataFrame) -> pl.DataFrame:
    """The articles of batches with two publishers of either label; without those that lack a text that others have."""
    has_text = pl.col("text") != ""
    label_publishers = [
        pl.col("source").filter(pl.col("label") == label).n_unique().over("batch") for label in (0, 1)
    ]
    return articles.filter(has_text | ~has_text.any().over("batch")).filter(
        pl.min_horizontal(label_publishers) >= _FEWEST_PUBLISHERS
    )


@dataclass(frozen=True)
class _Batch:
    """The pairs of a fake and a real article within a batch, by publisher."""

    name: str
    publishers: Sequence[str]
    fake: _Array
    """Fake articles of each publisher, shape [publishers]."""
    real: _Array
    wins: _Array
    """Pairs in which the fake article of publisher i has the higher P(fake) than the real one of publisher j; ties count
    half. Shape [publishers, publishers]."""

    @classmethod
    def of(cls, rows: pl.DataFrame, probability: pl.Series) -> Self:
        names = sorted(rows["source"].unique())
        unit = rows["source"].replace_strict(names, range(len(names)), return_dtype=pl.Int64).to_numpy()
        fake, score = rows["label"].to_numpy() == 1, probability.to_numpy()
        wins = np.zeros((len(names), len(names)))
        for number in np.unique(unit[~fake]):
            reals = np.sort(score[~fake & (unit == number)])
            below, upto = (np.searchsorted(reals, score[fake], side) for side in ("left", "right"))
            wins[:, number] = np.bincount(unit[fake], weights=(below + upto) / 2, minlength=len(names))
        count = len(names)
        return cls(
            name=rows["batch"][0],
            publishers=names,
            fake=np.bincount(unit[fake], minlength=count).astype(np.float64),
            real=np.bincount(unit[~fake], minlength=count).astype(np.float64),
            wins=wins,
        )

    def auc(self, weights: _Array) -> _Array:
        """ROC AUC of draws of publishers, shape [draws]; `weights` says how often each was drawn. NaN: one label only."""
        pairs = (weights @ self.fake) * (weights @ self.real)
        won = np.einsum("di,ij,dj->d", weights, self.wins, weights, optimize=True)
        return np.divide(won, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)


def _by_batch(rows: pl.DataFrame) -> list[pl.DataFrame]:
    return rows.partition_by("batch", maintain_order=True)


def _draws(batches: Sequence[_Batch], resamples: int, seed: int) -> Iterator[list[_Array]]:
    """How often each publisher is drawn, shape [draws, publishers] for each batch; in all its batches equally often."""
    generator = np.random.default_rng(seed)
    names = sorted({name for one in batches for name in one.publishers})
    places = [np.searchsorted(names, one.publishers) for one in batches]
    for times in resample_weights(np.arange(len(names)), resamples, generator):
        yield [times[:, of_batch] for of_batch in places]


def _once(batches: Sequence[_Batch]) -> list[_Array]:
    """The publishers as they are: each drawn once."""
    return [np.ones((1, len(one.publishers))) for one in batches]


def _mean_auc(batches: Sequence[_Batch], weights: Sequence[_Array]) -> _Array:
    """Of the batches that have both labels in a draw: a small one must not cost the others their interval."""
    aucs = np.stack([one.auc(drawn) for one, drawn in zip(batches, weights, strict=True)])
    defined = ~np.isnan(aucs)
    mean = np.full(aucs.shape[1], np.nan)
    return np.divide(np.nansum(aucs, axis=0), defined.sum(axis=0), out=mean, where=defined.any(axis=0))


def _call_counts(rows: pl.DataFrame) -> _Array:
    """Per publisher, in the order of `_Batch`: rows, fake, called fake, fake called fake."""
    fake, called = pl.col("label") == 1, pl.col("predicted_label") == 1
    counts = rows.group_by("source").agg(
        rows=pl.len(), fake=fake.sum(), called=called.sum(), hits=(fake & called).sum()
    )
    return counts.sort("source").drop("source").to_numpy().astype(np.float64)


def _macro_f1(counts: _Array) -> _Array:
    return macro_f1_of_counts(*counts.T)


def _publisher_scores(rows: pl.DataFrame) -> list[PublisherScore]:
    scores = (
        rows.group_by(publisher="source")
        .agg(
            pl.col("group").drop_nulls().first(),
            rows=pl.len(),
            fake_share=pl.col("label").mean(),
            mean_probability=pl.col("probability").mean(),
            called_fake=pl.col("predicted_label").mean(),
        )
        .sort("rows", "publisher", descending=[True, False])
    )
    return [PublisherScore.model_validate(score) for score in scores.iter_rows(named=True)]


def _publisher_auc(publishers: Sequence[PublisherScore]) -> float | None:
    counted = [one for one in publishers if one.rows >= _FEWEST_ARTICLES]
    fake = [one.fake_share > 0.5 for one in counted]
    if len(set(fake)) < 2:
        return None
    return float(roc_auc_score(fake, [one.mean_probability for one in counted]))


def _precision(answered: pl.DataFrame, label: int) -> float | None:
    called = answered.filter(pl.col("predicted_label") == label)
    return called.filter(pl.col("label") == label).height / called.height if called.height else None
