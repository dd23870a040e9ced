"""Assets of the group serving: the champion's bento, its container context, its rollout, and batch predictions."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.common.assets import asset
from fakenews_assets.common.config import plain_config
from fakenews_assets.common.metadata import column_lineage, columns, row_count
from fakenews_assets.data.partitions import news_batches
from fakenews_assets.models.predictions import BATCH_PREDICTION_SCHEMA, PREDICTION_SCHEMA
from fakenews_assets.serving.checks import (
    BENTO_ANSWERS,
    CONTEXT_IS_COMPLETE,
    bento_answers,
    context_is_complete,
)
from fakenews_assets.serving.settings import RolloutSettings, RolloutStep
from fakenews_resources.cloud_run import CloudRun
from fakenews_resources.engine.in_process import ShippedFolder
from fakenews_resources.engine.resource import Engine
from fakenews_resources.notifier import Notice, Notifier
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.io_manager import Storage, checked

_asset = partial(asset, group_name="serving", owners=["team:ml"])

_PREDICTION_LINEAGE = {
    **{name: ["clean_news.title", "clean_news.text"] for name in PREDICTION_SCHEMA},
    "article_id": ["clean_news.article_id"],
    "true_label": ["clean_news.label"],
}


class BentoSettings(BaseModel):
    """Settings of `fakenews_bento`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    articles: int = Field(
        default=200,
        ge=1,
        le=1000,
        description="Test articles on which the started bento is compared with the model.",
    )


@_asset(kinds={"bentoml"}, code_version="2", check_specs=[BENTO_ANSWERS])
@plain_config
def fakenews_bento(
    config: BentoSettings, storage: Storage, splits: Artifact, champion: Artifact
) -> Iterator[dg.MaterializeResult[Artifact]]:
    """The champion as a bento. It is started and compared with the model in this process before it is stored."""
    from fakenews_assets.models.predictions import articles_of
    from fakenews_assets.registry.bundle import BundleError
    from fakenews_assets.selection.champion import ChampionRecord
    from fakenews_assets.serving.bento import ARCHIVE_FILE, BentoFailed
    from fakenews_assets.serving.verification import build_verified_bento

    draft = storage.draft()
    articles = articles_of(splits.scan("test").head(config.articles).collect())
    chosen = ChampionRecord.read(champion.path)
    try:
        record, comparison = build_verified_bento(storage.store.bundles, chosen.pointer, articles, draft.path)
    except (BentoFailed, BundleError) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    draft.meta.update(record.model_dump())
    yield checked(
        draft,
        [bento_answers(comparison)],
        {
            **draft.meta,
            **chosen.named,
            "compared_articles": comparison.articles,
            "seconds_to_ready": comparison.seconds_to_ready,
            "import_it": dg.MetadataValue.md(
                f"`bentoml import {ARCHIVE_FILE}`, then `bentoml serve {record.tag}`"
            ),
        },
    )


@_asset(kinds={"docker"}, code_version="3", check_specs=[CONTEXT_IS_COMPLETE])
def container_context(storage: Storage, fakenews_bento: Artifact) -> Iterator[dg.MaterializeResult[Artifact]]:
    """The build context for `docker build`: the bento, BentoML's Dockerfile, and one that needs no BentoML."""
    from fakenews_assets.serving.bento import BentoFailed, import_bento
    from fakenews_assets.serving.container import CONTEXT_FOLDER, export_context, faults

    draft = storage.draft()
    context = draft.path / CONTEXT_FOLDER
    try:
        with TemporaryDirectory() as home:
            bento = import_bento(fakenews_bento.path, Path(home))
            export_context(bento.path, context)
    except BentoFailed as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    draft.meta.update(model_id=bento.model_id)
    files = [path for path in context.rglob("*") if path.is_file()]
    yield checked(
        draft,
        [context_is_complete(faults(context), len(files))],
        {
            "tag": bento.tag,
            "files": len(files),
            "context_bytes": sum(path.stat().st_size for path in files),
            "build_it": dg.MetadataValue.md(
                f"`docker build -t {bento.tag} context` or `bentoml containerize {bento.tag}`"
            ),
        },
    )


@_asset(deps=["container_context"], kinds={"googlecloud"}, code_version="1", pool="rollout")
@plain_config
def rollout(
    context: dg.AssetExecutionContext,
    config: RolloutStep,
    storage: Storage,
    cloud_run: CloudRun,
    notifier: Notifier,
    champion: Artifact,
) -> dg.MaterializeResult[Artifact]:
    """Which revision of the service on Cloud Run answers with the champion, and with how much of the traffic. Each
    materialization takes one step: it builds and tries the next revision, judges a trial, or goes back."""
    from fakenews_assets.selection.champion import ChampionRecord
    from fakenews_assets.serving.rollout import RolloutRecord, context_in, take_step
    from fakenews_resources.cloud_run import CloudRunFailed

    store, draft = storage.store, storage.draft()
    storage.read(context, "container_context")
    before = RolloutRecord.read(store.current("rollout").path) if store.exists("rollout") else None
    chosen = ChampionRecord.read(champion.path)
    try:
        record = take_step(before, chosen.pointer, context_in(store), config, cloud_run, RolloutSettings())
    except CloudRunFailed as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    record.write(draft.path)
    draft.meta.update(
        record.model_dump(mode="json", include={"stage", "champion"}), model_id=record.revision.bundle
    )
    if record.stage == "withdrawn":
        text = f"{record.reason} {record.before} answers."
        notifier.notify(Notice(f"{record.revision.name} was withdrawn", text, run_id=context.run.run_id))
    return dg.MaterializeResult(
        value=draft,
        metadata={**record.named, "build_log": dg.MetadataValue.url(record.revision.build_log)},
    )


@_asset(
    partitions_def=news_batches,
    kinds={"polars"},
    code_version="2",
    pool="training",
    metadata=columns(BATCH_PREDICTION_SCHEMA),
)
def batch_predictions(
    storage: Storage, engine: Engine, clean_news: Artifact, champion: Artifact
) -> dg.MaterializeResult[Artifact]:
    """The champion's predictions for one batch, labelled or not, by the same code as the service."""
    from fakenews_assets.registry.bundle import BundleError
    from fakenews_assets.selection.champion import ChampionRecord
    from fakenews_assets.serving.batch import score_table, shipped_scorer

    chosen = ChampionRecord.read(champion.path)
    draft = storage.draft()
    try:
        summary = score_table(
            partial(shipped_scorer, ShippedFolder(storage.store.bundle(chosen.pointer.bundle))),
            sorted(clean_news.path.glob("articles-*.parquet")),
            draft.path,
            engine.map,
        )
    except BundleError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    draft.meta.update(model_id=chosen.pointer.bundle)
    metadata: dict[str, Any] = {
        **chosen.named,
        **row_count(summary.rows),
        **column_lineage(_PREDICTION_LINEAGE),
        "called_fake": summary.fake,
        "abstained": summary.abstained,
        "out_of_distribution": summary.out_of_distribution,
        "prepared_otherwise": summary.prepared_otherwise,
    }
    if summary.labelled:
        metadata |= {"labelled": summary.labelled, "accuracy_on_labelled": summary.right / summary.labelled}
    return dg.MaterializeResult(value=draft, metadata=metadata)
