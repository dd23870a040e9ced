"""Merges the uploaded log files of past days into tables, in a bucket.

A service uploads a small file twice a minute and may delete none, so a day has thousands. During a merge readers see
the lines, both, or the table, and the same answers in each case.
"""

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_assets.monitoring.log.records import SCHEMAS
from fakenews_assets.monitoring.log.sealing import digests_file, merge_digests, seal_lines
from fakenews_resources.storage.backend import Backend


def fold_sent_lines(backend: Backend) -> int:
    """Fold the days that are over. Harmless when nothing is due; what a kill leaves, the next call finishes.

    Args:
        backend: of the log, in a bucket.

    Returns:
        How many files of lines became part of a table.

    Raises:
        Conflict: somebody else has folded the same day meanwhile. Nothing is lost.
    """
    # From what is there: an earlier copy may hold what was erased since.
    with TemporaryDirectory(prefix="fakenews-") as work:
        fresh = backend.afresh(Path(work))
        log = PredictionLog(fresh.root)
        seal_lines(fresh)
        days = {date.fromisoformat(name.partition("/")[0]) for name in fresh.glob("????-??-??/*.jsonl")}
        return sum(_fold(fresh, log, day.isoformat()) for day in sorted(days) if log.is_over(day))


def _fold(backend: Backend, log: PredictionLog, day: str) -> int:
    lines = [path.name for path in backend.fetch(day).glob("*.jsonl")]
    for table in log.rotate():
        backend.send_again(day, table.name)
    if gone := merge_digests(backend.root / day):
        for kind in SCHEMAS:
            if (backend.root / day / digests_file(kind)).is_file():
                backend.send_again(day, digests_file(kind))
    for name in [*lines, *gone]:
        backend.delete(f"{day}/{name}")
    return len(lines)
