"""Assets of the group data: from clean batches to splits."""

import shutil
from collections.abc import Collection, Iterator
from functools import partial

import dagster as dg
import polars as pl

from fakenews_assets.common.assets import asset
from fakenews_assets.common.config import plain_config
from fakenews_assets.common.metadata import column_lineage, columns, counts, illustrated, records, row_count
from fakenews_assets.common.plotting import to_png
from fakenews_assets.data.admission.admission import Admission
from fakenews_assets.data.checks import (
    batch_check_specs,
    cluster_check_specs,
    cluster_checks,
    corpus_check_specs,
    corpus_checks,
    split_check_specs,
    split_checks,
    to_result,
)
from fakenews_assets.data.cleaning.cleaning import BatchRejected
from fakenews_assets.data.cleaning.summary import CleaningSummary
from fakenews_assets.data.corpus import (
    CleanBatch,
    CleanNewsSettings,
    admitted,
    clean_and_check,
    data_note,
    summaries,
)
from fakenews_assets.data.metadata import columns_metadata, summary_metadata
from fakenews_assets.data.partitions import (
    corpus_batches,
    news_batches,
    note_on_unregistered,
    registered_batches,
)
from fakenews_assets.data.ratings.labelling import PublisherLabels, require_one_rating
from fakenews_assets.data.readers.table import UnreadableFile
from fakenews_assets.data.schema import ARTICLE_SCHEMA, CLUSTER_SCHEMA, SPLIT_SCHEMA
from fakenews_assets.data.splits.inheritance import Inherited, placed_articles, record
from fakenews_assets.data.splits.splitting import CLUSTERING_FILE, ClusteringSettings, split_articles
from fakenews_resources.engine.resource import Engine
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.io_manager import Storage, checked
from fakenews_resources.storage.ledger import Ledger
from fakenews_resources.storage.store import StoreError
from fakenews_resources.storage.tombstones import Tombstones, TombstonesDamaged

_asset = partial(asset, group_name="data", owners=["team:data"])

_CLUSTER_LINEAGE = {
    "article_id": ["clean_news.article_id"],
    "batch": ["clean_news.batch"],
    "cluster_id": ["clean_news.title", "clean_news.text"],
    "split": ["clean_news.title", "clean_news.text", "clean_news.source"],
    "unseen_publisher": ["clean_news.source"],
    "shared_text": ["clean_news.title", "clean_news.text"],
    "excluded": ["clean_news.title", "clean_news.text", "clean_news.label", "clean_news.source"],
}
_SPLIT_LINEAGE = {
    **{name: [f"clean_news.{name}"] for name in ARTICLE_SCHEMA},
    **{name: [f"article_clusters.{name}"] for name in ("cluster_id", "unseen_publisher", "shared_text")},
}


@_asset(
    partitions_def=news_batches,
    kinds={"polars", "parquet"},
    code_version="10",
    check_specs=batch_check_specs(),
    metadata=columns(ARTICLE_SCHEMA),
)
@plain_config
def clean_news(
    context: dg.AssetExecutionContext,
    config: CleanNewsSettings,
    storage: Storage,
    engine: Engine,
    raw_news: Artifact,
    publisher_labels: Artifact | None,
    admission: Artifact | None,
) -> Iterator[dg.MaterializeResult[Artifact]]:
    """Validated, normalised articles of one batch without publisher boilerplate.

    Rejected rows are kept with their reason.
    """
    batch = CleanBatch(context.partition_key, storage.draft())
    try:
        clean_and_check(
            raw_news,
            batch,
            _earlier_batches(context, storage, raw_news.meta["received_at"]),
            config,
            labels=PublisherLabels.read(publisher_labels) if publisher_labels else None,
            admission=Admission.read(admission) if admission else None,
            erased=_tombstones(storage).erased,
            over=engine.map,
        )
    except UnreadableFile as error:
        raise dg.Failure(
            str(error), metadata={"raw_files": str(raw_news.path)}, allow_retries=False
        ) from error
    except BatchRejected as error:
        metadata = {"commonest_reasons": counts(dict(error.commonest)), "examples": records(error.examples)}
        raise dg.Failure(str(error), metadata=metadata, allow_retries=False) from error
    yield checked(
        batch.artifact,
        [to_result(outcome) for outcome in batch.outcomes],
        {**columns_metadata(raw_news.meta), **summary_metadata(batch.summary)},
    )


