"""Seals: what was changed, removed, moved or back-dated since is found, and what belongs there is not."""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from fakenews_assets.governance.audit.audit_log import AuditLog
from fakenews_assets.governance.audit.sealed_lines import audit_lines, sealed_days
from fakenews_assets.governance.audit.seals import audit_chains, audit_records
from fakenews_assets.governance.erasure.erasure import erase
from fakenews_assets.models.classifier import Article
from fakenews_assets.monitoring.log import sealing
from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_assets.monitoring.log.records import log_line
from fakenews_assets.monitoring.log.sealing import rotate_sealed, seal_and_publish, seal_lines
from fakenews_resources.request_ids import new_request_id
from fakenews_resources.storage.backend import FolderBackend
from fakenews_resources.storage.ledger import Removal
from fakenews_resources.storage.sealing import seal_records
from fakenews_resources.storage.seals import head_places, published_heads
from fakenews_resources.storage.store import Store
from fakenews_resources.storage.tombstones import Tombstones

NOW = datetime.now(UTC)
ERASED = f"{0:032x}"


def answer(log: PredictionLog, *numbers: int, time: datetime = NOW) -> None:
    prediction = {"predicted_label": 1, "abstained": False, "out_of_distribution": False}
    records = [
        log_line(
            Article(f"A title of article {number}, with an ö", ""),
            {"article_id": f"{number:032x}", "probability": random.random(), **prediction},
            time=time,
            request_id=new_request_id(),
            row=1,
            endpoint="/predict",
            model_id="b" * 64,
            latency_ms=12.0,
            with_text=True,
        )
        for number in numbers
    ]
    log.append("predictions", records)


def commit(store: Store, key: str, text: str) -> str:
    draft = store.draft()
    (draft.path / "file.txt").write_text(text)
    return store.commit(key, draft).version


class Sealed:
    """A store with three values and a log of four lines, sealed twice."""

    def __init__(self, root: Path, *, table: bool) -> None:
        self.store = Store(root)
        self.log = FolderBackend(root / "service_log")
        self.writer = PredictionLog(self.log.root)
        self.first = commit(self.store, "clean_news/b1", "one")
        answer(self.writer, 0, 1)
        self.seal()
        commit(self.store, "clean_news/b1", "two")
        commit(self.store, "splits", "three")
        answer(self.writer, 2, 3)
        self.seal()
        self.writer.close()
        if table:
            self.fold()

    def seal(self) -> None:
        seal_and_publish(self.store.backend, self.log)

    def fold(self) -> None:
        self.writer._now = lambda: NOW + timedelta(days=2)
        rotate_sealed(self.writer)

    @property
    def lines(self) -> Path:
        (file,) = self.log.root.glob("*/predictions-*.jsonl")
        return file

    @property
    def table(self) -> Path:
        (file,) = self.log.root.glob("*/predictions.parquet")
        return file

    @property
    def seals(self) -> Path:
        (file,) = (self.log.root / "seals").glob("*.jsonl")
        return file

    @property
    def record(self) -> Path:
        return self.store.root / f"clean_news/b1/{self.first}.json"

    def audit(self) -> AuditLog:
        audit_log, ledger = AuditLog(), Tombstones(self.store).read()
        heads = published_heads(head_places(self.store.backend))
        records, lines = audit_chains(audit_log, self.store.backend, self.log, heads)
        audit_records(audit_log, self.store.backend, records, ledger)
        for day in sealed_days(lines):
            audit_lines(audit_log, self.log, lines, ledger, day)
        return audit_log

    def faults(self) -> list[str]:
        return [f"{check.what} {check.name}: {check.fault}" for check in self.audit().checks if not check.ok]


def edit(file: Path, change: Callable[[list[str]], list[str]]) -> None:
    file.write_text("".join(change(file.read_text().splitlines(keepends=True))))


def edit_record(sealed: Sealed, **changes: str) -> None:
    sealed.record.write_text(json.dumps(json.loads(sealed.record.read_text()) | changes))


def back_dated_line(sealed: Sealed) -> None:
    with sealed.lines.open("a") as file:
        line = json.loads(sealed.lines.read_text().splitlines()[0])
        old = {"time": (NOW - timedelta(hours=3)).isoformat(timespec="milliseconds")}
        file.write(json.dumps(line | old) + "\n")


