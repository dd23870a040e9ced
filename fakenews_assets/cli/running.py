"""Runs parts of the graph, on the same Dagster instance as the UI."""

import os
import sys
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
from fakenews_assets.cli.errors import CommandCanceled, CommandFailed
from fakenews_assets.cli.executing import Request, end_lost_runs, execute
from fakenews_assets.cli.steps import shown_steps
from fakenews_assets.compression.partitions import DEFAULT_CANDIDATES
from fakenews_assets.data.partitions import note_on_unregistered
from fakenews_assets.data.receiving.receiving import digest_of
from fakenews_assets.data.splits.splitting import CLUSTERING_FILE
from fakenews_resources.project import DAGSTER_FOLDER, PROJECT_MARK, find_project
from fakenews_resources.storage.hashing import hash_file
from fakenews_resources.storage.inventory import Inventory
from fakenews_resources.storage.store import Store


def use_project_home() -> None:
    """Point DAGSTER_HOME at the project's own, which is made if it is missing, unless another is set."""
    project = find_project()
    own = project / DAGSTER_FOLDER if project else None
    home = os.environ.get("DAGSTER_HOME")
    if home and Path(home) != own:
        if not Path(home).is_dir() or not Path(home).is_absolute():
            raise CommandFailed(
                f"DAGSTER_HOME is {home}, which is not the absolute path of a folder. Make that folder, or unset"
                " DAGSTER_HOME to use the project's own."
            )
        return
    if own is None:
        raise CommandFailed(
            "No dagster.yaml here or above. Run this inside the project's folder, or set DAGSTER_HOME."
        )
    if not own.is_dir():
        own.mkdir()
        (own / PROJECT_MARK).symlink_to(Path("..") / PROJECT_MARK)
    os.environ["DAGSTER_HOME"] = str(own)


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
        end_lost_runs(self.instance)
        return self

    def __exit__(self, *_: object) -> None:
        self.instance.dispose()

    @property
    def inventory(self) -> Inventory:
        """What exists in the store for this instance."""
        return Inventory(self.store, self.defs.get_repository_def(), self.instance)

    def add_batch(self, name: str) -> None:
        """Register a partition of `news_batches`; one that exists stays as it is."""
        self.instance.add_dynamic_partitions("news_batches", [name])

    def ingest(
        self,
        batch: str,
        uri: str,
        given: Mapping[str, Any] | None = None,
        rule: Mapping[str, float] | None = None,
    ) -> None:
        """Receive and clean one batch.

        Args:
            batch: partition of `news_batches`.
            uri: where the batch comes from.
            given: further configuration of `raw_news`.
            rule: configuration of `publisher_labels`; None: ratings give no labels.
        """
        config: dict[str, Mapping[str, Any]] = {"raw_news": {"uri": uri, **(given or {})}}
        if rule is not None:
            config["publisher_labels"] = rule
        self._note_unregistered()
        self.run("ingest_batch" if rule is None else "ingest_rated_batch", batch, config)

    def lifecycle(
        self,
        batch: str,
        uri: str,
        config: Mapping[str, Mapping[str, Any]] | None = None,
        variants: Sequence[str] = DEFAULT_CANDIDATES,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        """Take one batch from its source to a champion; values that are up to date are skipped.

        Args:
            batch: partition of `news_batches`.
            uri: where the batch comes from.
            config: configuration by name of asset, as far as it differs from the defaults and from the settings of the
                last accepted splits.
            variants: students, exported variants and ensembles to make besides the baseline and the fine-tuned encoder.
            given: further configuration of `raw_news`.
        """
        config = {"raw_news": {"uri": uri, **(given or {})}, **self._as_split(), **(config or {})}
        self._note_unregistered()
        self.run("full_lifecycle", batch, config)
        order = GraphOrder(self.defs.get_repository_def())
        values = order.downstream_of_training(["baseline", "finetuned", *variants])
        for job, partition in dict.fromkeys((order.job_of[value.asset], value.partition) for value in values):
            self.run(job, partition, config)

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
            CommandCanceled: a person interrupted the command or canceled the run.
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
            request = Request(
                job,
                frozenset(asset.key for asset in stale),
                partition,
                {name: config[name] for name in todo if name in config},
            )
            run = execute(self.instance, request, self.store.backend.address, steps)
        self.run_ids.append(run.run_id)
        if run.status == dg.DagsterRunStatus.CANCELED:
            raise CommandCanceled(self._kept(run.run_id, todo, partition))
        if not run.is_success:
            raise CommandFailed("\n".join(failure_reasons(self.instance, run.run_id)))

    def _kept(self, run_id: str, names: Sequence[str], partition: str | None) -> str:
        """What a canceled run has stored, and how to go on."""
        keys = {name: [name, f"{name}/{partition}"] for name in names}
        made = [
            name
            for name in names
            for key in keys[name]
            if self.store.exists(key)
            and (record := self.store.current(key).record)
            and record.run_id == run_id
        ]
        stored = f"Stored: {', '.join(made)}." if made else "This run had stored nothing yet."
        return f"{stored} Run the same command again to go on."

    def _as_split(self) -> dict[str, Mapping[str, Any]]:
        """The settings of the last accepted splits: with others, articles would move and the splits be refused."""
        if not self.store.exists("splits"):
            return {}
        return {"article_clusters": self.store.current("splits").read_json(CLUSTERING_FILE)}

    def _note_unregistered(self) -> None:
        if note := note_on_unregistered(self.store, self.instance):
            self.console.print(f"[yellow]{escape(note)}[/]", highlight=False, soft_wrap=True)

    def _source_changed(self, key: str, config: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether a local file holds other bytes than were received from it; `raw_news` then says what to do."""
        given = config.get("raw_news", {})
        files = [Path(uri) for uri in (given.get("uri", ""), *given.get("more_uris", ()))]
        if not all(file.is_file() for file in files) or not self.store.exists(key):
            return False
        return digest_of([hash_file(file).sha256 for file in files]) != self.store.current(key).meta["sha256"]
