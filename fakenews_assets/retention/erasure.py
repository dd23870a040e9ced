"""Erasing an article, as a person's right or a court may demand.

First every table is written anew aside, then a tombstone plans the change with the hashes before and after, then file
by file is replaced, and last a tombstone says that it is done. Whatever a kill leaves, the same call finishes.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filelock import FileLock

from fakenews_assets.retention.blanking import blank_lines, blanked, log_segments, log_tables, tables_of
from fakenews_assets.retention.consequences import bundles_taught, cluster_heirs, unsettled_clusters
from fakenews_assets.retention.finding import content_of, rows_in_raw
from fakenews_assets.retention.raw_rows import blank_rows
from fakenews_resources.durable import replace_file
from fakenews_resources.place import Place, as_place
from fakenews_resources.store import LOG_FOLDER, Store, hash_file
from fakenews_resources.tombstones import Erasure, Rewritten, Tombstones

SERVICE_LOG: Final = LOG_FOLDER
"""Key under which tombstones name files of the service's log; the version is the day."""


@dataclass(frozen=True)
class Erased:
    """What an erasure did."""

    tombstone: Erasure
    titles: tuple[str, ...]
    """Of the article, as received and as cleaned, to look for elsewhere; empty where nothing holds it any more."""
    anew: bool
    """Whether there was anything left to erase."""


@dataclass(frozen=True)
class _Staged:
    """A file written anew aside."""

    entry: Rewritten
    aside: Path


def erase(
    store: Store,
    log: Place | Path,
    article_id: str,
    *,
    by: str,
    reason: str,
    raw: bool = False,
    on_step: Callable[[str], None] = lambda _: None,
) -> Erased:
    """Erase an article from all tables and from the service's log. Done again, it changes nothing.

    Args:
        store: the graph's values. No run of the graph may be under way.
        log: where the service's log is; the service may be running.
        article_id: which.
        by: who asks for it.
        reason: why; it is kept, so it must not quote the article.
        raw: whether the bytes as received lose it too.
        on_step: told what is being done.

    Raises:
        UnknownArticle: nothing holds it, and it was not erased before.
        UnreadableFile: a raw file that holds it is damaged.
        TombstonesDamaged, StoreError: see there.
    """
    tombstones, log = Tombstones(store), as_place(log)
    service_log = log.fetch()
    with tombstones.locked(), _log_at_rest(service_log):
        ledger = tombstones.sound()
        earlier = [entry for entry in ledger.erasures if entry.article_id == article_id]
        unfinished = [entry for entry in ledger.unfinished if entry.article_id == article_id]
        raw = raw or any(entry.raw for entry in unfinished)
        on_step("Looking for the article")
        ids, titles = content_of(store, service_log, article_id, earlier)
        received = rows_in_raw(store, ids, earlier)
        titles |= {title for rows in received.values() for title in rows.values()} - {""}
        on_step("Writing the tables without it")
        staged = _write_anew(store, service_log, ids, titles, received if raw else {})
        anew = bool(staged or unfinished or not earlier)
        bundles = {sha for entry in earlier for sha in entry.bundles} | set(bundles_taught(store, ids))
        plan = Erasure(
            state="planned",
            by=by,
            reason=reason,
            article_id=article_id,
            article_ids=tuple(sorted(ids)),
            files=tuple(one.entry for one in staged),
            raw=raw,
            raw_rows=_rows(earlier, received),
            heirs=cluster_heirs(store, ids),
            bundles=tuple(sorted(bundles)),
        )
        if anew:
            plan = tombstones.append(plan)
        for one in staged:
            replace_file(one.aside, _path(store, service_log, one.entry))
            _tell(store, log, one.entry)
        lines = _blank_lines(store, log, ids)
        _drop_token_caches(store)
        shutil.rmtree(_stage(store), ignore_errors=True)
        if not anew:
            return Erased(earlier[-1], tuple(sorted(titles)), anew=bool(lines))
        on_step("Clustering what is left")
        done = tombstones.append(
            plan.model_copy(
                update={
                    "state": "done",
                    "files": (*_replaced(store, service_log, [*unfinished, plan]), *lines),
                    "unsettled": unsettled_clusters(store, ids, tombstones.sound().heirs),
                }
            )
        )
        return Erased(done, tuple(sorted(titles)), anew=True)


