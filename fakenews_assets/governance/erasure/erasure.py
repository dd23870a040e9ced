"""Erases an article from tables and logs.

First, every affected file is rewritten to a temporary file. Then a tombstone records the planned change with the
hashes before and after. Then the files are replaced one by one, and a last tombstone records the completion. After a
kill or a full disk, the same call finishes the erasure.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import polars as pl

from fakenews_assets.common.full_disk import telling_of_a_full_disk
from fakenews_assets.common.progress import report
from fakenews_assets.data.receiving.raw_files import read_mapping, rows_by_file
from fakenews_assets.governance.erasure.blanking import blanked, holds_text, log_tables, tables_of
from fakenews_assets.governance.erasure.consequences import bundles_taught, cluster_heirs, unsettled_clusters
from fakenews_assets.governance.erasure.finding import Content, content_of, rows_in_raw
from fakenews_assets.governance.erasure.log_lines import (
    blank_lines,
    blank_unreadable_lines,
    digests_of_lines_to_blank,
    log_segments,
)
from fakenews_assets.governance.erasure.quoting import Wording
from fakenews_assets.governance.erasure.raw_rows import blank_rows
from fakenews_assets.monitoring.log.prediction_log import log_at_rest
from fakenews_assets.monitoring.log.sealing import seal_at_rest, table_digests
from fakenews_resources.storage.backend import Backend, as_backend
from fakenews_resources.storage.durable import replace_file
from fakenews_resources.storage.hashing import FileEntry, hash_file
from fakenews_resources.storage.ledger import Erasure, Ledger, Rewritten
from fakenews_resources.storage.store import LOG_FOLDER, Store
from fakenews_resources.storage.tombstones import Tombstones

SERVICE_LOG: Final = LOG_FOLDER
"""Key under which tombstones name files of the service's log; the version is the day."""


@dataclass(frozen=True)
class Erased:
    """Result of an erasure."""

    tombstone: Erasure
    titles: tuple[str, ...]
    """Titles of the article, as received and as cleaned, to search for elsewhere; empty if nothing holds it any more."""
    anew: bool
    """Whether anything was erased."""
    unreadable: dict[str, int]
    """Number of unreadable lines that may have held the article and were blanked, by address of the file."""


@dataclass
class _BlankedLines:
    """Changes of the lines of the service's log, by file."""

    before: dict[Path, FileEntry] = field(default_factory=dict[Path, FileEntry])
    """What the files were."""
    unreadable: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True)
class _Staged:
    """A rewritten temporary file."""

    entry: Rewritten
    aside: Path


@telling_of_a_full_disk()
def erase(
    store: Store,
    log: Backend | Path,
    article_id: str,
    *,
    by: str,
    reason: str,
    raw: bool = False,
) -> Erased:
    """Erase an article from all tables and from the service's log. It is idempotent.

    Args:
        store: the artifact store. No run may be in progress.
        log: where the service's log is; the service may be running.
        article_id: id of the article.
        by: name of the person who asks for it.
        reason: kept in the tombstone, so it must not quote the article.
        raw: whether to erase it from the raw bytes too.

    Raises:
        UnknownArticle: nothing holds it, and it was not erased before.
        UnreadableFile: a raw file that holds it is damaged.
        DiskFull: repeat the call once there is space.
        TombstonesDamaged, StoreError: see there.
    """
    tombstones, log = Tombstones(store), as_backend(log)
    service_log = log.fetch()
    with tombstones.locked(), log_at_rest(service_log), _scratch(store.root, service_log):
        seal_at_rest(log)  # so that the tombstone can say which lines the erasure changed
        ledger = tombstones.taken_up()
        earlier = [entry for entry in ledger.erasures if entry.article_id == article_id]
        unfinished = [entry for entry in ledger.unfinished if entry.article_id == article_id]
        raw = raw or any(entry.raw for entry in unfinished)
        report(note="looking for the article")
        content = content_of(store, service_log, article_id, earlier)
        received = rows_in_raw(store, content, earlier)
        titles = frozenset(title for rows in received.values() for title in rows.values()) - {""}
        content = Content(content.ids, content.wording | Wording(titles))
        ids, shown = content.ids, tuple(sorted(content.wording.titles))
        report(note="rewriting the tables without it")
        staged = _write_anew(store, service_log, content, received if raw else {})
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
            lines=_lines_to_blank(service_log, content),
            bundles=tuple(sorted(bundles)),
        )
        if anew:
            plan = tombstones.append(plan)
        lines = _BlankedLines(unreadable=_torn_records(store, received) if raw else {})
        # Those that nobody can read are known by the article's words, which the other files still hold.
        _blank_lines(store, log, content, lines, of_unreadable=True)
        for one in staged:
            replace_file(one.aside, _path(store, service_log, one.entry))
            _tell(store, log, one.entry)
        _blank_lines(store, log, content, lines, of_unreadable=False)
        _drop_token_caches(store)
        if not anew:
            return Erased(earlier[-1], shown, bool(lines.before), lines.unreadable)
        report(note="clustering the remaining articles")
        ledger = tombstones.sound()
        done = tombstones.append(
            plan.model_copy(
                update={
                    "state": "done",
                    "files": (
                        *_replaced(store, service_log, [*unfinished, plan], ledger),
                        *(_rewritten(path, before) for path, before in lines.before.items()),
                    ),
                    "unsettled": unsettled_clusters(store, ids, ledger),
                }
            )
        )
        return Erased(done, shown, True, lines.unreadable)


