"""Writes the bundle of the chosen candidate."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fakenews_assets.common.plotting import to_png
from fakenews_assets.compression.partitions import encoder_in
from fakenews_assets.compression.settings import ENCODER_OF_STUDENT, FORMATS, STATIC
from fakenews_assets.ensembling.partitions import CASCADES, ENSEMBLES
from fakenews_assets.evaluation.reports.leaderboard import leaderboard_table
from fakenews_assets.evaluation.reports.leaderboard_plot import leaderboard_plot
from fakenews_assets.evaluation.reports.reporting import EVALUATION_FILE, stored_plots
from fakenews_assets.models.calibration import CALIBRATION_FILE, read_calibration
from fakenews_assets.models.out_of_distribution import OOD_FILE
from fakenews_assets.registry.bundle import (
    CORPUS_FILE,
    MODEL_CARD_FILE,
    MODEL_CARD_PAGE,
    MODEL_FOLDER,
    PREPARE_FILE,
    Manifest,
    write_bundle,
)
from fakenews_assets.registry.lineage import preparation_of
from fakenews_assets.registry.signing import sign_bundle, signature_file, signing_key
from fakenews_assets.selection.candidates import EligibleCandidate
from fakenews_assets.selection.card.corpus import describe_corpus
from fakenews_assets.selection.card.header import About
from fakenews_assets.selection.card.model_card import model_card
from fakenews_assets.selection.card.page import to_html
from fakenews_assets.selection.policy import Choice
from fakenews_assets.selection.sbom import installed_packages, write_sbom
from fakenews_assets.selection.settings import CardSettings
from fakenews_resources.storage.artifact import Record
from fakenews_resources.storage.store import Store

COMMIT_VARIABLE: Final = "FAKENEWS_COMMIT"

_PACKAGES: Final = (
    "dagster", "torch", "transformers", "tokenizers", "lightning", "openvino", "nncf", "onnxruntime",
    "scikit-learn", "scipy", "numpy", "polars", "rensa", "fakenews",
)  # fmt: skip


def bundle_winner(
    store: Store,
    draft: Path,
    eligible: Mapping[str, EligibleCandidate],
    choice: Choice,
    note: str | None,
    card: CardSettings,
    *,
    run_id: str | None = None,
) -> str:
    """Write the bundle of the chosen candidate.

    Args:
        store: receives the bundle, and holds what the candidate was made of.
        draft: an empty folder of the store.
        eligible: the compared candidates, by name.
        choice: of the policy.
        note: warning that belongs beside every score.
        card: what its model card says besides.
        run_id: for the record beside the bundle.

    Returns:
        The sha that names the bundle.

    Raises:
        UnusableKey: the key in FAKENEWS_SIGNING_KEY.
    """
    winner = eligible[choice.winner]
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
        runtime=runtime_of(choice.winner),
        calibration=read_calibration(winner.evaluation.path),
        data_versions={key: record.version for key, record in winner.lineage.items()},
        config={key: record.config for key, record in winner.lineage.items()},
        git_commit=git_commit(),
        package_versions={name: packages[name].version for name in _PACKAGES if name in packages},
    )
    corpus = describe_corpus(store, winner.lineage)
    (draft / CORPUS_FILE).write_text(corpus.to_json(), encoding="utf-8")
    assert winner.model.record is not None
    about = About(winner.model.record.created_at.date(), card.owner, card.licence)
    text = model_card(manifest, winner.candidate.evaluation, choice, corpus, note, about)
    (draft / MODEL_CARD_FILE).write_text(text, encoding="utf-8")
    (draft / MODEL_CARD_PAGE).write_text(to_html(text, _pictures(eligible, winner)), encoding="utf-8")
    sha = write_bundle(draft, store.bundles, manifest, run_id=run_id)
    if (key := signing_key()) and not store.bundles.exists(signature_file(sha)):
        sign_bundle(store.bundles, sha, key)
    return sha


def git_commit() -> str | None:
    """Commit of the code that runs, with `-dirty` where it has changed since; in an image, the one that it was built from;
    None where nothing tells."""
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get(COMMIT_VARIABLE) or None
    return answer.stdout.strip()


def _pictures(eligible: Mapping[str, EligibleCandidate], winner: EligibleCandidate) -> dict[str, bytes]:
    """PNG bytes by caption: plots of the winner, and the leaderboard."""
    board = leaderboard_table({name: one.candidate.evaluation for name, one in eligible.items()})
    pictures = stored_plots(winner.evaluation.path) | {"leaderboard": to_png(leaderboard_plot(board))}
    return {name.replace("_", " ").capitalize(): png for name, png in pictures.items()}


def encoder_of(lineage: Mapping[str, Record]) -> str | None:
    """Pretrained encoder that a model started from: a student's own, else that of the training; None: no encoder."""
    own = [name for student, name in ENCODER_OF_STUDENT.items() if f"distilled_bert/{student}" in lineage]
    if own:
        return own[0]
    record = lineage.get("finetuned_bert") or lineage.get("frozen_encoder")
    return None if record is None else record.config["encoder"]["name"]


def runtime_of(candidate: str) -> str:
    """What runs a candidate, by its name: torch, openvino, onnx, scipy or scikit-learn; of an ensemble or a cascade both, joined by a
    plus."""
    if candidate in (*ENSEMBLES, *CASCADES):
        return f"{runtime_of(encoder_in(candidate))}+{runtime_of('baseline')}"
    exported = next((variant for variant in FORMATS if candidate.endswith(f"-{variant}")), None)
    if exported is not None:
        return exported.partition("-")[0]
    return {"baseline": "scikit-learn", STATIC: "scipy"}.get(candidate, "torch")
