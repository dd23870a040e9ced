"""Loads the eligible candidates of a selection."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from fakenews_assets.evaluation.evaluating import Evaluation
from fakenews_assets.evaluation.reports.reporting import SELECTION_FILE, read_evaluation
from fakenews_assets.models.bootstrap import macro_f1_of_predictions
from fakenews_assets.models.predictions import LABELLED_PREDICTION_SCHEMA
from fakenews_assets.registry.lineage import MixedVersions, ancestors
from fakenews_resources.storage.artifact import Artifact, Record
from fakenews_resources.storage.store import Store, ValueMissing


@dataclass(frozen=True)
class Candidate:
    """One evaluated model, with its predictions of the selection split (`LABELLED_PREDICTION_SCHEMA`)."""

    name: str
    evaluation: Evaluation
    predictions: pl.DataFrame
    """Of the articles whose publishers it has seen."""
    unseen: pl.DataFrame = field(default_factory=LABELLED_PREDICTION_SCHEMA.to_frame)
    """Of the articles of held-out publishers."""

    def __post_init__(self) -> None:
        if macro_f1_of_predictions(self.predictions) != self.evaluation.selection_macro_f1:
            raise ValueError(
                f"The predictions of {self.name} do not belong to its evaluation; materialize the evaluation again."
            )

    @property
    def macro_f1(self) -> float:
        """On the selection split. Raises ValueError where it holds one class only."""
        if self.evaluation.selection_macro_f1 is None:
            raise ValueError(
                f"The selection split of {self.name} holds one class only, so macro-F1 is undefined. Ingest more"
                " articles, then materialize the splits and evaluations again."
            )
        return self.evaluation.selection_macro_f1

    @property
    def unseen_roc_auc(self) -> float | None:
        """On the held-out publishers of the selection split; None: too few are held out."""
        return self.evaluation.selection_unseen_roc_auc

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
            f"{', '.join(odd)}: evaluated on other articles, or in another order, than {', '.join(agreed)}."
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
    held_out = splits.scan("selection").select("unseen_publisher").collect()["unseen_publisher"]
    for name, evaluation in evaluations.items():
        model = store.current(models[name])
        if evaluation.meta["model"] != model.version:
            left_out[name] = "its model has changed since it was evaluated"
            continue
        try:
            lineage = ancestors(store, evaluation)
        except (MixedVersions, ValueMissing) as error:
            left_out[name] = str(error)
            continue
        if lineage["splits"].version != splits.version:
            left_out[name] = "evaluated on other splits"
            continue
        predictions = pl.read_parquet(evaluation.path / SELECTION_FILE)
        seen, unseen = (predictions.filter(rows) for rows in (~held_out, held_out))
        candidate = Candidate(name, read_evaluation(evaluation.path), seen, unseen)
        eligible[name] = EligibleCandidate(candidate, evaluation, model, lineage)
    return eligible, left_out
