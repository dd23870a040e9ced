"""The serving group: the champion as a bento, as a container's build context, and at work on whole batches."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
from pydantic import Field

from fakenews_assets.common.progress import report
from fakenews_assets.data.partitions import news_batches
from fakenews_resources.engine.in_process import ShippedFolder
from fakenews_resources.engine.resource import Engine
from fakenews_resources.storage.io_manager import Storage, checked
from fakenews_resources.storage.store import Artifact

_asset = partial(dg.asset, group_name="serving", owners=["team:ml"])


class BentoConfig(dg.Config):
    """How the bento is tried out."""

    articles: int = Field(
        default=200, ge=1, le=1000, description="Test articles that the started bento is asked about."
    )


@_asset(
    kinds={"bentoml"},
    code_version="2",
    check_specs=[
        dg.AssetCheckSpec(
            "bento_answers_as_the_model",
            asset="fakenews_bento",
            description="The started bento and the model in this process give the same answers.",
            blocking=True,
        )
    ],
)
def fakenews_bento(
    config: BentoConfig,
    storage: Storage,
    splits: Artifact,
    selected_model: Artifact,
) -> Iterator[dg.MaterializeResult[Artifact]]:
    """The champion as a bento, started and compared with the model in this process before it counts."""
    from fakenews_assets.models.articles import articles_of
    from fakenews_assets.registry.bundle import BundleError
    from fakenews_assets.registry.champion import RegistryError
    from fakenews_assets.serving.bento import (
        ARCHIVE_FILE,
        RECORD_FILE,
        BentoFailed,
        build,
        run_bentoml,
        tree_digest,
    )
    from fakenews_assets.serving.verification import compare

    draft = storage.draft()
    archive = draft.path / ARCHIVE_FILE
    try:
        # Not in the store: BentoML refuses to build below a hidden folder.
        with TemporaryDirectory() as folder:
            work = Path(folder)
            report("fakenews_bento", 0, None, "building")
            bento = build(storage.store.bundles, work)
            report("fakenews_bento", 0, None, "starting it, and comparing its answers")
            test = splits.scan("test").head(config.articles).collect()
            comparison = compare(bento.path, articles_of(test), work / "trial")
            run_bentoml(["export", bento.tag, str(archive)], work / "home")
            content = tree_digest(bento.path / "src")
    except (BentoFailed, BundleError, RegistryError) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    facts = {
        "tag": bento.tag,
        "model_id": bento.model_id,
        "sha256": content,
        "bytes": archive.stat().st_size,
    }
    (draft.path / RECORD_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    draft.meta.update(facts)
    decision = selected_model.read_json("decision.json")
    equal = dg.AssetCheckResult(
        passed=comparison.equal,
        check_name="bento_answers_as_the_model",
        description=(
            f"Of {comparison.articles} articles {comparison.other_labels} got another label; the largest difference of a"
            f" probability is {comparison.largest_difference:.2g}."
        ),
        metadata={
            "articles": comparison.articles,
            "largest_difference": comparison.largest_difference,
            "other_labels": comparison.other_labels,
        },
    )
    yield checked(
        draft,
        [equal],
        {
            **facts,
            "candidate": decision["candidate"]
            if decision["bundle"] == bento.model_id
            else "an earlier champion",
            "compared_articles": comparison.articles,
            "seconds_to_ready": comparison.seconds_to_ready,
            "import_it": dg.MetadataValue.md(
                f"`bentoml import {ARCHIVE_FILE}`, then `bentoml serve {bento.tag}`"
            ),
        },
    )


@_asset(
    kinds={"docker"},
    code_version="2",
    check_specs=[
        dg.AssetCheckSpec(
            "context_is_complete",
            asset="container_context",
            description="All that the Dockerfiles copy is there, pinned and intact, and nothing that is secret.",
            blocking=True,
        )
    ],
)
def container_context(storage: Storage, fakenews_bento: Artifact) -> Iterator[dg.MaterializeResult[Artifact]]:
    """What `docker build` needs, as a folder: the bento, BentoML's Dockerfile, and one that needs no BentoML."""
    from fakenews_assets.serving.bento import ARCHIVE_FILE, RECORD_FILE, BentoFailed, run_bentoml
    from fakenews_assets.serving.container import export_context, faults

    draft = storage.draft()
    context = draft.path / "context"
    tag = fakenews_bento.read_json(RECORD_FILE)["tag"]
    try:
        with TemporaryDirectory() as folder:
            home = Path(folder)
            run_bentoml(["import", str(fakenews_bento.path / ARCHIVE_FILE)], home)
            export_context(home / "bentos" / tag.replace(":", "/"), context)
    except BentoFailed as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    found = faults(context)
    files = [path for path in context.rglob("*") if path.is_file()]
    complete = dg.AssetCheckResult(
        passed=not found,
        check_name="context_is_complete",
        description="; ".join(found) or f"{len(files)} files, nothing missing.",
        metadata={"faults": dg.MetadataValue.md("\n".join(f"- {fault}" for fault in found) or "none")},
    )
    yield checked(
        draft,
        [complete],
        {
            "tag": tag,
            "files": len(files),
            "context_bytes": sum(path.stat().st_size for path in files),
            "build_it": dg.MetadataValue.md(
                f"`docker build -t {tag} context` or `bentoml containerize {tag}`"
            ),
        },
    )


@_asset(
    partitions_def=news_batches,
    deps=["selected_model"],
    kinds={"polars"},
    code_version="2",
    pool="training",
)
def batch_predictions(
    context: dg.AssetExecutionContext, storage: Storage, engine: Engine, clean_news: Artifact
) -> dg.MaterializeResult[Artifact]:
    """The champion's answers for one batch, labelled or not, through the same code as the service's."""
    from fakenews_assets.registry.bundle import BundleError
    from fakenews_assets.registry.champion import ChampionRegistry, RegistryError
    from fakenews_assets.serving.batch import score_table, shipped_scorer

    storage.read(context, "selected_model")
    store = storage.store
    try:
        pointer = ChampionRegistry(store.bundles).champion()
        if pointer is None:
            raise dg.Failure("There is no champion; materialize selected_model first.", allow_retries=False)
        draft = storage.draft()
        total = clean_news.read_json("summary.json")["rows_out"]
        summary = score_table(
            partial(shipped_scorer, ShippedFolder(store.bundle(pointer.bundle))),
            sorted(clean_news.path.glob("articles-*.parquet")),
            draft.path,
            lambda done: report("batch_predictions", done, total, "articles"),
            engine.map,
        )
    except (BundleError, RegistryError) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    draft.meta.update(model_id=pointer.bundle)
    metadata: dict[str, dg.MetadataValue | int | float | str] = {
        "model_id": pointer.bundle,
        "rows": summary.rows,
        "called_fake": summary.fake,
        "abstained": summary.abstained,
        "out_of_distribution": summary.out_of_distribution,
        "prepared_otherwise": summary.prepared_otherwise,
    }
    if summary.labelled:
        metadata |= {"labelled": summary.labelled, "accuracy_on_labelled": summary.right / summary.labelled}
    return dg.MaterializeResult(value=draft, metadata=metadata)
