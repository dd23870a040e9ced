"""Experiment tracking as a Dagster resource: W&B runs, online or as folders to upload later."""

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import dagster as dg
from pydantic import BaseModel, Field, PrivateAttr

from fakenews_resources.storage.durable import replace_text
from fakenews_resources.storage.io_manager import Storage
from fakenews_resources.tracking.run import Limits, Tracked

if TYPE_CHECKING:  # wandb takes a second to import
    from wandb.sdk.wandb_run import Run

Mode = Literal["off", "offline", "online"]

MODE_VARIABLE: Final = "FAKENEWS_WANDB"
PROJECT: Final = "fakenews"
CLOUD: Final = "https://api.wandb.ai"
REGISTRY: Final = "wandb-registry-model/fakenews-champion"
"""Collection in the model registry that every W&B organisation has."""


class Tracker(dg.ConfigurableResource):
    """Starts W&B runs for assets. Open runs are ended as failed."""

    storage: dg.ResourceDependency[Storage]
    mode: Mode = Field(
        default="offline",
        description="`online`: runs appear on the server while they last, with the key in WANDB_API_KEY. `offline`:"
        " each becomes a folder in `<storage>/.work/wandb`, or `wandb` in a bucket, for `wandb sync`. `off`: no runs.",
    )
    project: str = Field(default=PROJECT, description="Project that runs belong to.")
    entity: str | None = Field(
        default=None, description="User or team that the project belongs to; null: the key's own."
    )
    host: str = Field(default=CLOUD, description="Address of the server.")
    registry: str | None = Field(
        default=REGISTRY,
        description="Collection of the registry that champions are linked to; null: none.",
    )
    timeout_seconds: float = Field(
        default=10, gt=0, description="Longest wait for the server at the start of a run, and at its end."
    )
    patience_seconds: float = Field(
        default=30, gt=0, description="Longest that an asset waits for Weights & Biases in all."
    )
    upload_seconds: float = Field(
        default=300, gt=0, description="Longest wait for a champion's files to arrive, on top."
    )
    _started: list[Tracked] = PrivateAttr(default_factory=list)

    def start(
        self,
        context: dg.AssetExecutionContext | dg.OpExecutionContext,
        settings: BaseModel | Mapping[str, Any] | None = None,
        work: Path | None = None,
    ) -> Tracked:
        """Start a run for the current step.

        Args:
            context: of the asset or op.
            settings: the run's configuration.
            work: folder of a step that can resume; keeps the run's id for `Tracked.resume`.
        """
        step, partition = context, None
        if isinstance(context, dg.AssetExecutionContext):
            step = context.op_execution_context
            # The run may have a partition for the sake of another asset.
            partition = context.partition_key if context.assets_def.partitions_def else None
        asset = step.op.name
        name = f"{asset}/{partition}" if partition else asset

        def open_run() -> "Run":
            from fakenews_resources.tracking import session as wandb_session

            request = wandb_session.RunRequest(
                name=name,
                job_type=asset,
                group=step.run_id,
                tags=[asset, *([partition] if partition else [])],
                config=settings.model_dump(mode="json")
                if isinstance(settings, BaseModel)
                else settings or {},
                project=self.project,
                entity=self.entity,
                host=self.host,
                folder=self.storage.store.workspace(),
                timeout_seconds=self.timeout_seconds,
                run_id=_run_id(work, tracked.resumed) if work else None,
                resumes=tracked.resumed,
            )
            return wandb_session.open_run(request, online=self.mode == "online", warn=context.log.warning)

        if self.mode != "off":
            _import_ahead()
        limits = Limits(self.patience_seconds, self.upload_seconds, self.registry)
        backend = self.storage.store.backend
        copies = backend.below("wandb") if backend.is_bucket else None
        tracked = Tracked(name, limits, context.log.warning, None if self.mode == "off" else open_run, copies)
        self._started.append(tracked)
        return tracked

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 - Dagster's signature
        while self._started:
            self._started.pop().abandon()


def _run_id(work: Path, resumed: bool) -> str:
    """The id of the killed attempt's run, else a new one, which is kept for the next attempt."""
    file = work / "wandb_run_id"
    if resumed and file.is_file():
        return file.read_text(encoding="utf-8")
    run_id = secrets.token_hex(4)
    replace_text(file, run_id)
    return run_id


def _import_ahead() -> None:
    """Import wandb before the time limit starts, because that takes long on a busy machine.

    An error occurs again when the run begins.
    """
    with suppress(Exception):
        from fakenews_resources.tracking import session as wandb_session  # noqa: F401


def mode_from_environment() -> Mode:
    """Mode from FAKENEWS_WANDB. Default: `online` with an API key unless WANDB_MODE forbids it, else `offline`.

    Raises:
        ValueError: FAKENEWS_WANDB is not `off`, `offline` or `online`.
    """
    asked = os.environ.get(MODE_VARIABLE)
    if asked:
        if asked not in ("off", "offline", "online"):
            raise ValueError(f"{MODE_VARIABLE} is {asked!r}; set it to off, offline or online.")
        return asked
    wandb_mode = os.environ.get("WANDB_MODE", "online")
    if wandb_mode == "disabled":
        return "off"
    return "online" if os.environ.get("WANDB_API_KEY") and wandb_mode == "online" else "offline"


def tracker_from_environment(storage: Storage) -> Tracker:
    """Configure a tracker from FAKENEWS_WANDB, FAKENEWS_WANDB_REGISTRY (empty: no link) and wandb's own variables:
    WANDB_API_KEY, WANDB_MODE, WANDB_PROJECT, WANDB_ENTITY, WANDB_BASE_URL."""
    given = os.environ.get
    return Tracker(
        storage=storage,
        mode=mode_from_environment(),
        project=given("WANDB_PROJECT") or PROJECT,
        entity=given("WANDB_ENTITY") or None,
        host=given("WANDB_BASE_URL") or CLOUD,
        registry=given("FAKENEWS_WANDB_REGISTRY", REGISTRY) or None,
    )
