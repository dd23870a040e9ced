"""The service's log in a bucket: sent whole, once, by whoever is left; and folded once its day is over."""

import threading
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from fakenews_assets.monitoring.log import sending as log_sending
from fakenews_assets.monitoring.log.folding import fold_sent_lines
from fakenews_assets.monitoring.log.index import LogIndex
from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_assets.monitoring.log.records import PREDICTION_LOG_SCHEMA, stamp
from fakenews_assets.monitoring.log.sending import LogSender
from fakenews_resources.request_ids import new_request_id, time_of
from fakenews_resources.storage.address import backend_of
from fakenews_resources.storage.backend import Backend, Conflict, StoreError
from tests.support.buckets import OUTAGE, Gate, objects
from tests.support.buckets import gate as gate

DAY = date(2026, 11, 20)


@pytest.fixture
def backend(gate: Gate) -> Backend:
    del gate
    return backend_of("gs://news/store/service_log")


def answer(log: PredictionLog, request: str) -> None:
    record = dict.fromkeys(PREDICTION_LOG_SCHEMA)
    record |= {"time": "2026-11-20T12:00:00.000+00:00", "request_id": request, "row": 0, "title": request}
    log.append("predictions", [record])


def now(log: PredictionLog, request: str) -> None:
    moment = stamp(datetime.now(UTC))
    log.append(
        "predictions",
        [dict.fromkeys(PREDICTION_LOG_SCHEMA) | {"time": moment, "request_id": request, "row": 0}],
    )


def sent(gate: Gate) -> list[str]:
    names = [name.split("/", 2)[2] for name in sorted(objects(gate))]
    return [name for name in names if name.endswith((".jsonl", ".parquet")) and not name.startswith("seals/")]


def put_lines(backend: Backend, folder: Path, *requests: str) -> None:
    """What a service that answered them on DAY has sent."""
    log = PredictionLog(folder, now=lambda: datetime(2026, 11, 20, 12, tzinfo=UTC))
    for request in requests:
        answer(log, request)
        log.close()
    for file in log.closed():
        backend.put(file, f"{DAY}/{file.name}")
        file.unlink()


def read(backend: Backend, folder: Path) -> list[str]:
    fresh = backend.afresh(folder)
    fresh.fetch()
    return PredictionLog(fresh.root).read(DAY, "predictions").collect()["request_id"].to_list()


def test_one_that_ends_while_it_sends_sends_the_rest(
    gate: Gate, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = LogSender(backend)
    answer(sender.log, "first")
    arrived, go_on = threading.Event(), threading.Event()
    put = type(backend).put

    def slow(self: Backend, file: Path, name: str) -> None:
        arrived.set()
        assert go_on.wait(30)
        put(self, file, name)

    monkeypatch.setattr(type(backend), "put", slow)
    periodic = threading.Thread(target=sender.send)
    periodic.start()
    assert arrived.wait(30)
    answer(sender.log, "second")
    last = threading.Thread(target=sender.close)
    last.start()
    go_on.set()
    periodic.join()
    last.join()
    assert len(sent(gate)) == 2
    assert not list(backend.spool.rglob("*.jsonl"))


def test_what_was_sent_before_a_kill_and_erased_from_since_holds_nothing_up(
    gate: Gate, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = LogSender(backend)
    answer(killed.log, "erased")
    with monkeypatch.context() as patch:
        patch.setattr(log_sending.Path, "unlink", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            killed.send()
    answer(killed.log, "not sent")
    killed.log.close()
    killed._lock.release()  # pyright: ignore[reportPrivateUsage] - as the system does when it dies
    (name,) = objects(gate)
    backend.write(name.removeprefix("store/service_log/"), b"blank")
    assert LogSender(backend).send() == 2
    assert objects(gate)[name] == b"blank"
    assert len(objects(gate)) == 2
    assert not list(backend.spool.rglob("*.jsonl"))


def test_an_answer_of_another_instance_is_found(gate: Gate, backend: Backend) -> None:
    del gate
    mine, other = LogSender(backend), LogSender(backend)
    ids = [new_request_id() for _ in range(3)]
    for number, sender in enumerate((mine, other, other)):
        now(sender.log, ids[number])
        assert sender.answer(ids[number], 0)
        if number:
            assert not mine.answer(ids[number], 0)
            sender.send()
        assert all(mine.answer(one, 0) for one in ids[: number + 1])
        assert not mine.answer(new_request_id(), 0)
    # What was sent is not read again for the next label.
    day = time_of(ids[1]).date().isoformat()
    known, covered = LogIndex(backend.root / day / "predictions.index").look_up(ids[1], 0)
    assert known
    assert set(covered) == {file.name for file in (backend.root / day).glob("*.jsonl")}


def test_an_outage_keeps_everything(gate: Gate, backend: Backend) -> None:
    sender = LogSender(backend)
    answer(sender.log, "first")
    gate.strike(".", *OUTAGE)
    with pytest.raises(StoreError):
        sender.send()
    gate.strike_no_more()
    assert sender.send() == 1
    assert len(sent(gate)) == 1


def test_a_day_that_is_over_becomes_a_table(gate: Gate, backend: Backend, tmp_path: Path) -> None:
    put_lines(backend, tmp_path / "one", "a", "b")
    assert fold_sent_lines(backend) == 2
    assert sent(gate) == [f"{DAY}/predictions.parquet"]
    put_lines(backend, tmp_path / "two", "late")
    assert fold_sent_lines(backend) == 1
    assert fold_sent_lines(backend) == 0
    assert read(backend, tmp_path / "fresh") == ["a", "b", "late"]


def test_today_stays_as_lines(gate: Gate, backend: Backend) -> None:
    sender = LogSender(backend)
    answer(sender.log, "first")
    sender.close()
    assert fold_sent_lines(backend) == 0
    assert len(sent(gate)) == 1


def test_a_kill_before_the_lines_are_gone_counts_nothing_twice(
    gate: Gate, backend: Backend, tmp_path: Path
) -> None:
    put_lines(backend, tmp_path / "one", "a", "b")
    gate.strike("^DELETE", *OUTAGE)
    with pytest.raises(StoreError):
        fold_sent_lines(backend)
    gate.strike_no_more()
    assert len(sent(gate)) == 3
    assert read(backend, tmp_path / "between") == ["a", "b"]
    assert fold_sent_lines(backend) == 2
    assert read(backend, tmp_path / "after") == ["a", "b"]


def test_of_two_that_fold_one_is_told_and_nothing_is_lost(
    gate: Gate, backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_lines(backend, tmp_path / "one", "a")
    rotate = PredictionLog.rotate

    def meanwhile(self: PredictionLog) -> list[Path]:
        monkeypatch.setattr(PredictionLog, "rotate", rotate)
        put_lines(backend, tmp_path / "two", "late")
        assert fold_sent_lines(backend) == 2
        return rotate(self)

    monkeypatch.setattr(PredictionLog, "rotate", meanwhile)
    with pytest.raises(Conflict):
        fold_sent_lines(backend)
    assert read(backend, tmp_path / "fresh") == ["a", "late"]
    assert sent(gate) == [f"{DAY}/predictions.parquet"]
