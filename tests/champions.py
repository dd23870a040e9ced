"""Champions of tiny real models, for tests of what serves them."""

import json
from collections.abc import Mapping
from pathlib import Path

from fakenews_assets.data.preparation import TextPreparation
from fakenews_assets.evaluation.calibration import Calibration, write_calibration
from fakenews_assets.selection.bundle import Manifest, write_bundle
from fakenews_assets.selection.registry import ChampionRegistry
from tests.models import build_tiny_classifier

CALIBRATION = Calibration(
    temperature=1.3,
    threshold=0.5,
    abstain_low=0.45,
    abstain_high=0.55,
    target_precision=0.98,
    answered_share=0.8,
    precision_real=0.98,
    precision_fake=0.98,
    rows=100,
)


def make_champion(
    models: Path, *, seed: int = 0, encoder: str | None = None, behind: Mapping[str, str] | None = None
) -> str:
    """Bundle an untrained classifier and make it the champion.

    Args:
        models: the folder of bundles.
        seed: decides the weights.
        encoder: pretrained encoder that it is said to descend from.
        behind: versions of what it is said to be made of, besides splits.

    Returns:
        The bundle's sha.
    """
    draft = models / f".draft-{seed}"
    build_tiny_classifier(draft / "model", seed=seed)
    (draft / "model_card.md").write_text("# Model card: tiny\n")
    metrics = {"accuracy": 0.5, "macro_f1": 0.5, "threshold": 0.5}
    evaluation = {"rows": 100, "note": "An untrained model: its scores mean nothing.", "metrics": metrics}
    (draft / "evaluation.json").write_text(json.dumps(evaluation))
    (draft / "prepare.json").write_text(TextPreparation().model_dump_json())
    write_calibration(CALIBRATION, draft)
    manifest = Manifest(
        candidate=f"tiny-{seed}",
        encoder=encoder,
        runtime="torch",
        calibration=CALIBRATION,
        data_versions={"splits": "b" * 32, **(behind or {})},
        git_commit=None,
        package_versions={},
    )
    sha = write_bundle(draft, models, manifest)
    registry = ChampionRegistry(models)
    before = registry.champion()
    registry.promote(
        sha, expected=before.bundle if before else None, reason="test", run_id=None, promoted_by="test"
    )
    return sha
