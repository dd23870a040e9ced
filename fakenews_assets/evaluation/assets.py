"""Assets of the group evaluation: each candidate on the test split, and comparisons between them."""

from collections.abc import Iterator
from functools import partial

import dagster as dg
import polars as pl

from fakenews_assets.common.assets import asset
from fakenews_assets.common.config import plain_config
from fakenews_assets.common.metadata import illustrated
from fakenews_assets.common.plotting import to_png
from fakenews_assets.data.ratings.reading import with_ratings
from fakenews_assets.data.splits.splitting import seen_rows
from fakenews_assets.evaluation.checks import (
    better_than_majority,
    better_than_majority_spec,
    carries_over,
    carries_over_spec,
    probe_check_specs,
    probe_checks,
)
from fakenews_assets.evaluation.generalization.settings import GeneralizationSettings
from fakenews_assets.evaluation.partitions import CANDIDATES, candidates, model_assets
from fakenews_assets.evaluation.probes.settings import ProbeConfig
from fakenews_assets.evaluation.settings import EvaluationSettings
from fakenews_assets.models.settings import BaselineSettings
from fakenews_assets.training.settings import FinetuneSettings
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.io_manager import Storage
from fakenews_resources.tracking.resource import Tracker

_asset = partial(asset, group_name="evaluation", owners=["team:ml"])


@_asset(
    partitions_def=candidates,
    deps=model_assets,
    kinds={"sklearn", "matplotlib"},
    code_version="4",
    check_specs=[better_than_majority_spec],
    pool="training",  # speed is part of the verdict: no training may run beside it
)
@plain_config
def evaluation(
    context: dg.AssetExecutionContext,
    config: EvaluationSettings,
    storage: Storage,
    tracker: Tracker,
    splits: Artifact,
) -> Iterator[dg.MaterializeResult[Artifact]]:
    """One candidate: calibrated on the validation split, then evaluated on the test split: quality, slices,
    robustness with masked shortcuts, behavioural tests, speed and size."""
    from fakenews_assets.data.text.preparation import TextPreparation
    from fakenews_assets.evaluation.candidate import evaluate_candidate
    from fakenews_assets.evaluation.metrics.slices import slice_table
    from fakenews_assets.evaluation.reports.reporting import CHIEF_PLOT, to_markdown
    from fakenews_assets.registry.lineage import ancestors, preparation_of

    candidate = context.partition_key
    model = storage.read(context, CANDIDATES[candidate])
    prepare = preparation_of(storage.store, ancestors(storage.store, splits))
    preparation = TextPreparation.model_validate_json(prepare.read_bytes())
    found = evaluate_candidate(candidate, model.path, splits, preparation, config)
    draft = storage.draft()
    found.write(draft.path)
    draft.meta.update(candidate=candidate, model=model.version, splits=splits.version)
    numbers = {"candidate": candidate, **found.key_figures()}
    slices = {"slices": slice_table(found.evaluation.slices)}
    chief = (draft.path / f"{CHIEF_PLOT}.png").read_bytes()
    yield dg.MaterializeResult(
        value=draft,
        metadata={
            **numbers,
            "report": illustrated(chief, CHIEF_PLOT, to_markdown(found.evaluation)),
            **tracker.start(context, config).finish(numbers, slices, draft.path),
        },
        check_results=[better_than_majority(found.evaluation)],
    )


@_asset(kinds={"polars", "matplotlib"}, code_version="5", deps=["generalization"])
def leaderboard(
    context: dg.AssetExecutionContext,
    storage: Storage,
    tracker: Tracker,
    splits: Artifact,
    evaluation: dict[str, Artifact],
    champion: Artifact | None,
) -> dg.MaterializeResult[Artifact]:
    """All candidates that were evaluated on the current splits: quality against speed and size, and which one serves."""
    from fakenews_assets.evaluation.reports.leaderboard import compare_candidates
    from fakenews_assets.evaluation.reports.leaderboard_markdown import leaderboard_markdown
    from fakenews_assets.evaluation.reports.leaderboard_plot import leaderboard_plot

    measured = storage.store.exists("generalization")
    generalization = storage.read(context, "generalization") if measured else None
    try:
        table = compare_candidates(storage.store, splits, evaluation, generalization, champion)
    except ValueError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    text, png = leaderboard_markdown(table, splits.meta["data_note"]), to_png(leaderboard_plot(table))
    draft = storage.draft()
    table.write_parquet(draft.path / "leaderboard.parquet")
    (draft.path / "leaderboard.md").write_text(text + "\n", encoding="utf-8")
    (draft.path / "leaderboard.png").write_bytes(png)
    best = table.row(0, named=True)
    return dg.MaterializeResult(
        value=draft,
        metadata={
            "candidates": len(table),
            "best": best["candidate"],
            "best_macro_f1": best["macro_f1"] if best["macro_f1"] is not None else "undefined",
            "champion": _champion_of(table, champion),
            "left_out": ", ".join(sorted(set(evaluation) - set(table["candidate"]))) or "none",
            "leaderboard": illustrated(png, "macro-F1 against latency", text),
            **tracker.start(context).finish({"best": best["candidate"]}, {"leaderboard": table}, draft.path),
        },
    )


