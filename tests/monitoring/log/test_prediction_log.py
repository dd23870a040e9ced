import resource
import subprocess
import sys
import threading
import tracemalloc
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from filelock import FileLock

from fakenews_assets.models.classifier import Article, Predictions
from fakenews_assets.models.predictions import prediction_records
from fakenews_assets.monitoring.log.index import LogIndex
from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_assets.monitoring.log.records import FEEDBACK_SCHEMA, PREDICTION_LOG_SCHEMA, log_line, stamp
from fakenews_resources.request_ids import new_request_id

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


class Clock:
    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def record(request_id: str = "", **changes: Any) -> dict[str, Any]:
    return {
        "time": stamp(NOON),
        "request_id": request_id or new_request_id(),
        "row": 0,
        "endpoint": "/predict",
        "article_id": "a" * 32,
        "probability": 0.25,
        "predicted_label": 0,
        "abstained": False,
        "out_of_distribution": False,
        "title_chars": 5,
        "text_chars": 0,
        "title": "line\nbreak \u2028 \"quoted\" 🙂 \x00",
        "text": None,
        "model_id": "b" * 64,
        "latency_ms": 1.5,
    } | changes  # fmt: skip


def test_a_line_holds_what_the_log_is_read_as():
    (prediction,) = prediction_records(["a" * 32], Predictions.from_probability(np.array([0.75])))
    said: dict[str, Any] = {
        "time": NOON,
        "request_id": "r",
        "row": 3,
        "endpoint": "/predict",
        "model_id": "m",
        "latency_ms": 1.5,
    }
    line = log_line(Article("title", "text"), prediction, **said, with_text=True)
    assert list(line) == PREDICTION_LOG_SCHEMA.names()
    assert said.items() - {("time", NOON)} <= line.items()
    assert (line["time"], line["article_id"], line["predicted_label"]) == (stamp(NOON), "a" * 32, 1)
    assert (line["title"], line["text"], line["title_chars"], line["text_chars"]) == ("title", "text", 5, 4)
    hashed = log_line(Article("title", "text"), prediction, **said, with_text=False)
    assert hashed == line | {"title": None, "text": None}


def test_what_is_written_is_read_back(tmp_path: Path):
    log = PredictionLog(tmp_path, Clock())
    asked = new_request_id()
    written = [record(asked, row=1), record(asked, row=0, text="x")]
    log.append("predictions", written)
    log.append(
        "feedback", [{"time": stamp(NOON), "request_id": "r", "row": 0, "true_label": 1, "source": None}]
    )

    table = log.read(NOON.date(), "predictions").collect()
    assert table.schema == PREDICTION_LOG_SCHEMA
    assert table["row"].to_list() == [0, 1]  # in order of time, then request and row
    for name in (
        "request_id",
        "title",
        "text",
        "probability",
        "predicted_label",
        "abstained",
        "out_of_distribution",
        "model_id",
        "latency_ms",
    ):
        assert table[name].to_list() == [written[1][name], written[0][name]]
    assert table["time"].to_list() == [NOON, NOON]
    assert log.read(NOON.date(), "feedback").collect().schema == FEEDBACK_SCHEMA
    assert log.days() == [NOON.date()]
    assert log.read(date(2020, 1, 1), "predictions").collect().is_empty()
    assert PredictionLog(tmp_path / "nowhere").days() == []


def test_a_day_that_is_over_becomes_a_table(tmp_path: Path):
    clock = Clock()
    log, other = PredictionLog(tmp_path, clock), PredictionLog(tmp_path, clock)
    for one in (log, other, log):
        one.append("predictions", [record()])
    log.index()
    before = log.read(NOON.date(), "predictions").collect()
    assert log.rotate() == []

    clock.now = datetime(2026, 5, 5, 0, 0, 30, tzinfo=UTC)
    assert log.rotate() == []  # somebody may still be writing
    clock.now += timedelta(minutes=1)
    folder = tmp_path / "2026-05-04"
    assert log.rotate() == [folder / "predictions.parquet"]
    assert [path.name for path in folder.iterdir()] == ["predictions.parquet"]
    assert log.read(NOON.date(), "predictions").collect().equals(before)
    assert log.rotate() == other.rotate() == []

    log.append("predictions", [record()])
    assert log.days() == [date(2026, 5, 4), date(2026, 5, 5)]


@pytest.mark.parametrize("damaged", [b"\x00\x00", b'{"request_id": "x', b"\xff\xfe", b"[[["])
def test_a_damaged_line_holds_no_other_up(tmp_path: Path, damaged: bytes, caplog: pytest.LogCaptureFixture):
    clock = Clock()
    log = PredictionLog(tmp_path, clock)
    log.append("predictions", [record(), record()])
    before = log.read(NOON.date(), "predictions").collect()
    (segment,) = tmp_path.rglob("*.jsonl")
    first, second = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(first + damaged + b"\n" + second)
    assert log.read(NOON.date(), "predictions").collect().equals(before)
    assert "1 lines of the log cannot be read" in caplog.text
    clock.now += timedelta(days=1)
    assert len(log.rotate()) == 1
    assert log.read(NOON.date(), "predictions").collect().equals(before)


