"""A folder and a bucket keep the same promises."""

import multiprocessing
from pathlib import Path

import pytest

from fakenews_resources.storage import backend as module
from fakenews_resources.storage.address import backend_of
from fakenews_resources.storage.backend import Backend, Busy, Conflict, StoreError


@pytest.fixture
def backend(address: str) -> Backend:
    return backend_of(address)


def finished(backend: Backend, folder: str, **files: str) -> None:
    home = backend.root / folder
    home.mkdir(parents=True)
    for name, text in files.items():
        (home / f"{name}.txt").write_text(text)
    backend.send(folder)


def test_a_document_is_replaced_as_a_whole(backend: Backend) -> None:
    assert backend.read("a/b") is None
    backend.write("a/b", b"one")
    backend.write("a/b", b"two")
    found = backend.read("a/b")
    assert found is not None
    assert found.text == "two"
    assert backend.exists("a/b")
    backend.delete("a/b")
    backend.delete("a/b")
    assert not backend.exists("a/b")


def test_only_what_was_read_is_replaced(backend: Backend) -> None:
    backend.write("pointer", b"1", replaces=None)
    seen = backend.read("pointer")
    with pytest.raises(Conflict):
        backend.write("pointer", b"0", replaces=None)
    backend.write("pointer", b"2", replaces=seen)
    with pytest.raises(Conflict, match="pointer was changed"):
        backend.write("pointer", b"3", replaces=seen)
    assert backend.read("pointer") != seen
    backend.delete("pointer")
    with pytest.raises(Conflict):
        backend.write("pointer", b"4", replaces=seen)
    assert backend.read("pointer") is None


def test_what_is_there(backend: Backend) -> None:
    for name in ("a/one.json", "a/two.json", "a/deep/er.json", "b", "c d%/x@+=.json"):
        backend.write(name, name.encode())
    assert backend.children() == ["a", "b", "c d%"]
    assert backend.children("a") == ["deep", "one.json", "two.json"]
    assert backend.children("nowhere") == []
    assert backend.glob("a/*.json") == ["a/one.json", "a/two.json"]
    assert backend.glob("**/*.json") == ["a/deep/er.json", "a/one.json", "a/two.json", "c d%/x@+=.json"]
    inner = backend.below("a")
    assert inner.children() == ["deep", "one.json", "two.json"]
    assert inner.glob("*.json") == ["one.json", "two.json"]
    assert inner.address == f"{backend.address}/a"


def test_sizes(backend: Backend) -> None:
    finished(backend, "f", a="12345", b="123")
    backend.write("f.json", b"1234")
    folder, file = backend.stat("f"), backend.stat("f.json")
    assert folder is not None
    assert file is not None
    assert (folder.bytes, file.bytes) == (8, 4)
    assert folder.changed <= file.changed
    assert backend.stat("nothing") is None


def test_a_folder_is_sent_fetched_changed_and_removed(backend: Backend, tmp_path: Path) -> None:
    finished(backend, "f", a="one", b="two")
    backend.send("f")  # again: nothing changes
    work = tmp_path / "work"
    other = backend.afresh(work)
    assert {path.name: path.read_text() for path in other.fetch("f").iterdir()} == {
        "a.txt": "one",
        "b.txt": "two",
    }
    (backend.root / "f" / "a.txt").write_text("blank")
    backend.send_again("f", "a.txt")
    assert (other.fetch("f") / "a.txt").read_text() == "blank"
    assert (backend.fetch("f") / "a.txt").read_text() == "blank"
    backend.remove("f")
    backend.remove("f")
    assert not other.fetch("f").exists()
    assert not backend.fetch("f").exists()


@pytest.mark.usefixtures("gate")
def test_a_damaged_or_lost_copy_is_fetched_anew() -> None:
    backend = backend_of("gs://news")
    finished(backend, "f", a="one", b="two")
    (backend.root / "f" / "a.txt").unlink()
    assert (backend.fetch("f") / "a.txt").read_text() == "one"
    finished(backend, "g", a="one")
    backend.forget(but=["g"])
    assert [path.name for path in backend.root.iterdir()] == ["g"]
    backend.forget()
    assert list(backend.root.iterdir()) == []
    assert (backend.fetch("f") / "b.txt").read_text() == "two"


def test_a_single_file(backend: Backend, tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_text("1\n")
    backend.put(file, "day/lines")
    backend.put(file, "day/lines")
    assert backend.read("day/lines") == backend.afresh(tmp_path / "work").read("day/lines")
    assert (backend.fetch("day") / "lines").read_text() == "1\n"


def test_one_holds_a_lock(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.2)
    monkeypatch.setattr("fakenews_resources.storage.bucket.LOCK_SECONDS", 0.2)
    with backend.locked("lock"), pytest.raises(Busy, match=r"[Tt]ry again"), backend.locked("lock"):
        pass
    with backend.locked("lock"):
        pass


def _count(address: str, times: int) -> None:
    backend = backend_of(address)
    for _ in range(times):
        while True:
            seen = backend.read("count")
            try:
                backend.write("count", str(int(seen.text if seen else 0) + 1).encode(), replaces=seen)
            except Conflict:
                continue
            break


@pytest.mark.server
def test_no_write_is_lost_between_processes(backend: Backend) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_count, args=(backend.address, 20)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    found = backend.read("count")
    assert found is not None
    assert found.text == "40"


@pytest.mark.parametrize("address", ["s3://bucket/x", "https://example.org"])
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(StoreError, match=r"gs://bucket/prefix"):
        backend_of(address)


def test_a_bucket_needs_a_name() -> None:
    with pytest.raises(StoreError, match="names no bucket"):
        backend_of("gs:///x")
