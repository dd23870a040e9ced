"""The training group: the bar, and the transformer that has to clear it."""

from functools import partial

import dagster as dg
from pydantic import Field

from fakenews_assets.progress import report
from fakenews_assets.training.settings import BaselineSettings, EncoderSpec, FinetuneSettings
from fakenews_resources.storage import Storage
from fakenews_resources.store import Artefact

# One training step at a time, however it is launched: two would share the cores and both be slower.
_asset = partial(dg.asset, group_name="training", owners=["team:ml"], pool="training")


class BaselineConfig(dg.Config, BaselineSettings):
    """Settings of the baseline."""


@_asset(kinds={"sklearn"}, code_version="1")
def baseline_model(
    config: BaselineConfig, storage: Storage, splits: Artefact
) -> dg.MaterializeResult[Artefact]:
    """TF-IDF and logistic regression: the bar that every transformer must clear."""
    from fakenews_assets.training.baseline import fit_baseline

    train = splits.scan("train").select("title", "text", "label").collect()
    classifier = fit_baseline(train, BaselineSettings(**config.model_dump()))
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


@_asset(kinds={"pytorch", "lightning", "huggingface"}, code_version="2")
def finetuned_bert(
    context: dg.AssetExecutionContext, config: FinetuneConfig, storage: Storage, splits: Artefact
) -> dg.MaterializeResult[Artefact]:
    """A pretrained encoder, fine-tuned; the weights of the best validation. A killed run resumes."""
    from fakenews_assets.plotting import to_markdown_image
    from fakenews_assets.training.encoders import EncoderUnavailable
    from fakenews_assets.training.finetuning import TrainingFailed, finetune
    from fakenews_assets.training.history import Progress
    from fakenews_assets.training.plots import curves_figure

    def follow(progress: Progress) -> None:
        note = f"epoch {progress.epoch}/{progress.epochs}, {progress.rows_per_second:.0f} rows/s"
        if progress.train_loss is not None:
            note += f", loss {progress.train_loss:.3f}"
        if progress.validation:
            note += f", validation loss {progress.validation.loss:.3f}, macro-F1 {progress.validation.macro_f1:.3f}"
        context.log.info(f"step {progress.step}/{progress.total_steps}: {note}")
        report("finetuned_bert", progress.step, progress.total_steps, note)

    columns = ("title", "text", "label")
    draft = storage.draft()
    try:
        result = finetune(
            splits.scan("train").select(columns).collect(),
            splits.scan("val").select(columns).collect(),
            FinetuneSettings.model_validate(config.model_dump()),
            draft.path,
            storage.store.workspace("finetuned_bert"),
            follow,
        )
    except (EncoderUnavailable, TrainingFailed) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    return dg.MaterializeResult(
        value=draft,
        metadata={
            "encoder": result.settings.encoder.name,
            "validation_macro_f1": result.best.macro_f1,
            "validation_loss": result.best.loss,
            "best_step": result.best.step,
            "steps": result.steps,
            "stopped_early": result.stopped_early,
            "resumed_from_step": result.resumed_from_step,
            "precision": result.precision,
            "rows_per_second": result.rows_per_second,
            "seconds": result.seconds,
            "curves": dg.MetadataValue.md(
                to_markdown_image(curves_figure(result.history), "training curves")
            ),
        },
    )
