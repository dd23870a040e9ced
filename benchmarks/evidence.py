"""What evidence is worth and what it costs: planted tampering, stores that nobody touched, erased articles, log lines, an audit.

    python -m benchmarks.evidence [--store FOLDER] [--lines N]

Writes results/evidence.json.
"""

import random
import shutil
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import polars as pl
import typer
from rich.console import Console

from benchmarks.common import ROOT, describe_machine, write_results
from benchmarks.log_lines import line_cost
from fakenews_assets.data.schema import article_id
from fakenews_assets.governance.audit.chain import audit_champion
from fakenews_assets.governance.erasure.erasure import Erased, erase
from fakenews_assets.governance.erasure.finding import holders
from fakenews_assets.governance.pruning.pruning import prune
from fakenews_assets.models.classifier import Article
from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_assets.monitoring.log.records import log_line
from fakenews_assets.registry.champion import ChampionRegistry
from fakenews_resources.request_ids import new_request_id
from fakenews_resources.storage.backend import FolderBackend
from fakenews_resources.storage.ledger import Removed
from fakenews_resources.storage.store import LOG_FOLDER, Store
from tests.support.sealed import Sealed, answer, commit
from tests.support.tampering import KINDS, TABLES

console = Console()

_STORES: Final = 20
_ERASED: Final = 10
_STEPS: Final = 12
"""What happens to one of the stores before it is audited."""
_PIECE: Final = 40
"""Characters of a title or a text that tell whose it is."""


def planted(work: Path) -> dict[str, Any]:
    """Plant each kind of tampering in a store of its own, and look for it there and in an export."""
    bases = {"lines": Sealed(work / "lines"), "table": Sealed(work / "table", table=True)}
    found: list[dict[str, Any]] = []
    for kind, variants in (KINDS | {"table": TABLES}).items():
        for name, plant in variants.items():
            at = work / f"{len(found)}"
            store = bases["table" if kind == "table" else "lines"].copy(at)
            plant(store)
            audited, verified = store.faults(), store.export(at / "export")
            found.append({"kind": kind, "name": name, "audit": bool(audited), "verify": bool(verified)})
            shutil.rmtree(at)
    return {"variants": found, "kinds": len(KINDS) + 1}


def untouched(work: Path) -> list[list[str]]:
    """What an audit and a verification find in stores of unlike history."""
    return [_untouched(work / f"untouched-{seed}", random.Random(seed)) for seed in range(_STORES)]


def _untouched(folder: Path, chance: random.Random) -> list[str]:
    store = Sealed(folder, table=chance.random() < 0.5)
    for step in range(_STEPS):
        _happen(store, step, chance)
    return [*store.faults(), *store.export(folder / "export")]


def _happen(store: Sealed, step: int, chance: random.Random) -> None:
    """One thing that happens to a store."""
    what = chance.choice(
        (
            "answer",
            "restart",
            "kill",
            "fold",
            "seal",
            "erase",
            "commit",
            "again",
            "promote",
            "rollback",
            "prune",
        )
    )
    registry = ChampionRegistry(store.store.bundles)
    if what == "answer":
        answer(store.writer, *range(10 * step, 10 * step + chance.randrange(1, 9)))
    elif what == "restart":
        store.writer = PredictionLog(store.log.root)
    elif what == "kill" and (files := sorted(store.log.root.glob("*/predictions-*.jsonl"))):
        with files[-1].open("ab") as file:
            file.write(b'{"time": "2026-')
        store.writer = PredictionLog(store.log.root)
    elif what == "fold":
        store.writer.close()
        store.fold()
    elif what == "seal":
        store.seal()
    elif what == "erase":
        erase(store.store, store.log, f"{chance.randrange(4):032x}", by="me", reason="asked")
    elif what == "commit":
        commit(store.store, f"evaluation/{chance.randrange(3)}", f"{step}")
    elif what == "again":
        commit(store.store, "splits", "three")
    elif what == "promote":
        store.promote(f"at step {step}")
    elif what == "rollback" and len(registry.promoted()) > 1:
        registry.rollback(reason="it was better", run_id=None, promoted_by="me")
    elif what == "prune":
        old = commit(store.store, "leaderboard", f"{step} old")
        commit(store.store, "leaderboard", f"{step} new")
        prune(store.store, [Removed(key="leaderboard", version=old, bytes=1)], by="me", reason="old")


