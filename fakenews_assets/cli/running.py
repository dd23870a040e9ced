"""Runs parts of the graph in this process, with progress bars, on the same Dagster instance as the UI."""

import os
import platform
import threading
import uuid
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import dagster as dg
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from fakenews_assets.automation.order import GraphOrder, assets_of
from fakenews_assets.automation.runs import failure_reasons
from fakenews_assets.automation.staleness import stale_assets
from fakenews_assets.cli.errors import CommandFailed
from fakenews_assets.common import progress
from fakenews_resources.storage.store import Store, hash_file

_POLL_SECONDS = 0.25
_STEP_EVENTS = {
    dg.DagsterEventType.STEP_START,
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
}

_HOST_TAG = "fakenews/host"
_PROCESS_TAG = "fakenews/process"

DEFAULT_VARIANTS = ("distilled-3l", "finetuned-openvino-int8", "distilled-3l-openvino-int8")
"""What the whole lifecycle makes of the fine-tuned encoder: a student, and both in int8."""


def use_project_home() -> None:
    """Point DAGSTER_HOME at the folder of dagster.yaml, from here upwards, unless it is set."""
    if os.environ.get("DAGSTER_HOME"):
        return
    here = Path.cwd()
    home = next((folder for folder in (here, *here.parents) if (folder / "dagster.yaml").is_file()), None)
    if home is None:
        raise CommandFailed(
            "No dagster.yaml here or above. Run this inside the project's folder, or set DAGSTER_HOME."
        )
    os.environ["DAGSTER_HOME"] = str(home)


def load_graph() -> dg.Definitions:
    """Everything that Dagster loads, without its warnings about beta features."""
    warnings.filterwarnings("ignore", category=dg.BetaWarning)
    warnings.filterwarnings("ignore", category=dg.PreviewWarning)
    from fakenews_assets.definitions import defs

    return defs


class GraphRunner:
    """A session with the graph: opens the Dagster instance, runs jobs, shows how far they are."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        use_project_home()
        with self.console.status("Loading the graph"):
            self.defs = load_graph()
            from fakenews_assets.definitions import storage

            self.store: Store = storage.store
        self.run_ids: list[str] = []

    def __enter__(self) -> Self:
        self.instance = dg.DagsterInstance.get()
        self._close_dead_runs()
        return self

    def _close_dead_runs(self) -> None:
        """Close the runs of killed `fakenews` commands; left open, they would hold their slot in a pool for ever."""
        here = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED], tags={_HOST_TAG: platform.node()})
        for run in self.instance.get_runs(here):
            if not _is_alive(int(run.tags[_PROCESS_TAG])):
                self.instance.report_run_failed(run, "The process of this run was killed.")
                self.instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)

    def __exit__(self, *_: object) -> None:
        self.instance.dispose()

    def add_batch(self, name: str) -> None:
        """Register a partition of `news_batches`; one that exists stays as it is."""
        self.instance.add_dynamic_partitions("news_batches", [name])

    def ingest(self, batch: str, uri: str) -> None:
        """Receive and clean one batch."""
        self.run("ingest_batch", batch, {"raw_news": {"uri": uri}})

    def lifecycle(
        self,
        batch: str,
        uri: str,
        config: Mapping[str, Mapping[str, Any]] | None = None,
        variants: Sequence[str] = DEFAULT_VARIANTS,
    ) -> None:
        """Take one batch from its source to a champion; what is up to date is left alone.

        Args:
            batch: partition of `news_batches`.
            uri: where the batch comes from.
            config: configuration by name of asset, as far as it differs from the defaults.
            variants: students and exported variants to make besides the baseline and the fine-tuned encoder.
        """
        config = {"raw_news": {"uri": uri}, **(config or {})}
        self.run("full_lifecycle", batch, config)
        order = GraphOrder(self.defs.get_repository_def())
        for value in order.downstream_of_training(["baseline", "finetuned", *variants]):
            self.run(order.job_of[value.asset], value.partition, config)

    def run(
        self,
        job_name: str,
        partition: str | None,
        config: Mapping[str, Mapping[str, Any]],
        again: Collection[str] = (),
    ) -> None:
        """Run what is stale of a job.

        Args:
            job_name: which.
            partition: of its partitioned assets.
            config: configuration by name of asset, as far as it differs from the defaults.
            again: assets to make again for a reason outside the graph.

        Raises:
            CommandFailed: a step failed, or a blocking check stopped the run.
        """
        job = self.defs.resolve_job_def(job_name)
        names = [asset.key.to_user_string() for asset in assets_of(job)]
        outdated = {*again, *(["raw_news"] if self._source_changed(f"raw_news/{partition}", config) else [])}
        stale = stale_assets(job, self.store, partition, config, outdated)
        todo = [asset.key.to_user_string() for asset in stale]
        with Bars(
            self.console, names, todo, suffix=f" \\[{partition}]" if partition and len(names) == 1 else ""
        ) as bars:
            if not todo:
                return
            run_id = str(uuid.uuid4())
            with bars.following(self.instance, run_id), progress.listening(bars.show):
                result = job.execute_in_process(
                    run_id=run_id,
                    instance=self.instance,
                    partition_key=partition,
                    asset_selection=[asset.key for asset in stale],
                    run_config={
                        "ops": {name: {"config": dict(config[name])} for name in todo if name in config},
                        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                    },
                    tags={_HOST_TAG: platform.node(), _PROCESS_TAG: str(os.getpid())},
                    raise_on_error=False,
                )
        self.run_ids.append(run_id)
        if not result.success:
            raise CommandFailed("\n".join(failure_reasons(self.instance, run_id)))

    def _source_changed(self, key: str, config: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether a local file holds other bytes than were received from it; `raw_news` then says what to do."""
        source = Path(config.get("raw_news", {}).get("uri", ""))
        if not source.is_file() or not self.store.exists(key):
            return False
        return hash_file(source).sha256 != self.store.current(key).meta["sha256"]


