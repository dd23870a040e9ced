"""Pruning: what is needed stays whole, the rest goes, and a kill leaves nothing half removed."""

import os
import shutil
import signal
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from fakenews_assets.governance.audit.chain import audit_bundle, audit_champion
from fakenews_assets.governance.pruning.pruning import MODELS, plan_pruning, prune
from fakenews_assets.registry.bundle import MANIFEST_FILE, Manifest, open_bundle, write_bundle
from fakenews_assets.registry.bundles import bundles_in
from fakenews_assets.registry.champion import ChampionRegistry
from fakenews_assets.selection.decision import Decision
from fakenews_resources.storage.hashing import hash_files
from fakenews_resources.storage.ledger import Removal
from fakenews_resources.storage.store import Store
from fakenews_resources.storage.tombstones import Tombstones
from tests.support.forked import kill_at_call, start, wait
from tests.support.watched import Watched

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Aged:
    """A project whose champion of long ago has had successors, all made of the same data."""

    store: Store
    first: str
    """The bundle that the graph made: it is the champion again, after the others were rolled back."""
    others: tuple[str, ...]

    def plan(self, keep: int = 1) -> list[tuple[str, str]]:
        return [(one.key, one.version) for one in plan_pruning(self.store, keep, DAY)]


def age(store: Store, days: float = 3) -> None:
    """Make everything look as old as this."""
    then = time.time() - days * 24 * 3600
    for path in store.root.rglob("*"):
        os.utime(path, (then, then))


def sibling(store: Store, sha: str, card: str) -> str:
    """A bundle like another one, with a card of its own."""
    draft = store.bundles.root / ".draft"
    shutil.copytree(store.bundles.root / sha, draft)
    manifest = Manifest.model_validate_json((draft / MANIFEST_FILE).read_bytes())
    (draft / MANIFEST_FILE).unlink()
    (draft / "model_card.md").write_text(card)
    return write_bundle(draft, store.bundles.root, manifest.model_copy(update={"files": {}}))


def promote(store: Store, sha: str) -> None:
    registry = ChampionRegistry(store.bundles.root)
    champion = registry.champion()
    assert champion is not None
    registry.promote(sha, expected=champion.bundle, reason="test", run_id=None, promoted_by="test")


def commit(store: Store, key: str, content: str) -> str:
    draft = store.draft()
    (draft.path / "value").write_text(content)
    return store.commit(key, draft).version


@pytest.fixture
def aged(watched: Watched) -> Aged:
    store, first = watched.store, watched.champion
    others = tuple(sibling(store, first, f"# Card {number}\n") for number in range(4))
    for one in others[:3]:
        promote(store, one)
    commit(store, "notes", "old")
    commit(store, "notes", "new")
    age(store)
    return Aged(store, first, others)


def test_what_nothing_needs_goes_and_the_champion_stays_auditable(aged: Aged) -> None:
    registry, store = ChampionRegistry(aged.store.bundles.root), aged.store
    old, new = sorted(store.versions("notes"), key=lambda one: one == store.current("notes").version)
    # The first one is what selected_model decided for last.
    gone = {("notes", old), (MODELS, aged.others[0]), (MODELS, aged.others[3])}
    plan = plan_pruning(store, 1, DAY)
    assert {(one.key, one.version) for one in plan} == gone
    assert all(one.bytes > 0 for one in plan)

    tombstone = prune(store, plan, by="somebody", reason="room")

    assert store.versions("notes") == [new]
    assert set(bundles_in(store.bundles)) == {aged.first, aged.others[1], aged.others[2]}
    assert {path.stem for path in store.bundles.root.glob("*") if len(path.stem) == 64} == set(
        bundles_in(store.bundles)
    )
    assert aged.plan() == []
    assert tombstone.removed == tuple(plan)
    champion = audit_champion(store)
    assert [check.what for check in champion.faults] == ["decision"]  # it was promoted by hand
    assert audit_bundle(store, aged.first).faults == ()
    registry.rollback(reason="it was bad", run_id=None, promoted_by="test")
    assert open_bundle(store.bundles.root / aged.others[1]).sha == aged.others[1]
    assert (store.root / "raw_news" / "b1").is_dir()


def test_what_rolling_back_leads_to_stays_beside_what_was_champion_last(aged: Aged) -> None:
    registry, store = ChampionRegistry(aged.store.bundles.root), aged.store
    registry.rollback(reason="bad", run_id=None, promoted_by="test")
    age(store)
    # The second is champion again: before it was the third, and below it stands the first.
    assert {sha for key, sha in aged.plan() if key == MODELS} == {aged.others[3]}


def test_young_things_stay_with_what_they_are_made_of(aged: Aged) -> None:
    store = aged.store
    made_of = commit(store, "notes", "old")
    commit(store, "notes", "newest")
    draft = store.draft()
    (draft.path / "value").write_text("made of the old one")
    young = store.commit("leaderboard", draft, upstream={"notes": made_of}).version
    commit(store, "leaderboard", "another")
    assert not {("leaderboard", young), ("notes", made_of)} & set(aged.plan())
    age(store)
    assert {("leaderboard", young), ("notes", made_of)} <= set(aged.plan())


