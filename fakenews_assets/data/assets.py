"""The data group: from received bytes to frozen splits."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import dagster as dg
from pydantic import Field

from fakenews_assets.data.batch_checks import BatchLimits, check_batch
from fakenews_assets.data.checks import batch_check_specs, to_result
from fakenews_assets.data.cleaning import BatchRejected, CleaningLimits, CleaningSummary, clean_batch
from fakenews_assets.data.corpus import CleanBatch, admitted, data_note
from fakenews_assets.data.partitions import news_batches
from fakenews_assets.data.preparation import TextPreparation, default_rules, read_rules
from fakenews_assets.data.reading import UnreadableFile, read_raw
from fakenews_assets.metadata import counts, records
from fakenews_assets.progress import report
from fakenews_resources.news.base import SourceError
from fakenews_resources.news_source import NewsSource
from fakenews_resources.storage import Storage
from fakenews_resources.store import Artefact, ValueMissing

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


@_asset(
    partitions_def=news_batches,
    kinds={"csv"},
    code_version="1",
)
def raw_news(
    context: dg.AssetExecutionContext, config: RawNewsConfig, storage: Storage, news_source: NewsSource
) -> dg.MaterializeResult[Artefact]:
    """The bytes of one batch as they were received, with a manifest; never changed afterwards."""
    batch = context.partition_key
    try:
        known = storage.store.current(f"raw_news/{batch}").meta
    except ValueMissing:
        known = {}
    uri = config.uri or known.get("source_uri") or news_source.default_uri
    # What a broken download leaves here is taken up by the next attempt.
    landing = storage.store.workspace("raw_news", batch)
    try:
        received = news_source.receive(uri, landing, progress=partial(report, "raw_news"))
    except SourceError as error:
        raise dg.Failure(str(error), metadata={"source_uri": uri}, allow_retries=False) from error
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
    return dg.MaterializeResult(value=draft, metadata={**draft.meta, "rows": draft.meta["rows"] or "unreadable"})


def _rows_in(path: Path) -> int | None:
    """Records in a file, or None when it cannot be read: that is for `clean_news` to say."""
    try:
        return sum(len(chunk.rows) + len(chunk.rejects) for chunk in read_raw(path))
    except UnreadableFile:
        return None


class CleanNewsConfig(dg.Config, CleaningLimits, BatchLimits):
    """How a batch is cleaned, and when it is refused."""

    extra_artefacts: str = Field(
        default="", description="Path of a TOML table of publisher artefacts to remove besides the project's own."
    )


@_asset(
    partitions_def=news_batches,
    kinds={"polars", "parquet"},
    code_version="1",
    check_specs=batch_check_specs(),
)
def clean_news(
    context: dg.AssetExecutionContext, config: CleanNewsConfig, storage: Storage, raw_news: Artefact
) -> Iterator[dg.MaterializeResult[Artefact]]:
    """Validated, normalised articles of one batch, without publisher artefacts; rejects kept with their reason."""
    batch = context.partition_key
    extra = read_rules(Path(config.extra_artefacts)) if config.extra_artefacts else ()
    draft = storage.draft()
    try:
        summary = clean_batch(
            raw_news.path / raw_news.meta["file"],
            batch,
            draft.path,
            preparation=TextPreparation(rules=default_rules() + extra),
            limits=config,
            on_progress=lambda rows: report("clean_news", rows, raw_news.meta["rows"]),
        )
    except UnreadableFile as error:
        raise dg.Failure(str(error), metadata={"raw_file": str(raw_news.path)}, allow_retries=False) from error
    except BatchRejected as error:
        metadata = {"commonest_reasons": counts(dict(error.commonest)), "examples": records(error.examples)}
        raise dg.Failure(str(error), metadata=metadata, allow_retries=False) from error

    earlier = _earlier_summaries(context, storage, before=raw_news.meta["received_at"])
    outcomes = check_batch(summary, draft.scan("articles"), earlier, config)
    (draft.path / "summary.json").write_text(summary.model_dump_json(indent=2), encoding="utf-8")
    (draft.path / "checks.json").write_text(json.dumps([o.model_dump(mode="json") for o in outcomes], indent=2))
    draft.meta.update(received_at=raw_news.meta["received_at"], source_uri=raw_news.meta["source_uri"])
    yield dg.MaterializeResult(
        value=draft,
        metadata={
            "rows_in": summary.rows_in,
            "rows_out": summary.rows_out,
            "rows_rejected": summary.rows_in - summary.rows_out,
            "rejected": counts(summary.rejected),
            "artefacts_removed": counts(summary.artefacts),
            "labels": counts({"real": summary.real, "fake": summary.fake, "unlabelled": summary.unlabelled}),
            "missing_text": summary.missing_text,
            "repeated": summary.repeated,
        },
        check_results=[to_result(outcome) for outcome in outcomes],
    )


def _earlier_summaries(context: dg.AssetExecutionContext, storage: Storage, before: str) -> list[CleaningSummary]:
    """Summaries of the admitted batches that were received before this one: the corpus it has to fit."""
    names = context.instance.get_dynamic_partitions("news_batches")
    stored = [
        CleanBatch(name, storage.store.current(f"clean_news/{name}"))
        for name in names
        if name != context.partition_key and storage.store.exists(f"clean_news/{name}")
    ]
    return [b.summary for b in stored if b.artefact.meta["received_at"] < before and b.admitted]