def back_dated_file(sealed: Sealed) -> None:
    back_dated_line(sealed)
    *kept, last = sealed.lines.read_text().splitlines(keepends=True)
    other = sealed.lines.with_name(f"predictions-{new_request_id()}.jsonl")
    sealed.lines.write_text("".join(kept))
    other.write_text(last)


def then_sealed(plant: Callable[[Sealed], None]) -> Callable[[Sealed], None]:
    def planted(sealed: Sealed) -> None:
        plant(sealed)
        seal_lines(sealed.log)
        seal_records(sealed.store.backend)

    return planted


def back_dated_record(sealed: Sealed) -> None:
    version = commit(sealed.store, "evaluation/x", "better")
    file = sealed.store.root / f"evaluation/x/{version}.json"
    old = (NOW - timedelta(hours=3)).isoformat()
    file.write_text(json.dumps(json.loads(file.read_text()) | {"created_at": old}))


def chain_anew(sealed: Sealed) -> None:
    """Made again from lines of which one was changed, as its owner can."""
    edit(sealed.lines, lambda lines: [lines[0].replace("/predict", "/other"), *lines[1:]])
    sealed.seals.unlink()
    seal_lines(sealed.log)


def replayed_head(sealed: Sealed) -> None:
    """The chain as it was after the first seal, with what followed removed from the log."""
    edit(sealed.seals, lambda seals: seals[:1])
    edit(sealed.lines, lambda lines: lines[:2])


LINES: dict[str, tuple[Callable[[Sealed], None], str]] = {
    "changed": (lambda s: edit(s.lines, lambda x: [x[0], x[1].replace("/predict", "/other"), *x[2:]]), "line 2 is not"),
    "removed": (lambda s: edit(s.lines, lambda x: [x[0], *x[2:]]), "line 2 is not the line"),
    "moved": (lambda s: edit(s.lines, lambda x: [x[0], x[2], x[1], x[3]]), "line 2 is not the line"),
    "inserted": (lambda s: edit(s.lines, lambda x: [x[0], x[3], *x[1:]]), "line 2 is not the line"),
    "cut": (lambda s: edit(s.lines, lambda x: x[:3]), "ends after 3 of 4 sealed lines"),
    "file removed": (lambda s: s.lines.unlink(), "is missing, and no table holds its lines"),
    "digests removed": (lambda s: s.lines.with_suffix(".sha256").unlink(), "are not those that were sealed"),
    "digests edited": (lambda s: edit(s.lines.with_suffix(".sha256"), lambda x: x[::-1]), "are not those that were"),
    "line back-dated": (back_dated_line, "older than a seal that lacks them"),
    "line back-dated, sealed": (then_sealed(back_dated_line), "came later than it says"),
    "file back-dated": (back_dated_file, "older than a seal that lacks them"),
    "file back-dated, sealed": (then_sealed(back_dated_file), "came later than it says"),
    "seal edited": (lambda s: edit(s.seals, lambda x: [x[0].replace('"lines":2', '"lines":1'), x[1]]), "seals the service's log"),
    "seal removed": (lambda s: edit(s.seals, lambda x: x[1:]), "does not follow on the one before"),
    "chain cut": (lambda s: edit(s.seals, lambda x: x[:1]), "cut, replaced or made anew"),
    "chain removed": (lambda s: s.seals.unlink(), "cut, replaced or made anew"),
    "chain made anew": (chain_anew, "cut, replaced or made anew"),
    "head replayed": (replayed_head, "cut, replaced or made anew"),
    "record changed": (lambda s: edit_record(s, run_id="other"), "changed since it was sealed"),
    "record changed, sealed": (then_sealed(lambda s: edit_record(s, created_at="2026-01-01T00:00:00+00:00")), "replaced later"),
    "record removed": (lambda s: s.record.unlink(), "missing, and no tombstone says why"),
    "record back-dated": (back_dated_record, "added later, and back-dated"),
    "record back-dated, sealed": (then_sealed(back_dated_record), "added later than it says"),
}  # fmt: skip


