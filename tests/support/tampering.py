"""Tampering, by kind: what somebody who can write to a store may do, with our code or without it."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

from fakenews_assets.monitoring.log.sealing import seal_lines
from fakenews_assets.registry.champion import HISTORY_FILE, POINTER_FILE, Pointer
from fakenews_assets.registry.signing import sign_bundle
from fakenews_resources.request_ids import new_request_id
from fakenews_resources.storage.hashing import FileEntry
from fakenews_resources.storage.ledger import Erasure, Removal, Removed, Rewritten
from fakenews_resources.storage.sealing import seal_records
from fakenews_resources.storage.tombstones import Entry, Tombstones
from tests.support.sealed import NOW, Sealed, commit, make_keys

Plant = Callable[[Sealed], object]
OLD: Final = NOW - timedelta(hours=3)


def edit(file: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Change the lines of a file."""
    file.write_text("".join(change(file.read_text().splitlines(keepends=True))))


def edit_json(file: Path, **changes: Any) -> None:
    """Change fields of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | changes, indent=2))


def then_sealed(plant: Plant) -> Plant:
    """The same, and sealed afterwards by our own code."""

    def planted(store: Sealed) -> None:
        plant(store)
        seal_lines(store.log)
        seal_records(store.store.backend)

    return planted


def _both(one: Plant, other: Plant) -> Plant:
    def planted(store: Sealed) -> None:
        one(store)
        other(store)

    return planted


def _line(**changes: Any) -> Plant:
    def planted(store: Sealed) -> None:
        edit(
            store.lines,
            lambda lines: [lines[0], json.dumps(json.loads(lines[1]) | changes) + "\n", *lines[2:]],
        )

    return planted


def _lines(change: Callable[[list[str]], list[str]]) -> Plant:
    return lambda store: edit(store.lines, change)


def _digests(change: Callable[[list[str]], list[str]]) -> Plant:
    return lambda store: edit(store.lines.with_suffix(".sha256"), change)


def _old_line(lines: list[str]) -> str:
    told = {"time": OLD.isoformat(timespec="milliseconds"), "request_id": new_request_id()}
    return json.dumps(json.loads(lines[0]) | told) + "\n"


def _another_file(store: Sealed) -> None:
    other = store.lines.with_name(f"predictions-{new_request_id()}.jsonl")
    other.write_text(_old_line(store.lines.read_text().splitlines()))


def _another_day(store: Sealed) -> None:
    day = store.log.root / (NOW - timedelta(days=2)).date().isoformat()
    day.mkdir()
    line = json.loads(store.lines.read_text().splitlines()[0])
    line["time"] = (NOW - timedelta(days=2)).isoformat(timespec="milliseconds")
    (day / f"predictions-{new_request_id()}.jsonl").write_text(json.dumps(line) + "\n")


def _swapped_digest(store: Sealed) -> None:
    _lines(lambda lines: [lines[1], lines[0], *lines[2:]])(store)
    _digests(lambda digests: [digests[1], digests[0], *digests[2:]])(store)


def _seals(change: Callable[[list[str]], list[str]]) -> Plant:
    return lambda store: edit(store.log_seals, change)


def _chain_anew(store: Sealed) -> None:
    _line(probability=0.99)(store)
    store.log_seals.unlink()
    store.lines.with_suffix(".sha256").unlink()
    seal_lines(store.log)


def _records_anew(store: Sealed) -> None:
    _record(created_at=OLD.isoformat())(store)
    store.record_seals.unlink()
    seal_records(store.store.backend)


def _replayed(store: Sealed) -> None:
    edit(store.log_seals, lambda seals: seals[:1])
    edit(store.lines, lambda lines: lines[:2])
    _digests(lambda digests: digests[:2])(store)


def _record(**changes: Any) -> Plant:
    return lambda store: edit_json(store.record(), **changes)


def _swapped_records(store: Sealed) -> None:
    one, other = store.record(), store.record(version=store.second)
    kept = one.read_text()
    one.write_text(other.read_text())
    other.write_text(kept)


def _late_record(store: Sealed) -> None:
    version = commit(store.store, "evaluation/x", "better")
    edit_json(store.record("evaluation/x", version), created_at=OLD.isoformat())


def _history(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Plant:
    """Entries changed, each linked to those before it again, and the pointer made the last one."""

    def planted(store: Sealed) -> None:
        entries = change([json.loads(line) for line in store.history.read_text().splitlines()])
        (store.history.parent / HISTORY_FILE).write_text("".join(json.dumps(one) + "\n" for one in entries))
        (store.history.parent / POINTER_FILE).write_text(Pointer(**entries[-1]).model_dump_json())

    return planted


def _first_removed(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entries[1] | {"sequence": 1, "previous": None, "follows": None}]


def _tombstone(entry: Erasure) -> Plant:
    """A tombstone that was appended by our own code, for what no command does."""
    return lambda store: _append(store, entry)


def _append(store: Sealed, entry: Entry) -> None:
    Tombstones(store.store).append(entry)


def _pruned(key: str, version: Callable[[Sealed], str], *, of_batch: str | None = None) -> Plant:
    """A version that is gone, with a tombstone that no command would have written."""

    def planted(store: Sealed) -> None:
        removed = (Removed(key=key, version=version(store), bytes=1),)
        action = "retire-batch" if of_batch else "prune"
        _append(store, Removal(action=action, by="me", reason="old", batch=of_batch, removed=removed))
        home = store.store.root / key
        for path in (home / f"{version(store)}.json", home / version(store)):
            path.unlink() if path.is_file() else shutil.rmtree(path, ignore_errors=True)

    return planted


_FILE: Final = FileEntry(sha256="0" * 64, bytes=1)


def _erasure(*ids: str, key: str = "splits", file: str = "train.parquet") -> Erasure:
    return Erasure(
        state="done",
        by="me",
        reason="asked",
        article_id=ids[0],
        article_ids=ids,
        files=(Rewritten(key=key, version="0" * 32, file=file, before=_FILE, after=_FILE),),
        raw=False,
        raw_rows={},
        heirs={},
        bundles=(),
    )


_ONE: Final = "a" * 32


def _two_tombstones(change: Plant) -> Plant:
    def planted(store: Sealed) -> None:
        for _ in range(2):
            _append(store, _erasure(_ONE))
        seal_records(store.store.backend)
        change(store)

    return planted


def _tombstone_file(store: Sealed, number: int = 1) -> Path:
    return store.store.root / "tombstones" / f"{number:06d}.json"


def _replayed_tombstones(store: Sealed) -> None:
    """Head and folder as they were before the second one."""
    (store.store.root / "tombstones" / "HEAD").unlink()
    _tombstone_file(store, 2).unlink()
    first = _tombstone_file(store).read_bytes()
    _tombstone_file(store).unlink()
    _append(store, _erasure(_ONE))
    assert _tombstone_file(store).read_bytes() != first


def _signature(store: Sealed, at: int = -1) -> Path:
    return store.store.root / "models" / f"{store.bundles[at]}.sig"


def _other_key(store: Sealed) -> None:
    private, _ = make_keys(store.root / "other")
    sign_bundle(store.store.bundles, store.bundles[-1], private)


def _edited_payload(store: Sealed) -> None:
    file = _signature(store)
    told = json.loads(file.read_text())
    payload = told["dsseEnvelope"]["payload"]
    told["dsseEnvelope"]["payload"] = payload[:40] + ("A" if payload[40] != "A" else "B") + payload[41:]
    file.write_text(json.dumps(told))


def _table(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Plant:
    return lambda store: change(pl.read_parquet(store.table)).write_parquet(store.table)


KINDS: Final[dict[str, dict[str, Plant]]] = {
    "line changed": {
        "probability": _line(probability=0.99),
        "label": _line(predicted_label=0),
        "abstained": _line(abstained=True),
        "time": _line(time=(NOW - timedelta(minutes=1)).isoformat(timespec="milliseconds")),
        "model": _line(model_id="c" * 64),
        "request": _line(request_id=new_request_id()),
        "title": _line(title="Another title"),
        "title taken away": _line(title=None, text=None),
        "latency": _line(latency_ms=1.0),
        "blanked without a tombstone": _lines(lambda x: [x[0], " " * (len(x[1]) - 1) + "\n", *x[2:]]),
    },
    "line removed": {
        "first": _lines(lambda x: x[1:]),
        "middle": _lines(lambda x: [*x[:1], *x[2:]]),
        "last": _lines(lambda x: x[:-1]),
        "all": _lines(lambda _: []),
        "file": lambda store: store.lines.unlink(),
        "with its digest": _both(_lines(lambda x: x[:-1]), _digests(lambda x: x[:-1])),
    },
    "lines reordered": {
        "two": _lines(lambda x: [x[1], x[0], *x[2:]]),
        "all": _lines(lambda x: x[::-1]),
        "across seals": _lines(lambda x: [x[0], x[2], x[1], x[3]]),
        "with their digests": _swapped_digest,
    },
    "line added": {
        "twice": _lines(lambda x: [x[0], *x]),
        "in between": _lines(lambda x: [*x[:2], _old_line(x), *x[2:]]),
        "back-dated": _lines(lambda x: [*x, _old_line(x)]),
        "back-dated, sealed": then_sealed(_lines(lambda x: [*x, _old_line(x)])),
        "back-dated file": _another_file,
        "back-dated file, sealed": then_sealed(_another_file),
        "back-dated day": _another_day,
        "back-dated day, sealed": then_sealed(_another_day),
    },
    "digests": {
        "removed": lambda store: store.lines.with_suffix(".sha256").unlink(),
        "cut": _digests(lambda x: x[:-1]),
        "reordered": _digests(lambda x: x[::-1]),
        "replaced": _digests(lambda x: ["0" * 64 + "\n", *x[1:]]),
    },
    "seals of the log": {
        "count changed": _seals(lambda x: [x[0].replace('"lines":2', '"lines":1'), *x[1:]]),
        "time changed": _seals(lambda x: [x[0].replace('"at":"20', '"at":"19'), *x[1:]]),
        "first removed": _seals(lambda x: x[1:]),
        "last removed": _seals(lambda x: x[:-1]),
        "reordered": _seals(lambda x: x[::-1]),
        "one twice": _seals(lambda x: [x[0], *x]),
        "removed": lambda store: store.log_seals.unlink(),
        "made anew": _chain_anew,
        "replayed": _replayed,
    },
    "seals of the records": {
        "last removed": lambda store: edit(store.record_seals, lambda x: x[:-1]),
        "removed": lambda store: store.record_seals.unlink(),
        "made anew": _records_anew,
    },
    "record": {
        "settings": _record(config={"limit": 4}),
        "inputs": _record(upstream={"raw_news/b1": "0" * 32}),
        "run": _record(run_id="another"),
        "facts": _record(meta={"rows": 9}),
        "code version": _record(code_version="9"),
        "time": _record(created_at=OLD.isoformat()),
        "time, sealed": then_sealed(_record(created_at=OLD.isoformat())),
        "settings, sealed": then_sealed(_record(config={"limit": 4}, created_at=OLD.isoformat())),
        "removed": lambda store: store.record().unlink(),
        "two swapped": _swapped_records,
        "back-dated": _late_record,
        "back-dated, sealed": then_sealed(_late_record),
        "younger than its seal": then_sealed(_record(created_at=(NOW + timedelta(hours=3)).isoformat())),
        "bundle's": lambda store: edit_json(store.history.with_name(f"{store.bundles[0]}.json"), run_id="another"),
    },
    "champion's history": {
        "reason": _history(lambda x: [x[0] | {"reason": "it is good"}, *x[1:]]),
        "who": _history(lambda x: [x[0], x[1] | {"promoted_by": "selected_model"}]),
        "first removed": _history(_first_removed),
        "last removed": _history(lambda x: x[:1]),
        "back-dated": _history(lambda x: [x[0], x[1] | {"promoted_at": OLD.isoformat()}]),
        "removed": lambda store: store.history.unlink(),
    },
    "tombstone": {
        "reason changed": _two_tombstones(lambda store: edit_json(_tombstone_file(store), reason="other")),
        "last changed": _two_tombstones(lambda store: edit_json(_tombstone_file(store, 2), reason="other")),
        "removed": _two_tombstones(lambda store: _tombstone_file(store).unlink()),
        "replayed": _two_tombstones(_replayed_tombstones),
        "head removed": _two_tombstones(lambda store: (store.store.root / "tombstones" / "HEAD").unlink()),
    },
    "removal that no command makes": {
        "raw bytes": _pruned("raw_news/b1", lambda store: store.raw),
        "current version": _pruned("clean_news/b1", lambda store: store.second),
        "champion": _pruned("models", lambda store: store.bundles[-1]),
        "bundle to roll back to": _pruned("models", lambda store: store.bundles[0]),
        "what a bundle was made of": _pruned("clean_news/b1", lambda store: store.first),
        "another batch": _pruned("splits", lambda store: store.splits, of_batch="b2"),
        "a class as one article": _tombstone(_erasure(*(f"{n:032x}" for n in range(50)))),
        "weights": _tombstone(_erasure(_ONE, key="finetuned_bert", file="model.safetensors")),
        "a bundle's file": _tombstone(_erasure(_ONE, key="models", file="evaluation.json")),
        "raw bytes without a record": _tombstone(_erasure(_ONE, key="raw_news/b1", file="raw.csv")),
        "back-dated": _both(_tombstone(_erasure(_ONE)), _tombstone(_erasure(_ONE).model_copy(update={"at": OLD}))),
        "article that is not its own": _tombstone(_erasure(_ONE).model_copy(update={"article_ids": ("b" * 32,)})),
    },
    "signature": {
        "removed": lambda store: _signature(store).unlink(),
        "of another bundle": lambda store: shutil.copy(_signature(store, 0), _signature(store)),
        "by another key": _other_key,
        "of other files": _edited_payload,
        "cut": lambda store: _signature(store).write_bytes(_signature(store).read_bytes()[:200]),
        "empty": lambda store: _signature(store).write_text("{}"),
    },
}  # fmt: skip
"""What is planted, by kind and name."""

TABLES: Final[dict[str, Plant]] = {
    "value": _table(lambda x: x.with_columns(probability=0.99)),
    "removed": _table(lambda x: x.head(3)),
    "added": _table(lambda x: pl.concat([x, x.head(1).with_columns(row=pl.lit(9, pl.Int64))])),
    "swapped": _table(lambda x: x.with_columns(model_id=pl.lit("c" * 64))),
    "blanked": _table(lambda x: x.with_columns(title=pl.lit(None, pl.String))),
    "gone": lambda store: store.table.unlink(),
    "digests reordered": lambda store: edit(store.table.with_suffix(".digests"), lambda x: x[::-1]),
}
"""The same of a log whose lines have become a table."""