class Bars:
    """One line per asset: waiting, running with what it reports, done."""

    def __init__(self, console: Console, names: Sequence[str], todo: Sequence[str], suffix: str) -> None:
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        for name in names:
            task = self._progress.add_task(f"{name}{suffix}", start=False, total=1, note="waiting")
            self._tasks[name] = task
            if name not in todo:
                self._progress.start_task(task)
                self._progress.update(task, completed=1, note="up to date")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, report: progress.Progress) -> None:
        """Draw what an asset reports of itself."""
        if report.task in self._tasks:
            # A finished fraction of less than one: only the step's end completes the bar.
            total = max(report.total or report.done * 2, report.done * 1.01, 1e-9)
            self._progress.update(
                self._tasks[report.task], completed=report.done, total=total, note=escape(report.note)
            )

    @contextmanager
    def following(self, instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
        """Mark steps as started, done or failed, as the run's events say."""
        stop = threading.Event()

        def poll() -> None:
            cursor: str | None = None
            while True:
                last_round = stop.wait(_POLL_SECONDS)
                if instance.has_run(run_id):
                    found = instance.get_records_for_run(run_id, cursor=cursor, of_type=_STEP_EVENTS)
                    cursor = found.cursor
                    for record in found.records:
                        self._mark(record.event_log_entry)
                if last_round:
                    return

        thread = threading.Thread(target=poll, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def start(self, name: str) -> None:
        """Show that an asset is being made."""
        self._progress.start_task(self._tasks[name])
        self._progress.update(self._tasks[name], note="")

    def finish(self, name: str, *, failed: bool) -> None:
        """Show how the making of an asset ended."""
        task = self._tasks[name]
        total = self._progress.tasks[task].total
        self._progress.update(task, completed=0 if failed else total, note="[red]failed" if failed else "")
        self._progress.stop_task(task)

    def _mark(self, entry: dg.EventLogEntry) -> None:
        name = entry.step_key or ""
        if name not in self._tasks:
            return
        if entry.dagster_event_type == dg.DagsterEventType.STEP_START:
            self.start(name)
        else:
            self.finish(name, failed=entry.dagster_event_type == dg.DagsterEventType.STEP_FAILURE)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
