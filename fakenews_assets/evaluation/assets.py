"""The evaluation group: every candidate on the same frozen test split, and all of them side by side."""

from collections.abc import Iterator
from functools import partial

import dagster as dg
from pydantic import Field

from fakenews_assets.evaluation.checks import better_than_majority, better_than_majority_spec
from fakenews_assets.evaluation.partitions import CANDIDATES, candidates, model_assets
from fakenews_assets.progress import report
from fakenews_resources.storage import Storage
from fakenews_resources.store import Artefact

_asset = partial(dg.asset, group_name="evaluation", owners=["team:ml"])


class EvaluationRunConfig(dg.Config):
    """How a candidate is judged."""

    target_precision: float | None = Field(
        default=0.98,
        gt=0,
        le=1,
        description="Share of right answers, chosen on validation, among those called real and those called fake;"
        " uncertain articles get no answer. null: always answer.",
    )
    max_abstain: float = Field(
        default=0.5, ge=0, lt=1, description="Most validation rows without an answer, as a share."
    )
    resamples: int = Field(default=1000, ge=100, description="Bootstrap test sets behind each interval.")
    level: float = Field(default=0.95, gt=0, lt=1, description="Confidence level of the intervals.")
    seed: int = Field(default=0, description="Draws the bootstrap and the articles of the speed measurement.")


@_asset(
    partitions_def=candidates,
    deps=model_assets,
    kinds={"sklearn", "matplotlib"},
    code_version="2",
    check_specs=[better_than_majority_spec],
    # Speed is part of the verdict: no training may run beside it.
    pool="training",
)
def evaluation(
    context: dg.AssetExecutionContext, config: EvaluationRunConfig, storage: Storage, splits: Artefact
) -> Iterator[dg.MaterializeResult[Artefact]]:
    """One candidate: calibrated on validation, then quality, slices, speed and size on the frozen test split."""
    from fakenews_assets.evaluation.calibration import (
        CalibratedClassifier,
        CalibrationSettings,
        fit_calibration,
        write_calibration,
    )
    from fakenews_assets.evaluation.evaluating import EvaluationConfig, evaluate, predict_table
    from fakenews_assets.evaluation.reporting import evaluation_plots, to_markdown, write_evaluation
    from fakenews_assets.plotting import to_markdown_image
    from fakenews_assets.training.classifier import load_classifier

    candidate = context.partition_key
    model = storage.read(context, CANDIDATES[candidate])
    classifier = load_classifier(model.path, candidate)
    report("evaluation", 0, None, "calibrating on the validation split")
    validation = predict_table(classifier, splits.scan("val").collect())
    calibration = fit_calibration(
        validation["label"].to_numpy(),
        validation["probability"].to_numpy(),
        CalibrationSettings(
            target_precision=config.target_precision, max_abstain=config.max_abstain, seed=config.seed
        ),
    )
    report("evaluation", 0, None, "predicting the test split")
    result, predictions = evaluate(
        CalibratedClassifier(classifier, calibration),
        splits.scan("test").collect(),
        EvaluationConfig(
            threshold=calibration.threshold,
            resamples=config.resamples,
            level=config.level,
            seed=config.seed,
        ),
        model.path,
        data_note=splits.meta["data_note"],
        calibration=calibration,
    )
    draft = storage.draft()
    write_evaluation(result, predictions, draft.path)
    write_calibration(calibration, draft.path)
    draft.meta.update(candidate=candidate, model=model.version, splits=splits.version)
    metrics = result.metrics
    plots = {
        f"plot_{name}": dg.MetadataValue.md(to_markdown_image(figure, f"{candidate}: {name}"))
        for name, figure in evaluation_plots(result, predictions).items()
    }
    yield dg.MaterializeResult(
        value=draft,
        metadata={
            "candidate": candidate,
            "accuracy": metrics.accuracy,
            "macro_f1": metrics.macro_f1,
            "roc_auc": metrics.roc_auc if metrics.roc_auc is not None else "undefined",
            "ece": metrics.ece,
            "temperature": calibration.temperature,
            "answered_share": 1 - result.abstained / result.rows,
            "latency_ms_p50": result.speed.latency_p50_ms,
            "rows_per_second": result.speed.rows_per_second,
            "test_rows": result.rows,
            "report": dg.MetadataValue.md(to_markdown(result)),
            **plots,
        },
        check_results=[better_than_majority(result)],
    )


@_asset(kinds={"polars", "matplotlib"}, code_version="1")
def leaderboard(
    storage: Storage, splits: Artefact, evaluation: dict[str, Artefact]
) -> dg.MaterializeResult[Artefact]:
    """Every candidate that was judged on the current splits, side by side: quality against speed and size."""
    from fakenews_assets.evaluation.leaderboard import (
        leaderboard_markdown,
        leaderboard_plot,
        leaderboard_table,
    )
    from fakenews_assets.evaluation.reporting import read_evaluation
    from fakenews_assets.plotting import to_markdown_image, to_png

    current = judged_on(splits, evaluation)
    table = leaderboard_table({name: read_evaluation(found.path) for name, found in current.items()})
    text = leaderboard_markdown(table, splits.meta["data_note"])
    figure = leaderboard_plot(table)
    draft = storage.draft()
    table.write_parquet(draft.path / "leaderboard.parquet")
    (draft.path / "leaderboard.md").write_text(text + "\n", encoding="utf-8")
    (draft.path / "leaderboard.png").write_bytes(to_png(figure))
    best = table.row(0, named=True)
    return dg.MaterializeResult(
        value=draft,
        metadata={
            "candidates": len(table),
            "best": best["candidate"],
            "best_macro_f1": best["macro_f1"] if best["macro_f1"] is not None else "undefined",
            "left_out": sorted(set(evaluation) - set(current)),
            "leaderboard": dg.MetadataValue.md(text),
            "plot": dg.MetadataValue.md(to_markdown_image(figure, "macro-F1 against latency")),
        },
    )


def judged_on(splits: Artefact, evaluations: dict[str, Artefact]) -> dict[str, Artefact]:
    """The evaluations made on these splits; others compare with nothing.

    Raises:
        dg.Failure: there is none.
    """
    current = {
        name: found for name, found in evaluations.items() if found.meta.get("splits") == splits.version
    }
    if not current:
        raise dg.Failure(
            "No candidate has been judged on the current splits. Materialize `evaluation` first.",
            allow_retries=False,
        )
    return current
