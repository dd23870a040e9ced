"""Opens W&B runs. It is the only module that imports `wandb`, which takes a second, so import it late."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

# Looked at when wandb is imported: it would report its own errors to its makers.
os.environ.setdefault("WANDB_ERROR_REPORTING", "false")

import dagster as dg
import wandb

if TYPE_CHECKING:
    from wandb.sdk.wandb_run import Run

API_KEY_VARIABLE: Final = "WANDB_API_KEY"


@dataclass(frozen=True)
class RunRequest:
    """Parameters of a W&B run."""

    name: str
    """Display name: the asset, and its partition if it has one."""
    job_type: str
    group: str
    """Group of the run: the id of the Dagster run."""
    tags: Sequence[str]
    config: Mapping[str, Any]
    project: str
    entity: str | None
    host: str
    folder: Path
    """The run's folder is created below `<folder>/wandb`."""
    timeout_seconds: float
    """Time limit of each of the first requests to the server."""
    run_id: str | None = None
    """W&B's id of the run; None: W&B chooses one."""
    resumes: bool = False
    """Whether there is a run of this id already, to go on with."""


def open_run(request: RunRequest, *, online: bool, warn: Callable[[str], object]) -> "Run":
    """Start a run.

    If the server cannot be reached, the run is recorded offline and a warning is logged. An offline run needs no
    network; `wandb sync` uploads its folder later.
    """
    _prepare(request, online)
    if online:
        try:
            _log_in(request.host)
            return _start(request, "online")
        except Exception as error:  # noqa: BLE001 - wandb raises a dozen kinds; for all, offline loses nothing
            warn(
                f"Weights & Biases at {request.host} is not usable: {_root_message(error)}. The run {request.name} is"
                " recorded offline instead; send it later with `wandb sync`."
            )
    return _start(request, "offline")


def _root_message(error: BaseException) -> str:
    """dagster-wandb's error says that a resource failed; its cause says why."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__


def _prepare(request: RunRequest, online: bool) -> None:
    """Keep wandb's files out of the user's home, and its messages out of the log."""
    own = request.folder / "wandb"
    own.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("WANDB_SILENT", "true")
    os.environ.setdefault("WANDB_DATA_DIR", str(own / "data"))
    os.environ.setdefault("WANDB_CACHE_DIR", str(own / "cache"))
    os.environ.setdefault("WANDB_HTTP_TIMEOUT", str(round(request.timeout_seconds)))
    wandb.setup(
        wandb.Settings(
            mode="online" if online else "offline",
            base_url=request.host,
            settings_system=str(own / "settings"),
            silent=True,
        )
    )


def _log_in(host: str) -> None:
    """Let dagster-wandb check the key with the server. Raises if that fails within WANDB_HTTP_TIMEOUT."""
    from dagster_wandb import wandb_resource

    config = {"api_key": {"env": API_KEY_VARIABLE}, "host": host}
    with _netrc_of_its_own(), dg.build_resources({"wandb": wandb_resource.configured(config)}):
        pass


@contextmanager
def _netrc_of_its_own() -> Iterator[None]:
    """Keep the API key out of ~/.netrc, into which wandb writes every key."""
    before = os.environ.get("NETRC")
    with TemporaryDirectory() as folder:
        os.environ["NETRC"] = str(Path(folder) / "netrc")
        try:
            yield
        finally:
            os.environ.pop("NETRC")
            if before is not None:
                os.environ["NETRC"] = before


def _start(request: RunRequest, mode: str) -> "Run":
    return wandb.init(
        mode=mode,  # pyright: ignore[reportArgumentType]
        project=request.project,
        entity=request.entity,
        name=request.name,
        group=request.group,
        job_type=request.job_type,
        tags=list(request.tags),
        config=json.loads(json.dumps(request.config, default=str)),
        dir=str(request.folder),
        reinit="create_new",  # a run belongs to its asset, not to the process
        id=request.run_id,
        resume="allow" if request.resumes and mode == "online" else None,  # offline, the equal id is enough
        settings=wandb.Settings(
            base_url=request.host,
            init_timeout=request.timeout_seconds,
            finish_timeout=request.timeout_seconds,
            finish_timeout_raises=True,
            silent=True,
            console="off",  # Dagster keeps the log
            disable_git=True,  # the remote's address may hold a password; the store's record names the commit
            save_code=False,
            x_disable_stats=True,
            x_disable_meta=True,
        ),
    )
