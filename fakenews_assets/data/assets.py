"""The data group: from received bytes to frozen splits."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import dagster as dg
import polars as pl
from pydantic import Field

from fakenews_assets.common.metadata import counts, records
from fakenews_assets.common.progress import report
from fakenews_assets.data.batch_checks import BatchLimits, check_batch, fake_share
from fakenews_assets.data.checks import batch_check_specs, split_check_specs, split_checks, to_result
from fakenews_assets.data.cleaning import BatchRejected, CleaningLimits, CleaningSummary, clean_batch
from fakenews_assets.data.corpus import CleanBatch, admitted, data_note
from fakenews_assets.data.dedup.near_duplicates import NearDuplicateConfig, find_links
from fakenews_assets.data.partitions import news_batches
from fakenews_assets.data.preparation import TextPreparation, default_rules, read_rules
from fakenews_assets.data.readers.reading import UnreadableFile, read_raw
from fakenews_assets.data.splits.splitting import CLUSTERING_FILE, SplitConfig, split_articles
from fakenews_resources.engine.resource import Engine
from fakenews_resources.news.base import SourceError
from fakenews_resources.news.resource import NewsSource
from fakenews_resources.storage.io_manager import Storage, checked, key_of
from fakenews_resources.storage.store import Artifact, StoreError, ValueMissing
from fakenews_resources.storage.tombstones import Ledger, Tombstones, TombstonesDamaged

_asset = partial(dg.asset, group_name="data", owners=["team:data"])


class RawNewsConfig(dg.Config):
    """Where one batch comes from."""

    uri: str = Field(
        default="",
        description=(
            "`sample:rows=6000,seed=7,era=0`, `welfake:`, a path, or a file://, https:// or gs:// address. "
            "Empty: where this batch came from before, else the news source's default."
        ),
    )
    sha256: str = Field(
        default="",
        description="SHA-256 that the bytes must have: of the file that gave the batch its name. Empty: any.",
    )


@_asset(
    partitions_def=news_batches,
    kinds={"csv"},
    code_version="1",
)
def raw_news(
    context: dg.AssetExecutionContext, config: RawNewsConfig, storage: Storage, news_source: NewsSource
) -> dg.MaterializeResult[Artifact]:
    """The bytes of one batch as they were received, with a manifest; never changed afterwards."""
    batch = context.partition_key
    try:
        known = storage.store.current(key_of(context.asset_key, batch)).meta
    except ValueMissing:
        known = {}
    except StoreError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    uri = config.uri or known.get("source_uri") or news_source.default_uri
    # What a broken download leaves here is taken up by the next attempt.
    landing = storage.store.workspace("raw_news", batch)
    try:
        received = news_source.receive(uri, landing, progress=partial(report, "raw_news"))
    except SourceError as error:
        raise dg.Failure(str(error), metadata={"source_uri": uri}, allow_retries=False) from error
    if config.sha256 and config.sha256 != received.sha256:
        received.path.unlink()
        raise dg.Failure(
            f"{uri} has changed since it gave batch {batch!r} its name. As it is now it becomes a batch of another name.",
            metadata={"expected_sha256": config.sha256, "received_sha256": received.sha256},
            allow_retries=False,
        )
    if known and known["sha256"] != received.sha256:
        received.path.unlink()
        raise dg.Failure(
            f"Batch {batch!r} holds other bytes than {uri} gives today, and a batch never changes. "
            "Ingest the new file under a new name: fakenews ingest FILE --batch NAME.",
            metadata={"stored_sha256": known["sha256"], "received_sha256": received.sha256},
            allow_retries=False,
        )
    draft = storage.draft()
    received.path.replace(draft.path / received.path.name)
    draft.meta.update(
        file=received.path.name,
        source_uri=received.uri,
        sha256=received.sha256,
        bytes=received.size_bytes,
        rows=_rows_in(draft.path / received.path.name),
        received_at=known.get("received_at") or datetime.now(UTC).isoformat(),
    )
    return dg.MaterializeResult(
        value=draft, metadata={**draft.meta, "rows": draft.meta["rows"] or "unreadable"}
    )


def _rows_in(path: Path) -> int | None:
    """Records in a file, or None when it cannot be read: that is for `clean_news` to say."""
    try:
        return sum(len(chunk.rows) + len(chunk.rejects) for chunk in read_raw(path))
    except UnreadableFile:
        return None


class CleanNewsConfig(dg.Config, CleaningLimits, BatchLimits):
    """How a batch is cleaned, and when it is refused."""

    extra_boilerplate: str = Field(
        default="",
        description="Path of a TOML table of publisher boilerplate to remove besides the project's own.",
    )


@_asset(
    partitions_def=news_batches,
    kinds={"polars", "parquet"},
    code_version="4",
    check_specs=batch_check_specs(),
)
def clean_news(
    context: dg.AssetExecutionContext,
    config: CleanNewsConfig,
    storage: Storage,
    engine: Engine,
    raw_news: Artifact,
) -> Iterator[dg.MaterializeResult[Artifact]]:
    """Validated, normalised articles of one batch, without publisher boilerplate; rejects kept with their reason."""
    batch = context.partition_key
    extra = read_rules(Path(config.extra_boilerplate)) if config.extra_boilerplate else ()
    draft = storage.draft()
    try:
        summary = clean_batch(
            raw_news.path / raw_news.meta["file"],
            batch,
            draft.path,
            preparation=TextPreparation(rules=default_rules() + extra),
            limits=CleaningLimits(**config.model_dump(include=set(CleaningLimits.model_fields))),
            erased=_tombstones(storage).erased,
            on_progress=lambda rows: report("clean_news", rows, raw_news.meta["rows"]),
            over=engine.map,
        )
    except UnreadableFile as error:
        raise dg.Failure(
            str(error), metadata={"raw_file": str(raw_news.path)}, allow_retries=False
        ) from error
    except BatchRejected as error:
        metadata = {"commonest_reasons": counts(dict(error.commonest)), "examples": records(error.examples)}
        raise dg.Failure(str(error), metadata=metadata, allow_retries=False) from error

    earlier = _earlier_summaries(context, storage, before=raw_news.meta["received_at"])
    outcomes = check_batch(summary, draft.scan("articles"), fake_share(earlier), config)
    (draft.path / "summary.json").write_text(summary.model_dump_json(indent=2), encoding="utf-8")
    (draft.path / "checks.json").write_text(
        json.dumps([o.model_dump(mode="json") for o in outcomes], indent=2)
    )
    draft.meta.update(received_at=raw_news.meta["received_at"], source_uri=raw_news.meta["source_uri"])
    yield checked(
        draft,
        [to_result(outcome) for outcome in outcomes],
        {
            "rows_in": summary.rows_in,
            "rows_out": summary.rows_out,
            "rows_rejected": summary.rows_in - summary.rows_out,
            "rejected": counts(summary.rejected),
            "boilerplate_removed": counts(summary.boilerplate),
            "labels": counts({"real": summary.real, "fake": summary.fake, "unlabelled": summary.unlabelled}),
            "missing_text": summary.missing_text,
            "repeated": summary.repeated,
        },
    )


def _tombstones(storage: Storage) -> Ledger:
    """What must stay out. Raises dg.Failure when nobody can tell."""
    try:
        return Tombstones(storage.store).sound()
    except TombstonesDamaged as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def _earlier_summaries(
    context: dg.AssetExecutionContext, storage: Storage, before: str
) -> list[CleaningSummary]:
    """Summaries of the admitted batches that were received before this one: the corpus it has to fit."""
    names = set(context.instance.get_dynamic_partitions("news_batches")) - {context.partition_key}
    stored = [
        CleanBatch(name, storage.store.current(f"clean_news/{name}"))
        for name in sorted(names & storage.store.partitions("clean_news"))
    ]
    return [batch.summary for batch in stored if batch.artifact.meta["received_at"] < before]


@_asset(kinds={"polars", "matplotlib"}, code_version="1")
def corpus_profile(storage: Storage, clean_news: dict[str, Artifact]) -> dg.MaterializeResult[Artifact]:
    """Balance, lengths, missing values, sources and telling words of the corpus, as numbers and plots."""
    from fakenews_assets.common.plotting import to_markdown_image, to_png
    from fakenews_assets.data.profile.plots import profile_plots
    from fakenews_assets.data.profile.profile import profile_corpus
    from fakenews_assets.data.profile.report import to_markdown

    batches = admitted(clean_news)
    profile = profile_corpus(pl.concat([batch.articles for batch in batches]))
    figures = profile_plots(profile)
    draft = storage.draft()
    (draft.path / "profile.json").write_text(profile.model_dump_json(indent=2), encoding="utf-8")
    (draft.path / "profile.md").write_text(to_markdown(profile), encoding="utf-8")
    for name, figure in figures.items():
        (draft.path / f"{name}.png").write_bytes(to_png(figure))
    return dg.MaterializeResult(
        value=draft,
        metadata={
            "batches": len(batches),
            "rows": profile.total.rows,
            "profile": dg.MetadataValue.md(to_markdown(profile)),
            **{
                f"plot_{name}": dg.MetadataValue.md(to_markdown_image(figure, name))
                for name, figure in figures.items()
            },
        },
    )


class SplitShares(dg.Config, SplitConfig):
    """Sizes of the splits."""


class ClusteringConfig(dg.Config, NearDuplicateConfig):
    """When two articles count as near-duplicates, and which splits their cluster must not cross."""

    splits: SplitShares = Field(default=SplitShares(), description="Sizes of train, val and test.")


@_asset(kinds={"polars", "rust"}, code_version="2")
def article_clusters(
    config: ClusteringConfig, storage: Storage, engine: Engine, clean_news: dict[str, Artifact]
) -> dg.MaterializeResult[Artifact]:
    """Near-duplicate clusters over all admitted batches, in order of arrival."""
    from fakenews_assets.data.splits.clusters import assign_clusters, cluster_sizes

    batches = admitted(clean_news)
    articles = pl.concat([batch.articles for batch in batches])
    report("article_clusters", 0, None, "looking for near-duplicates")
    links = find_links(articles, NearDuplicateConfig(**config.model_dump(exclude={"splits"})), engine.map)
    splits = SplitConfig(**config.splits.model_dump())
    order = [batch.name for batch in batches]
    clusters = assign_clusters(articles, links, order, splits, _tombstones(storage).heirs)
    sizes = cluster_sizes(clusters, articles.select("label").collect()["label"])
    draft = storage.draft()
    clusters.write_parquet(draft.path / "clusters.parquet")
    (draft.path / CLUSTERING_FILE).write_text(config.model_dump_json(indent=2), encoding="utf-8")
    left_out = sorted(storage.store.refused_partitions("clean_news") - clean_news.keys())
    draft.meta.update(data_note=data_note(batches), refused_batches=left_out)
    return dg.MaterializeResult(
        value=draft,
        metadata={
            "batches": len(batches),
            "refused_batches": left_out,
            "rows": sizes.rows,
            "clusters": sizes.clusters,
            "rows_with_near_duplicates": sizes.clustered_rows,
            "largest_cluster": sizes.largest,
            "mixed_label_clusters": sizes.mixed_label_clusters,
            "excluded": counts(sizes.excluded),
        },
    )


@_asset(kinds={"polars", "parquet"}, code_version="2", check_specs=split_check_specs())
def splits(
    storage: Storage, clean_news: dict[str, Artifact], article_clusters: Artifact
) -> Iterator[dg.MaterializeResult[Artifact]]:
    """Train, validation and test articles. No cluster crosses a border, and no article ever changes its split."""
    _require_same_batches(article_clusters, clean_news)
    result = split_articles(
        pl.concat([batch.articles for batch in admitted(clean_news)]),
        article_clusters.scan("clusters").collect(),
        SplitConfig.model_validate(article_clusters.read_json(CLUSTERING_FILE)["splits"]),
    )
    draft = storage.draft()
    # What the split was asked to be: the checks hold it to this, and to no default.
    shutil.copyfile(article_clusters.path / CLUSTERING_FILE, draft.path / CLUSTERING_FILE)
    rows: dict[str, int] = {}
    for split, articles in result.splits.items():
        articles.sink_parquet(draft.path / f"{split}.parquet")
        rows[split] = draft.scan(split).select(pl.len()).collect().item()
    result.excluded.write_parquet(draft.path / "excluded.parquet")
    reasons = dict(result.excluded["reason"].value_counts().iter_rows())
    draft.meta.update(rows=rows, data_note=article_clusters.meta["data_note"])
    accepted = storage.store.current("splits") if storage.store.exists("splits") else None
    yield checked(draft, split_checks(draft, accepted), {**rows, "excluded": counts(reasons)})


def _require_same_batches(article_clusters: Artifact, clean_news: dict[str, Artifact]) -> None:
    assert article_clusters.record is not None
    clustered = {k: v for k, v in article_clusters.record.upstream.items() if k.startswith("clean_news/")}
    if clustered != {f"clean_news/{name}": artifact.version for name, artifact in clean_news.items()}:
        raise dg.Failure(
            "Batches have come or changed since the articles were clustered. Materialize article_clusters, then splits.",
            allow_retries=False,
        )
