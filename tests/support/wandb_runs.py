"""Steps that are tracked, and what Weights & Biases has recorded in the folders of their runs."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from fakenews_resources.storage.io_manager import Storage
from fakenews_resources.tracking.resource import Mode, Tracker
from fakenews_resources.tracking.run import Tracked

if TYPE_CHECKING:  # wandb takes seconds to import
    from wandb.proto.wandb_internal_pb2 import (
        Record,  # pyright: ignore[reportAttributeAccessIssue] - made at import
    )


def records(folder: Path) -> "Iterator[Record]":
    """Every record of a run, in order."""
    from wandb.proto.wandb_internal_pb2 import (
        Record,  # pyright: ignore[reportAttributeAccessIssue] - made at import
    )
    from wandb.sdk.internal.datastore import DataStore

    (file,) = folder.glob("run-*.wandb")
    store = DataStore()
    store.open_for_scan(str(file))
    while (data := store.scan_data()) is not None:
        record = Record()
        record.ParseFromString(bytes(data))
        yield record


def history(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's history, with `_step`, without times."""
    return [
        untimed(
            {".".join(item.nested_key) or item.key: json.loads(item.value_json) for item in one.history.item}
        )
        for one in records(folder)
        if one.HasField("history")
    ]


def untimed(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a history without what wandb says of the time."""
    return {name: value for name, value in row.items() if name not in ("_runtime", "_timestamp")}


def run_step(
    root: Path | str, body: Callable[[Tracked], None], mode: Mode, work: Path | None = None, **limits: Any
) -> list[str]:
    """Materialize an asset that tracks something. Returns: its warnings.

    Args:
        root: the storage.
        body: what it tracks.
        mode: of the tracker.
        work: folder of a step that can resume.
        limits: of the tracker.
    """
    warnings = []

    @dg.asset
    def step(context: dg.AssetExecutionContext, tracker: Tracker) -> None:
        tracked = tracker.start(context, {"seed": 1}, work)
        tracked._warn = warnings.append
        body(tracked)

    tracker = Tracker(storage=Storage(root=str(root)), mode=mode, **limits)
    dg.materialize([step], resources={"tracker": tracker}, raise_on_error=False)
    return warnings


def runs(root: Path, kind: str = "offline-run") -> list[Path]:
    """The folders of the runs in a storage."""
    return sorted((root / ".work" / "wandb").glob(f"{kind}-*"))
