"""Loads the eligible candidates of a selection."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from fakenews_assets.evaluation.evaluating import Evaluation
from fakenews_assets.evaluation.reports.reporting import PREDICTIONS_FILE, read_evaluation
from fakenews_assets.registry.lineage import MixedVersions, ancestors
from fakenews_resources.storage.store import Artifact, Record, Store, ValueMissing


@dataclass(frozen=True)
class Candidate:
    """One evaluated model."""

    name: str
    evaluation: Evaluation
    predictions: pl.DataFrame
    """The table of `LABELLED_PREDICTION_SCHEMA` that belongs to the evaluation."""

    def __post_init__(self) -> None:
        right = self.predictions.filter(pl.col("predicted_label") == pl.col("true_label")).height
        confusion = self.evaluation.metrics.confusion
        if (self.predictions.height, right) != (
            self.evaluation.rows,
            confusion.real_as_real + confusion.fake_as_fake,
        ):
            raise ValueError(
                f"The predictions of {self.name} do not belong to its evaluation; materialize the evaluation again."
            )

    @property
    def macro_f1(self) -> float:
        """Raises ValueError where the test split holds one class only."""
        if self.evaluation.metrics.macro_f1 is None:
            raise ValueError(
                f"The test split of {self.name} holds one class only, so macro-F1 is undefined. Ingest more articles,"
                " then materialize the splits and evaluations again."
            )
        return self.evaluation.metrics.macro_f1

    @property
    def rows_per_second(self) -> float:
        """Throughput at batch 32."""
        return self.evaluation.speed.rows_per_second

    @property
    def megabytes(self) -> float:
        """Size on disk, in units of 10^6 bytes."""
        return self.evaluation.bytes_on_disk / 1e6


def require_same_rows(predictions: Mapping[str, pl.DataFrame]) -> None:
    """Raise unless all predictions are of the same articles.

    Raises:
        ValueError: the article ids, their order or their labels differ; it names those that are not with the
            largest group that agrees (the first such group, where two are as large).
    """
    groups: list[tuple[pl.DataFrame, list[str]]] = []
    for name, table in predictions.items():
        rows = table.select("article_id", "true_label")
        for reference, names in groups:
            if reference.equals(rows):
                names.append(name)
                break
        else:
            groups.append((rows, [name]))
    if len(groups) > 1:
        agreed = max((names for _, names in groups), key=len)
        odd = [name for _, names in groups if names is not agreed for name in names]
        raise ValueError(
            f"{', '.join(odd)}: evaluated on other test rows, or in another order, than {', '.join(agreed)}."
            " Materialize every evaluation on the current splits, then select again."
        )


@dataclass(frozen=True)
class EligibleCandidate:
    """A candidate with its lineage."""

    candidate: Candidate
    evaluation: Artifact
    model: Artifact
    lineage: Mapping[str, Record]


def eligible_candidates(
    store: Store, evaluations: Mapping[str, Artifact], models: Mapping[str, str], splits: Artifact
) -> tuple[dict[str, EligibleCandidate], dict[str, str]]:
    """Load the candidates whose model and evaluation belong to the current splits.

    Args:
        store: where they lie.
        evaluations: current evaluations by candidate.
        models: store key of each candidate's model.
        splits: the current ones.

    Returns:
        The candidates by name, and for each other evaluation why it was left out.
    """
    eligible: dict[str, EligibleCandidate] = {}
    left_out: dict[str, str] = {}
    for name, evaluation in evaluations.items():
        model = store.current(models[name])
        if evaluation.meta["model"] != model.version:
            left_out[name] = "its model has changed since it was judged"
            continue
        try:
            lineage = ancestors(store, evaluation)
        except (MixedVersions, ValueMissing) as error:
            left_out[name] = str(error)
            continue
        if lineage["splits"].version != splits.version:
            left_out[name] = "judged on other splits"
            continue
        predictions = pl.read_parquet(evaluation.path / PREDICTIONS_FILE)
        candidate = Candidate(name, read_evaluation(evaluation.path), predictions)
        eligible[name] = EligibleCandidate(candidate, evaluation, model, lineage)
    return eligible, left_out
