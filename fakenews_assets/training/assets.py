"""Assets of the group training: the baseline, the frozen encoder, the search and the fine-tuned encoder."""

from functools import partial

import dagster as dg

from fakenews_assets.common.assets import asset
from fakenews_assets.common.config import plain_config
from fakenews_assets.common.metadata import records
from fakenews_assets.data.ratings.reading import with_ratings
from fakenews_assets.data.splits.splitting import training_rows
from fakenews_assets.models.settings import BaselineTuning
from fakenews_assets.training.metadata import SearchLog, TrainingLog
from fakenews_assets.training.search.result import SEARCH_FILE
from fakenews_assets.training.search.settings import SearchSettings
from fakenews_assets.training.settings import FinetunedBertSettings, FrozenSettings
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.io_manager import Storage
from fakenews_resources.storage.store import Store, StoreError
from fakenews_resources.tracking.resource import Tracker

# One training step at a time, however it is launched: two would share the cores and both be slower.
_asset = partial(asset, group_name="training", owners=["team:ml"], pool="training")


@_asset(kinds={"sklearn"}, code_version="5")
@plain_config
def baseline_model(
    config: BaselineTuning, storage: Storage, splits: Artifact, source_ratings: Artifact | None
) -> dg.MaterializeResult[Artifact]:
    """TF-IDF and logistic regression, tuned on the validation split: the bar for every encoder."""
    from fakenews_assets.training.baseline import tune_baseline

    train, val = training_rows(splits)
    if source_ratings is not None:
        _require_the_ratings_of_the_labels(storage.store, splits, source_ratings)
    try:
        tuned = tune_baseline(with_ratings(train, source_ratings), val, config)
    except ValueError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    draft = storage.draft()
    tuned.save(draft.path)
    chosen = tuned.classifier.settings
    return dg.MaterializeResult(
        value=draft,
        metadata={
            "train_rows": len(train),
            "terms": len(tuned.classifier.terms),
            "chosen": f"{chosen.terms}, lowercase={chosen.lowercase}, C={chosen.inverse_regularization:g}",
            "validation_roc_auc": tuned.roc_auc,
            "trials": records(tuned.trials),
        },
    )


def _require_the_ratings_of_the_labels(store: Store, splits: Artifact, ratings: Artifact) -> None:
    """A bundle names one version of every value, so that one table has to be behind labels and targets."""
    from fakenews_assets.registry.lineage import ancestors

    labelled_by = ancestors(store, splits).get("source_ratings")
    if labelled_by is not None and labelled_by.version != ratings.version:
        raise dg.Failure(
            "The ratings have changed since they labelled articles of these splits. Label the batches again"
            " (`fakenews rate FILE`), then make the splits again.",
            allow_retries=False,
        )


@_asset(kinds={"sklearn", "pytorch"}, code_version="1")
@plain_config
def frozen_encoder(
    config: FrozenSettings, storage: Storage, splits: Artifact
) -> dg.MaterializeResult[Artifact]:
    """Optional second bar: logistic regression on the embeddings of the pretrained encoder, without fine-tuning."""
    from fakenews_assets.models.encoders import EncoderUnavailable
    from fakenews_assets.training.frozen import fit_frozen

    train, _ = training_rows(splits)
    draft = storage.draft()
    try:
        fit_frozen(train, config, draft.path)
    except (EncoderUnavailable, ValueError) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    return dg.MaterializeResult(
        value=draft, metadata={"encoder": config.encoder.name, "train_rows": len(train)}
    )


@_asset(kinds={"optuna", "pytorch"}, code_version="1")
@plain_config
def hyperparameter_search(
    context: dg.AssetExecutionContext,
    config: SearchSettings,
    storage: Storage,
    tracker: Tracker,
    splits: Artifact,
) -> dg.MaterializeResult[Artifact]:
    """Optional search for better training settings by many short trainings (Optuna). A killed search resumes.

    All trials share one draw of rows and one seed, so that only the settings vary behind their figures.
    """
    from fakenews_assets.models.encoders import EncoderUnavailable
    from fakenews_assets.training.finetuning.history import TrainingFailed
    from fakenews_assets.training.search.search import search
    from fakenews_assets.training.search.study import SearchFailed

    work = storage.store.workspace("hyperparameter_search")
    log = SearchLog(context.log, tracker.start(context, config, work))
    try:
        result = search(*training_rows(splits), config, work, log)
    except (EncoderUnavailable, TrainingFailed, SearchFailed) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    draft = storage.draft()
    (draft.path / SEARCH_FILE).write_text(result.model_dump_json(indent=2) + "\n")
    return dg.MaterializeResult(value=draft, metadata=log.finish(result))


@_asset(
    kinds={"pytorch", "lightning", "huggingface"},
    code_version="3",
    deps=["hyperparameter_search"],
)
@plain_config
def finetuned_bert(
    context: dg.AssetExecutionContext,
    config: FinetunedBertSettings,
    storage: Storage,
    tracker: Tracker,
    splits: Artifact,
) -> dg.MaterializeResult[Artifact]:
    """A fine-tuned encoder with the weights of the best validation. A killed run resumes."""
    from fakenews_assets.models.encoders import EncoderUnavailable
    from fakenews_assets.registry.bundle import BundleError
    from fakenews_assets.registry.champion import RegistryError
    from fakenews_assets.registry.warm_start import warm_start
    from fakenews_assets.training.finetuning.finetuning import finetune
    from fakenews_assets.training.finetuning.history import TrainingFailed

    search = storage.read(context, "hyperparameter_search") if config.use_search else None
    settings = config.training(search.read_json(SEARCH_FILE)["best_changes"] if search else {})
    draft, work = storage.draft(), storage.store.workspace("finetuned_bert")
    log = TrainingLog(context.log, tracker.start(context, settings, work))
    start, started_from = None, settings.encoder.name
    try:
        if config.warm_start:
            found = warm_start(storage.store, config.warm_start, settings.encoder.name)
            start, started_from = found.encoder.path, f"bundle {found.bundle}"
            # An edge to the bundle would close a circle in the graph, so the record names it.
            draft.meta["warm_start"] = {"bundle": found.bundle, "finetuned_bert": found.encoder.version}
        result = finetune(*training_rows(splits), settings, draft.path, work, log, start_from=start)
    except (EncoderUnavailable, TrainingFailed, BundleError, RegistryError, StoreError) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    return dg.MaterializeResult(value=draft, metadata=log.finish(result) | {"started_from": started_from})
