"""What Dagster does for people and for power cuts, and tests go without: half of what a short run costs.

- SQLite waits for the disk, 20 ms, each time that Dagster opens and closes a database, which is once for each event.
  Without that, what a killed process leaves is whole all the same; only a power cut could lose something.
- Each event has an engine of its own, for which SQLAlchemy compiles its statements anew.
- Each new database is stamped with its revision, for which Alembic imports all migrations from their files anew, twice.
- Four processes copy what a run prints from its file to the terminal.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.execution import compute_logs
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from sqlalchemy import Engine, event

_KEPT: Final = 32
"""Engines at once. They hold no connection, and each run has a database of its own."""


@event.listens_for(Engine, "connect")
def _wait_for_no_disk(connection: object, _: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


def _keeping(create: Callable[..., Engine]) -> Callable[..., Engine]:
    engines: dict[str, Engine] = {}

    def engine(url: str, **settings: Any) -> Engine:
        found = engines.get(url)
        if found is None:
            if len(engines) >= _KEPT:
                engines.clear()
            found = engines[url] = create(url, **settings)
        return found

    return engine


def _read_once(read: Callable[[Config], ScriptDirectory]) -> Callable[[Config], ScriptDirectory]:
    found: dict[str | None, ScriptDirectory] = {}

    def scripts(config: Config) -> ScriptDirectory:
        location = config.get_main_option("script_location")
        if location not in found:
            found[location] = read(config)
        return found[location]

    return scripts


@contextmanager
def _in_its_file_alone(*_: object) -> Iterator[tuple[None, None]]:
    yield None, None


for storage in (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):
    storage.create_engine = _keeping(storage.create_engine)  # pyright: ignore[reportAttributeAccessIssue]
ScriptDirectory.from_config = _read_once(ScriptDirectory.from_config)  # pyright: ignore[reportAttributeAccessIssue]
compute_logs.tail_to_stream = _in_its_file_alone
