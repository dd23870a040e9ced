"""Tombstones: a chain from HEAD that nothing can be taken out of unnoticed."""

import json
from pathlib import Path

import pytest

from fakenews_resources.storage.hashing import FileEntry
from fakenews_resources.storage.ledger import Erasure, Removal, Removed, Rewritten
from fakenews_resources.storage.store import Store
from fakenews_resources.storage.tombstones import HEAD_FILE, Tombstones, TombstonesDamaged

A, B, C = (FileEntry(sha256=letter * 64, bytes=1) for letter in "abc")


def erasure(before: FileEntry, after: FileEntry, **changes: object) -> Erasure:
    file = Rewritten(key="splits", version="v", file="train.parquet", before=before, after=after)
    told = {
        "state": "done",
        "by": "x",
        "reason": "y",
        "article_id": "1",
        "article_ids": ("1", "2"),
        "files": (file,),
        "raw": False,
        "raw_rows": {},
        "heirs": {},
        "bundles": (),
    }
    return Erasure.model_validate(told | changes)


@pytest.fixture
def tombstones(address: str) -> Tombstones:
    """Three of them."""
    found = Tombstones(Store(address))
    found.append(erasure(A, B, state="planned"))
    found.append(erasure(A, B))
    found.append(
        Removal(action="prune", by="x", reason="", removed=(Removed(key="k", version="v", bytes=1),))
    )
    return found


def test_a_chain_is_read_back(tombstones: Tombstones) -> None:
    ledger = tombstones.read()
    assert [entry.sequence for entry in ledger.entries] == [1, 2, 3]
    assert ledger.faults == ()
    assert ledger.erased == {"1", "2"}
    assert ledger.unfinished == ()
    assert ledger.removal_of("k", "v") == ledger.entries[2]
    assert ledger.removal_of("k", "w") is None


def test_no_tombstones_are_no_fault(tmp_path: Path) -> None:
    assert Tombstones(Store(tmp_path)).read().faults == ()


@pytest.mark.parametrize(("number", "left"), [(1, [2, 3]), (2, [3]), (3, [])])
@pytest.mark.parametrize("removed", [True, False])
def test_one_that_is_removed_or_edited_counts_no_longer_nor_do_those_before(
    tombstones: Tombstones, number: int, left: list[int], removed: bool
) -> None:
    name = f"{number:06d}.json"
    document = tombstones.backend.read(name)
    assert document is not None
    if removed:
        tombstones.backend.delete(name)
    else:
        tombstones.backend.write(name, json.dumps(json.loads(document.data) | {"reason": "another"}).encode())
    ledger = tombstones.read()
    assert [entry.sequence for entry in ledger.entries] == left
    assert ledger.faults == ((name, "missing" if removed else "changed since it was recorded"),)
    with pytest.raises(TombstonesDamaged, match=r"Restore the folder from a backup"):
        tombstones.sound()


def test_a_head_that_is_gone_or_damaged_leaves_none(tombstones: Tombstones) -> None:
    tombstones.backend.write(HEAD_FILE, b"what?")
    assert tombstones.read().faults == ((HEAD_FILE, "cannot be read"),)
    tombstones.backend.delete(HEAD_FILE)
    assert tombstones.read().entries == ()
    assert tombstones.read().faults[0][0] == HEAD_FILE


def test_what_a_kill_left_before_it_was_sealed_is_taken_up(tombstones: Tombstones) -> None:
    head = tombstones.backend.read(HEAD_FILE)
    assert head is not None
    left = tombstones.append(erasure(B, C))
    tombstones.backend.write(HEAD_FILE, head.data)
    assert len(tombstones.sound().entries) == 3
    assert "not in the chain" in tombstones.read().faults[0][1]
    assert tombstones.taken_up().entries[3:] == (left,)
    assert tombstones.read().faults == ()
    assert tombstones.taken_up() == tombstones.read()