def _champion_of(table: pl.DataFrame, champion: Artifact | None) -> str:
    """Which candidate serves now, for people."""
    if champion is None:
        return "none yet"
    name = champion.meta["candidate"]
    return name if table["is_champion"].any() else f"{name} of an earlier training, not in this table"


@_asset(
    deps=["baseline_model", "finetuned_bert"],
    kinds={"sklearn", "pytorch"},
    code_version="1",
    check_specs=[carries_over_spec],
    pool="training",
)
@plain_config
def generalization(
    context: dg.AssetExecutionContext,
    config: GeneralizationSettings,
    storage: Storage,
    splits: Artifact,
    source_ratings: Artifact | None,
) -> Iterator[dg.MaterializeResult[Artifact]]:
    """The models, retrained with the same settings and evaluated on other splits of the corpus with several seeds: by row, by
    near-duplicate cluster, by source and by time. Optional. A killed run resumes."""
    from fakenews_assets.evaluation.generalization.generalization import measure, spreads, write_spreads
    from fakenews_assets.evaluation.generalization.report import generalization_markdown, generalization_plot

    baseline, finetuning = _recipes(context, storage, config)
    try:
        predictions = measure(
            {
                split: with_ratings(seen_rows(splits, split).collect(), source_ratings)
                for split in ("train", "val", "test")
            },
            config,
            baseline,
            finetuning,
            storage.store.workspace("generalization"),
        )
    except ValueError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    found = spreads(predictions)
    text, png = (
        generalization_markdown(found, splits.meta["data_note"]),
        to_png(generalization_plot(found)),
    )
    draft = storage.draft()
    predictions.write_parquet(draft.path / "predictions.parquet")
    write_spreads(found, draft.path)
    (draft.path / "generalization.md").write_text(text + "\n", encoding="utf-8")
    (draft.path / "generalization.png").write_bytes(png)
    draft.meta.update(splits=splits.version)
    yield dg.MaterializeResult(
        value=draft,
        metadata={
            "report": illustrated(png, "macro-F1 under each division", text),
        },
        check_results=[carries_over(found, config.largest_drop)],
    )


def _recipes(
    context: dg.AssetExecutionContext, storage: Storage, settings: GeneralizationSettings
) -> tuple[BaselineSettings, FinetuneSettings]:
    """The settings of the stored models that are asked for; the defaults of others."""
    baseline, finetuning = BaselineSettings(), FinetuneSettings()
    if "baseline" in settings.models:
        stored = storage.read(context, "baseline_model").read_json("baseline.json")
        baseline = BaselineSettings.model_validate(stored)
    if set(settings.models) - {"baseline"}:
        trained = storage.read(context, "finetuned_bert").read_json("training.json")
        finetuning = FinetuneSettings.model_validate(trained["settings"])
    return baseline, finetuning


@_asset(kinds={"sklearn", "matplotlib"}, code_version="1", check_specs=probe_check_specs())
@plain_config
def shortcut_probes(
    config: ProbeConfig, storage: Storage, splits: Artifact
) -> Iterator[dg.MaterializeResult[Artifact]]:
    """Accuracy of metadata-only baselines on the test articles: style, source, names, single words, a missing text.

    A model can be as accurate as these without reading the article.
    """
    from fakenews_assets.evaluation.probes.plots import probe_plot
    from fakenews_assets.evaluation.probes.probes import probe_shortcuts
    from fakenews_assets.evaluation.probes.report import probe_markdown

    try:
        found = probe_shortcuts(
            splits.scan("train").collect(),
            seen_rows(splits, "test").collect(),
            config,
        )
    except ValueError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    text, png = probe_markdown(found, splits.meta["data_note"]), to_png(probe_plot(found))
    draft = storage.draft()
    (draft.path / "probes.json").write_text(found.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (draft.path / "probes.md").write_text(text + "\n", encoding="utf-8")
    (draft.path / "probes.png").write_bytes(png)
    yield dg.MaterializeResult(
        value=draft,
        metadata={
            "shortcuts": [probe.name for probe in found.probes if probe.flagged],
            "report": illustrated(png, "ROC AUC of metadata-only baselines", text),
        },
        check_results=probe_checks(found),
    )
