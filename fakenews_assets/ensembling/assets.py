"""Assets of the group ensembling."""

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.common.assets import asset
from fakenews_assets.common.config import plain_config
from fakenews_assets.data.splits.splitting import training_rows
from fakenews_assets.ensembling.partitions import (
    CASCADES,
    ENSEMBLES,
    cascades,
    ensembles,
    ensembles_of_cascades,
    member_assets,
)
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.io_manager import Storage


class EnsembleSettings(BaseModel):
    """Settings of `ensemble_model`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    linear_weight: float = Field(
        default=0.65, ge=0, le=1, description="Weight of the linear model; the rest is the encoder's."
    )


class CascadeSettings(BaseModel):
    """Settings of `cascade_model`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_loss_points: float = Field(
        default=0.5,
        gt=0,
        le=100,
        description="Most that the cascade may lose against its ensemble, in percentage points of accuracy, on articles"
        " like those of the validation split.",
    )
    confidence: float = Field(
        default=0.95, gt=0.5, lt=1, description="Probability that it loses no more, over draws of that split."
    )


@asset(
    partitions_def=ensembles,
    deps=member_assets,
    group_name="ensembling",
    owners=["team:ml"],
    kinds={"sklearn"},
    code_version="2",
    pool="training",  # it predicts the validation split, and no timing may run beside that
)
@plain_config
def ensemble_model(
    context: dg.AssetExecutionContext, config: EnsembleSettings, storage: Storage, splits: Artifact
) -> dg.MaterializeResult[Artifact]:
    """An encoder and the baseline as one model: the mean of their log odds, each on its own scale."""
    from fakenews_assets.ensembling.ensemble import make_ensemble

    encoder = storage.read(context, ENSEMBLES[context.partition_key])
    baseline = storage.read(context, "baseline_model")
    _, val = training_rows(splits)
    draft = storage.draft()
    result = make_ensemble(encoder.path, baseline.path, val, config.linear_weight, draft.path)
    undefined = "undefined"
    return dg.MaterializeResult(
        value=draft,
        metadata={
            "validation_roc_auc": result.ensemble_auc or undefined,
            "validation_roc_auc_of_encoder": result.encoder_auc or undefined,
            "validation_roc_auc_of_baseline": result.linear_auc or undefined,
            "correlation_of_members": result.correlation,
            **result.combination.model_dump(),
        },
    )


@asset(
    partitions_def=cascades,
    deps=[dg.AssetDep("ensemble_model", partition_mapping=ensembles_of_cascades)],
    group_name="ensembling",
    owners=["team:ml"],
    kinds={"sklearn"},
    code_version="1",
    pool="training",  # as `ensemble_model`
)
@plain_config
def cascade_model(
    context: dg.AssetExecutionContext, config: CascadeSettings, storage: Storage, splits: Artifact
) -> dg.MaterializeResult[Artifact]:
    """The baseline answers what it is sure of, an ensemble with an encoder the rest; its loss is bounded."""
    from fakenews_assets.ensembling.cascade import make_cascade

    ensemble = storage.read(context, CASCADES[context.partition_key])
    _, val = training_rows(splits)
    draft = storage.draft()
    result = make_cascade(
        ensemble.path,
        val,
        draft.path,
        max_loss=config.max_loss_points / 100,
        confidence=config.confidence,
    )
    return dg.MaterializeResult(
        value=draft,
        metadata={
            "deferred_share": result.deferred_share,
            "lost_articles": result.lost,
            "loss_limit_points": 100 * result.loss_limit,
            "margin": _margin(result.deferral.margin, len(val), result.fewest_articles),
        },
    )


def _margin(margin: float | None, articles: int, fewest: int) -> float | str:
    if margin is not None:
        return margin
    if articles < fewest:
        return (
            f"none: every article is deferred, because the bound takes {fewest:,} validation articles and there are"
            f" {articles:,}"
        )
    return "none: every article is deferred, because the linear model is wrong where it is surest"
