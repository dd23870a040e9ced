"""An erasure that is killed at any write, or meets a full disk, is finished by the same command."""

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from fakenews_assets.data.schema import article_id
from fakenews_assets.governance.erasure.erasure import Erased, erase
from fakenews_assets.governance.erasure.finding import holders
from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_assets.monitoring.log.records import stamp
from fakenews_resources.storage.address import backend_of
from fakenews_resources.storage.bucket import BucketBackend
from fakenews_resources.storage.store import LOG_FOLDER, Store, StoreError
from fakenews_resources.storage.tombstones import Tombstones
from tests.governance.erasure.conftest import audit_corpus, build_corpus, log_record
from tests.support.buckets import gate as gate

pytestmark = pytest.mark.compute

RECEIVED: Final = "Mayor &amp; council open  the new harbour bridge"
TITLE: Final = "Mayor & council open the new harbour bridge"
TEXT: Final = "The ribbon was cut at noon on Tuesday, before a crowd of thousands."
SUBJECT: Final = article_id(TITLE, TEXT)
OTHER: Final = article_id("Another headline of another day", "")
NEAR_TITLE: Final = "The mayor opens the new harbour bridge"
NEAR_TEXT: Final = "The ribbon was cut at noon on Tuesday, before a crowd of thousands!"
LOOK_FOR: Final = (TITLE, TITLE[:30], TEXT, RECEIVED)


class Killed(BaseException):
    """The process is dead: nothing that it would do after this is done."""