def _tombstones(storage: Storage) -> Ledger:
    """The tombstones of the store. Raises dg.Failure if they are damaged."""
    try:
        return Tombstones(storage.store).sound()
    except TombstonesDamaged as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def _earlier_batches(
    context: dg.AssetExecutionContext, storage: Storage, received_at: str
) -> Collection[CleaningSummary]:
    """Counts of the registered and accepted batches that were received before a time."""
    names = corpus_batches(storage.store, context.instance) - {context.partition_key}
    found = storage.store.current_of(f"clean_news/{name}" for name in sorted(names))
    earlier = {key: one.version for key, one in found.items() if one.meta["received_at"] < received_at}
    return summaries(storage.store, earlier).values()


def _corpus(
    context: dg.AssetExecutionContext, storage: Storage, clean_news: dict[str, Artifact]
) -> list[CleanBatch]:
    """The batches of the corpus, in order of arrival. Raises dg.Failure if there is none."""
    note = note_on_unregistered(storage.store, context.instance)
    try:
        batches = admitted(clean_news)
    except ValueError as error:
        raise dg.Failure(" ".join(filter(None, (str(error), note))), allow_retries=False) from error
    if note:
        context.log.warning(note)
    return batches


@_asset(kinds={"polars", "matplotlib"}, code_version="2", check_specs=corpus_check_specs())
def corpus_profile(
    context: dg.AssetExecutionContext, storage: Storage, clean_news: dict[str, Artifact]
) -> Iterator[dg.MaterializeResult[Artifact]]:
    """Composition, class balance, lengths, missing values, sources and characteristic words of the corpus, as numbers
    and plots."""
    from fakenews_assets.data.profile.plots import profile_plots
    from fakenews_assets.data.profile.profile import profile_corpus
    from fakenews_assets.data.profile.report import to_markdown

    batches = _corpus(context, storage, clean_news)
    profile = profile_corpus(pl.concat([batch.articles for batch in batches]))
    plots = {name: to_png(figure) for name, figure in profile_plots(profile).items()}
    draft = storage.draft()
    (draft.path / "profile.json").write_text(profile.model_dump_json(indent=2), encoding="utf-8")
    (draft.path / "profile.md").write_text(to_markdown(profile), encoding="utf-8")
    for name, png in plots.items():
        (draft.path / f"{name}.png").write_bytes(png)
    yield checked(
        draft,
        corpus_checks(profile),
        {
            "batches": len(batches),
            "rows": profile.total.rows,
            "profile": illustrated(plots["composition"], "composition", to_markdown(profile)),
        },
    )


