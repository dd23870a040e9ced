"""The leaderboard: quality of all candidates against speed and size."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.evaluation.evaluating import Evaluation
from fakenews_assets.evaluation.generalization.generalization import Spread, measures, read_spreads
from fakenews_assets.evaluation.metrics.speed import LENGTHS
from fakenews_assets.evaluation.reports.reporting import read_evaluation
from fakenews_assets.registry.lineage import MixedVersions, ancestors
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.store import Store, ValueMissing

LEADERBOARD_SCHEMA: Final = pl.Schema(
    {
        "candidate": pl.String,
        "is_champion": pl.Boolean,
        "unseen_roc_auc": pl.Float64,
        "unseen_low": pl.Float64,
        "unseen_high": pl.Float64,
        "unseen_macro_f1": pl.Float64,
        "selection_unseen_roc_auc": pl.Float64,
        "selection_macro_f1": pl.Float64,
        "macro_f1": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "accuracy": pl.Float64,
        "ece": pl.Float64,
        "latency_p50_ms": pl.Float64,
        "latency_headline_ms": pl.Float64,
        "latency_article_ms": pl.Float64,
        "rows_per_second": pl.Float64,
        "speedup": pl.Float64,
        "megabytes": pl.Float64,
        "parameters": pl.Int64,
        "on_pareto_front": pl.Boolean,
        "seeds": pl.Int64,
        "seed_mean": pl.Float64,
        "seed_low": pl.Float64,
        "seed_high": pl.Float64,
        "seed_sd": pl.Float64,
        "source_disjoint": pl.Float64,
        "time_ordered": pl.Float64,
    }
)


class Entry(BaseModel):
    """One row of the leaderboard."""

    model_config = ConfigDict(frozen=True)

    candidate: str
    is_champion: bool = Field(description="Whether the champion is this very model.")
    unseen_roc_auc: float | None = Field(
        description="On test articles of publishers that no candidate was trained on; None: too few are held out."
    )
    unseen_low: float | None = Field(description="Lower end of its interval, over publishers.")
    unseen_high: float | None
    unseen_macro_f1: float | None
    selection_unseen_roc_auc: float | None = Field(description="On the selection split.")
    selection_macro_f1: float | None = Field(description="On the selection split.")
    macro_f1: float | None = Field(description="None where the test split holds one class.")
    low: float | None = Field(description="Lower end of the interval of macro-F1.")
    high: float | None
    accuracy: float
    ece: float
    latency_p50_ms: float = Field(description="Of one article, as they are stored.")
    latency_headline_ms: float = Field(description="Median, of one headline alone.")
    latency_article_ms: float = Field(description="Median, of one article with a text of 200 words.")
    rows_per_second: float = Field(description="At batch 32.")
    speedup: float | None = Field(
        description="Throughput over that of the candidate compared with, if present."
    )
    megabytes: float = Field(description="On disk, in units of 10^6 bytes.")
    parameters: int | None
    on_pareto_front: bool = Field(
        description="On the Pareto front: no other candidate is at least as good in both quality and speed and better in one."
    )
    seeds: int | None = Field(
        default=None, description="Trainings of its recipe; None: its spread was not measured."
    )
    seed_mean: float | None = Field(default=None, description="Macro-F1 of these on the same kind of split.")
    seed_low: float | None = Field(default=None, description="Lower end of the interval of that mean.")
    seed_high: float | None = None
    seed_sd: float | None = Field(default=None, description="Standard deviation of these.")
    source_disjoint: float | None = Field(
        default=None, description="Macro-F1 on sources not trained on, mean over seeds."
    )
    time_ordered: float | None = Field(
        default=None, description="Macro-F1 on times not trained on, mean over seeds."
    )


def evaluated_on(splits: Artifact, evaluations: Mapping[str, Artifact]) -> dict[str, Artifact]:
    """The evaluations that were made on these splits.

    Raises:
        ValueError: there is none.
    """
    current = {name: found for name, found in evaluations.items() if found.meta["splits"] == splits.version}
    if not current:
        raise ValueError(
            "No candidate has been evaluated on the current splits. Materialize `evaluation` first."
        )
    return current


def compare_candidates(
    store: Store,
    splits: Artifact,
    evaluations: Mapping[str, Artifact],
    generalization: Artifact | None = None,
    champion: Artifact | None = None,
) -> pl.DataFrame:
    """Compare the candidates that were evaluated on the current splits.

    Args:
        store: holds what the candidates were made of.
        splits: the current ones.
        evaluations: by candidate.
        generalization: the measured spreads of the recipes, if there are any.
        champion: what serves now, if anything does.

    Returns:
        As `leaderboard_table`.

    Raises:
        ValueError: none was judged on these splits.
    """
    current = evaluated_on(splits, evaluations)
    serving = champion.meta["model"] if champion else None
    return leaderboard_table(
        {name: read_evaluation(found.path) for name, found in current.items()},
        _spreads_of(store, current, generalization) if generalization else [],
        champion=next((name for name, found in current.items() if found.meta["model"] == serving), None),
    )


def _spreads_of(store: Store, evaluations: Mapping[str, Artifact], generalization: Artifact) -> list[Spread]:
    """The measured spreads of these very candidates: of their recipes, on their splits."""
    assert generalization.record is not None
    upstream, spreads = generalization.record.upstream, read_spreads(generalization.path)
    found: set[str] = set()
    for name in evaluations.keys() & {one.model for one in spreads}:
        with suppress(MixedVersions, ValueMissing):
            lineage = ancestors(store, evaluations[name])
            if measures(name, upstream, {key: record.version for key, record in lineage.items()}):
                found.add(name)
    return [one for one in spreads if one.model in found]


def leaderboard_table(
    evaluations: Mapping[str, Evaluation],
    spreads: Sequence[Spread] = (),
    baseline_of_comparison: str = "finetuned",
    champion: str | None = None,
) -> pl.DataFrame:
    """Compare candidates. The caller must pass evaluations of one test split.

    Args:
        evaluations: by the candidate's name on the board.
        spreads: measured spreads over seeds, sources and times, by candidate.
        baseline_of_comparison: the candidate whose throughput counts as 1; without it `speedup` is null.
        champion: the candidate that serves now; None: it is none of these.

    Returns:
        One row per candidate (`LEADERBOARD_SCHEMA`), the best on the selection split first: by ROC AUC on its
        unseen publishers where it is measured, then by macro-F1. The test split orders nothing.

    Raises:
        ValueError: there are no candidates, or they were judged on different numbers of rows.
    """
    if not evaluations:
        raise ValueError("A leaderboard needs candidates; materialize some evaluations first.")
    rows = {name: one.rows for name, one in evaluations.items()}
    if len(set(rows.values())) > 1:
        counts = ", ".join(f"{name} on {count:,}" for name, count in rows.items())
        raise ValueError(
            f"The candidates were evaluated on different test splits ({counts} rows); evaluate all on the current one."
        )
    reference = evaluations.get(baseline_of_comparison)
    points = [(_quality(one), one.speed.rows_per_second) for one in evaluations.values()]
    entries = []
    for (name, one), on_front in zip(evaluations.items(), pareto_front(points), strict=True):
        interval, unseen = one.intervals.get("macro_f1"), one.unseen
        over_publishers = unseen.roc_auc_interval if unseen else None
        entries.append(
            Entry(
                candidate=name,
                is_champion=name == champion,
                unseen_roc_auc=unseen.roc_auc if unseen else None,
                unseen_low=over_publishers.low if over_publishers else None,
                unseen_high=over_publishers.high if over_publishers else None,
                unseen_macro_f1=unseen.macro_f1 if unseen else None,
                selection_unseen_roc_auc=one.selection_unseen_roc_auc,
                selection_macro_f1=one.selection_macro_f1,
                macro_f1=one.metrics.macro_f1,
                low=interval.low if interval else None,
                high=interval.high if interval else None,
                accuracy=one.metrics.accuracy,
                ece=one.metrics.ece,
                latency_p50_ms=one.speed.latency_p50_ms,
                latency_headline_ms=one.speed.latency_ms_by_words[LENGTHS[0]],
                latency_article_ms=one.speed.latency_ms_by_words[LENGTHS[-1]],
                rows_per_second=one.speed.rows_per_second,
                speedup=one.speed.rows_per_second / reference.speed.rows_per_second if reference else None,
                megabytes=one.bytes_on_disk / 1e6,
                parameters=one.parameters,
                on_pareto_front=on_front and one.metrics.macro_f1 is not None,
                **_spread_of(name, spreads),
            )
        )
    table = pl.DataFrame([entry.model_dump() for entry in entries], schema=LEADERBOARD_SCHEMA)
    return table.sort(
        "selection_unseen_roc_auc",
        "selection_macro_f1",
        "rows_per_second",
        "candidate",
        descending=[True, True, True, False],
        nulls_last=True,
    )


def _spread_of(candidate: str, spreads: Sequence[Spread]) -> dict[str, Any]:
    of_it = {one.protocol: one for one in spreads if one.model == candidate and one.held_out is None}
    values: dict[str, Any] = {
        name: of_it[name].mean for name in ("source_disjoint", "time_ordered") if name in of_it
    }
    if grouped := of_it.get("grouped"):
        values |= {
            "seeds": grouped.seeds,
            "seed_mean": grouped.mean,
            "seed_low": grouped.low,
            "seed_high": grouped.high,
            "seed_sd": grouped.sd,
        }
    return values


def pareto_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Tell which points no other point dominates: at least equal in both values and higher in one.

    Equal points do not dominate each other, so all of them are on the front or none is.
    """
    return [
        not any(
            other[0] >= own[0] and other[1] >= own[1] and (other[0] > own[0] or other[1] > own[1])
            for other in points
        )
        for own in points
    ]


def _quality(evaluation: Evaluation) -> float:
    score = evaluation.metrics.macro_f1
    return -np.inf if score is None else score
