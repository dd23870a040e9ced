"""The training group: the bar, and the transformer that has to clear it."""

from functools import partial

import dagster as dg
import polars as pl
from pydantic import Field

from fakenews_assets.common.config import plain_config
from fakenews_assets.common.progress import report
from fakenews_assets.models.settings import BaselineSettings, EncoderSpec
from fakenews_assets.training.metadata import TrainingLog, training_metadata
from fakenews_assets.training.search.settings import SearchSettings
from fakenews_assets.training.settings import FinetuneSettings
from fakenews_resources.storage.io_manager import Storage
from fakenews_resources.storage.store import Artifact, StoreError
from fakenews_resources.tracking.resource import Tracker

# One training step at a time, however it is launched: two would share the cores and both be slower.
_asset = partial(dg.asset, group_name="training", owners=["team:ml"], pool="training")


SEARCH_FILE = "search.json"

COLUMNS = ("title", "text", "label", "source")


@_asset(kinds={"sklearn"}, code_version="1")
@plain_config
def baseline_model(
    config: BaselineSettings, storage: Storage, splits: Artifact
) -> dg.MaterializeResult[Artifact]:
    """TF-IDF and logistic regression: the bar that every transformer must clear."""
    from fakenews_assets.models.linear import fit_baseline

    train = splits.scan("train").select("title", "text", "label").collect()
    classifier = fit_baseline(train, config)
    draft = storage.draft()
    classifier.save(draft.path)
    return dg.MaterializeResult(
        value=draft, metadata={"train_rows": len(train), "terms": len(classifier.terms)}
    )


class EncoderConfig(dg.Config, EncoderSpec):
    """Which pretrained encoder to start from."""


class FinetuneConfig(dg.Config, FinetuneSettings):
    """Settings of the fine-tuning."""

    # Dagster's configuration nests its own kind of record only; frozen, so the narrower type is safe.
    encoder: EncoderConfig = Field(  # pyright: ignore[reportIncompatibleVariableOverride]
        default=EncoderConfig(), description="Pretrained encoder to start from."
    )
    use_search: bool = Field(
        default=False,
        description="Take the settings that `hyperparameter_search` found best in place of those given here.",
    )
    warm_start: str = Field(
        default="",
        description="Go on from the fine-tuned encoder behind a bundle: `champion`, or the bundle's sha. Empty: from"
        " the pretrained encoder.",
    )


class SearchConfig(dg.Config, SearchSettings):
    """What is searched, and for how long."""

    base: FinetuneConfig = Field(default=FinetuneConfig(), description="Every choice that is not searched.")


@_asset(kinds={"optuna", "pytorch"}, code_version="1")
def hyperparameter_search(
    context: dg.AssetExecutionContext,
    config: SearchConfig,
    storage: Storage,
    tracker: Tracker,
    splits: Artifact,
) -> dg.MaterializeResult[Artifact]:
    """Better training settings by many short trainings (Optuna); optional. A killed search goes on where it was."""
    from fakenews_assets.common.metadata import records
    from fakenews_assets.common.plotting import to_markdown_image
    from fakenews_assets.models.encoders import EncoderUnavailable
    from fakenews_assets.training.finetuning import TrainingFailed
    from fakenews_assets.training.search.plots import history_figure, settings_figure
    from fakenews_assets.training.search.result import TrialRecord
    from fakenews_assets.training.search.search import search
    from fakenews_assets.training.search.study import SearchFailed

    def follow(trial: TrialRecord) -> None:
        note = f"trial {trial.number} {trial.state}, macro-F1 {trial.value}: {trial.params}"
        context.log.info(note)
        report("hyperparameter_search", trial.number + 1, config.trials, note)
        tracked.log({"macro_f1": trial.value, "seconds": trial.seconds, **trial.params}, trial.number)

    tracked = tracker.start(context, config)
    settings = SearchSettings.model_validate(config.model_dump(exclude={"base"}))
    try:
        result = search(
            splits.scan("train").select(COLUMNS).collect(),
            splits.scan("val").select(COLUMNS).collect(),
            settings_of(config.base),
            settings,
            storage.store.workspace("hyperparameter_search"),
            follow,
        )
    except (EncoderUnavailable, TrainingFailed, SearchFailed) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    draft = storage.draft()
    (draft.path / SEARCH_FILE).write_text(result.model_dump_json(indent=2) + "\n")
    trials = pl.DataFrame([trial.model_dump(exclude={"params"}) | trial.params for trial in result.trials])
    return dg.MaterializeResult(
        value=draft,
        metadata={
            "best_validation_macro_f1": result.best_value,
            "best_settings": result.best_changes,
            "finished_trials": result.finished,
            "seconds": result.seconds,
            "trials": records(trials),
            "history": dg.MetadataValue.md(to_markdown_image(history_figure(result), "search history")),
            "settings": dg.MetadataValue.md(to_markdown_image(settings_figure(result), "searched settings")),
            **tracked.finish({"best_macro_f1": result.best_value, **result.best_changes}, {"trials": trials}),
        },
    )


@_asset(
    kinds={"pytorch", "lightning", "huggingface"},
    code_version="2",
    deps=["hyperparameter_search"],
)
def finetuned_bert(
    context: dg.AssetExecutionContext,
    config: FinetuneConfig,
    storage: Storage,
    tracker: Tracker,
    splits: Artifact,
) -> dg.MaterializeResult[Artifact]:
    """A pretrained encoder, fine-tuned; the weights of the best validation. A killed run resumes."""
    from fakenews_assets.models.encoders import EncoderUnavailable
    from fakenews_assets.registry.bundle import BundleError
    from fakenews_assets.registry.champion import RegistryError
    from fakenews_assets.registry.warm_start import warm_start
    from fakenews_assets.training.finetuning import TrainingFailed, finetune

    settings = settings_of(config)
    if config.use_search:
        found = storage.read(context, "hyperparameter_search").read_json(SEARCH_FILE)
        settings = FinetuneSettings.model_validate(settings.model_dump() | found["best_changes"])
    draft = storage.draft()
    start = None
    log = TrainingLog(context.log, "finetuned_bert", tracker.start(context, settings))
    try:
        if config.warm_start:
            found = warm_start(storage.store, config.warm_start, settings.encoder.name)
            start = found.encoder.path
            # No edge of the graph may lead back to where it came from: the record says it instead.
            draft.meta["warm_start"] = {"bundle": found.bundle, "finetuned_bert": found.encoder.version}
        result = finetune(
            splits.scan("train").select(COLUMNS).collect(),
            splits.scan("val").select(COLUMNS).collect(),
            settings,
            draft.path,
            storage.store.workspace("finetuned_bert"),
            log,
            start_from=start,
        )
    except (EncoderUnavailable, TrainingFailed, BundleError, RegistryError, StoreError) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    return dg.MaterializeResult(
        value=draft,
        metadata={
            **training_metadata(result),
            **log.finish(result),
            "started_from": f"bundle {draft.meta['warm_start']['bundle']}"
            if start
            else settings.encoder.name,
        },
    )


def settings_of(config: FinetuneConfig) -> FinetuneSettings:
    """What `finetune` takes of an asset's configuration."""
    return FinetuneSettings.model_validate(config.model_dump(exclude={"use_search", "warm_start"}))
