"""Assets of the group data: publishers' ratings, and the labels that follow from them."""

from functools import partial

import dagster as dg

from fakenews_assets.common.assets import asset
from fakenews_assets.common.config import plain_config
from fakenews_assets.common.metadata import counts
from fakenews_assets.data.partitions import news_batches
from fakenews_assets.data.ratings.labelling import RULE_FILE, TABLE, LabelRule, label_publishers
from fakenews_assets.data.ratings.reading import (
    REPORT_FILE,
    RatingsRefused,
    RatingsReport,
    RatingsSettings,
    store_ratings,
)
from fakenews_assets.data.schema import Label
from fakenews_resources.news.base import SourceError
from fakenews_resources.news.resource import FETCHING, NewsSource, fetching_failed, not_retried_otherwise
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.io_manager import Storage

_asset = partial(asset, group_name="data", owners=["team:data"])


@_asset(kinds={"csv", "polars"}, code_version="1", retry_policy=FETCHING)
@plain_config
@not_retried_otherwise()
def source_ratings(
    config: RatingsSettings, storage: Storage, news_source: NewsSource
) -> dg.MaterializeResult[Artifact]:
    """Publishers' quality ratings from 0 to 1, with the files as received. Optional."""
    store = storage.store
    known = store.current("source_ratings").meta if store.exists("source_ratings") else {}
    uri = config.uri or known.get("uri", "")
    if not uri:
        raise dg.Failure("Name a table of ratings: `fakenews rate FILE`, or `uri`.", allow_retries=False)
    draft = storage.draft()
    try:
        draft.meta.update(
            store_ratings(
                news_source.receive, uri, draft.path, storage.store.workspace("source_ratings"), config
            )
        )
    except SourceError as error:
        raise fetching_failed(error, uri=uri) from error
    except RatingsRefused as error:
        raise dg.Failure(str(error), metadata={"uri": uri}, allow_retries=False) from error
    report = RatingsReport.model_validate(draft.read_json(REPORT_FILE))
    return dg.MaterializeResult(
        value=draft,
        metadata={
            "uri": uri,
            "rows": report.rows,
            "publishers": report.publishers,
            "unusable": counts(report.unusable),
            "repeated": report.repeated,
            "contradicted": list(report.contradicted),
        },
    )


@_asset(partitions_def=news_batches, kinds={"polars"}, code_version="1")
@plain_config
def publisher_labels(
    config: LabelRule, storage: Storage, source_ratings: Artifact
) -> dg.MaterializeResult[Artifact]:
    """The labels that publishers' ratings give to one batch. Optional: only batches that have it are labelled so."""
    labels = label_publishers(source_ratings.scan("ratings").collect(), config)
    draft = storage.draft()
    labels.write_parquet(draft.path / f"{TABLE}.parquet")
    (draft.path / RULE_FILE).write_text(config.model_dump_json(), encoding="utf-8")
    return dg.MaterializeResult(
        value=draft,
        metadata={
            "fake_publishers": labels.filter(label=Label.FAKE.value).height,
            "real_publishers": labels.filter(label=Label.REAL.value).height,
        },
    )
