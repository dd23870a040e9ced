"""Prunes what is no longer needed.

It keeps the champion and the bundles that it may be rolled back to; the current version of every key and a later
refused one; everything younger than a minimum age; and the full lineage of all these, warm starts included. It always
keeps raw bytes.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from fakenews_assets.common.full_disk import telling_of_a_full_disk
from fakenews_assets.common.progress import report
from fakenews_assets.registry.bundle import open_bundle
from fakenews_assets.registry.bundles import bundles_in
from fakenews_assets.registry.champion import ChampionRegistry, Pointer
from fakenews_assets.selection.decision import Decision
from fakenews_resources.storage.ledger import Removal, Removed
from fakenews_resources.storage.store import Store, ValueMissing
from fakenews_resources.storage.tombstones import Tombstones

MODELS: Final = "models"
"""Key under which tombstones name bundles."""

_RAW, _SELECTION = "raw_news/", "selected_model"
_OF_ONE_BUNDLE: Final = ("champion", "fakenews_bento")

Name = tuple[str, str]
"""Key and version; of a bundle, MODELS and its sha."""


def plan_pruning(store: Store, keep_bundles: int, min_age: timedelta) -> list[Removed]:
    """Versions and bundles that can be removed, sorted.

    Args:
        store: the graph's values.
        keep_bundles: how many bundles that were champion before the champion stay.
        min_age: everything younger is kept, with its lineage.

    Raises:
        BundleError: a kept bundle is damaged, or the champion is missing, so its lineage is unknown.
        RegistryError: the champion's history is damaged.
    """
    young_since = datetime.now(UTC) - min_age
    made = _everything(store)
    young = [name for name, (made_at, _) in made.items() if made_at > young_since]
    history = ChampionRegistry(store.bundles).history()
    stays = _with_origins(store, history, [*_roots(store, history, keep_bundles), *young])
    return [
        Removed(key=key, version=version, bytes=size)
        for (key, version), (_, size) in sorted(made.items())
        if (key, version) not in stays and not key.startswith(_RAW)
    ]


@telling_of_a_full_disk()
def prune(
    store: Store,
    removed: Sequence[Removed],
    *,
    by: str,
    reason: str,
    on_removed: Callable[[Removed], None] = lambda _: None,
) -> Removal:
    """Remove what was planned.

    The tombstone is written first, so that it explains everything that a kill leaves missing.

    Raises:
        TombstonesDamaged, DiskFull: see there.
        StoreError: one of the versions has become the current one meanwhile, or others are at it.
    """
    tombstones = Tombstones(store)
    with tombstones.locked():
        tombstones.taken_up()
        tombstone = tombstones.append(Removal(action="prune", by=by, reason=reason, removed=tuple(removed)))
        for number, one in enumerate(removed):
            report(number, len(removed), "versions")
            if one.key == MODELS:
                store.remove_bundle(one.version)
            else:
                store.remove(one.key, one.version)
            on_removed(one)
    return tombstone


def _everything(store: Store) -> dict[Name, tuple[datetime, int]]:
    """Time and size of each version and bundle.

    A folder without a record is a commit in progress or a leftover of a killed removal, depending on its age.
    """
    found: dict[Name, tuple[datetime, int]] = {}
    for key in store.all_keys():
        for version in [*store.versions(key), *store.without_record(key)]:
            if stat := store.stat(key, version):
                found[key, version] = (stat.changed, stat.bytes)
    for sha in bundles_in(store.bundles):
        if stat := store.stat_bundle(sha):
            found[MODELS, sha] = (stat.changed, stat.bytes)
    return found


def _roots(store: Store, history: Sequence[Pointer], keep_bundles: int) -> list[Name]:
    """The roots: current values, and the bundles that are or may become champion."""
    roots = [(MODELS, sha) for sha in _champions(store, history, keep_bundles)]
    for key in store.all_keys():
        if refused := store.refused(key):
            roots.append((key, refused.version))  # somebody has yet to look at it
        if not store.exists(key):
            continue
        current = store.current(key)
        roots.append((key, current.version))
        if key in _OF_ONE_BUNDLE:
            roots.append((MODELS, current.meta["model_id"]))
        elif key == _SELECTION:
            roots.append((MODELS, Decision.read(current.path).bundle))
    return roots


def _champions(store: Store, history: Sequence[Pointer], keep_bundles: int) -> list[str]:
    """The champion, the bundles that a rollback leads to, and recent champions."""
    if not history:
        return []
    champion = history[-1].bundle
    recent = dict.fromkeys(entry.bundle for entry in reversed(history) if entry.bundle != champion)
    promoted = [sha for sha in reversed(ChampionRegistry(store.bundles).promoted()) if sha != champion]
    return [champion, *promoted[:keep_bundles], *list(recent)[:keep_bundles]]


def _with_origins(store: Store, history: Sequence[Pointer], pending: list[Name]) -> set[Name]:
    """The names with their full lineage."""
    found: set[Name] = set()
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            key, version = name
            pending += (
                _behind_bundle(store, history, version) if key == MODELS else _behind_version(store, name)
            )
    return found


def _behind_bundle(store: Store, history: Sequence[Pointer], sha: str) -> list[Name]:
    folder = store.bundle(sha)
    if not folder.is_dir() and (not history or sha != history[-1].bundle):
        return []  # removed before
    names = list(open_bundle(folder).manifest.data_versions.items())
    # The decision that made it champion is part of its papers.
    runs = {entry.run_id for entry in history if entry.bundle == sha and entry.run_id}
    for version in store.versions(_SELECTION) if runs else ():
        record = store.get(_SELECTION, version).record
        if record is not None and record.run_id in runs:
            names.append((_SELECTION, version))
    return names


def _behind_version(store: Store, name: Name) -> list[Name]:
    try:
        record = store.get(*name).record
    except ValueMissing:
        return []  # removed before
    assert record is not None
    told = record.meta.get("warm_start")
    return [*record.upstream.items(), *([(MODELS, str(told["bundle"]))] if told else [])]
