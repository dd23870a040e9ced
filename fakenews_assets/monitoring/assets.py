"""Assets of the group monitoring: prediction log, drift, performance, page."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import dagster as dg
import polars as pl

from fakenews_assets.common import markdown
from fakenews_assets.common.assets import asset
from fakenews_assets.common.config import plain_config
from fakenews_assets.common.metadata import columns, illustrated, row_count
from fakenews_assets.common.plotting import to_png
from fakenews_assets.common.progress import report
from fakenews_assets.data.partitions import corpus_batches
from fakenews_assets.monitoring.checks import (
    ABSTAINS_AS_EVALUATED,
    AS_EVALUATED,
    DEFERS_AS_EVALUATED,
    NO_DRIFT,
    abstains_as_evaluated,
    as_good_as_evaluated,
    defers_as_evaluated,
    no_drift,
)
from fakenews_assets.monitoring.drift.verdict import DriftVerdict
from fakenews_assets.monitoring.log.prediction_log import log_at
from fakenews_assets.monitoring.log.records import FEEDBACK_SCHEMA, PREDICTION_LOG_SCHEMA
from fakenews_assets.monitoring.partitions import days
from fakenews_assets.monitoring.settings import (
    LOOK_BACK_DAYS,
    DriftReportSettings,
    PageSettings,
    PerformanceSettings,
)
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.io_manager import Storage, monitor_url
from fakenews_resources.storage.store import ValueMissing

if TYPE_CHECKING:  # scores come with scikit-learn, which takes seconds to import
    from fakenews_assets.monitoring.performance import PerformanceVerdict

_asset = partial(asset, group_name="monitoring", owners=["team:ml"])

# `nightly_monitoring` makes yesterday's at 00:20.
_EVERY_NIGHT: Final = dg.FreshnessPolicy.cron(
    deadline_cron="0 2 * * *", lower_bound_delta=timedelta(minutes=100), timezone="UTC"
)


@_asset(
    partitions_def=days,
    freshness_policy=_EVERY_NIGHT,
    kinds={"parquet", "polars"},
    code_version="1",
    metadata=columns(PREDICTION_LOG_SCHEMA),
)
def prediction_log(context: dg.AssetExecutionContext, storage: Storage) -> dg.MaterializeResult[Artifact]:
    """Requests, answers and true labels of one day, from the service's log."""
    from fakenews_assets.monitoring.log.folding import fold_sent_lines
    from fakenews_assets.monitoring.log.sealing import seal_and_publish
    from fakenews_assets.monitoring.page.history import count_traffic

    day, backend = _day(context), storage.log_backend(storage.store)
    # In a folder the service does it; from a bucket it may not remove anything.
    folded = fold_sent_lines(backend) if backend.is_bucket else 0
    if folded:
        context.log.info(f"{folded} files of days that are over became tables.")
    seal_and_publish(storage.store.backend, backend)
    log = log_at(backend, [day])
    draft = storage.draft()
    log.read(day, "predictions").sink_parquet(draft.path / "predictions.parquet", compression="zstd")
    log.read(day, "feedback").sink_parquet(draft.path / "feedback.parquet", compression="zstd")
    traffic = count_traffic(draft.scan("predictions"), draft.scan("feedback"))
    models = draft.scan("predictions").select(pl.col("model_id").unique()).collect()["model_id"]
    return dg.MaterializeResult(
        value=draft,
        metadata={
            **row_count(traffic.answers),
            "real": traffic.real,
            "fake": traffic.fake,
            "unsure": traffic.unsure,
            "late_labels": traffic.feedback,
            "latency_ms_p50": traffic.latency_p50_ms if traffic.latency_p50_ms is not None else "no answers",
            "latency_ms_p95": traffic.latency_p95_ms if traffic.latency_p95_ms is not None else "no answers",
            "models": sorted(models),
            "read_from": dg.MetadataValue.path(f"{backend.address}/{day.isoformat()}"),
        },
    )


