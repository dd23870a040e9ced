"""From evaluated candidates to a bundle: who may stand, who is chosen, and what goes into its folder."""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

import polars as pl

from fakenews_assets.evaluation.calibration import (
    CALIBRATION_FILE,
    read_calibration,
)
from fakenews_assets.evaluation.reporting import EVALUATION_FILE, PREDICTIONS_FILE, read_evaluation
from fakenews_assets.selection.bundle import MODEL_FOLDER, PREPARE_FILE, Manifest
from fakenews_assets.selection.candidates import Candidate
from fakenews_assets.selection.lineage import MixedVersions, ancestors
from fakenews_assets.selection.model_card import model_card, write_model_card
from fakenews_assets.selection.policy import Choice
from fakenews_resources.store import Artefact, Record, Store

_PACKAGES: Final = (
    "dagster", "torch", "transformers", "tokenizers", "lightning", "openvino", "nncf", "onnxruntime",
    "scikit-learn", "numpy", "polars", "rensa", "fakenews",
)  # fmt: skip


@dataclass(frozen=True)
class Standing:
    """A candidate with everything that it was made of."""

    candidate: Candidate
    evaluation: Artefact
    model: Artefact
    lineage: Mapping[str, Record]


def candidates_that_may_stand(
    store: Store, evaluations: Mapping[str, Artefact], models: Mapping[str, str], splits: Artefact
) -> tuple[list[Standing], dict[str, str]]:
    """Load the candidates whose model and evaluation belong to the current splits.

    Args:
        store: where they lie.
        evaluations: current evaluations by candidate.
        models: store key of each candidate's model.
        splits: the current ones.

    Returns:
        The candidates, and for each other evaluation why it was left out.
    """
    standing: list[Standing] = []
    left_out: dict[str, str] = {}
    for name, evaluation in evaluations.items():
        model = store.current(models[name])
        if evaluation.meta["model"] != model.version:
            left_out[name] = "its model has changed since it was judged"
            continue
        try:
            lineage = ancestors(store, evaluation)
        except MixedVersions as error:
            left_out[name] = str(error)
            continue
        if lineage["splits"].version != splits.version:
            left_out[name] = "judged on other splits"
            continue
        predictions = pl.read_parquet(evaluation.path / PREDICTIONS_FILE)
        candidate = Candidate(name, read_evaluation(evaluation.path), predictions)
        standing.append(Standing(candidate, evaluation, model, lineage))
    return standing, left_out


def fill_bundle(draft: Path, store: Store, winner: Standing, choice: Choice, note: str | None) -> Manifest:
    """Write every file of a bundle but its manifest, which is returned.

    Args:
        draft: an empty folder.
        store: where the winner's ancestors lie.
        winner: the chosen candidate.
        choice: how it was chosen, for the model card.
        note: warning that belongs beside every score.
    """
    assert winner.model.record is not None
    shutil.copytree(winner.model.path, draft / MODEL_FOLDER)
    shutil.copyfile(winner.evaluation.path / EVALUATION_FILE, draft / EVALUATION_FILE)
    shutil.copyfile(winner.evaluation.path / CALIBRATION_FILE, draft / CALIBRATION_FILE)
    shutil.copyfile(_preparation_of(store, winner.lineage), draft / PREPARE_FILE)
    manifest = Manifest(
        candidate=winner.candidate.name,
        encoder=_encoder_of(winner.lineage),
        runtime=_runtime_of(winner.candidate.name),
        calibration=read_calibration(winner.evaluation.path),
        data_versions={key: record.version for key, record in winner.lineage.items()},
        config={key: record.config for key, record in winner.lineage.items()},
        git_commit=git_commit(),
        package_versions=_installed(),
    )
    write_model_card(model_card(manifest, winner.candidate.evaluation, choice, note), draft)
    return manifest


def git_commit() -> str | None:
    """Commit of the code that runs, with `-dirty` where it has changed since; None outside a repository."""
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()


def _preparation_of(store: Store, lineage: Mapping[str, Record]) -> Path:
    """The text preparation of the batch that was cleaned last: what an article of today would go through."""
    batches = [record for key, record in lineage.items() if key.startswith("clean_news/")]
    latest = max(batches, key=lambda record: record.created_at)
    return store.get(latest.key, latest.version).path / PREPARE_FILE


def _encoder_of(lineage: Mapping[str, Record]) -> str | None:
    record = lineage.get("finetuned_bert")
    return None if record is None else record.config["encoder"]["name"]


def _runtime_of(candidate: str) -> str:
    known = ("openvino", "onnx")
    exported = next((runtime for runtime in known if f"-{runtime}-" in candidate), None)
    return exported or ("scikit-learn" if candidate == "baseline" else "torch")


def _installed() -> dict[str, str]:
    versions = {one.metadata["Name"].lower(): one.version for one in distributions() if one.metadata["Name"]}
    return {package: versions[package] for package in _PACKAGES if package in versions}
