"""The evaluation group: every candidate on the same frozen test split, and all of them side by side."""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from fakenews_assets.common.progress import report
from fakenews_assets.evaluation.checks import (
    better_than_majority,
    better_than_majority_spec,
    carries_over,
    carries_over_spec,
    probe_check_specs,
    probe_checks,
)
from fakenews_assets.evaluation.generalization.repetition import Repetition
from fakenews_assets.evaluation.partitions import CANDIDATES, candidates, model_assets
from fakenews_assets.evaluation.probes.settings import ProbeConfig
from fakenews_resources.storage.io_manager import Storage
from fakenews_resources.storage.store import Artifact, ValueMissing
from fakenews_resources.tracking.resource import Tracker

if TYPE_CHECKING:  # scipy takes long to import, and loading the definitions must not
    from fakenews_assets.evaluation.generalization.generalization import Spread

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
    ood_share: float | None = Field(
        default=0.005,
        gt=0,
        le=0.5,
        description="Share of validation articles that may be refused as unlike those that the model was trained on."
        " null: nothing is refused for that.",
    )
    resamples: int = Field(default=1000, ge=100, description="Bootstrap test sets behind each interval.")
    level: float = Field(default=0.95, gt=0, lt=1, description="Confidence level of the intervals.")
    seed: int = Field(
        default=0,
        description="Draws the bootstrap, the articles of the speed measurement, and those that the out-of-distribution detector is fitted on.",
    )
    masked_rows: int = Field(
        default=2000, ge=1, description="Test rows that are judged again with shortcuts hidden, at most."
    )
    behaviour_cases: int = Field(
        default=200, ge=1, description="Test rows that the behavioural tests change, at most."
    )


@_asset(
    partitions_def=candidates,
    deps=model_assets,
    kinds={"sklearn", "matplotlib"},
    code_version="3",
    check_specs=[better_than_majority_spec],
    # Speed is part of the verdict: no training may run beside it.
    pool="training",
)
def evaluation(
    context: dg.AssetExecutionContext,
    config: EvaluationRunConfig,
    storage: Storage,
    tracker: Tracker,
    splits: Artifact,
) -> Iterator[dg.MaterializeResult[Artifact]]:
    """One candidate: calibrated on validation, then quality, slices, speed and size on the frozen test split, its fall
    with shortcuts hidden, and behavioural tests."""
    from fakenews_assets.common.plotting import to_markdown_image
    from fakenews_assets.data.preparation import TextPreparation
    from fakenews_assets.evaluation.evaluating import EvaluationConfig, evaluate
    from fakenews_assets.evaluation.metrics.slices import slice_table
    from fakenews_assets.evaluation.reports.reporting import evaluation_plots, to_markdown, write_evaluation
    from fakenews_assets.evaluation.robust import learn_names, with_robustness
    from fakenews_assets.models.calibration import (
        CalibratedClassifier,
        CalibrationSettings,
        fit_calibration,
        write_calibration,
    )
    from fakenews_assets.models.loading import load_classifier, reads_text
    from fakenews_assets.models.out_of_distribution import OodSettings, fit_ood_detector
    from fakenews_assets.models.predictions import predict_table
    from fakenews_assets.registry.lineage import ancestors, preparation_of

    candidate = context.partition_key
    model = storage.read(context, CANDIDATES[candidate])
    classifier = load_classifier(model.path, candidate)
    report("evaluation", 0, None, "calibrating on the validation split")
    val = splits.scan("val").collect()
    validation = predict_table(classifier, val)
    calibration = fit_calibration(
        validation["true_label"].to_numpy(),
        validation["probability"].to_numpy(),
        CalibrationSettings(
            target_precision=config.target_precision, max_abstain=config.max_abstain, seed=config.seed
        ),
    )
    train, test = (splits.scan(split).collect() for split in ("train", "test"))
    ood_detector = None
    if config.ood_share is not None:
        report("evaluation", 0, None, "fitting the out-of-distribution detector")
        ood_detector = fit_ood_detector(
            classifier,
            train,
            val,
            OodSettings(refused_share=config.ood_share, seed=config.seed),
            reads_text=reads_text(model.path),
        )
    report("evaluation", 0, None, "predicting the test split")
    served = CalibratedClassifier(classifier, calibration, ood_detector)
    result, predictions = evaluate(
        served,
        test,
        EvaluationConfig(
            threshold=calibration.threshold,
            resamples=config.resamples,
            level=config.level,
            seed=config.seed,
            masked_rows=config.masked_rows,
            behaviour_cases=config.behaviour_cases,
        ),
        model.path,
        data_note=splits.meta["data_note"],
        calibration=calibration,
        ood_limits=ood_detector.limits if ood_detector else None,
    )
    report("evaluation", 0, None, "hiding shortcuts and testing behaviour")
    prepare = preparation_of(storage.store, ancestors(storage.store, splits))
    preparation = TextPreparation.model_validate_json(prepare.read_bytes())
    names = learn_names(train)
    result = with_robustness(result, predictions, served, test, model.path, names, preparation)
    draft = storage.draft()
    write_evaluation(result, predictions, draft.path)
    write_calibration(calibration, draft.path)
    if ood_detector is not None:
        ood_detector.save(draft.path)
    draft.meta.update(candidate=candidate, model=model.version, splits=splits.version)
    metrics = result.metrics
    plots = {
        f"plot_{name}": dg.MetadataValue.md(to_markdown_image(figure, f"{candidate}: {name}"))
        for name, figure in evaluation_plots(result, predictions).items()
    }
    numbers = {
        "candidate": candidate,
        "accuracy": metrics.accuracy,
        "macro_f1": metrics.macro_f1,
        "roc_auc": metrics.roc_auc if metrics.roc_auc is not None else "undefined",
        "ece": metrics.ece,
        "temperature": calibration.temperature,
        "answered_share": 1 - result.abstained / result.rows,
        "out_of_distribution": result.out_of_distribution,
        "latency_ms_p50": result.speed.latency_p50_ms,
        "rows_per_second": result.speed.rows_per_second,
        "test_rows": result.rows,
    }
    slices = {"slices": slice_table(result.slices)}
    yield dg.MaterializeResult(
        value=draft,
        metadata={
            **numbers,
            "report": dg.MetadataValue.md(to_markdown(result)),
            **plots,
            **tracker.start(context, config).finish(numbers, slices, draft.path),
        },
        check_results=[better_than_majority(result)],
    )


