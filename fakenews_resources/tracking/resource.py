"""Experiment tracking: each asset that is tracked has a run of Weights & Biases, online or as a folder to send later."""

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal

import dagster as dg
from pydantic import BaseModel, Field, PrivateAttr

from fakenews_resources.storage.io_manager import Storage
from fakenews_resources.tracking.run import Limits, Tracked

if TYPE_CHECKING:  # wandb takes a second to import
    from wandb.sdk.wandb_run import Run

Mode = Literal["off", "offline", "online"]

MODE_VARIABLE: Final = "FAKENEWS_WANDB"
PROJECT: Final = "fakenews"
CLOUD: Final = "https://api.wandb.ai"
REGISTRY: Final = "wandb-registry-model/fakenews-champion"
"""In the registry for models that every organisation has."""


class Tracker(dg.ConfigurableResource):
    """Runs of Weights & Biases for the assets that ask for one. Runs left open are ended as failed."""

    storage: dg.ResourceDependency[Storage]
    mode: Mode = Field(
        default="offline",
        description="`online`: runs appear on the server while they last, with the key in WANDB_API_KEY. `offline`:"
        " each becomes a folder in `<storage>/.work/wandb` for `wandb sync`. `off`: no runs.",
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
    ) -> Tracked:
        """A run for the step under way.

        Args:
            context: of the asset or op.
            settings: become the run's configuration.
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
            )
            return wandb_session.open_run(request, online=self.mode == "online", warn=context.log.warning)

        if self.mode != "off":
            _import_ahead()
        limits = Limits(self.patience_seconds, self.upload_seconds, self.registry)
        tracked = Tracked(name, limits, context.log.warning, None if self.mode == "off" else open_run)
        self._started.append(tracked)
        return tracked

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 - Dagster's signature
        while self._started:
            self._started.pop().abandon()


def _import_ahead() -> None:
    """On a busy machine the import takes long, which no patience covers. An error comes again when the run begins."""
    with suppress(Exception):
        from fakenews_resources.tracking import session as wandb_session  # noqa: F401


def mode_from_environment() -> Mode:
    """What FAKENEWS_WANDB says; else `online` with a key, `offline` without one, and what WANDB_MODE forbids, not.

    Raises:
        ValueError: FAKENEWS_WANDB is none of `off`, `offline` and `online`.
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
    """The tracker that FAKENEWS_WANDB, FAKENEWS_WANDB_REGISTRY and wandb's own variables ask for: WANDB_API_KEY,
    WANDB_MODE, WANDB_PROJECT, WANDB_ENTITY, WANDB_BASE_URL. An empty FAKENEWS_WANDB_REGISTRY: no link."""
    given = os.environ.get
    return Tracker(
        storage=storage,
        mode=mode_from_environment(),
        project=given("WANDB_PROJECT") or PROJECT,
        entity=given("WANDB_ENTITY") or None,
        host=given("WANDB_BASE_URL") or CLOUD,
        registry=given("FAKENEWS_WANDB_REGISTRY", REGISTRY) or None,
    )