@_asset(
    partitions_def=days,
    # The edge is to the day itself. An edge to the window would make a backfill of one day 31 days long. The stored
    # record names each day that was read.
    deps=["prediction_log", "champion"],
    freshness_policy=_EVERY_NIGHT,
    kinds={"evidently"},
    code_version="2",
    check_specs=[NO_DRIFT, ABSTAINS_AS_EVALUATED, DEFERS_AS_EVALUATED],
    pool="training",  # the model embeds the articles: no training may run beside it
)
@plain_config
def drift_report(
    context: dg.AssetExecutionContext, config: DriftReportSettings, storage: Storage
) -> Iterator[dg.MaterializeResult[Artifact]]:
    """One day's articles compared with the test split of their model: Evidently's reports, and a verdict in numbers."""
    from fakenews_assets.models.classifier import NoEmbedding
    from fakenews_assets.monitoring.drift.drift import report_drift
    from fakenews_assets.monitoring.windows import window_days
    from fakenews_assets.registry.bundle import BundleError

    day = _day(context)
    try:
        wanted = window_days(day, config, _logged_days(storage))
        answers = _read_log(context, storage, wanted, "predictions")
        verdict, compared = report_drift(storage.store, answers, config)
    except (BundleError, ValueMissing, NoEmbedding, ValueError) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    draft = storage.draft()
    verdict.write(draft.path)
    draft.meta.update(model_id=verdict.model_id, drifted=verdict.drifted, day=day.isoformat())
    if compared is not None:
        from fakenews_assets.monitoring.drift.pages import write_drift_pages

        report(note="drawing the pages")
        write_drift_pages(compared, verdict, day, draft.path)
    yield dg.MaterializeResult(
        value=draft,
        metadata=_drift_metadata(verdict),
        check_results=[no_drift(verdict), abstains_as_evaluated(verdict), defers_as_evaluated(verdict)],
    )


def _drift_metadata(verdict: DriftVerdict) -> dict[str, Any]:
    from fakenews_assets.monitoring.drift.report import effects_plot, effects_table

    effects: dict[str, Any] = {}
    if verdict.features:
        effects = {
            "effects": illustrated(
                to_png(effects_plot(verdict)), "change of each feature", effects_table(verdict)
            ),
            "drift_score": verdict.score,
        }
    return {
        "verdict": verdict.summary,
        "abstentions": verdict.abstention_summary,
        "deferrals": verdict.deferral_summary,
        "drifted": {True: "yes", False: "no", None: "not known"}[verdict.drifted],
        "model_id": verdict.model_id or "no answers",
        "rows": verdict.rows,
        "by_other_models": verdict.by_other_models,
        "repeated": verdict.repeated,
        "notes": dg.MetadataValue.md(markdown.bullets(verdict.notes)),
        **effects,
    }


@_asset(
    partitions_def=days,
    deps=[
        "prediction_log",
        dg.AssetDep("clean_news", partition_mapping=dg.AllPartitionMapping()),
        "champion",
    ],
    freshness_policy=_EVERY_NIGHT,
    kinds={"sklearn"},
    code_version="1",
    check_specs=[AS_EVALUATED],
)
@plain_config
def performance_report(
    context: dg.AssetExecutionContext, config: PerformanceSettings, storage: Storage
) -> Iterator[dg.MaterializeResult[Artifact]]:
    """Answers compared with true labels that arrived on the day or shortly before, from feedback and labelled
    batches."""
    from fakenews_assets.monitoring.performance import report_performance
    from fakenews_assets.registry.bundle import BundleError

    day = _day(context)
    logged = [one for one in _logged_days(storage) if 0 <= (day - one).days <= LOOK_BACK_DAYS]
    labelled_on = [one for one in logged if (day - one).days < config.days]
    try:
        verdict = report_performance(
            storage.store,
            _read_log(context, storage, logged, "predictions"),
            _read_log(context, storage, labelled_on, "feedback"),
            _labels_of_batches(context, storage, day, config.days),
            config,
        )
    except (BundleError, ValueMissing) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    draft = storage.draft()
    verdict.write(draft.path)
    draft.meta.update(model_id=verdict.model_id, dropped=verdict.dropped, day=day.isoformat())
    yield dg.MaterializeResult(
        value=draft,
        metadata=_performance_metadata(verdict),
        check_results=[as_good_as_evaluated(verdict)],
    )


