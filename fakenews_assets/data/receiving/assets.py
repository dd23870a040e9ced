"""The asset of the group data that receives a batch."""

from collections.abc import Sequence
from functools import partial

import dagster as dg

from fakenews_assets.common.assets import asset
from fakenews_assets.common.config import plain_config
from fakenews_assets.common.progress import report
from fakenews_assets.data.partitions import news_batches, received_batches
from fakenews_assets.data.receiving.claims import Claim, Claims
from fakenews_assets.data.receiving.receiving import (
    BatchChanged,
    BatchRepeated,
    RawNewsSettings,
    digest_of,
    store_raw_files,
)
from fakenews_assets.data.receiving.recipe_folders import with_recipe
from fakenews_resources.news.base import SourceError
from fakenews_resources.news.resource import FETCHING, NewsSource, fetching_failed, not_retried_otherwise
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.io_manager import Storage, key_of
from fakenews_resources.storage.store import StoreError, ValueMissing

_asset = partial(asset, group_name="data", owners=["team:data"])


@_asset(partitions_def=news_batches, kinds={"csv"}, code_version="3", retry_policy=FETCHING)
@plain_config
@not_retried_otherwise()
def raw_news(
    context: dg.AssetExecutionContext, config: RawNewsSettings, storage: Storage, news_source: NewsSource
) -> dg.MaterializeResult[Artifact]:
    """The bytes of one batch as received, with a manifest. They never change."""
    batch = context.partition_key
    try:
        known = storage.store.current(key_of(context.asset_key, batch)).meta
    except ValueMissing:
        known = {}
    except StoreError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    # The next attempt resumes a broken download here.
    landing = storage.store.workspace("raw_news", batch)
    draft = storage.draft()
    uris: Sequence[str] = ()
    try:
        config = with_recipe(config)
        uris = config.uris or [file["source_uri"] for file in known.get("files", ())]
        if not uris:
            raise dg.Failure(
                f"Batch {batch!r} has no source yet. Set `uri` in the configuration of raw_news, or run"
                f" `fakenews ingest FILE --batch {batch}`.",
                allow_retries=False,
            )
        received = [
            news_source.receive(
                uri,
                landing / str(number),
                progress=partial(report, unit="bytes"),
                tell=lambda said: report(note=said),
            )
            for number, uri in enumerate(uris)
        ]
        sha256 = digest_of([one.sha256 for one in received])
        first = None if known else _first_with(context, storage, sha256)
        draft.meta.update(store_raw_files(received, batch, draft.path, known, config, first=first))
    except SourceError as error:
        raise fetching_failed(error, source_uri=" ".join(uris)) from error
    except BatchChanged as error:
        raise dg.Failure(str(error), metadata=error.hashes, allow_retries=False) from error
    except BatchRepeated as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    return dg.MaterializeResult(
        value=draft,
        metadata={**draft.meta, "rows": draft.meta["rows"] or "unreadable"},
    )


def _first_with(context: dg.AssetExecutionContext, storage: Storage, sha256: str) -> str | None:
    """Another batch that holds or is receiving the same bytes; None: this batch is the first."""

    def stands(claim: Claim) -> bool:
        run = context.instance.get_run_by_id(claim.run_id)
        # In this order: once a run has ended, what it has stored is there.
        receiving = run is not None and not run.is_finished
        return receiving or claim.batch in received_batches(storage.store, context.instance)

    mine = Claim(batch=context.partition_key, run_id=context.run.run_id)
    holder = Claims(storage.store).claim(sha256, mine, stands)
    return None if holder == mine else holder.batch