def edited_table(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Callable[[Sealed], None]:
    return lambda sealed: change(pl.read_parquet(sealed.table)).write_parquet(sealed.table)


TABLES: dict[str, tuple[Callable[[Sealed], None], str]] = {
    "changed": (edited_table(lambda x: x.with_columns(probability=0.99)), "4 sealed lines are in"),
    "removed": (edited_table(lambda x: x.head(3)), "1 sealed lines are in"),
    "added": (edited_table(lambda x: pl.concat([x, x.head(1).with_columns(row=pl.lit(9).cast(pl.Int64))])), "no sealed lines"),
    "gone": (lambda s: s.table.unlink(), "is missing, and no table holds its lines"),
    "digests edited": (lambda s: edit(s.table.with_suffix(".digests"), lambda x: x[::-1]), "are not those that were sealed"),
}  # fmt: skip


@pytest.fixture(params=[*LINES.items(), *TABLES.items()], ids=lambda one: one[0])
def tampered(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Sealed, str]:
    _, (plant, says) = request.param
    sealed = Sealed(tmp_path, table=request.param in TABLES.items())
    assert not sealed.faults()
    plant(sealed)
    return sealed, says


def test_tampering_is_found(tampered: tuple[Sealed, str]) -> None:
    sealed, says = tampered
    assert any(says in fault for fault in sealed.faults()), sealed.faults()


def test_heads_elsewhere_tell_of_a_store_whose_seals_and_heads_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKENEWS_HEADS", str(tmp_path / "elsewhere"))
    sealed = Sealed(tmp_path / "store", table=False)
    for file in [sealed.seals, *(sealed.store.root / "heads").glob("*.json")]:
        file.unlink()
    sealed.lines.with_suffix(".sha256").unlink()
    assert len([fault for fault in sealed.faults() if "made anew" in fault and "elsewhere" in fault]) == 2


def test_a_record_written_again_with_its_own_time_is_sound(tmp_path: Path) -> None:
    sealed = Sealed(tmp_path, table=False)
    commit(sealed.store, "clean_news/b1", "one")
    sealed.seal()
    assert not sealed.faults()


def test_a_tombstone_explains_a_removed_record(tmp_path: Path) -> None:
    sealed = Sealed(tmp_path, table=False)
    removed = [{"key": "clean_news/b1", "version": sealed.first, "bytes": 1}]
    told = {"action": "prune", "by": "me", "reason": "old", "removed": removed}
    Tombstones(sealed.store).append(Removal.model_validate(told))
    sealed.store.remove("clean_news/b1", sealed.first)
    assert not sealed.faults()


@pytest.mark.parametrize("when", ["before", "after", "between"])
def test_an_erasure_keeps_the_chain_whole_and_hides_nothing_else(tmp_path: Path, when: str) -> None:
    sealed = Sealed(tmp_path, table=when == "after")
    erase(sealed.store, sealed.log, ERASED, by="me", reason="asked")
    if when == "between":
        sealed.fold()
    assert not sealed.faults()
    assert any("an article was erased" in note for note in sealed.audit().not_checked)
    if when == "before":
        edit(sealed.lines, lambda lines: [lines[0], " " * len(lines[1][:-1]) + "\n", *lines[2:]])
    else:
        other = pl.col("article_id") == f"{1:032x}"
        edited_table(lambda table: table.with_columns(title=pl.when(~other).then("title")))(sealed)
    assert len(sealed.faults()) == 1


def test_what_a_killed_process_left_is_sealed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = Sealed(tmp_path, table=False)
    torn = sealed.lines
    whole = torn.read_bytes()
    torn.write_bytes(whole + whole.splitlines(keepends=True)[0][:40])
    other = PredictionLog(sealed.log.root)
    answer(other, 4)
    with monkeypatch.context() as killed:
        killed.setattr(sealing, "Sealed", lambda **_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            sealed.seal()
    answer(other, 5)
    sealed.seal()
    assert not sealed.faults()
    assert not [note for note in sealed.audit().not_checked if "log" in note]


def test_digests_that_were_lost_are_made_again(tmp_path: Path) -> None:
    sealed = Sealed(tmp_path, table=False)
    sealed.lines.with_suffix(".sha256").unlink()
    answer(PredictionLog(sealed.log.root), 6)
    sealed.seal()
    assert not sealed.faults()
