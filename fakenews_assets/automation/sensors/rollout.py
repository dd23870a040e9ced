"""The sensor that brings the champion into service on Cloud Run."""

from datetime import UTC, datetime

import dagster as dg

from fakenews_assets.automation.jobs import roll_out_champion
from fakenews_assets.automation.runs import SENSOR_SECONDS, requested_run
from fakenews_assets.serving.settings import RolloutSettings
from fakenews_resources.storage.io_manager import Storage


@dg.sensor(
    job=roll_out_champion,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=SENSOR_SECONDS,
    description="Rolls the champion out on Cloud Run, if FAKENEWS_ROLLOUT_SERVICE names a service.",
)
def rollout_sensor(context: dg.SensorEvaluationContext, storage: Storage) -> dg.RunRequest | dg.SkipReason:
    """After a promotion, roll the champion out on Cloud Run; after a rollback, return to its revision.

    Does nothing unless FAKENEWS_ROLLOUT_SERVICE names a service. One run for each step: what failed is left to a person.
    """
    if RolloutSettings().service is None:
        return dg.SkipReason("FAKENEWS_ROLLOUT_SERVICE is not set, so nothing is rolled out.")
    from fakenews_assets.selection.champion import ChampionRecord
    from fakenews_assets.serving.rollout import RolloutRecord, context_in, next_step

    store = storage.store
    if not store.exists("champion"):
        return dg.SkipReason("There is no champion yet.")
    champion = ChampionRecord.read(store.current("champion").path).pointer
    record = RolloutRecord.read(store.current("rollout").path) if store.exists("rollout") else None
    step, why = next_step(record, champion, context_in(store), datetime.now(UTC))
    if step == "none":
        return dg.SkipReason(why)
    look_at = record.look_at if record and step == "judge" else None
    request = dg.RunRequest(run_key=f"rollout:{champion.sequence}:{step}:{look_at or ''}")
    earlier = requested_run(context.instance, request.run_key)
    if earlier is None:
        return request
    if not earlier.is_finished:
        return dg.SkipReason(f"Run {earlier.run_id[:8]} is at it: {why}")
    return dg.SkipReason(f"Already tried, see run {earlier.run_id[:8]}. {why}")
