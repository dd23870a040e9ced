"""Assets of the group compression: smaller and faster variants of the fine-tuned model."""

from functools import partial

import dagster as dg
import polars as pl

from fakenews_assets.common.assets import asset
from fakenews_assets.common.config import plain_config
from fakenews_assets.common.metadata import records
from fakenews_assets.compression.partitions import (
    SOURCES,
    VARIANTS,
    students,
    variants,
    variants_of_students,
)
from fakenews_assets.compression.settings import (
    PRUNED,
    DistillationSettings,
    PruningSettings,
    QuantizationSettings,
    StaticSettings,
)
from fakenews_assets.data.splits.splitting import training_rows
from fakenews_assets.training.metadata import TrainingLog
from fakenews_resources.engine.resource import Engine
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.io_manager import Storage
from fakenews_resources.tracking.resource import Tracker

_asset = partial(
    asset,
    group_name="compression",
    owners=["team:ml"],
    # As in training: one at a time, and no timing beside it.
    pool="training",
    code_version="2",
)


@_asset(partitions_def=students, kinds={"pytorch", "lightning", "huggingface"})
@plain_config
def distilled_bert(
    context: dg.AssetExecutionContext,
    config: DistillationSettings,
    storage: Storage,
    tracker: Tracker,
    engine: Engine,
    splits: Artifact,
    finetuned_bert: Artifact,
) -> dg.MaterializeResult[Artifact]:
    """A smaller student, distilled from the fine-tuned encoder."""
    return _train_smaller(
        context, storage, tracker, engine, context.partition_key, splits, finetuned_bert, config
    )


@_asset(kinds={"pytorch", "lightning", "huggingface"})
@plain_config
def pruned_bert(
    context: dg.AssetExecutionContext,
    config: PruningSettings,
    storage: Storage,
    tracker: Tracker,
    engine: Engine,
    splits: Artifact,
    finetuned_bert: Artifact,
) -> dg.MaterializeResult[Artifact]:
    """The fine-tuned encoder with fewer attention heads and a narrower feed-forward part, retrained with the original
    as teacher."""
    return _train_smaller(context, storage, tracker, engine, PRUNED, splits, finetuned_bert, config)


@_asset(kinds={"pytorch"}, code_version="1")
@plain_config
def static_model(
    config: StaticSettings,
    storage: Storage,
    engine: Engine,
    splits: Artifact,
    finetuned_bert: Artifact,
) -> dg.MaterializeResult[Artifact]:
    """A student without an encoder: word embeddings from the fine-tuned encoder, trained with it as teacher."""
    from fakenews_assets.compression.static import make_static

    draft = storage.draft()
    work = storage.store.workspace("static_model")
    try:
        result = make_static(
            finetuned_bert.path, *training_rows(splits), config, draft.path, work, engine.map
        )
    except ValueError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    return dg.MaterializeResult(
        value=draft,
        metadata={
            "words": result.words,
            "pairs_of_words": result.pairs,
            "validation_macro_f1": result.best["macro_f1"],
            "best_epoch": int(result.best["epoch"]),
            "epochs": records(pl.DataFrame(result.history)),
        },
    )


@_asset(
    partitions_def=variants,
    deps=[
        "finetuned_bert",
        "pruned_bert",
        dg.AssetDep("distilled_bert", partition_mapping=variants_of_students),
    ],
    kinds={"openvino", "onnx"},
    code_version="4",
)
@plain_config
def quantized_bert(
    context: dg.AssetExecutionContext, config: QuantizationSettings, storage: Storage, splits: Artifact
) -> dg.MaterializeResult[Artifact]:
    """A trained model exported to another runtime, in int8 or as a reference for int8, and compared with its source."""
    from fakenews_assets.compression.quantization import ExportMismatch, FormatUnavailable, make_variant

    source, variant = VARIANTS[context.partition_key]
    model = storage.read(context, SOURCES[source])
    draft = storage.draft()
    try:
        result = make_variant(model.path, variant, *training_rows(splits), config, draft.path)
    except (FormatUnavailable, ExportMismatch) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    return dg.MaterializeResult(
        value=draft,
        metadata={
            "source": source,
            "format": variant,
            "validation_rows": result.rows,
            "largest_difference_of_fp32_export": result.parity,
            "decisions_equal_to_source": result.agreement,
            "validation_macro_f1": result.macro_f1,
            "validation_macro_f1_of_source": result.source_macro_f1,
            **({} if result.float_layers is None else {"layers_back_in_float": result.float_layers}),
        },
    )


def _train_smaller(
    context: dg.AssetExecutionContext,
    storage: Storage,
    tracker: Tracker,
    engine: Engine,
    student: str,
    splits: Artifact,
    teacher: Artifact,
    settings: PruningSettings,
) -> dg.MaterializeResult[Artifact]:
    from fakenews_assets.compression.distillation import distill
    from fakenews_assets.models.encoders import EncoderUnavailable
    from fakenews_assets.models.structure import CannotCut
    from fakenews_assets.training.finetuning.history import TrainingFailed

    step = context.asset_key.to_user_string()
    draft = storage.draft()
    work = storage.store.workspace(step, student)
    log = TrainingLog(context.log, tracker.start(context, settings, work))
    try:
        result = distill(
            student,
            teacher.path,
            *training_rows(splits),
            settings,
            draft.path,
            work,
            log,
            engine.map,
        )
    except (CannotCut, EncoderUnavailable, TrainingFailed) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    return dg.MaterializeResult(value=draft, metadata=log.finish(result))
