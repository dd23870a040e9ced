"""A folder and a bucket keep the same promises."""

import multiprocessing
from pathlib import Path

import pytest

from fakenews_resources.storage import backend as module
from fakenews_resources.storage.address import place_of
from fakenews_resources.storage.backend import Busy, Conflict, Place, StoreError


@pytest.fixture
def place(address: str) -> Place:
    return place_of(address)


def finished(place: Place, folder: str, **files: str) -> None:
    home = place.root / folder
    home.mkdir(parents=True)
    for name, text in files.items():
        (home / f"{name}.txt").write_text(text)
    place.send(folder)


def test_a_document_is_replaced_as_a_whole(place: Place) -> None:
    assert place.read("a/b") is None
    place.write("a/b", b"one")
    place.write("a/b", b"two")
    found = place.read("a/b")
    assert found is not None
    assert found.text == "two"
    assert place.exists("a/b")
    place.delete("a/b")
    place.delete("a/b")
    assert not place.exists("a/b")


def test_only_what_was_read_is_replaced(place: Place) -> None:
    place.write("pointer", b"1", replaces=None)
    seen = place.read("pointer")
    with pytest.raises(Conflict):
        place.write("pointer", b"0", replaces=None)
    place.write("pointer", b"2", replaces=seen)
    with pytest.raises(Conflict, match="pointer was changed"):
        place.write("pointer", b"3", replaces=seen)
    assert place.read("pointer") != seen
    place.delete("pointer")
    with pytest.raises(Conflict):
        place.write("pointer", b"4", replaces=seen)
    assert place.read("pointer") is None


def test_what_is_there(place: Place) -> None:
    for name in ("a/one.json", "a/two.json", "a/deep/er.json", "b", "c d%/x@+=.json"):
        place.write(name, name.encode())
    assert place.children() == ["a", "b", "c d%"]
    assert place.children("a") == ["deep", "one.json", "two.json"]
    assert place.children("nowhere") == []
    assert place.glob("a/*.json") == ["a/one.json", "a/two.json"]
    assert place.glob("**/*.json") == ["a/deep/er.json", "a/one.json", "a/two.json", "c d%/x@+=.json"]
    inner = place.below("a")
    assert inner.children() == ["deep", "one.json", "two.json"]
    assert inner.glob("*.json") == ["one.json", "two.json"]
    assert inner.address == f"{place.address}/a"


def test_sizes(place: Place) -> None:
    finished(place, "f", a="12345", b="123")
    place.write("f.json", b"1234")
    folder, file = place.stat("f"), place.stat("f.json")
    assert folder is not None
    assert file is not None
    assert (folder.bytes, file.bytes) == (8, 4)
    assert folder.changed <= file.changed
    assert place.stat("nothing") is None


def test_a_folder_is_sent_fetched_changed_and_removed(place: Place, tmp_path: Path) -> None:
    finished(place, "f", a="one", b="two")
    place.send("f")  # again: nothing changes
    work = tmp_path / "work"
    other = place.afresh(work)
    assert {path.name: path.read_text() for path in other.fetch("f").iterdir()} == {
        "a.txt": "one",
        "b.txt": "two",
    }
    (place.root / "f" / "a.txt").write_text("blank")
    place.send_again("f", "a.txt")
    assert (other.fetch("f") / "a.txt").read_text() == "blank"
    assert (place.fetch("f") / "a.txt").read_text() == "blank"
    place.remove("f")
    place.remove("f")
    assert not other.fetch("f").exists()
    assert not place.fetch("f").exists()


@pytest.mark.usefixtures("gate")
def test_a_damaged_or_lost_copy_is_fetched_anew() -> None:
    place = place_of("gs://news")
    finished(place, "f", a="one", b="two")
    (place.root / "f" / "a.txt").unlink()
    assert (place.fetch("f") / "a.txt").read_text() == "one"
    finished(place, "g", a="one")
    place.forget(but=["g"])
    assert [path.name for path in place.root.iterdir()] == ["g"]
    place.forget()
    assert list(place.root.iterdir()) == []
    assert (place.fetch("f") / "b.txt").read_text() == "two"


def test_a_single_file(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_text("1\n")
    place.put(file, "day/lines")
    place.put(file, "day/lines")
    assert place.read("day/lines") == place.afresh(tmp_path / "work").read("day/lines")
    assert (place.fetch("day") / "lines").read_text() == "1\n"


def test_one_holds_a_lock(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.2)
    monkeypatch.setattr("fakenews_resources.storage.bucket.LOCK_SECONDS", 0.2)
    with place.locked("lock"), pytest.raises(Busy, match=r"[Tt]ry again"), place.locked("lock"):
        pass
    with place.locked("lock"):
        pass


def _count(address: str, times: int) -> None:
    place = place_of(address)
    for _ in range(times):
        while True:
            seen = place.read("count")
            try:
                place.write("count", str(int(seen.text if seen else 0) + 1).encode(), replaces=seen)
            except Conflict:
                continue
            break


def test_no_write_is_lost_between_processes(place: Place) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_count, args=(place.address, 20)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    found = place.read("count")
    assert found is not None
    assert found.text == "40"


@pytest.mark.parametrize("address", ["s3://bucket/x", "https://example.org"])
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(StoreError, match=r"gs://bucket/prefix"):
        place_of(address)


def test_a_bucket_needs_a_name() -> None:
    with pytest.raises(StoreError, match="names no bucket"):
        place_of("gs:///x")
