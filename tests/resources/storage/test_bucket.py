"""What the service and the network can do to a bucket's client, and that nothing is lost by it."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from fakenews_resources.storage import bucket as module
from fakenews_resources.storage.address import backend_of
from fakenews_resources.storage.backend import Backend, Conflict, StoreError
from fakenews_resources.storage.store import Store
from tests.support.buckets import OUTAGE, Fault, Gate, objects

LARGE = bytes(range(256)) * (4 * (9 << 20) // 1024)
"""9 MiB: more than one piece."""


@pytest.fixture
def backend(gate: Gate) -> Backend:
    del gate
    return backend_of("gs://news/store")


TRANSIENT: tuple[Fault, ...] = ("429", "503", "reset", "lost")
CUT: Fault = "cut"


@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_document_is_written_once(gate: Gate, backend: Backend, fault: Fault) -> None:
    gate.strike(r"POST /upload\S* \S*pointer", fault)
    backend.write("pointer", b"1", replaces=None)
    seen = backend.read("pointer")
    gate.strike(r"POST /upload\S* \S*pointer", fault, fault)
    backend.write("pointer", b"2", replaces=seen)
    assert [kind for kind, _ in gate.struck] == [fault] * 3
    assert objects(gate) == {"store/pointer": b"2"}


def test_a_write_whose_answer_was_lost_is_no_conflict_and_one_of_another_is(
    gate: Gate, backend: Backend
) -> None:
    backend.write("pointer", b"1")
    seen = backend.read("pointer")
    gate.strike(r"POST /upload\S* \S*pointer", "lost")
    backend.write("pointer", b"2", replaces=seen)
    with pytest.raises(Conflict):
        backend.write("pointer", b"3", replaces=seen)
    assert objects(gate) == {"store/pointer": b"2"}


@pytest.mark.parametrize("fault", TRANSIENT)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_reading_and_deleting_go_on(gate: Gate, backend: Backend, fault: Fault, method: str) -> None:
    backend.write("pointer", b"1")
    gate.strike(rf"^{method} ", fault)
    if method == "GET":
        found = backend.read("pointer")
        assert found is not None
        assert found.data == b"1"
    else:
        backend.delete("pointer")
        assert objects(gate) == {}
    assert [kind for kind, _ in gate.struck] == [fault]


@pytest.mark.parametrize("fault", [*TRANSIENT, CUT])
@pytest.mark.parametrize("when", ["POST", "PUT"])
def test_a_large_file_arrives_whole(
    gate: Gate, backend: Backend, tmp_path: Path, fault: Fault, when: str
) -> None:
    file = tmp_path / "weights"
    file.write_bytes(LARGE)
    gate.strike(rf"^{when} /upload", fault)
    backend.put(file, "weights")
    assert [kind for kind, _ in gate.struck] == [fault]
    assert objects(gate) == {"store/weights": LARGE}
    fresh = backend.afresh(tmp_path / "work")
    gate.strike("^GET .*alt=media", *((CUT,) if fault == CUT else (CUT, fault)))
    document = fresh.read("weights")
    assert document is not None
    assert document.data == LARGE
    assert {kind for kind, _ in gate.struck} == {"cut", fault}
    gate.strike("^GET .*alt=media", "cut")
    assert fresh.fetch().joinpath("weights").read_bytes() == LARGE
    assert gate.struck[-1][0] == "cut"


def test_an_object_of_another_content_is_not_taken_for_ours(backend: Backend, tmp_path: Path) -> None:
    backend.write("f/a", b"something else")
    file = tmp_path / "a"
    file.write_bytes(b"ours")
    with pytest.raises(StoreError, match=r"f/a differs from what was uploaded"):
        backend.put(file, "f/a")


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
    nowhere = Store("gs://nowhere/x")
    with pytest.raises(StoreError, match="Create the bucket"):
        nowhere.backend.write("a", b"")
    with pytest.raises(StoreError, match="Create the bucket"):
        nowhere.current("value")
    gate.strike(".", *OUTAGE)
    with pytest.raises(StoreError, match="Check the network"):
        backend_of("gs://news/x").read("a")


@pytest.mark.parametrize("fault", [None, "lost"])
def test_a_lock_is_given_back_once(gate: Gate, backend: Backend, tmp_path: Path, fault: Fault | None) -> None:
    other = backend.afresh(tmp_path / "other")
    with ExitStack() as second:
        with backend.locked("lock"):
            if fault:
                # Its answer is lost, and before it is asked again somebody else holds the lock.
                gate.strike("^DELETE", fault)
                gate.after_loss = lambda: second.enter_context(other.locked("lock"))
            with pytest.raises(Conflict):
                backend.write("lock", b"", replaces=None)
        assert set(objects(gate)) == ({"store/lock"} if fault else set())
    assert objects(gate) == {}


def test_a_value_stored_again_does_not_bring_back_what_was_erased_from_it(gate: Gate, tmp_path: Path) -> None:
    store = Store("gs://news/store")
    version = commit(store, "one")
    elsewhere = store.afresh(tmp_path / "elsewhere")
    elsewhere.current("value").path.joinpath("a.txt").write_text("")
    elsewhere.changed("value", version, "a.txt")
    assert commit(store, "one") == version
    assert objects(gate)[f"store/value/{version}/a.txt"] == b""
    assert store.current("value").path.joinpath("a.txt").read_text() == ""


def test_of_two_that_change_a_file_one_is_told(backend: Backend, tmp_path: Path) -> None:
    backend.write("f/a", b"1")
    other = backend.afresh(tmp_path / "other")
    for one in (backend, other):
        one.fetch("f").joinpath("a").write_text(str(one.root))
    backend.send_again("f", "a")
    backend.send_again("f", "a")
    with pytest.raises(Conflict):
        other.send_again("f", "a")
    assert other.fetch("f").joinpath("a").read_text() == str(backend.root)


def test_what_is_not_as_it_was_sent_is_not_read_from_the_copy(backend: Backend, tmp_path: Path) -> None:
    file = backend.root / "f" / "a"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"ours")
    backend.afresh(tmp_path / "other").write("f/a", b"theirs")
    with pytest.raises(StoreError, match="differs from what was uploaded"):
        backend.send("f")
    assert backend.fetch("f").joinpath("a").read_bytes() == b"theirs"


def test_a_full_disk_is_not_taken_for_the_network(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.write("f/a", b"1")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "replace_file", full)
    with pytest.raises(OSError, match="No space left"):
        backend.afresh(tmp_path / "other").fetch("f")


def test_a_record_is_read_without_the_files(gate: Gate, tmp_path: Path) -> None:
    commit(Store("gs://news/store"), "one")
    found = Store("gs://news/store").afresh(tmp_path / "other").current("value")
    gate.strike("^GET .*a.txt", "503")
    assert found.record is not None
    assert gate.struck == []
    assert found.path.joinpath("a.txt").read_text() == "one"
    assert [kind for kind, _ in gate.struck] == ["503"]


def commit(store: Store, text: str) -> str:
    draft = store.draft()
    for name in ("a.txt", "b.txt"):
        (draft.path / name).write_text(text)
    return store.commit("value", draft).version
