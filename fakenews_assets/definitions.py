"""Everything that Dagster loads, merged."""

import os

import dagster as dg

from fakenews_assets.automation.jobs import all_jobs
from fakenews_assets.automation.schedules import nightly_monitoring
from fakenews_assets.automation.sensors.failures import failure_notifier
from fakenews_assets.automation.sensors.ingestion import new_batch_sensor
from fakenews_assets.automation.sensors.refresh import champion_changed, refresh_downstream
from fakenews_assets.automation.sensors.retraining import drift_sensor, new_rows_sensor
from fakenews_assets.automation.sensors.rollout import rollout_sensor
from fakenews_assets.compression import assets as compression
from fakenews_assets.data import assets as data
from fakenews_assets.data.admission import assets as admitting
from fakenews_assets.data.ratings import assets as ratings
from fakenews_assets.data.receiving import assets as receiving
from fakenews_assets.ensembling import assets as ensembling
from fakenews_assets.evaluation import assets as evaluation
from fakenews_assets.governance import assets as audit
from fakenews_assets.monitoring import assets as monitoring
from fakenews_assets.selection import assets as selection
from fakenews_assets.serving import assets as serving
from fakenews_assets.serving.settings import RolloutSettings
from fakenews_assets.training import assets as training
from fakenews_resources.cloud_run import CloudRun
from fakenews_resources.engine.resource import engine_from_environment
from fakenews_resources.landing import Landing
from fakenews_resources.news.resource import NewsSource
from fakenews_resources.notifier import notifier_from_environment
from fakenews_resources.storage.io_manager import ArtifactIOManager, storage_from_environment
from fakenews_resources.tracking.resource import tracker_from_environment

storage = storage_from_environment()

defs = dg.Definitions(
    assets=dg.load_assets_from_modules(
        [
            receiving,
            data,
            ratings,
            admitting,
            training,
            compression,
            ensembling,
            evaluation,
            selection,
            serving,
            monitoring,
            audit,
        ]
    ),
    jobs=all_jobs,
    schedules=[nightly_monitoring],
    sensors=[
        new_batch_sensor,
        new_rows_sensor,
        drift_sensor,
        refresh_downstream,
        champion_changed,
        rollout_sensor,
        failure_notifier,
    ],
    resources={
        "storage": storage,
        "engine": engine_from_environment(),
        "io_manager": ArtifactIOManager(storage=storage),
        "news_source": NewsSource(),
        "landing": Landing(
            root=os.environ.get("FAKENEWS_LANDING", "landing"),
            settle_seconds=float(os.environ.get("FAKENEWS_LANDING_SETTLE_SECONDS", "10")),
        ),
        "cloud_run": CloudRun(service=RolloutSettings().service),
        "notifier": notifier_from_environment(),
        "tracker": tracker_from_environment(storage),
    },
    # One process a run: a step's own process would cost seconds of imports for each of a few short steps.
    executor=dg.in_process_executor,
)
"""The asset graph: raw articles in, an evaluated, served and watched fake-news classifier out."""
