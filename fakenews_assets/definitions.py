"""Everything that Dagster loads, merged."""

import os

import dagster as dg

from fakenews_assets.automation.jobs import all_jobs
from fakenews_assets.automation.sensors import follow_up
from fakenews_assets.compression import assets as compression
from fakenews_assets.data import assets as data
from fakenews_assets.data import checks as data_checks
from fakenews_assets.evaluation import assets as evaluation
from fakenews_assets.selection import assets as selection
from fakenews_assets.serving import assets as serving
from fakenews_assets.training import assets as training
from fakenews_resources.news_source import NewsSource
from fakenews_resources.storage import ArtefactIOManager, Storage

storage = Storage(root=os.environ.get("FAKENEWS_STORAGE", ".fakenews"))

defs = dg.Definitions(
    assets=dg.load_assets_from_modules([data, training, compression, evaluation, selection, serving]),
    asset_checks=dg.load_asset_checks_from_modules([data_checks]),
    jobs=all_jobs,
    sensors=[follow_up],
    resources={
        "storage": storage,
        "io_manager": ArtefactIOManager(storage=storage),
        "news_source": NewsSource(default_uri=os.environ.get("FAKENEWS_NEWS", "sample:")),
    },
    # One process a run: a step's own process would cost seconds of imports for each of a few short steps.
    executor=dg.in_process_executor,
)
