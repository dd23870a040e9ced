"""From evaluated candidates to a bundle: who may stand, who is chosen, and what goes into its folder."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from fakenews_assets.common.plotting import to_png
from fakenews_assets.compression.settings import ENCODER_OF_STUDENT, FORMATS
from fakenews_assets.evaluation.reports.leaderboard import leaderboard_plot, leaderboard_table
from fakenews_assets.evaluation.reports.reporting import (
    EVALUATION_FILE,
    PREDICTIONS_FILE,
    evaluation_plots,
    read_evaluation,
)
from fakenews_assets.models.calibration import CALIBRATION_FILE, read_calibration
from fakenews_assets.models.out_of_distribution import OOD_FILE
from fakenews_assets.registry.bundle import (
    MODEL_CARD_FILE,
    MODEL_CARD_PAGE,
    MODEL_FOLDER,
    PREPARE_FILE,
    Manifest,
)
from fakenews_assets.registry.lineage import MixedVersions, ancestors, preparation_of
from fakenews_assets.selection.candidates import Candidate
from fakenews_assets.selection.card_data import describe_corpus
from fakenews_assets.selection.card_page import to_html
from fakenews_assets.selection.model_card import model_card
from fakenews_assets.selection.policy import Choice
from fakenews_assets.selection.sbom import installed_packages, write_sbom
from fakenews_resources.storage.store import Artifact, Record, Store, ValueMissing

_PACKAGES: Final = (
    "dagster", "torch", "transformers", "tokenizers", "lightning", "openvino", "nncf", "onnxruntime",
    "scikit-learn", "numpy", "polars", "rensa", "fakenews",
)  # fmt: skip


@dataclass(frozen=True)
class EligibleCandidate:
    """A candidate with everything that it was made of."""

    candidate: Candidate
    evaluation: Artifact
    model: Artifact
    lineage: Mapping[str, Record]


def eligible_candidates(
    store: Store, evaluations: Mapping[str, Artifact], models: Mapping[str, str], splits: Artifact
) -> tuple[list[EligibleCandidate], dict[str, str]]:
    """Load the candidates whose model and evaluation belong to the current splits.

    Args:
        store: where they lie.
        evaluations: current evaluations by candidate.
        models: store key of each candidate's model.
        splits: the current ones.

    Returns:
        The candidates, and for each other evaluation why it was left out.
    """
    eligible: list[EligibleCandidate] = []
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
        eligible.append(EligibleCandidate(candidate, evaluation, model, lineage))
    return eligible, left_out


def fill_bundle(
    draft: Path, store: Store, eligible: Sequence[EligibleCandidate], choice: Choice, note: str | None
) -> Manifest:
    """Write every file of a bundle but its manifest, which is returned.

    Args:
        draft: an empty folder.
        store: where the winner's ancestors lie.
        eligible: the candidates that were compared, the winner among them.
        choice: which of them won, and how.
        note: warning that belongs beside every score.
    """
    winner = next(one for one in eligible if one.candidate.name == choice.winner)
    assert winner.model.record is not None
    shutil.copytree(winner.model.path, draft / MODEL_FOLDER)
    shutil.copyfile(winner.evaluation.path / EVALUATION_FILE, draft / EVALUATION_FILE)
    shutil.copyfile(winner.evaluation.path / CALIBRATION_FILE, draft / CALIBRATION_FILE)
    if (winner.evaluation.path / OOD_FILE).is_file():
        shutil.copyfile(winner.evaluation.path / OOD_FILE, draft / OOD_FILE)
    shutil.copyfile(preparation_of(store, winner.lineage), draft / PREPARE_FILE)
    packages = installed_packages()
    write_sbom(packages, choice.winner, winner.model.version, draft)
    manifest = Manifest(
        candidate=choice.winner,
        encoder=encoder_of(winner.lineage),
        runtime=runtime_of(winner.candidate.name),
        calibration=read_calibration(winner.evaluation.path),
        data_versions={key: record.version for key, record in winner.lineage.items()},
        config={key: record.config for key, record in winner.lineage.items()},
        git_commit=git_commit(),
        package_versions={name: packages[name].version for name in _PACKAGES if name in packages},
    )
    corpus = describe_corpus(store, winner.lineage)
    card = model_card(manifest, winner.candidate.evaluation, choice, corpus, note)
    (draft / MODEL_CARD_FILE).write_text(card, encoding="utf-8")
    (draft / MODEL_CARD_PAGE).write_text(to_html(card, _pictures(eligible, winner)), encoding="utf-8")
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


def _pictures(eligible: Sequence[EligibleCandidate], winner: EligibleCandidate) -> dict[str, bytes]:
    """PNG bytes by caption: the winner's own, and where it stands among the others."""
    own = evaluation_plots(winner.candidate.evaluation, winner.candidate.predictions)
    board = leaderboard_table({one.candidate.name: one.candidate.evaluation for one in eligible})
    figures = {**own, "leaderboard": leaderboard_plot(board)}
    return {name.replace("_", " ").capitalize(): to_png(figure) for name, figure in figures.items()}


def encoder_of(lineage: Mapping[str, Record]) -> str | None:
    """Pretrained encoder that a model started from: a student's own, else that of `finetuned_bert`; None: no encoder."""
    own = [name for student, name in ENCODER_OF_STUDENT.items() if f"distilled_bert/{student}" in lineage]
    if own:
        return own[0]
    record = lineage.get("finetuned_bert")
    return None if record is None else record.config["encoder"]["name"]


def runtime_of(candidate: str) -> str:
    """What runs a candidate, by its name: torch, openvino, onnx or scikit-learn."""
    exported = next((variant for variant in FORMATS if candidate.endswith(f"-{variant}")), None)
    if exported is not None:
        return exported.partition("-")[0]
    return "scikit-learn" if candidate == "baseline" else "torch"