def _write_anew(
    store: Store,
    service_log: Path,
    content: Content,
    received: Mapping[str, Mapping[int, str]],
) -> list[_Staged]:
    """Rewrite every file that holds the article to a temporary file on the same file system."""
    staged: list[_Staged] = []

    def keep(key: str, version: str, path: Path, write: Callable[[Path], object]) -> None:
        aside = _stage(service_log if key == SERVICE_LOG else store.root) / f"{len(staged):06d}"
        write(aside)
        before, after = hash_file(path), hash_file(aside)
        entry = Rewritten(key=key, version=version, file=path.name, before=before, after=after)
        staged.append(_Staged(entry, aside))

    tables = [*tables_of(store), *((SERVICE_LOG, day, path) for day, path in log_tables(service_log))]
    # First those that quote it: after a kill they are found by its title, which the others must still hold.
    tables.sort(key=lambda table: "record" not in pl.read_parquet_schema(table[2]))
    for key, version, path in tables:
        table = blanked(path, content.ids, content.wording.titles)
        if table is not None:
            keep(key, version, path, table.write_parquet)
    for key, rows in received.items():
        artifact = store.current(key)
        mapping = read_mapping(artifact)
        for path, mine in rows_by_file(artifact, rows).items():
            keep(key, artifact.version, path, partial(blank_rows, path, mine, mapping))
    return staged


def _lines_to_blank(service_log: Path, content: Content) -> dict[str, tuple[str, ...]]:
    """Digests of the lines that will change, by file; of a table, those of its rows by day."""
    found = {
        f"{path.parent.name}/{path.name}": digests_of_lines_to_blank(path, content.ids, content.wording)
        for path in log_segments(service_log)
    }
    for day, path in log_tables(service_log):
        table = pl.scan_parquet(path).filter(holds_text(content.ids)).collect()
        found[day] = list(table_digests(table))
    return {name: tuple(digests) for name, digests in found.items() if digests}


def _path(store: Store, service_log: Path, entry: Rewritten) -> Path:
    if entry.key == SERVICE_LOG:
        return service_log / entry.version / entry.file
    return store.folder(entry.key, entry.version) / entry.file


def _tell(store: Store, log: Backend, entry: Rewritten) -> None:
    """Publish the change of a file in a bucket."""
    if entry.key == SERVICE_LOG:
        log.send_again("", f"{entry.version}/{entry.file}")
    else:
        store.changed(entry.key, entry.version, entry.file)


def _replaced(
    store: Store, service_log: Path, plans: Sequence[Erasure], ledger: Ledger
) -> tuple[Rewritten, ...]:
    """The planned changes that were carried out, whatever later erasures changed."""
    planned = {(one.key, one.version, one.file): one for plan in plans for one in plan.files}
    found = ((one, _path(store, service_log, one)) for one in planned.values())
    return tuple(one for one, path in found if path.is_file() and ledger.went_through(one, hash_file(path)))


def _rows(
    earlier: Sequence[Erasure], received: Mapping[str, Mapping[int, str]]
) -> dict[str, tuple[int, ...]]:
    known = {key: set(rows) for key, rows in received.items()}
    for entry in earlier:
        for key, rows in entry.raw_rows.items():
            known.setdefault(key, set()).update(rows)
    return {key: tuple(sorted(rows)) for key, rows in sorted(known.items()) if rows}


def _torn_records(store: Store, received: Mapping[str, Mapping[int, str]]) -> dict[str, int]:
    """How many lines of raw files are cut short, by address of the file. What can be read has a title."""
    counts = {key: list(rows.values()).count("") for key, rows in received.items()}
    return {store.where(store.current(key)): count for key, count in counts.items() if count}


def _blank_lines(
    store: Store, log: Backend, content: Content, lines: _BlankedLines, *, of_unreadable: bool
) -> None:
    """Blank the article in the lines of days that the service may still write."""
    for path in log_segments(log.root):
        before = hash_file(path)
        if of_unreadable:
            changed = blank_unreadable_lines(path, content.ids, content.wording)
        else:
            changed = blank_lines(path, content.ids)
        if changed:
            lines.before.setdefault(path, before)
            if of_unreadable:
                lines.unreadable[f"{log.address}/{path.parent.name}/{path.name}"] = changed
            _tell(store, log, _rewritten(path, before))


def _rewritten(segment: Path, before: FileEntry) -> Rewritten:
    """A file of lines that was changed."""
    day, after = segment.parent.name, hash_file(segment)
    return Rewritten(key=SERVICE_LOG, version=day, file=segment.name, before=before, after=after)


def _drop_token_caches(store: Store) -> None:
    """Remove token caches, because tokens can be decoded. A training tokenises again."""
    for folder in (store.root / ".work").glob("**/tokens"):
        shutil.rmtree(folder)


def _stage(root: Path) -> Path:
    return root / ".erasing"


@contextmanager
def _scratch(store: Path, service_log: Path) -> Iterator[None]:
    """Empty folders for the files written anew, on the file systems of both; they go whatever happens."""
    stages = [_stage(root) for root in (store, *([service_log] if service_log.is_dir() else []))]
    try:
        for stage in stages:
            shutil.rmtree(stage, ignore_errors=True)
            stage.mkdir(parents=True)
        yield
    finally:
        for stage in stages:
            shutil.rmtree(stage, ignore_errors=True)
