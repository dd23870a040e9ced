"""Retrains and evaluates the recipes on several kinds of splits, with several seeds."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import polars.selectors as cs
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from scipy import stats

from fakenews_assets.common import progress
from fakenews_assets.evaluation.generalization.folds import Fold, make_folds
from fakenews_assets.evaluation.generalization.settings import GeneralizationSettings, Model, Protocol
from fakenews_assets.models.classifier import Classifier
from fakenews_assets.models.metrics import Metrics
from fakenews_assets.models.predictions import LABELLED_PREDICTION_SCHEMA, predict_table
from fakenews_assets.models.settings import BaselineSettings
from fakenews_assets.training.settings import FinetuneSettings

_TRAINING_ROWS_PER_VALIDATION_ROW: Final = 4

GENERALIZATION_SCHEMA: Final = pl.Schema(
    {
        "protocol": pl.String,
        "held_out": pl.String,
        "model": pl.String,
        "seed": pl.Int64,
        **LABELLED_PREDICTION_SCHEMA,
    }
)
"""A prediction of a test row of a fold, and which training it is of."""


class Spread(BaseModel):
    """Macro-F1 of one model on one kind of split, over seeds."""

    model_config = ConfigDict(frozen=True)

    protocol: Protocol
    held_out: str | None = Field(
        description="The held-out source of `source_disjoint`; None: all test rows together."
    )
    model: Model
    seeds: int
    rows: int = Field(description="Test rows.")
    mean: float
    sd: float | None = Field(description="Standard deviation over seeds; None: one seed.")
    low: float | None = Field(
        description="95 % interval of the mean by Student's t over seeds; None: one seed."
    )
    high: float | None
    called_fake: float = Field(description="Share of the rows predicted fake, mean over seeds.")
    fake_share: float


_SPREADS_FILE: Final = "spreads.json"
_SPREADS: Final = TypeAdapter(list[Spread])


def measure(
    splits: Mapping[str, pl.DataFrame],
    settings: GeneralizationSettings,
    baseline: BaselineSettings,
    finetuning: FinetuneSettings,
    work: Path,
) -> pl.DataFrame:
    """Train and evaluate. A killed call resumes after its last finished run.

    Args:
        splits: as in `make_folds`.
        settings: of the measurement.
        baseline: recipe of the baseline.
        finetuning: recipe of the fine-tuned encoder; its seed is replaced.
        work: scratch that outlives a killed process; one file per finished run stays in it.

    Returns:
        A table of `GENERALIZATION_SCHEMA`: every test row of every fold, by every model and seed, with the decision
        threshold 0.5.

    Raises:
        ValueError: the corpus allows none of the protocols.
    """
    folds = [
        _capped(fold, settings) for protocol in settings.protocols for fold in make_folds(splits, protocol)
    ]
    if not folds:
        raise ValueError(
            f"The corpus allows none of these splits: {', '.join(settings.protocols)}. It needs sources with"
            " both labels, or dates."
        )
    runs = [(fold, model, seed) for fold in folds for model, seed in _trainings(settings)]
    tables = []
    for done, (fold, model, seed) in enumerate(runs):
        name = " ".join(filter(None, (fold.protocol, fold.held_out, model)))
        recipe = finetuning.model_copy(update={"seed": seed}) if model == "finetuned" else baseline
        with progress.part(done, len(runs), "runs", f"{name}, seed {seed}"):
            tables.append(_run(fold, model, seed, recipe, settings, work))
    return pl.concat(tables)


def spreads(predictions: pl.DataFrame) -> list[Spread]:
    """Summarise the result of `measure`, for each kind of split and each held-out source.

    Under `source_disjoint`, the rows of all sources are scored together, each predicted by a model that was not
    trained on its source.
    """
    found = []
    groups = predictions.with_columns(part=pl.lit(None, dtype=pl.String))
    by_source = predictions.filter(pl.col("held_out").is_not_null()).with_columns(part=pl.col("held_out"))
    for (protocol, part, model), rows in pl.concat([groups, by_source]).group_by(
        "protocol", "part", "model", maintain_order=True
    ):
        runs = [
            Metrics.of(run["true_label"].to_numpy(), run["probability"].to_numpy())
            for run in rows.partition_by("seed")
        ]
        scores = np.array([run.macro_f1 for run in runs], dtype=float)
        sd = float(scores.std(ddof=1)) if len(scores) > 1 else None
        # Runs that agree to the last digit have no spread to draw an interval from.
        reach = None if sd is None else sd / np.sqrt(len(scores)) * float(stats.t.ppf(0.975, len(scores) - 1))
        mean = float(scores.mean())
        found.append(
            Spread.model_validate(
                {
                    "protocol": protocol,
                    "held_out": part,
                    "model": model,
                    "seeds": len(scores),
                    "rows": rows.height // len(scores),
                    "mean": mean,
                    "sd": sd,
                    "low": None if reach is None else mean - reach,
                    "high": None if reach is None else mean + reach,
                    "called_fake": float((rows["probability"] >= 0.5).mean()),  # pyright: ignore[reportArgumentType]
                    "fake_share": runs[0].fake_share,
                }
            )
        )
    return found


def write_spreads(spreads: Sequence[Spread], folder: Path) -> None:
    """Write `spreads.json`."""
    (folder / _SPREADS_FILE).write_bytes(_SPREADS.dump_json(list(spreads), indent=2))


def read_spreads(folder: Path) -> list[Spread]:
    """Read what `write_spreads` wrote."""
    return _SPREADS.validate_json((folder / _SPREADS_FILE).read_bytes())


def measures(model: str, upstream: Mapping[str, str], lineage: Mapping[str, str]) -> bool:
    """Whether a measured spread belongs to a model's recipe and splits.

    Args:
        model: see `Spread`.
        upstream: versions of what `generalization` was made of, by key.
        lineage: versions of what the recipe's one model was made of, by key.
    """
    recipe = "baseline_model" if model == "baseline" else "finetuned_bert"
    return all(key in upstream and upstream[key] == lineage.get(key) for key in ("splits", recipe))


def _trainings(settings: GeneralizationSettings) -> Iterator[tuple[str, int]]:
    if "baseline" in settings.models:
        yield "baseline", 0
    if set(settings.models) - {"baseline"}:
        yield from (("finetuned", seed) for seed in range(settings.seeds))


def _run(
    fold: Fold,
    model: str,
    seed: int,
    recipe: BaselineSettings | FinetuneSettings,
    settings: GeneralizationSettings,
    work: Path,
) -> pl.DataFrame:
    rows = [
        int(part.select("title", "text", "label", "source", cs.matches("^rating$")).hash_rows(seed=1).sum())
        for part in (fold.train, fold.val, fold.test)
    ]
    models = [name for name in settings.models if (name == "baseline") == (model == "baseline")]
    identity: list[Any] = [fold.protocol, fold.held_out, models, seed, recipe.model_dump(mode="json"), rows]
    name = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:24]
    finished = work / f"{name}.parquet"
    if not finished.is_file():
        folder = work / name
        tables = [
            predict_table(classifier, fold.test).with_columns(
                protocol=pl.lit(fold.protocol),
                held_out=pl.lit(fold.held_out, dtype=pl.String),
                model=pl.lit(of),
                seed=pl.lit(seed),
            )
            for of, classifier in _classifiers(fold, recipe, models, folder)
        ]
        aside = finished.with_suffix(".partial")
        pl.concat(tables).select(GENERALIZATION_SCHEMA.names()).cast(GENERALIZATION_SCHEMA).write_parquet(
            aside
        )
        aside.replace(finished)
        shutil.rmtree(folder, ignore_errors=True)
    return pl.read_parquet(finished)


def _classifiers(
    fold: Fold, recipe: BaselineSettings | FinetuneSettings, models: Sequence[str], folder: Path
) -> Iterator[tuple[str, Classifier]]:
    from fakenews_assets.models.runtimes.loading import load_classifier

    if isinstance(recipe, BaselineSettings):
        from fakenews_assets.models.runtimes.linear import fit_baseline

        yield "baseline", fit_baseline(fold.train, recipe)
        return
    from fakenews_assets.training.finetuning.finetuning import finetune

    finetune(fold.train, fold.val, recipe, folder / "model", folder / "work")
    if "finetuned" in models:
        yield "finetuned", load_classifier(folder / "model", "finetuned")
    if "finetuned-openvino-int8" in models:
        from fakenews_assets.compression.quantization import make_variant
        from fakenews_assets.compression.settings import QuantizationSettings

        variant = folder / "variant"
        make_variant(folder / "model", "openvino-int8", fold.train, fold.val, QuantizationSettings(), variant)
        yield "finetuned-openvino-int8", load_classifier(variant, "finetuned-openvino-int8")


def _capped(fold: Fold, settings: GeneralizationSettings) -> Fold:
    """A fold with at most the allowed rows, by a fixed draw."""
    train = _of_each_source(fold.train, settings.rows_of_a_source)
    val = _of_each_source(fold.val, max(1, settings.rows_of_a_source // _TRAINING_ROWS_PER_VALIDATION_ROW))
    test = fold.test.sample(min(settings.test_rows, fold.test.height), seed=0)
    return replace(fold, train=train, val=val, test=test)


def _of_each_source(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    place = pl.int_range(pl.len()).shuffle(seed=0).over(pl.col("source").fill_null(""))
    return rows.filter(place < most)