def _write_anew(
    store: Store,
    service_log: Path,
    ids: set[str],
    titles: set[str],
    received: Mapping[str, Mapping[int, str]],
) -> list[_Staged]:
    """Write every file that holds the article anew, without it, on the file system where it has to be."""
    stage = _stage(store)
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True)
    staged: list[_Staged] = []

    def keep(key: str, version: str, path: Path, write: Callable[[Path], object]) -> None:
        aside = stage / f"{len(staged):06d}"
        write(aside)
        before, after = hash_file(path), hash_file(aside)
        entry = Rewritten(key=key, version=version, file=path.name, before=before, after=after)
        staged.append(_Staged(entry, aside))

    tables = [*tables_of(store), *((SERVICE_LOG, day, path) for day, path in log_tables(service_log))]
    for key, version, path in tables:
        table = blanked(path, ids, titles)
        if table is not None:
            keep(key, version, path, table.write_parquet)
    for key, rows in received.items():
        artefact = store.current(key)
        path = artefact.path / artefact.meta["file"]
        keep(key, artefact.version, path, lambda aside, path=path, rows=rows: blank_rows(path, rows, aside))
    return staged


def _path(store: Store, service_log: Path, entry: Rewritten) -> Path:
    if entry.key == SERVICE_LOG:
        return service_log / entry.version / entry.file
    return store.folder(entry.key, entry.version) / entry.file


def _tell(store: Store, log: Place, entry: Rewritten) -> None:
    """Make the change of a file known where it is in a bucket."""
    if entry.key == SERVICE_LOG:
        log.send_again("", f"{entry.version}/{entry.file}")
    else:
        store.changed(entry.key, entry.version, entry.file)


def _replaced(store: Store, service_log: Path, plans: Sequence[Erasure]) -> tuple[Rewritten, ...]:
    """What was planned, and is as it was planned."""
    planned = {(one.key, one.version, one.file): one for plan in plans for one in plan.files}
    found = ((one, _path(store, service_log, one)) for one in planned.values())
    return tuple(one for one, path in found if path.is_file() and hash_file(path) == one.after)


def _rows(
    earlier: Sequence[Erasure], received: Mapping[str, Mapping[int, str]]
) -> dict[str, tuple[int, ...]]:
    known = {key: set(rows) for key, rows in received.items()}
    for entry in earlier:
        for key, rows in entry.raw_rows.items():
            known.setdefault(key, set()).update(rows)
    return {key: tuple(sorted(rows)) for key, rows in sorted(known.items()) if rows}


def _blank_lines(store: Store, log: Place, ids: set[str]) -> list[Rewritten]:
    """Blank the article in the lines of days that the service may still be writing."""
    changed = []
    for path in log_segments(log.root):
        before = hash_file(path)
        if blank_lines(path, ids):
            day, after = path.parent.name, hash_file(path)
            changed.append(
                Rewritten(key=SERVICE_LOG, version=day, file=path.name, before=before, after=after)
            )
            _tell(store, log, changed[-1])
    return changed


def _drop_token_caches(store: Store) -> None:
    """Tokens can be turned into words again; a training that misses them tokenises anew."""
    for folder in (store.root / ".work").glob("**/tokens"):
        shutil.rmtree(folder)


def _stage(store: Store) -> Path:
    return store.root / ".erasing"


@contextmanager
def _log_at_rest(service_log: Path) -> Iterator[None]:
    """Let no process turn lines of the log into tables meanwhile."""
    if not service_log.is_dir():
        yield
        return
    with FileLock(service_log / ".rotate.lock"):
        yield
