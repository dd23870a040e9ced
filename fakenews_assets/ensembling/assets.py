"""The asset of the group ensembling."""

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.common.assets import asset
from fakenews_assets.common.config import plain_config
from fakenews_assets.data.splits.splitting import training_rows
from fakenews_assets.ensembling.partitions import ENSEMBLES, ensembles, member_assets
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.io_manager import Storage


class EnsembleSettings(BaseModel):
    """Settings of `ensemble_model`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    linear_weight: float = Field(
        default=0.65, ge=0, le=1, description="Weight of the linear model; the rest is the encoder's."
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