def test_so_is_the_first_one_of_all(address: str) -> None:
    tombstones = Tombstones(Store(address))
    left = tombstones.append(erasure(A, B, state="planned"))
    tombstones.backend.delete(HEAD_FILE)
    assert tombstones.sound().entries == ()
    assert "not in the chain" in tombstones.read().faults[0][1]
    assert tombstones.taken_up().entries == (left,)
    assert tombstones.read().faults == ()


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("000004.json", {"sequence": 4}),
        ("000004.json", {"previous": "0" * 64, "sequence": 4}),
        ("000004.json", {"sequence": 5}),
        ("000005.json", {"sequence": 5}),
        ("000004.json", None),
    ],
    ids=["of-another-chain", "of-no-chain", "of-another-number", "with-a-gap", "garbage"],
)
def test_what_does_not_continue_the_chain_is_damage(
    tombstones: Tombstones, name: str, changes: dict[str, object] | None
) -> None:
    """A tombstone that names the first one as its predecessor, and such like."""
    second = tombstones.backend.read("000002.json")
    assert second is not None
    data = b"{" if changes is None else json.dumps(json.loads(second.data) | changes).encode()
    tombstones.backend.write(name, data)
    assert tombstones.read().faults == ((name, "does not continue the chain that HEAD names"),)
    assert len(tombstones.read().entries) == 3
    for look in (tombstones.sound, tombstones.taken_up):
        with pytest.raises(TombstonesDamaged, match=name):
            look()


def test_two_behind_the_last_one_are_damage(tombstones: Tombstones) -> None:
    head = tombstones.backend.read(HEAD_FILE)
    assert head is not None
    tombstones.append(erasure(B, C))
    tombstones.append(erasure(B, C))
    tombstones.backend.write(HEAD_FILE, head.data)
    with pytest.raises(TombstonesDamaged, match=r"000004.json: does not continue.*000005.json"):
        tombstones.taken_up()


@pytest.mark.parametrize("changes", [{"sequence": 2}, {"previous": "0" * 64}, {"action": "another"}])
def test_a_first_one_that_begins_no_chain_is_damage_without_a_head(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    tombstones = Tombstones(Store(tmp_path))
    tombstones.append(erasure(A, B, state="planned"))
    tombstones.backend.delete(HEAD_FILE)
    first = tombstones.backend.read("000001.json")
    assert first is not None
    tombstones.backend.write("000001.json", json.dumps(json.loads(first.data) | changes).encode())
    assert tombstones.read().faults == ((HEAD_FILE, "missing, while there are tombstones"),)
    with pytest.raises(TombstonesDamaged):
        tombstones.taken_up()


def test_erasures_are_undone_in_reverse(tombstones: Tombstones) -> None:
    tombstones.append(erasure(B, C, article_id="3"))
    ledger = tombstones.read()
    assert ledger.undo("splits", "v", {"train.parquet": C}) == ({"train.parquet": A}, [])
    assert ledger.undo("splits", "other", {"train.parquet": C}) == ({"train.parquet": C}, [])
    # A file as it was before holds again what was erased.
    assert ledger.undo("splits", "v", {"train.parquet": B}) == ({"train.parquet": A}, ["train.parquet"])
    assert ledger.undo("splits", "v", {"train.parquet": A})[1] == ["train.parquet"]


def test_an_erasure_that_ended_after_a_later_one_is_undone_too(tmp_path: Path) -> None:
    tombstones = Tombstones(Store(tmp_path))
    plan = tombstones.append(erasure(A, B, state="planned"))
    tombstones.append(erasure(B, C, article_id="3"))
    (change,) = plan.files
    assert tombstones.read().went_through(change, C)
    assert not tombstones.read().went_through(change, A)
    tombstones.append(erasure(A, B))
    ledger = tombstones.read()
    assert ledger.undo("splits", "v", {"train.parquet": C}) == ({"train.parquet": A}, [])
    assert ledger.undo("splits", "v", {"train.parquet": B})[1] == ["train.parquet"]


def test_a_plan_explains_no_file(tmp_path: Path) -> None:
    tombstones = Tombstones(Store(tmp_path))
    tombstones.append(erasure(A, B, state="planned"))
    ledger = tombstones.read()
    assert ledger.unfinished == ledger.entries
    assert ledger.undo("splits", "v", {"train.parquet": B}) == ({"train.parquet": B}, [])
