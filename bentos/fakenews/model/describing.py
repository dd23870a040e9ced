"""What the service says of its champion."""

import json
from typing import Any

from bentos.fakenews.schemas import ModelOut, Reliability, TrainedOn, TrainingBatch, VerdictReliability
from bentos.fakenews.settings import ServiceSettings
from fakenews_assets.models.calibration import Calibration
from fakenews_assets.registry.bundle import CORPUS_FILE, MODEL_CARD_PAGE, Bundle
from fakenews_assets.registry.champion import Pointer


def describe(bundle: Bundle, pointer: Pointer, settings: ServiceSettings) -> tuple[ModelOut, str]:
    """The answer of `GET /model`, and the model card as a page.

    It is read once, because the files may be removed while the model is served.

    Args:
        bundle: the champion's.
        pointer: that made it champion.
        settings: of the service.
    """
    manifest, calibration = bundle.manifest, bundle.manifest.calibration
    evaluation = json.loads((bundle.path / "evaluation.json").read_bytes())
    scores = {name: value for name, value in evaluation["metrics"].items() if isinstance(value, float)}
    described = ModelOut(
        model_id=bundle.sha,
        candidate=manifest.candidate,
        encoder=manifest.encoder,
        runtime=manifest.runtime,
        promoted_at=pointer.promoted_at,
        git_commit=manifest.git_commit,
        data_versions=manifest.data_versions,
        threshold=calibration.threshold,
        abstain_between=[calibration.abstain_low, calibration.abstain_high],
        reads_text=bundle.reads_text,
        trained_on=_trained_on(json.loads((bundle.path / CORPUS_FILE).read_bytes())),
        evaluation={"rows": evaluation["rows"], **scores},
        reliability=_reliability(calibration, evaluation.get("unseen") or {}),
        note=evaluation["note"],
        model_card=bundle.card,
        shows_corpus=settings.show_corpus,
        log_content=settings.log_content,
    )
    return described, (bundle.path / MODEL_CARD_PAGE).read_text(encoding="utf-8")


def _reliability(calibration: Calibration, unseen: dict[str, Any]) -> Reliability:
    """Args: unseen: of the evaluation on unseen publishers; empty if there was none."""
    return Reliability(
        real=VerdictReliability(promised=calibration.promised_real, unseen=unseen.get("precision_real")),
        fake=VerdictReliability(promised=calibration.promised_fake, unseen=unseen.get("precision_fake")),
        confidence=calibration.confidence,
        unseen_publishers=len(unseen.get("publishers", ())),
    )


def _trained_on(corpus: dict[str, Any]) -> TrainedOn:
    train = next(split for split in corpus["splits"] if split["name"] == "train")
    return TrainedOn(
        real=train["real"],
        fake=train["fake"],
        first=train["first"],
        last=train["last"],
        batches=[
            TrainingBatch(name=one["name"], origin=one["origin"], articles=one["rows_in"] - one["rejected"])
            for one in corpus["batches"]
        ],
        sources=[one["name"] for one in corpus["sources"]],
        sources_known=corpus["sources_known"],
    )