def _performance_metadata(verdict: "PerformanceVerdict") -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "verdict": verdict.summary,
        "model_id": verdict.model_id or "no answers",
        **{f"labels_from_{origin}": count for origin, count in verdict.labels.items()},
        "by_other_models": verdict.by_other_models,
    }
    if verdict.metrics is not None:
        metadata |= {
            "accuracy": verdict.metrics.accuracy,
            "ece": verdict.metrics.ece,
            "evaluated_ece": verdict.evaluated.ece if verdict.evaluated else "not evaluated",
        }
        if verdict.metrics.macro_f1 is not None:
            metadata["macro_f1"] = verdict.metrics.macro_f1
    return metadata


@_asset(
    deps=["prediction_log", "drift_report", "performance_report", "champion"],
    kinds={"matplotlib"},
    code_version="1",
)
@plain_config
def monitoring_page(
    context: dg.AssetExecutionContext, config: PageSettings, storage: Storage
) -> dg.MaterializeResult[Artifact]:
    """Plots of traffic, verdicts, drift, quality and champions of the last days. `make monitor` shows it."""
    from fakenews_assets.monitoring.page.history import read_day
    from fakenews_assets.monitoring.page.page import PAGE_FILE, last_days, monitoring_html
    from fakenews_assets.registry.champion import ChampionRegistry, RegistryError

    store = storage.store
    found = [
        read_day(
            day,
            *(
                storage.read(context, f"{asset}/{day}") if store.exists(f"{asset}/{day}") else None
                for asset in ("prediction_log", "drift_report", "performance_report")
            ),
        )
        for day in last_days(config.last_day, config.days)
    ]
    try:
        champions = ChampionRegistry(store.bundles).history()
    except RegistryError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    notes = [day.drift.data_note for day in found if day.drift and day.drift.data_note]
    draft = storage.draft()
    page = monitoring_html(found, champions, notes[-1] if notes else None)
    (draft.path / PAGE_FILE).write_text(page, encoding="utf-8")
    return dg.MaterializeResult(
        value=draft,
        metadata={
            "page": dg.MetadataValue.url(monitor_url()),
            "days_with_traffic": sum(bool(day.traffic and day.traffic.answers) for day in found),
            "days_drifted": sum(bool(day.drift and day.drift.drifted) for day in found),
            "champions": len(champions),
        },
    )


def _day(context: dg.AssetExecutionContext) -> date:
    return date.fromisoformat(context.partition_key)


def _logged_days(storage: Storage) -> list[date]:
    return sorted(date.fromisoformat(name) for name in storage.store.partitions("prediction_log"))


def _read_log(
    context: dg.AssetExecutionContext, storage: Storage, wanted: Sequence[date], table: str
) -> pl.LazyFrame:
    """The answers, or the late labels, of several days in order of time."""
    schema = {"predictions": PREDICTION_LOG_SCHEMA, "feedback": FEEDBACK_SCHEMA}[table]
    frames = [storage.read(context, f"prediction_log/{one}").scan(table) for one in wanted]
    return pl.concat([schema.to_frame().lazy(), *frames])


def _labels_of_batches(
    context: dg.AssetExecutionContext, storage: Storage, day: date, count: int
) -> pl.LazyFrame:
    """Labels of the accepted batches that arrived on a day or a number of days before."""
    from fakenews_assets.monitoring.performance import BATCH_LABEL_SCHEMA

    frames = [BATCH_LABEL_SCHEMA.to_frame().lazy()]
    for name in sorted(corpus_batches(storage.store, context.instance)):
        received_at = storage.store.current(f"clean_news/{name}").meta["received_at"]
        came = datetime.fromisoformat(received_at).astimezone(UTC)
        if 0 <= (day - came.date()).days < count:
            labelled = storage.read(context, f"clean_news/{name}").scan("articles").drop_nulls("label")
            labels = labelled.select(
                "article_id", true_label="label", time=pl.lit(came), origin=pl.lit("batch")
            )
            frames.append(labels.cast(BATCH_LABEL_SCHEMA))
    return pl.concat(frames)
