"""What the service and the network can do to a bucket's client, and that nothing is lost by it."""

from pathlib import Path

import pytest

from fakenews_resources.place import Conflict, Place, StoreError, place_of
from fakenews_resources.store import Store
from tests.buckets import Fault, Gate, objects

LARGE = bytes(range(256)) * (4 * (9 << 20) // 1024)
"""9 MiB: more than one piece."""


@pytest.fixture
def place(gate: Gate) -> Place:
    del gate
    return place_of("gs://news/store")


OUTAGE: tuple[Fault, ...] = ("503",) * 500
TRANSIENT: tuple[Fault, ...] = ("429", "503", "reset", "lost")


@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_document_is_written_once(gate: Gate, place: Place, fault: Fault) -> None:
    gate.strike(r"POST /upload\S* \S*pointer", fault)
    place.write("pointer", b"1", replaces=None)
    seen = place.read("pointer")
    gate.strike(r"POST /upload\S* \S*pointer", fault, fault)
    place.write("pointer", b"2", replaces=seen)
    assert [kind for kind, _ in gate.struck] == [fault] * 3
    assert objects(gate) == {"store/pointer": b"2"}


def test_a_write_whose_answer_was_lost_is_no_conflict_and_one_of_another_is(gate: Gate, place: Place) -> None:
    place.write("pointer", b"1")
    seen = place.read("pointer")
    gate.strike(r"POST /upload\S* \S*pointer", "lost")
    place.write("pointer", b"2", replaces=seen)
    with pytest.raises(Conflict):
        place.write("pointer", b"3", replaces=seen)
    assert objects(gate) == {"store/pointer": b"2"}


@pytest.mark.parametrize("fault", TRANSIENT)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_reading_and_deleting_go_on(gate: Gate, place: Place, fault: Fault, method: str) -> None:
    place.write("pointer", b"1")
    gate.strike(rf"^{method} ", fault)
    if method == "GET":
        found = place.read("pointer")
        assert found is not None
        assert found.data == b"1"
    else:
        place.delete("pointer")
        assert objects(gate) == {}
    assert [kind for kind, _ in gate.struck] == [fault]


@pytest.mark.parametrize("fault", [*TRANSIENT, "cut"])
@pytest.mark.parametrize("when", ["POST", "PUT"])
def test_a_large_file_arrives_whole(
    gate: Gate, place: Place, tmp_path: Path, fault: Fault, when: str
) -> None:
    file = tmp_path / "weights"
    file.write_bytes(LARGE)
    gate.strike(rf"^{when} /upload", fault)
    place.put(file, "weights")
    assert [kind for kind, _ in gate.struck] == [fault]
    assert objects(gate) == {"store/weights": LARGE}
    fresh = place.afresh(tmp_path / "work")
    gate.strike("^GET", "cut", fault)
    document = fresh.read("weights")
    assert document is not None
    assert document.data == LARGE


def test_an_object_of_another_content_is_not_taken_for_ours(place: Place, tmp_path: Path) -> None:
    place.write("f/a", b"something else")
    file = tmp_path / "a"
    file.write_bytes(b"ours")
    with pytest.raises(StoreError, match=r"f/a is not what was sent there"):
        place.put(file, "f/a")


@pytest.mark.parametrize("broken", ["upload of a file", "upload of the record", "upload of the pointer"])
def test_a_commit_that_fails_for_good_leaves_the_old_value(gate: Gate, broken: str) -> None:
    store = Store("gs://news/store")
    before = commit(store, "one")
    what = {
        "upload of a file": r"b\.txt$",
        "upload of the record": r"\.json$",
        "upload of the pointer": "CURRENT$",
    }
    gate.strike(rf"POST /upload\S* \S*{what[broken]}", *OUTAGE)
    with pytest.raises(StoreError, match="could not be reached"):
        commit(store, "two")
    assert Store("gs://news/store").current("value").version == before
    assert Store("gs://news/store").current("value").path.joinpath("a.txt").read_text() == "one"


def test_the_same_commit_afterwards_succeeds(gate: Gate) -> None:
    store = Store("gs://news/store")
    gate.strike(r"POST /upload\S* \S*CURRENT", *OUTAGE)
    with pytest.raises(StoreError):
        commit(store, "one")
    gate.strike_no_more()
    version = commit(store, "one")
    assert Store("gs://news/store").current("value").version == version


def test_what_was_sent_in_part_is_completed_elsewhere(gate: Gate, tmp_path: Path) -> None:
    store = Store("gs://news/store")
    gate.strike(r"POST /upload\S* \S*b\.txt", *OUTAGE)
    with pytest.raises(StoreError):
        commit(store, "one")
    gate.strike_no_more()
    other = store.afresh(tmp_path / "elsewhere")
    (version,) = other.without_record("value")
    assert [path.name for path in other.folder("value", version).iterdir()] == ["a.txt"]
    assert commit(other, "one") == version
    assert store.verify(store.current("value")) == []


def test_a_bucket_that_is_not_there_or_closed_says_what_to_do(gate: Gate) -> None:
    with pytest.raises(StoreError, match="Create the bucket"):
        place_of("gs://nowhere/x").write("a", b"")
    gate.strike(".", *OUTAGE)
    with pytest.raises(StoreError, match="Check the network"):
        place_of("gs://news/x").read("a")


def commit(store: Store, text: str) -> str:
    draft = store.draft()
    for name in ("a.txt", "b.txt"):
        (draft.path / name).write_text(text)
    return store.commit("value", draft).version
