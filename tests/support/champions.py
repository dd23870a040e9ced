"""Champions of tiny real models, for tests of what serves them."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import polars as pl

from fakenews_assets.data.text.preparation import TextPreparation
from fakenews_assets.models.calibration import Calibration, write_calibration
from fakenews_assets.models.out_of_distribution import OodSettings, fit_ood_detector
from fakenews_assets.models.runtimes.loading import load_classifier
from fakenews_assets.registry.bundle import (
    CARD_BUNDLE,
    CARD_URL,
    CORPUS_FILE,
    MODEL_CARD_PAGE,
    Manifest,
    write_bundle,
)
from fakenews_assets.registry.champion import ChampionRegistry
from fakenews_assets.selection.card.corpus import BatchFacts, Corpus, SourceFacts, SplitFacts
from fakenews_assets.selection.card.page import to_html
from fakenews_assets.selection.sbom import write_sbom
from fakenews_resources.storage.backend import Backend, as_backend
from fakenews_resources.storage.hashing import hash_files, version_of
from tests.support.models import build_tiny_classifier

CARD = f"""# Model card: tiny

- **Id:** {CARD_BUNDLE}

## Limits

- It knows nothing.

## What it is

A <b>tiny</b> model.

## Use it

```sh
curl {CARD_URL}/predict
```
"""

CALIBRATION = Calibration(
    temperature=1.3,
    threshold=0.5,
    abstain_low=0.45,
    abstain_high=0.55,
    target_precision=0.98,
    answered_share=0.8,
    confidence=0.95,
    promised_real=0.98,
    promised_fake=0.98,
    rows=100,
)


CORPUS = Corpus(
    batches=(BatchFacts("spring", "news.csv", date(2026, 5, 4), 100, 4, 50, 46, 0),),
    splits=(SplitFacts("train", 40, 30, 69, date(2024, 1, 2), date(2025, 3, 4)),),
    sources=(SourceFacts("herald.example", 30, 2), SourceFacts("hoax.example", 1, 20)),
    sources_known=7,
    unsourced=3,
)


def make_champion(
    models: Path | Backend,
    *,
    seed: int = 0,
    encoder: str | None = None,
    behind: Mapping[str, str] | None = None,
    familiar: Sequence[pl.DataFrame] = (),
) -> str:
    """Bundle an untrained classifier and make it the champion.

    Args:
        models: the bundles.
        seed: decides the weights.
        encoder: pretrained encoder that it is said to descend from.
        behind: versions of what it is said to be made of, besides splits.
        familiar: articles that it is said to be trained on, and others like them; none: it answers to everything.

    Returns:
        The bundle's sha.
    """
    models = as_backend(models)
    draft = models.root / f".draft-{seed}"
    build_tiny_classifier(draft / "model", seed=seed)
    (draft / "model_card.md").write_text(CARD)
    (draft / MODEL_CARD_PAGE).write_text(to_html(CARD, {}))
    write_sbom({}, f"tiny-{seed}", version_of(hash_files(draft / "model")), draft)
    metrics = {"accuracy": 0.5, "macro_f1": 0.5, "threshold": 0.5}
    unseen = {"precision_real": 0.75, "precision_fake": None, "publishers": [{"publisher": "other.example"}]}
    note = "An untrained model: its scores mean nothing."
    evaluation = {"rows": 100, "note": note, "metrics": metrics, "unseen": unseen}
    (draft / "evaluation.json").write_text(json.dumps(evaluation))
    (draft / CORPUS_FILE).write_text(CORPUS.to_json())
    (draft / "prepare.json").write_text(TextPreparation().model_dump_json())
    write_calibration(CALIBRATION, draft)
    if familiar:
        classifier = load_classifier(draft / "model")
        fit_ood_detector(classifier, familiar[0], familiar[1], OodSettings(), reads_text=True).save(draft)
    manifest = Manifest(
        candidate=f"tiny-{seed}",
        encoder=encoder,
        runtime="torch",
        calibration=CALIBRATION,
        data_versions={"splits": "b" * 32, **(behind or {})},
        config={"finetuned_bert": {"encoder": {"name": encoder}}} if encoder else {},
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