@_asset(kinds={"polars", "matplotlib"}, code_version="3", deps=["generalization"])
def leaderboard(
    context: dg.AssetExecutionContext,
    storage: Storage,
    tracker: Tracker,
    splits: Artifact,
    evaluation: dict[str, Artifact],
) -> dg.MaterializeResult[Artifact]:
    """Every candidate that was judged on the current splits, side by side: quality against speed and size."""
    from fakenews_assets.common.plotting import to_markdown_image, to_png
    from fakenews_assets.evaluation.reports.leaderboard import (
        leaderboard_markdown,
        leaderboard_plot,
        leaderboard_table,
    )
    from fakenews_assets.evaluation.reports.reporting import read_evaluation

    current = judged_on(splits, evaluation)
    table = leaderboard_table(
        {name: read_evaluation(found.path) for name, found in current.items()},
        _spreads_of(current, context, storage),
    )
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
            **tracker.start(context).finish({"best": best["candidate"]}, {"leaderboard": table}, draft.path),
        },
    )


def judged_on(splits: Artifact, evaluations: dict[str, Artifact]) -> dict[str, Artifact]:
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


def _spreads_of(
    judged: dict[str, Artifact], context: dg.AssetExecutionContext, storage: Storage
) -> "list[Spread]":
    """What seeds, sources and time do to the recipes of these candidates, if it was measured of just these."""
    from fakenews_assets.evaluation.generalization.generalization import measures, read_spreads
    from fakenews_assets.registry.lineage import MixedVersions, ancestors

    if not storage.store.exists("generalization"):
        return []
    measured = storage.read(context, "generalization")
    assert measured.record is not None
    upstream, spreads = measured.record.upstream, read_spreads(measured.path)
    found: set[str] = set()
    for name in judged.keys() & {one.model for one in spreads}:
        with suppress(MixedVersions, ValueMissing):
            lineage = ancestors(storage.store, judged[name])
            if measures(name, upstream, {key: record.version for key, record in lineage.items()}):
                found.add(name)
    return [one for one in spreads if one.model in found]


class GeneralizationConfig(dg.Config, Repetition):
    """What is trained and judged, and how often."""

    protocols: list[str] = Field(
        default=["random", "grouped", "source_disjoint", "time_ordered"],
        description="Ways to divide the corpus; those that it does not allow are left out.",
    )
    models: list[str] = Field(
        default=["baseline"],
        description="`baseline` takes seconds. `finetuned` is trained as the present fine-tuned model was, once for"
        " each fold and seed: hours on a laptop. `finetuned-openvino-int8` is made of it.",
    )
    largest_drop: float = Field(
        default=10.0,
        ge=0,
        description="Points of macro-F1 that sources or times not trained on may cost before the check warns.",
    )


