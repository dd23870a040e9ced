"""Runs parts of the graph in this process, on the same Dagster instance as the UI."""

import os
import platform
import sys
import uuid
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import dagster as dg
from rich.console import Console
from rich.markup import escape

from fakenews_assets.automation.order import GraphOrder, assets_of
from fakenews_assets.automation.runs import failure_reasons
from fakenews_assets.automation.staleness import stale_assets
from fakenews_assets.cli.errors import CommandFailed
from fakenews_assets.cli.steps import shown_steps
from fakenews_assets.common import progress
from fakenews_assets.data.partitions import note_on_unregistered
from fakenews_resources.storage.inventory import Inventory
from fakenews_resources.storage.store import Store, hash_file

_HOST_TAG = "fakenews/host"
_PROCESS_TAG = "fakenews/process"

DEFAULT_VARIANTS = (
    "distilled-3l",
    "finetuned-openvino-int8",
    "distilled-3l-openvino-int8",
    "ensemble-finetuned-openvino-int8",
)
"""What the whole lifecycle makes of the fine-tuned encoder: a student, both in int8, and an ensemble with the baseline."""


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
    """A session with the graph: opens the Dagster instance, runs jobs and shows their progress."""

    def __init__(self, console: Console | None = None) -> None:
        # Bound to the present stdout: a library that redirects it for a while swallows no progress.
        self.console = console or Console(file=sys.stdout)
        use_project_home()
        if not self.console.is_terminal:  # which a status needs
            self.console.print("Loading the graph")
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

    @property
    def inventory(self) -> Inventory:
        """What exists in the store for this instance."""
        return Inventory(self.store, self.defs.get_repository_def(), self.instance)

    def add_batch(self, name: str) -> None:
        """Register a partition of `news_batches`; one that exists stays as it is."""
        self.instance.add_dynamic_partitions("news_batches", [name])

    def ingest(self, batch: str, uri: str, source: str = "", rule: Mapping[str, float] | None = None) -> None:
        """Receive and clean one batch.

        Args:
            batch: partition of `news_batches`.
            uri: where the batch comes from.
            source: publisher of rows that name none.
            rule: configuration of `publisher_labels`; None: ratings give no labels.
        """
        config: dict[str, Mapping[str, Any]] = {"raw_news": _received_from(uri, source)}
        if rule is not None:
            config["publisher_labels"] = rule
        self._note_unregistered()
        self.run("ingest_batch" if rule is None else "ingest_rated_batch", batch, config)

    def lifecycle(
        self,
        batch: str,
        uri: str,
        config: Mapping[str, Mapping[str, Any]] | None = None,
        variants: Sequence[str] = DEFAULT_VARIANTS,
        source: str = "",
    ) -> None:
        """Take one batch from its source to a champion; values that are up to date are skipped.

        Args:
            batch: partition of `news_batches`.
            uri: where the batch comes from.
            config: configuration by name of asset, as far as it differs from the defaults.
            variants: students, exported variants and ensembles to make besides the baseline and the fine-tuned encoder.
            source: publisher of rows that name none.
        """
        config = {"raw_news": _received_from(uri, source), **(config or {})}
        self._note_unregistered()
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
        """Run the stale assets of a job.

        Args:
            job_name: name of the job.
            partition: partition of the partitioned assets.
            config: configuration by name of asset, as far as it differs from the defaults.
            again: assets to make again for a reason outside the graph.

        Raises:
            CommandFailed: a step failed, or a blocking check stopped the run.
        """
        job = self.defs.resolve_job_def(job_name)
        names = [asset.key.to_user_string() for asset in assets_of(job)]
        outdated = {*again, *(["raw_news"] if self._source_changed(f"raw_news/{partition}", config) else [])}
        stale = stale_assets(job, self.inventory, partition, config, outdated)
        todo = [asset.key.to_user_string() for asset in stale]
        suffix = f" [{partition}]" if partition and len(names) == 1 else ""
        with shown_steps(self.console, names, todo, suffix) as steps:
            if not todo:
                return
            run_id = str(uuid.uuid4())
            with steps.following(self.instance, run_id), progress.listening(steps.show):
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

    def _note_unregistered(self) -> None:
        if note := note_on_unregistered(self.store, self.instance):
            self.console.print(f"[yellow]{escape(note)}[/]", highlight=False, soft_wrap=True)

    def _source_changed(self, key: str, config: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether a local file holds other bytes than were received from it; `raw_news` then says what to do."""
        source = Path(config.get("raw_news", {}).get("uri", ""))
        if not source.is_file() or not self.store.exists(key):
            return False
        return hash_file(source).sha256 != self.store.current(key).meta["sha256"]


def _received_from(uri: str, source: str) -> dict[str, str]:
    return {"uri": uri, "source": source} if source else {"uri": uri}


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
