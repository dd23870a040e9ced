"""The sensor that ingests new files of the landing folder: one batch and one run for each."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from hashlib import sha256
from typing import Any

import dagster as dg

from fakenews_assets.automation.jobs import ingest_batch
from fakenews_assets.automation.runs import SENSOR_SECONDS, failure_reasons
from fakenews_assets.data.fields.mapping import BatchMapping
from fakenews_assets.data.partitions import (
    corpus_batches,
    news_batches,
    note_on_unregistered,
    received_batches,
    some_of,
)
from fakenews_assets.data.receiving.claims import Claims
from fakenews_resources.landing import LandedFile, Landing
from fakenews_resources.storage.io_manager import Storage
from fakenews_resources.storage.store import Store

_RUNS_PER_TICK = 20
_REASONS_PER_TICK = 3
_REASON_CHARS = 300
_KEYS_PER_QUERY = 500  # databases limit the variables of a query


@dg.sensor(
    job=ingest_batch,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=SENSOR_SECONDS,
    description="Ingests every new, complete file of the landing folder (FAKENEWS_LANDING) as a batch.",
)
def new_batch_sensor(
    context: dg.SensorEvaluationContext, landing: Landing, storage: Storage
) -> dg.SensorResult:
    """Ingest every new, complete file of the landing folder as a batch, in order of arrival.

    There is no cursor: a file is done when its batch is stored or a run of it was launched, so the next tick makes
    up for one that was killed. What failed is left to a person.
    """
    store = storage.store
    landed = landing.look(store.workspace("landing"))
    # By batch: one content may lie there as `news.csv` and as `news.copy.csv`.
    left: defaultdict[str, list[str]] = defaultdict(list)
    mappings: dict[str, BatchMapping] = {}
    for file in landed.files:
        try:
            mappings[file.batch] = BatchMapping.from_toml(file.mapping)
        except ValueError as error:
            left["with a mapping that cannot be read"].append(f"{file.name} ({error})")
    mapped = (file for file in landed.files if file.batch in mappings)
    unstored = {file.batch: file for file in mapped if not _is_done(file, mappings[file.batch], store)}
    runs = _last_runs(context.instance, [_run_key(file) for file in unstored.values()])
    new: list[LandedFile] = []
    stored = received_batches(store, context.instance)
    first_of: dict[str, str] = {}
    for batch, file in unstored.items():
        first = first_of.setdefault(file.identity, _stored_as(file, store, stored) or batch)
        if first != batch:
            left["with the same bytes as an earlier batch"].append(f"{file.name} ({first})")
            continue
        run = runs.get(_run_key(file))
        # A daemon that is killed may leave a run that was never launched. Asked again, Dagster launches that one.
        if run is None or run.status == dg.DagsterRunStatus.NOT_STARTED:
            new.append(file)
        elif run.is_finished:
            left["failed before; see their runs"].append(batch)
        else:
            left["in progress"].append(batch)
    asked, later = new[:_RUNS_PER_TICK], new[_RUNS_PER_TICK:]
    if later:
        left["left for the next tick"] = [file.batch for file in later]
    if refused := _refused(
        [file for file in landed.files if file.batch not in unstored], store, context.instance
    ):
        left["refused, hence not part of the corpus"] = refused
    said = [_note(why, names) for why, names in {**left, **landed.waiting}.items()]
    notes = " ".join(filter(None, (*said, note_on_unregistered(store, context.instance))))
    if not asked:
        return dg.SensorResult(skip_reason=f"No new files in {landing.root}. {notes}".rstrip())
    if notes:
        context.log.info(notes)
    return dg.SensorResult(
        dynamic_partitions_requests=[news_batches.build_add_request([file.batch for file in asked])],
        run_requests=[
            dg.RunRequest(
                run_key=_run_key(file),
                partition_key=file.batch,
                run_config={"ops": {"raw_news": {"config": _raw_news_config(file, mappings[file.batch])}}},
            )
            for file in asked
        ],
    )


def _refused(files: Sequence[LandedFile], store: Store, instance: dg.DagsterInstance) -> list[str]:
    """The batches of stored files that were not let into the corpus, the first ones with the words of their last run."""
    counted = corpus_batches(store, instance)
    batches = {file.batch: file for file in files if file.batch not in counted}
    received = received_batches(store, instance)
    runs = _last_runs(instance, [_run_key(file) for batch, file in batches.items() if batch in received])
    found: list[str] = []
    for batch, file in batches.items():
        run = runs.get(_run_key(file))
        if run and run.is_finished and not run.is_success:
            told = len(found) < _REASONS_PER_TICK
            reason = f" ({'; '.join(failure_reasons(instance, run.run_id))[:_REASON_CHARS]})" if told else ""
            found.append(batch + reason)
    return found


def _stored_as(file: LandedFile, store: Store, batches: Collection[str]) -> str | None:
    """The batch that holds the bytes of a file. In a bucket, whose files have other digests, the run finds out."""
    claim = Claims(store).of(file.identity)
    return claim.batch if claim and claim.batch in batches else None


def _is_done(file: LandedFile, mapping: BatchMapping, store: Store) -> bool:
    """Whether the batch of a file is stored; not if it was refused, and the file has another mapping since."""
    key = f"raw_news/{file.batch}"
    if not file.mapping or not store.exists(key) or store.exists(f"clean_news/{file.batch}"):
        return store.exists(key)
    return BatchMapping.model_validate(store.current(key).meta["mapping"]) == mapping


def _raw_news_config(file: LandedFile, mapping: BatchMapping) -> dict[str, Any]:
    given = {"uri": file.uri, **mapping.model_dump(exclude_defaults=True, mode="json")}
    # A file may change between this tick and its run; in a bucket, the address names one generation.
    return given if file.uri.startswith("gs://") else {**given, "sha256": file.identity}


def _run_key(file: LandedFile) -> str:
    mapped = f":{sha256(file.mapping.encode()).hexdigest()[:8]}" if file.mapping else ""
    return f"raw_news/{file.batch}:{file.identity}{mapped}"


def _last_runs(instance: dg.DagsterInstance, run_keys: Sequence[str]) -> dict[str, dg.DagsterRun]:
    """The latest run of each key that has one."""
    found: dict[str, dg.DagsterRun] = {}
    for start in range(0, len(run_keys), _KEYS_PER_QUERY):
        keys = run_keys[start : start + _KEYS_PER_QUERY]
        for run in instance.get_runs(dg.RunsFilter(tags={"dagster/run_key": keys})):  # latest first
            found.setdefault(run.tags["dagster/run_key"], run)
    return found


def _note(why: str, names: Sequence[str]) -> str:
    return f"{len(names)} {why}: {some_of(names)}."