def leftovers(store: Store, count: int) -> dict[str, Any]:
    """Erase articles of all sizes, which the service was asked about too, and search every byte of the store for them.

    Args:
        store: with a corpus; it is changed.
        count: how many articles.
    """
    log = FolderBackend(store.root / LOG_FOLDER)
    splits = store.current("splits")
    articles = pl.concat(
        [splits.scan(name).select("article_id", "title", "text") for name in ("train", "test")]
    )
    told = (
        articles.collect()
        .filter(pl.col("title").str.len_chars() >= _PIECE)
        .sort(pl.col("text").str.len_chars())
    )
    chosen = told.gather_every(max(1, told.height // count)).head(count)
    for row in chosen.iter_rows(named=True):
        _ask(log, row)
    found: dict[str, list[str]] = {}
    for row in chosen.iter_rows(named=True):
        erased = erase(store, log, row["article_id"], by="me", reason="asked", raw=True)
        named = {str(path) for path in holders(store.root, erased.titles)}
        pieces = {one[:_PIECE].casefold() for one in (row["title"], row["text"]) if len(one) >= _PIECE}
        pieces -= {piece for piece in pieces if any(piece in one for one in _texts_of(told, erased))}
        files = sorted(path for path in store.root.rglob("*") if path.is_file()) if pieces else []
        held = {str(path) for path in files if _holds(path, pieces)}
        found[row["article_id"]] = sorted(held - named)
    return {"articles": count, "unnamed": found}


def _texts_of(articles: pl.DataFrame, erased: Erased) -> list[str]:
    """What the near-duplicates say that the command names."""
    named = articles.filter(pl.col("article_id").is_in(sorted(erased.tombstone.heirs)))
    return [text.casefold() for row in named.select("title", "text").iter_rows() for text in row]


def _ask(log: FolderBackend, row: dict[str, Any]) -> None:

    writer = PredictionLog(log.root)
    prediction = {"probability": 0.5, "predicted_label": 1, "abstained": True, "out_of_distribution": False}
    for text in (row["text"], ""):
        line = log_line(
            Article(row["title"], text),
            {"article_id": article_id(row["title"], text)} | prediction,
            time=datetime.now(UTC), request_id=new_request_id(), row=1, endpoint="/predict", model_id="b" * 64,
            latency_ms=1.0, with_text=True,
        )  # fmt: skip
        writer.append("predictions", [line])
    writer.close()


def _holds(path: Path, pieces: set[str]) -> bool:
    """Whether a file holds one of some pieces in any case; Parquet is decoded."""
    if path.suffix == ".parquet":
        columns = [name for name, kind in pl.read_parquet_schema(path).items() if kind == pl.String]
        if not columns:
            return False
        held = pl.any_horizontal(pl.col(*columns).str.to_lowercase().str.contains_any(sorted(pieces)))
        return bool(pl.scan_parquet(path).select(held.any()).collect().item())
    text = path.read_bytes().decode("utf-8", "replace").casefold()
    return any(piece in text for piece in pieces)


def main(
    store: Annotated[
        Path, typer.Option(help="Store with a champion, as `make demo` leaves it; only read.")
    ] = ROOT / ".fakenews",
    lines: Annotated[int, typer.Option(help="Log lines of each kind.")] = 1_000_000,
) -> None:
    """Measure, and write results/evidence.json."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        tampering, alarms = planted(work), untouched(work)
        console.print(f"{len(tampering['variants'])} variants, {sum(map(bool, alarms))} false alarms")
        shutil.copytree(store, work / "store")
        began = time.perf_counter()
        audit = audit_champion(Store(work / "store"), FolderBackend(work / "store" / LOG_FOLDER))
        seconds = time.perf_counter() - began
        console.print(f"audit: {seconds:.1f} s, {len(audit.faults)} faults")
        erased = leftovers(Store(work / "store"), _ERASED)
        console.print(f"left over: {erased['unnamed']}")
    cost = line_cost(lines)
    variants = tampering["variants"]
    numbers = {
        "tamper_faults": len(variants),
        "tamper_found": sum(one["audit"] for one in variants),
        "tamper_verified": sum(one["verify"] for one in variants),
        "false_alarms": sum(map(bool, alarms)),
        "erased_leftovers": sum(map(len, erased["unnamed"].values())),
        "chained_line_cost": cost["sealed_us"] / cost["unsealed_us"],
        "audit_seconds": seconds,
    }
    raw = {
        "tampering": tampering,
        "false_alarms": alarms,
        "erased_articles": erased["articles"],
        "line_cost": cost,
        "audit": {"checks": len(audit.checks), "faults": len(audit.faults)},
        "machine": describe_machine(["polars", "cryptography"]),
    }
    write_results("evidence", numbers, raw, "Evidence", report(numbers, raw))


def report(numbers: dict[str, float], raw: dict[str, Any]) -> list[str]:
    """The section of results.md."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for one in raw["tampering"]["variants"]:
        kinds.setdefault(one["kind"], []).append(one)
    cost = raw["line_cost"]
    return [
        "| planted | variants | found by the audit | found in an export |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {kind} | {len(found)} | {sum(one['audit'] for one in found)} | {sum(one['verify'] for one in found)} |"
            for kind, found in kinds.items()
        ),
        "",
        f"Of {_STORES} stores of unlike history that nobody tampered with, {numbers['false_alarms']} had a finding. After the erasure of"
        f" {raw['erased_articles']} articles, raw bytes included, {numbers['erased_leftovers']} files still held words of one and were not"
        " named by the command.",
        "",
        f"A log line costs {cost['sealed_us']:.1f} microseconds of CPU with seals and {cost['unsealed_us']:.1f} without"
        f" ({cost['lines']:,} of each, in alternation): made, written, indexed and folded. The audit of the demo's champion takes"
        f" {numbers['audit_seconds']:.1f} s for {raw['audit']['checks']} checks.",
    ]


if __name__ == "__main__":
    typer.run(main)