@_asset(
    kinds={"polars", "rust"},
    code_version="4",
    check_specs=cluster_check_specs(),
    metadata=columns(CLUSTER_SCHEMA),
)
@plain_config
def article_clusters(
    context: dg.AssetExecutionContext,
    config: ClusteringSettings,
    storage: Storage,
    engine: Engine,
    clean_news: dict[str, Artifact],
) -> Iterator[dg.MaterializeResult[Artifact]]:
    """Near-duplicate clusters over all accepted batches, in order of arrival."""
    from fakenews_assets.data.splits.clusters import cluster_articles, cluster_sizes
    from fakenews_assets.data.splits.largest import largest_cluster

    batches = _corpus(context, storage, clean_news)
    try:
        require_one_rating(storage.store, clean_news)
    except ValueError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    articles = pl.concat([batch.articles for batch in batches])
    inherited = Inherited.of(_tombstones(storage))
    placed = placed_articles(storage.store, config.splits)
    names = [batch.name for batch in batches]
    clusters, more = cluster_articles(articles, names, config, inherited, placed, engine.map)
    if more:
        try:
            record(storage.store, more, by=f"article_clusters in run {context.run.run_id}")
        except StoreError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
    sizes = cluster_sizes(clusters, articles.select("label").collect()["label"])
    draft = storage.draft()
    clusters.write_parquet(draft.path / "clusters.parquet")
    (draft.path / CLUSTERING_FILE).write_text(config.model_dump_json(indent=2), encoding="utf-8")
    refused = storage.store.refused_partitions("clean_news") - clean_news.keys()
    left_out = sorted(refused.intersection(registered_batches(context.instance)))
    draft.meta.update(data_note=data_note(batches), refused_batches=left_out)
    yield checked(
        draft,
        cluster_checks(largest_cluster(clusters, articles)),
        {
            "batches": len(batches),
            "refused_batches": left_out,
            **row_count(len(clusters)),
            **column_lineage(_CLUSTER_LINEAGE),
            "clusters": sizes.clusters,
            "rows_with_near_duplicates": sizes.clustered_rows,
            "largest_cluster": sizes.largest,
            "mixed_label_clusters": sizes.mixed_label_clusters,
            "shared_texts": int(clusters["shared_text"].sum()),
            "excluded": counts(sizes.excluded),
            "keep_their_split": len(inherited.articles) + len(more.articles),
        },
    )


@_asset(
    kinds={"polars", "parquet"},
    code_version="2",
    check_specs=split_check_specs(),
    metadata=columns(SPLIT_SCHEMA),
)
def splits(
    context: dg.AssetExecutionContext,
    storage: Storage,
    clean_news: dict[str, Artifact],
    article_clusters: Artifact,
) -> Iterator[dg.MaterializeResult[Artifact]]:
    """Train, validation, selection and test articles. A near-duplicate cluster lies in one split, an article never changes
    its split, and no model is trained on the held-out publishers of selection and test."""
    _require_same_batches(article_clusters, clean_news)
    result = split_articles(
        pl.concat([batch.articles for batch in _corpus(context, storage, clean_news)]),
        article_clusters.scan("clusters").collect(),
    )
    draft = storage.draft()
    # What the split was asked to be: the checks hold it to this, and to no default.
    shutil.copyfile(article_clusters.path / CLUSTERING_FILE, draft.path / CLUSTERING_FILE)
    rows, unseen = {}, {}
    for split, articles in result.splits.items():
        articles.sink_parquet(draft.path / f"{split}.parquet")
        rows[split], unseen[split] = (
            draft.scan(split).select(pl.len(), pl.col("unseen_publisher").sum()).collect().row(0)
        )
    result.excluded.write_parquet(draft.path / "excluded.parquet")
    reasons = dict(result.excluded["reason"].value_counts().iter_rows())
    draft.meta.update(rows=rows, unseen_rows=unseen, data_note=article_clusters.meta["data_note"])
    accepted = storage.store.current("splits") if storage.store.exists("splits") else None
    yield checked(
        draft,
        split_checks(draft, accepted),
        {
            **row_count(sum(rows.values())),
            **column_lineage(_SPLIT_LINEAGE),
            **rows,
            "of_unseen_publishers": counts(unseen),
            "excluded": counts(reasons),
        },
    )


def _require_same_batches(article_clusters: Artifact, clean_news: dict[str, Artifact]) -> None:
    assert article_clusters.record is not None
    clustered = {k: v for k, v in article_clusters.record.upstream.items() if k.startswith("clean_news/")}
    if clustered != {f"clean_news/{name}": artifact.version for name, artifact in clean_news.items()}:
        raise dg.Failure(
            "Batches have come or changed since the articles were clustered. Materialize article_clusters, then splits.",
            allow_retries=False,
        )
