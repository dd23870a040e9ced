"""SQLite does not wait for the disk in tests.

Dagster opens and closes a database for each event, and each time SQLite waits for the disk, 20 ms. Without that, what a
killed process leaves is whole all the same; only a power cut could lose something.

Python imports this by itself in processes whose PYTHONPATH names this folder.
"""

import sqlite3

from sqlalchemy import Engine, event


@event.listens_for(Engine, "connect")
def _wait_for_no_disk(connection: object, _: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")