def test_the_bundle_that_a_training_went_on_from_stays_with_its_data(aged: Aged) -> None:
    store = aged.store
    origin = commit(store, "notes", "what the origin was made of")
    commit(store, "notes", "new")
    manifest = open_bundle(store.bundles.root / aged.others[3]).manifest
    draft = store.bundles.root / ".draft"
    shutil.copytree(store.bundles.root / aged.others[3], draft)
    (draft / MANIFEST_FILE).unlink()
    data = manifest.data_versions | {"notes": origin}
    sha = write_bundle(
        draft, store.bundles.root, manifest.model_copy(update={"files": {}, "data_versions": data})
    )
    age(store)
    assert {(MODELS, sha), ("notes", origin)} <= set(aged.plan())

    encoder = store.draft()
    shutil.copytree(store.current("finetuned_bert").path, encoder.path, dirs_exist_ok=True)
    (encoder.path / "another").write_text("one")
    encoder.meta["warm_start"] = {"bundle": sha, "finetuned_bert": "x"}
    store.commit("finetuned_bert", encoder)
    age(store)
    assert not {(MODELS, sha), ("notes", origin)} & set(aged.plan())


def test_the_bundle_inside_the_bento_stays(aged: Aged) -> None:
    draft = aged.store.draft()
    (draft.path / "bento").write_text("x")
    draft.meta["model_id"] = aged.others[3]
    aged.store.commit("fakenews_bento", draft)
    age(aged.store)
    assert (MODELS, aged.others[3]) not in aged.plan()


def test_a_plan_changes_nothing(aged: Aged) -> None:
    before = hash_files(aged.store.root)
    assert aged.plan()
    assert hash_files(aged.store.root) == before


def test_a_pruned_bundle_is_told_of_and_without_its_tombstone_missing(aged: Aged) -> None:
    store = aged.store
    prune(store, plan_pruning(store, 1, DAY), by="somebody", reason="room")
    told = audit_bundle(store, aged.others[3])
    assert told.faults == ()
    assert "by somebody: room" in told.taken_out[0]
    shutil.rmtree(Tombstones(store).backend.root)
    assert [check.what for check in audit_bundle(store, aged.others[3]).faults] == ["bundle"]


def decide(store: Store, sha: str) -> None:
    """Promote a bundle as `selected_model` does, its decision stored with it."""
    registry, current = ChampionRegistry(store.bundles.root), store.current("selected_model")
    champion, run = registry.champion(), f"run of {sha[:8]}"
    assert champion is not None
    changes = {"promoted": True, "bundle": sha, "replaced": champion.bundle, "reasons": ("better",)}
    draft = store.draft()
    Decision.read(current.path).model_copy(update=changes).write(draft.path)
    store.commit("selected_model", draft, run_id=run)
    registry.promote(sha, expected=champion.bundle, reason="better", run_id=run, promoted_by="selected_model")


def test_a_decision_that_was_pruned_with_its_bundle_is_no_forgery(watched: Watched) -> None:
    store = watched.store
    bundles = [sibling(store, watched.champion, f"# Card {number}\n") for number in range(3)]
    for one in bundles:
        decide(store, one)
    age(store)
    plan = plan_pruning(store, 1, DAY)
    assert {one.key for one in plan} == {MODELS, "selected_model"}
    prune(store, plan, by="somebody", reason="room")

    told = audit_bundle(store, bundles[0])
    assert told.faults == ()
    assert any("selected_model of run" in note and "by somebody: room" in note for note in told.taken_out)
    assert audit_bundle(store, bundles[1]).faults == audit_bundle(store, bundles[2]).faults == ()


def test_a_champion_moved_by_hand_stays_one_after_its_bundle_was_pruned(aged: Aged) -> None:
    prune(aged.store, plan_pruning(aged.store, 1, DAY), by="somebody", reason="room")
    assert [check.what for check in audit_bundle(aged.store, aged.others[0]).faults] == ["decision"]


def prune_until(root: Path, moment: str, count: int) -> None:
    """What a child process does: a pruning that is killed at a call."""
    holder, name = {"unlink": (Path, "unlink"), "rename": (Path, "rename"), "rmtree": (shutil, "rmtree")}[
        moment
    ]
    store = Store(root)
    plan = plan_pruning(store, 1, DAY)
    kill_at_call(holder, name, count)
    prune(store, plan, by="x", reason="y")


@pytest.mark.parametrize(
    ("moment", "count"), [("unlink", 0), ("unlink", 2), ("rename", 0), ("rename", 2), ("rmtree", 0)]
)
def test_kill_9_leaves_things_whole_or_gone_and_the_next_pruning_finishes(
    aged: Aged, moment: str, count: int
) -> None:
    store = aged.store
    planned = set(aged.plan())
    assert len(planned) == 3
    assert wait(start(prune_until, store.root, moment, count)) == -signal.SIGKILL

    for key, version in planned:
        folder = (store.root / key) / version
        if key != MODELS and version in store.versions(key):
            assert store.verify(store.get(key, version)) == []
        elif key == MODELS and folder.exists():
            assert open_bundle(folder).sha == version
    (tombstone,) = Tombstones(store).sound().entries
    assert isinstance(tombstone, Removal)
    assert {(one.key, one.version) for one in tombstone.removed} == planned
    age(store)
    prune(store, plan_pruning(store, 1, DAY), by="x", reason="y")
    store.draft()  # sweeps what was renamed away
    assert not [path for path in store.root.rglob("*") if path.stem in {one for _, one in planned}]
    assert len(list((store.root / ".drafts").iterdir())) == 1
    assert audit_bundle(store, aged.first).faults == ()


def test_a_commit_under_way_is_no_leftover(aged: Aged) -> None:
    """Its folder is there, and its record is not yet."""
    store = aged.store
    version = commit(store, "notes", "under way")
    commit(store, "notes", "new")
    store.folder("notes", version).with_name(f"{version}.json").unlink()
    assert ("notes", version) not in aged.plan()
    age(store)
    assert ("notes", version) in aged.plan()