class Writes:
    """Counts what is written below a folder or in a bucket, and lets one of these writes be the last."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.root = Path("/nowhere")
        self.fault: BaseException | None = None

    def one(self) -> bool:
        """Note a write. Returns whether it is the one at which the process dies."""
        if self.left is None:
            return False
        self.left -= 1
        return self.left < 0

    def listen(self, event: str, arguments: tuple[Any, ...]) -> None:
        """What Python tells of each call to the system that it is about to make."""
        if self.left is None or event not in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"):
            return
        path, flags = str(arguments[0]), arguments[2] if event == "open" else os.O_WRONLY
        if (
            isinstance(flags, int)
            and flags & (os.O_WRONLY | os.O_RDWR)
            and path.startswith(str(self.root))
            and not path.endswith("lock")
            and self.one()
        ):
            raise self.fault or Killed


WRITES: Final = Writes()
sys.addaudithook(WRITES.listen)


@contextmanager
def dying(root: Path, after: int, fault: BaseException | None = None) -> Iterator[None]:
    """Let the process die at a write, or fail there and ever after."""
    WRITES.root, WRITES.left, WRITES.fault = root, after, fault
    try:
        yield
    finally:
        WRITES.left = None


@pytest.fixture(autouse=True)
def half_written_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill stops a write in place in its middle."""
    original = os.pwrite

    def pwrite(handle: int, data: bytes, offset: int) -> int:
        if WRITES.one():
            original(handle, data[: len(data) // 2], offset)
            raise WRITES.fault or Killed
        return original(handle, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)


def line(title: str, text: str, subject: str, request: str) -> dict[str, Any]:
    return log_record(subject, title, text, request, stamp(datetime(2026, 11, 21, 12, tzinfo=UTC)))


def build(store: Store) -> None:
    """A small graph in which one article stands in every kind of file that holds articles."""
    fillers = [
        {"title": f"Headline number {at} of a {word} day", "text": f"A {word} story.", "label": at % 2}
        for at, word in enumerate(("quiet", "long", "short", "grey", "cold", "warm", "wet", "dry") * 15)
    ]
    records = [
        {"title": RECEIVED, "text": TEXT, "label": 0},
        {"title": NEAR_TITLE, "text": NEAR_TEXT, "label": 0},
        *fillers,
        {"title": f"Said yesterday: {TITLE}", "text": "", "label": 7},  # rejected, and quotes it as cleaned
    ]
    torn = json.dumps({"title": RECEIVED, "text": TEXT})[:-20]
    rows = "\n".join([*map(json.dumps, records), torn]) + "\n"
    build_corpus(store, "news.jsonl", rows)
    asked = [(TITLE, TEXT, SUBJECT), ("Another headline of another day", "", OTHER), (TITLE, TEXT, SUBJECT)]
    lines = [line(*one, request=f"r{at}") for at, one in enumerate(asked)]
    days = {date(2026, 11, 20): True, date(2026, 11, 21): False}
    for day, is_over in days.items():
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        log = PredictionLog(store.root / LOG_FOLDER, now=lambda noon=noon: noon)
        log.append("predictions", lines)
        log.close()
        if is_over:
            PredictionLog(log.root, now=lambda: datetime(2026, 11, 21, 12, tzinfo=UTC)).rotate()
    draft = store.draft()
    shutil.copy(store.root / LOG_FOLDER / "2026-11-20" / "predictions.parquet", draft.path)
    store.commit("prediction_log/2026-11-20", draft)
    (segment,) = (store.root / LOG_FOLDER).rglob("*.jsonl")
    with segment.open("a") as file:
        file.write(json.dumps(line(TITLE, TEXT, SUBJECT, "r3"))[:-30])
    tokens = store.workspace("finetuned_bert", "tokens")
    pl.DataFrame({"ids": [[1, 2]]}).write_parquet(tokens / "0.parquet")
    shutil.rmtree(store.root / ".drafts")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy it before you change it."""
    root = tmp_path_factory.mktemp("built") / "store"
    build(Store(root))
    return root


def by_order(store: Store) -> Erased:
    return erase(store, store.backend.below(LOG_FOLDER), SUBJECT, by="the court", reason="order 17", raw=True)


def assert_erased(store: Store) -> None:
    """No word of it is left, and the chain of tombstones and the data hold."""
    root = store.root
    (raw,) = holders(root, LOOK_FOR)
    (left,) = [one for one in raw.read_text().splitlines() if any(form in one for form in LOOK_FOR)]
    assert "Said yesterday" in left, "a record of its own, whose bytes are not the article's"
    quarantine = pl.read_parquet(store.current("clean_news/b1").path / "quarantine.parquet")
    assert quarantine["record"].str.len_chars().to_list() == [0, 0]
    assert not (root / ".erasing").exists()
    assert not list(root.rglob("tokens"))
    ledger = Tombstones(store).sound()
    assert (ledger.faults, ledger.unfinished) == ((), ())
    assert {one.article_id for one in ledger.done} == {SUBJECT}
    assert [check for check in audit_corpus(store).checks if not check.ok] == []
    kept = PredictionLog(store.backend.below(LOG_FOLDER).fetch()).read(date(2026, 11, 21), "predictions")
    assert kept.filter(article_id=OTHER).collect()["title"].to_list() == ["Another headline of another day"]


def test_a_kill_at_any_write_is_finished_by_the_same_command(built: Path, tmp_path: Path) -> None:
    points = 0
    while True:
        store = Store(tmp_path / str(points))
        shutil.copytree(built, store.root)
        try:
            with dying(store.root, points):
                by_order(store)
        except Killed:
            by_order(store)
            assert_erased(store)
            shutil.rmtree(store.root)
            points += 1
        else:
            break
    assert_erased(store)
    assert not by_order(store).anew
    assert points > 30


@pytest.mark.usefixtures("gate")
@pytest.mark.parametrize("after", [2, 6])  # before the head of the tombstones, and between two tables
def test_a_kill_at_a_write_to_a_bucket_is_finished_by_the_same_command(
    after: int, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def write(*arguments: Any, **named: Any) -> Any:
            if WRITES.one():
                raise Killed
            return original(*arguments, **named)

        return write

    for name in ("_write", "_upload", "_delete"):
        monkeypatch.setattr(BucketBackend, name, counted(getattr(BucketBackend, name)))
    files = [path for path in built.rglob("*") if path.is_file() and ".work" not in path.parts]
    backend = backend_of("gs://news/store")
    for path in files:
        backend.put(path, path.relative_to(built).as_posix())
    with pytest.raises(Killed), dying(Path("/nowhere"), after):
        by_order(Store(backend).afresh(tmp_path / "killed"))
    backend.delete("tombstones/lock")  # as the message of the next command says
    by_order(Store(backend).afresh(tmp_path / "again"))
    left = Store(backend).afresh(tmp_path / "left")
    left.backend.fetch()
    assert_erased(left)


def test_a_kill_of_another_erasure_in_between(built: Path, tmp_path: Path) -> None:
    """Two killed erasures of articles in the same files are finished in either order."""
    near = article_id(NEAR_TITLE, NEAR_TEXT)
    for after in (6, 9, 12, 16):
        store = Store(tmp_path / str(after))
        shutil.copytree(built, store.root)
        with pytest.raises(Killed), dying(store.root, after):
            by_order(store)
        erase(store, store.root / LOG_FOLDER, near, by="x", reason="y", raw=True)
        by_order(store)
        assert [check for check in audit_corpus(store).checks if not check.ok] == []
        assert Tombstones(store).sound().unfinished == ()
        assert [path.name for path in holders(store.root, [*LOOK_FOR, NEAR_TEXT])] == ["news.jsonl"]


def test_a_kill_between_a_table_and_the_one_that_quotes_it(built: Path, tmp_path: Path) -> None:
    """Only the cleaned batch has the title as the rejected record quotes it."""
    for after in range(10, 22):
        store = Store(tmp_path / str(after))
        shutil.copytree(built, store.root)
        for name in ("splits", "prediction_log", LOG_FOLDER):
            shutil.rmtree(store.root / name)
        with suppress(Killed), dying(store.root, after):
            by_order(store)
        by_order(store)
        quarantine = pl.read_parquet(store.current("clean_news/b1").path / "quarantine.parquet")
        assert quarantine["record"].to_list() == ["", ""], after


def test_a_full_disk_says_what_to_do_and_the_same_command_finishes(built: Path, tmp_path: Path) -> None:
    points = 0
    while True:
        store = Store(tmp_path / str(points))
        shutil.copytree(built, store.root)
        try:
            with dying(store.root, points, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))):
                by_order(store)
        except StoreError as error:
            said = str(error)
        else:
            break
        assert said.startswith("The disk is full")
        assert said.endswith("run the same command again, which finishes what this one began.")
        by_order(store)
        assert_erased(store)
        shutil.rmtree(store.root)
        points += 4  # the kills are at each of them
    assert points > 30


def test_a_full_disk_leaves_no_scratch_folder(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")
    shutil.copytree(built, store.root)
    original = pl.DataFrame.write_parquet
    monkeypatch.setattr(pl.DataFrame, "write_parquet", lambda table, _path: original(table, "/dev/full"))
    with pytest.raises(StoreError, match="disk is full"):
        by_order(store)
    assert not (store.root / ".erasing").exists()
    monkeypatch.undo()
    by_order(store)
    assert_erased(store)