def test_lines_of_another_version_do_not_turn_into_a_table(tmp_path: Path):
    clock = Clock()
    log = PredictionLog(tmp_path, clock)
    log.append("predictions", [{"time": {"seconds": 1}}] * 3)
    clock.now += timedelta(days=1)
    with pytest.raises(pl.exceptions.ComputeError, match="None of 3 lines can be read"):
        log.rotate()
    assert len(list(tmp_path.rglob("*.jsonl"))) == 1


def test_a_large_day_becomes_a_table_in_little_memory(tmp_path: Path):
    clock = Clock()
    log = PredictionLog(tmp_path, clock)
    for _ in range(20):
        log.append("predictions", [record(title="x" * 1000) for _ in range(1000)])
    clock.now += timedelta(days=1)
    tracemalloc.start()
    try:
        log.rotate()
        assert tracemalloc.get_traced_memory()[1] < 15 * 2**20
    finally:
        tracemalloc.stop()
    assert log.read(NOON.date(), "predictions").select(pl.len()).collect().item() == 20_000


def test_a_kill_while_rotating_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clock = Clock()
    log = PredictionLog(tmp_path, clock)
    log.append("predictions", [record(), record()])
    before = log.read(NOON.date(), "predictions").collect()
    clock.now += timedelta(days=1)

    def killed(_: Path, *, missing_ok: bool = False) -> None:
        del missing_ok
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:  # after the table is there, before the lines are gone
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            log.rotate()
    assert log.read(NOON.date(), "predictions").collect().equals(before)
    log.rotate()
    assert log.read(NOON.date(), "predictions").collect().equals(before)
    assert not list(tmp_path.rglob("*.jsonl"))


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_cuts_nothing_else_short(tmp_path: Path):
    log = PredictionLog(tmp_path, Clock())
    kept, later = record(), record()
    log.append("predictions", [kept])
    (segment,) = tmp_path.rglob("*.jsonl")
    with files_limited_to(segment.stat().st_size + 20):
        for _ in range(3):
            with pytest.raises(OSError, match="large"):
                log.append("predictions", [record()])
    log.append("predictions", [later])  # there is room again

    assert list(tmp_path.rglob("*.jsonl")) == [segment]
    assert segment.read_bytes().count(b"\n") == 2
    found = log.read(NOON.date(), "predictions").collect()["request_id"]
    assert set(found) == {kept["request_id"], later["request_id"]}


def test_threads_do_not_tear_each_others_lines(tmp_path: Path):
    log = PredictionLog(tmp_path, Clock())

    def write() -> None:
        for _ in range(50):
            log.append("predictions", [record(title="x" * 5000) for _ in range(3)])

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(log.read(NOON.date(), "predictions").collect()) == 600


