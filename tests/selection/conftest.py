import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fakenews_assets.evaluation.evaluating import Evaluation, EvaluationConfig
from fakenews_assets.evaluation.metrics.selective import RiskCoverage
from fakenews_assets.evaluation.metrics.slices import SliceScore
from fakenews_assets.evaluation.metrics.speed import LENGTHS, Speed
from fakenews_assets.models.bootstrap import bootstrap_intervals
from fakenews_assets.models.calibration import Calibration, write_calibration
from fakenews_assets.models.metrics import Metrics
from fakenews_assets.models.predictions import LABELLED_PREDICTION_SCHEMA
from fakenews_assets.registry.bundle import Manifest, write_bundle
from fakenews_assets.selection.candidates import Candidate

MakeCandidate = Callable[..., Candidate]
MakePredictions = Callable[..., pl.DataFrame]


@pytest.fixture
def make_predictions() -> MakePredictions:
    """Make predictions on 2,000 rows, fake and real in turn, that are wrong on the given rows only."""

    def make(wrong: range = range(0), *, rows: int = 2000) -> pl.DataFrame:
        labels = (np.arange(rows) % 2).astype(np.int8)
        predicted = labels.copy()
        predicted[list(wrong)] ^= 1
        return pl.DataFrame(
            {
                "article_id": [f"{row:032x}" for row in range(rows)],
                "true_label": labels,
                "probability": np.where(predicted == 1, 0.9, 0.1),
                "predicted_label": predicted,
                "abstained": [False] * rows,
                "out_of_distribution": [False] * rows,
            },
            schema=LABELLED_PREDICTION_SCHEMA,
        )

    return make


@pytest.fixture
def make_candidate(make_predictions: MakePredictions) -> MakeCandidate:
    """Make a candidate that is wrong on the given rows only."""

    def make(
        name: str,
        wrong: range = range(0),
        *,
        rows_per_second: float = 100.0,
        latency_ms: float = 10.0,
        megabytes: float = 80.0,
    ) -> Candidate:
        predictions = make_predictions(wrong)
        labels, probabilities = predictions["true_label"].to_numpy(), predictions["probability"].to_numpy()
        metrics = Metrics.of(labels, probabilities)
        evaluation = Evaluation(
            candidate=name,
            note=None,
            config=EvaluationConfig(),
            rows=predictions.height,
            clusters=None,
            abstained=0,
            metrics=metrics,
            intervals=bootstrap_intervals(labels, probabilities, resamples=100),
            slices=(
                SliceScore(
                    dimension="source",
                    name="tribune",
                    rows=predictions.height,
                    fake_share=0.5,
                    accuracy=metrics.accuracy,
                    accuracy_interval=None,
                    macro_f1=metrics.macro_f1,
                    macro_f1_interval=None,
                    too_few=False,
                ),
            ),
            speed=Speed(
                latency_p50_ms=latency_ms,
                latency_p95_ms=2 * latency_ms,
                single_repetitions=10,
                rows_per_second=rows_per_second,
                batch_repetitions=10,
                latency_ms_by_words=dict.fromkeys(LENGTHS, latency_ms),
                threads=1,
                processor="abacus",
            ),
            bytes_on_disk=int(megabytes * 1e6),
            parameters=22_000_000,
            risk_coverage=RiskCoverage.of(labels, probabilities, metrics.threshold),
            selection_macro_f1=metrics.macro_f1,
        )
        return Candidate(name, evaluation, predictions)

    return make


@pytest.fixture
def manifest() -> Manifest:
    return Manifest(
        candidate="finetuned",
        encoder="minilm",
        runtime="torch",
        calibration=Calibration(
            temperature=1.7,
            threshold=0.45,
            abstain_low=0.3,
            abstain_high=0.7,
            target_precision=0.98,
            answered_share=0.8,
            confidence=0.95,
            promised_real=0.99,
            promised_fake=0.98,
            rows=900,
        ),
        data_versions={"splits": "b" * 32, "raw_news/one": "a" * 32},
        config={"finetuned_bert": {"epochs": 3, "encoder": {"name": "minilm"}}},
        git_commit="c0ffee",
        package_versions={"torch": "2.13.0", "transformers": "5.23.0"},
    )


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def make_draft(tmp_path: Path, manifest: Manifest) -> Callable[..., Path]:
    """Make a folder with all that a bundle needs but the manifest."""

    def make(weights: str = "weights") -> Path:
        folder = tmp_path / f"draft{len(list(tmp_path.iterdir()))}"
        (folder / "model" / "tokenizer").mkdir(parents=True)
        (folder / "model" / "weights.bin").write_text(weights)
        (folder / "model" / "tokenizer" / "vocabulary.txt").write_text("fake\nreal\n")
        (folder / "model_card.md").write_text("# A model\n")
        (folder / "model_card.html").write_text("<h1>A model</h1>\n")
        (folder / "sbom.cdx.json").write_text(json.dumps({"components": []}))
        (folder / "corpus.json").write_text("{}")
        (folder / "evaluation.json").write_text(json.dumps({"macro_f1": 0.9}))
        (folder / "prepare.json").write_text(json.dumps({"version": 2}))
        write_calibration(manifest.calibration, folder)
        return folder

    return make


@pytest.fixture
def make_bundle(models: Path, manifest: Manifest, make_draft: Callable[..., Path]) -> Callable[[str], str]:
    """Store a bundle with the given weights; returns its sha."""

    def make(weights: str) -> str:
        return write_bundle(make_draft(weights), models, manifest)

    return make
