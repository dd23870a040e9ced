"""The evaluation group: every candidate on the same frozen test split."""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from fakenews_assets.evaluation.checks import better_than_majority, better_than_majority_spec
from fakenews_assets.evaluation.partitions import CANDIDATES, candidates
from fakenews_assets.progress import report
from fakenews_resources.storage import Storage
from fakenews_resources.store import Artefact


class EvaluationRunConfig(dg.Config):
    """How a candidate is judged."""

    resamples: int = Field(default=1000, ge=100, description="Bootstrap test sets behind each interval.")
    level: float = Field(default=0.95, gt=0, lt=1, description="Confidence level of the intervals.")
    seed: int = Field(default=0, description="Draws the bootstrap and the articles of the speed measurement.")


@dg.asset(
    partitions_def=candidates,
    deps=list(CANDIDATES.values()),
    group_name="evaluation",
    owners=["team:ml"],
    kinds={"sklearn", "matplotlib"},
    code_version="1",
    check_specs=[better_than_majority_spec],
    # Speed is part of the verdict: no training may run beside it.
    pool="training",
    automation_condition=dg.AutomationCondition.eager(),
)
def evaluation(
    context: dg.AssetExecutionContext, config: EvaluationRunConfig, storage: Storage, splits: Artefact
) -> Iterator[dg.MaterializeResult[Artefact]]:
    """Quality, calibration, slices, speed and size of one candidate on the frozen test split."""
    from fakenews_assets.evaluation.evaluating import EvaluationConfig, evaluate
    from fakenews_assets.evaluation.reporting import evaluation_plots, to_markdown, write_evaluation
    from fakenews_assets.plotting import to_markdown_image
    from fakenews_assets.training.classifier import load_classifier

    candidate = context.partition_key
    model = storage.read(context, CANDIDATES[candidate])
    report("evaluation", 0, None, "predicting the test split")
    result, predictions = evaluate(
        load_classifier(model.path),
        splits.scan("test").collect(),
        EvaluationConfig(**config.model_dump()),
        model.path,
        data_note=splits.meta["data_note"],
    )
    draft = storage.draft()
    write_evaluation(result, predictions, draft.path)
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
            "latency_ms_p50": result.speed.latency_p50_ms,
            "rows_per_second": result.speed.rows_per_second,
            "test_rows": result.rows,
            "report": dg.MetadataValue.md(to_markdown(result)),
            **plots,
        },
        check_results=[better_than_majority(result)],
    )