def test_a_killed_process_leaves_whole_lines(tmp_path: Path):
    code = """
import sys
from pathlib import Path
from fakenews_assets.monitoring.log.prediction_log import PredictionLog
log = PredictionLog(Path(sys.argv[1]))
for number in range(10**9):
    log.append("predictions", [{"request_id": str(number), "row": 0, "title": "x" * 2000}])
    print(number, flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    seen = [int(process.stdout.readline()) for _ in range(300)]
    process.kill()
    seen += [int(line) for line in process.stdout.read().split("\n") if line.strip()]
    process.wait()
    log = PredictionLog(tmp_path)
    found = pl.concat([log.read(day, "predictions") for day in log.days()]).collect()["request_id"]
    assert {str(number) for number in seen} <= set(found)


def test_looking_for_an_answer(tmp_path: Path):
    clock = Clock(datetime.now(UTC))
    log = PredictionLog(tmp_path, clock)
    asked = new_request_id()
    log.append("predictions", [record(asked, row=0, text="the first"), record(asked, row=2)])
    for _ in range(2):  # without the index, and with it
        assert log.answer(asked, 2)
        assert not log.answer(asked, 1)
        first, third = log.answer(asked, 0), log.answer(asked, 2)
        assert first is not None
        assert third is not None
        assert (first["row"], first["text"], third["row"], third["text"]) == (0, "the first", 2, None)
        assert log.answer(asked, 1) is None
        log.index()
    assert not log.answer(new_request_id(), 0)
    with pytest.raises(ValueError, match="not a request id"):
        log.answer("0192f0c1-7c2a-4d3e-9b1f-5a4c3d2e1f00", 0)
    with pytest.raises(ValueError, match="after the last day"):
        log.answer("e677d21f-d818-7000-8000-000000000000", 0)

    clock.now += timedelta(days=2)
    log.rotate()
    assert log.answer(asked, 2)
    assert not log.answer(asked, 1)
    assert (log.answer(asked, 0) or {})["text"] == "the first"


@pytest.mark.parametrize("indexed", [True, False])
def test_looking_for_an_answer_takes_little_memory(tmp_path: Path, *, indexed: bool):
    log = PredictionLog(tmp_path)
    asked = new_request_id()
    for _ in range(20):
        log.append("predictions", [record(title="x" * 1000) for _ in range(1000)])
    log.append("predictions", [record(asked)])
    if indexed:
        log.index()
    log.answer(asked, 0)  # what is imported for it is there
    tracemalloc.start()
    try:
        assert log.answer(asked, 0)
        assert not log.answer(new_request_id(), 0)
        assert log.find(asked, 0).height == 1
        assert tracemalloc.get_traced_memory()[1] < 6 * 2**20
    finally:
        tracemalloc.stop()
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.jsonl")) > 25 * 2**20


def test_answers_are_found_however_far_the_index_has_come(tmp_path: Path):
    log, other = PredictionLog(tmp_path), PredictionLog(tmp_path)
    ids: list[str] = []

    def answer(by: PredictionLog) -> None:
        ids.extend(new_request_id() for _ in range(3))
        by.append("predictions", [record(one) for one in ids[-3:]])

    def all_are_found() -> bool:
        unknown = log.answer(new_request_id(), 0) or log.answer(ids[0], 1)
        return not unknown and all(log.answer(one, 0) for one in ids)

    answer(log)
    assert all_are_found()
    log.index()
    assert all_are_found()
    answer(log)
    answer(other)  # in a file that the index has not seen
    assert all_are_found()
    log.index()
    (index,) = tmp_path.rglob("*.index")
    assert all(LogIndex(index).look_up(one, 0)[0] for one in ids)
    index.write_bytes(index.read_bytes()[:5000])
    assert all_are_found()
    assert not index.exists()
    with FileLock(tmp_path / ".rotate.lock"):  # lines turn into a table, or an article is erased
        log.index()
    assert all_are_found()


def test_a_log_that_cannot_be_indexed_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    log = PredictionLog(tmp_path)
    asked = new_request_id()
    log.append("predictions", [record(asked)])
    (segment,) = tmp_path.rglob("*.jsonl")
    with files_limited_to(100):
        log.index()
    assert "Could not index" in caplog.text
    assert log.answer(asked, 0)
    segment.with_name("predictions.index").unlink(missing_ok=True)
    segment.with_name("predictions.index").mkdir()
    log.index()
    assert log.answer(asked, 0)


def test_lines_that_turn_into_a_table_meanwhile_hold_no_label_up(tmp_path: Path):
    log = PredictionLog(tmp_path)
    asked = new_request_id()
    log.append("predictions", [record(asked)])
    (segment,) = tmp_path.rglob("*.jsonl")
    segment.with_name("predictions-gone.jsonl").symlink_to("nowhere")
    assert log.answer(asked, 0)
    assert log.find(asked, 0).height == 1


def test_a_label_after_midnight_finds_the_answer_from_before(tmp_path: Path):
    clock = Clock(datetime.now(UTC))
    log = PredictionLog(tmp_path, clock)
    day, asked = clock().date(), new_request_id()
    log.append("predictions", [record(asked)])
    clock.now = datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC)
    assert log.answer(asked, 0)
    log.append("predictions", [record()])
    log.index()
    assert LogIndex(tmp_path / day.isoformat() / "predictions.index").look_up(asked, 0)[0]
    assert log.answer(asked, 0)
    clock.now += timedelta(minutes=2)
    log.rotate()
    assert not (tmp_path / day.isoformat() / "predictions.index").exists()
    assert log.answer(asked, 0)


@pytest.mark.parametrize("minutes", [1, 9, 11, 70])
def test_a_row_that_is_answered_after_midnight_is_found(tmp_path: Path, minutes: int):
    midnight = datetime(2026, 11, 21, tzinfo=UTC)
    came = int((midnight - timedelta(minutes=minutes)).timestamp() * 1000)
    asked = str(uuid.UUID(int=uuid.UUID(new_request_id()).int & (1 << 80) - 1 | came << 80))
    log = PredictionLog(tmp_path, Clock(midnight + timedelta(minutes=1)))
    log.append("predictions", [record(asked)])
    assert log.answer(asked, 0)
    assert not log.find(asked, 0).is_empty()


def test_the_log_is_opened_anew_each_day(tmp_path: Path):
    clock = Clock()
    log = PredictionLog(tmp_path, clock)
    handles = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        log.append("predictions", [record()])
        clock.now += timedelta(days=1)
    assert len(log.days()) == 5
    log.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == handles