@_asset(
    deps=["baseline_model", "finetuned_bert"],
    kinds={"sklearn", "pytorch"},
    code_version="1",
    check_specs=[carries_over_spec],
    pool="training",
)
def generalization(
    context: dg.AssetExecutionContext, config: GeneralizationConfig, storage: Storage, splits: Artifact
) -> Iterator[dg.MaterializeResult[Artifact]]:
    """The recipes trained and judged anew under kinder and harder divisions of the corpus, with several seeds: by row,
    by near-duplicate cluster, by source, by time. Optional. A killed run goes on where it was."""
    from pydantic import ValidationError

    from fakenews_assets.common.plotting import to_markdown_image
    from fakenews_assets.evaluation.generalization.generalization import (
        GeneralizationSettings,
        measure,
        spreads,
        write_spreads,
    )
    from fakenews_assets.evaluation.generalization.report import generalization_markdown, generalization_plot
    from fakenews_assets.models.settings import BaselineSettings
    from fakenews_assets.training.settings import FinetuneSettings

    baseline, finetuning = BaselineSettings(), FinetuneSettings()
    if "baseline" in config.models:
        baseline = BaselineSettings.model_validate(
            storage.read(context, "baseline_model").read_json("baseline.json")
        )
    if set(config.models) - {"baseline"}:
        trained = storage.read(context, "finetuned_bert").read_json("training.json")
        finetuning = FinetuneSettings.model_validate(trained["settings"])
    try:
        settings = GeneralizationSettings.model_validate(config.model_dump(exclude={"largest_drop"}))
        predictions = measure(
            {split: splits.scan(split).collect() for split in ("train", "val", "test")},
            settings,
            baseline,
            finetuning,
            storage.store.workspace("generalization"),
            lambda done, total, note: report("generalization", done, total, note),
        )
    except (ValidationError, ValueError) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    found = spreads(predictions)
    text, figure = generalization_markdown(found, splits.meta["data_note"]), generalization_plot(found)
    draft = storage.draft()
    predictions.write_parquet(draft.path / "predictions.parquet")
    write_spreads(found, draft.path)
    (draft.path / "generalization.md").write_text(text + "\n", encoding="utf-8")
    draft.meta.update(splits=splits.version)
    yield dg.MaterializeResult(
        value=draft,
        metadata={
            "table": dg.MetadataValue.md(text),
            "plot": dg.MetadataValue.md(to_markdown_image(figure, "macro-F1 under each division")),
        },
        check_results=[carries_over(found, config.largest_drop)],
    )


class ShortcutProbesConfig(dg.Config, ProbeConfig):
    """How much is looked at, and from where on a cheap view counts as a shortcut."""


@_asset(kinds={"sklearn", "matplotlib"}, code_version="1", check_specs=probe_check_specs())
def shortcut_probes(
    config: ShortcutProbesConfig, storage: Storage, splits: Artifact
) -> Iterator[dg.MaterializeResult[Artifact]]:
    """How well the labels of the test articles can be told without reading them: by style, source, names, single words,
    or the lack of a text. What such a view reaches, a model can reach without understanding anything."""
    from fakenews_assets.common.plotting import to_markdown_image, to_png
    from fakenews_assets.evaluation.probes.plots import probe_plot
    from fakenews_assets.evaluation.probes.probes import probe_shortcuts
    from fakenews_assets.evaluation.probes.report import probe_markdown

    try:
        found = probe_shortcuts(
            splits.scan("train").collect(),
            splits.scan("test").collect(),
            ProbeConfig.model_validate(config.model_dump()),
        )
    except ValueError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    text, figure = probe_markdown(found, splits.meta["data_note"]), probe_plot(found)
    draft = storage.draft()
    (draft.path / "probes.json").write_text(found.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (draft.path / "probes.md").write_text(text + "\n", encoding="utf-8")
    (draft.path / "probes.png").write_bytes(to_png(figure))
    yield dg.MaterializeResult(
        value=draft,
        metadata={
            "shortcuts": [probe.name for probe in found.probes if probe.flagged],
            "table": dg.MetadataValue.md(text),
            "plot": dg.MetadataValue.md(to_markdown_image(figure, "ROC AUC of cheap views of the articles")),
        },
        check_results=probe_checks(found),
    )
