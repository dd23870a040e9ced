"""Seals, tombstones and signatures: what was changed, removed, moved or back-dated is found, and nothing else is."""

from pathlib import Path

import polars as pl
import pytest

from fakenews_assets.governance.erasure.erasure import erase
from fakenews_assets.governance.pruning.pruning import prune
from fakenews_assets.monitoring.log import sealing
from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_resources.storage.ledger import Removed
from tests.support.sealed import Sealed, answer, commit
from tests.support.tampering import KINDS, TABLES, Plant, edit

ERASED = f"{0:032x}"
ONE_OF_EACH = {kind: list(variants.items())[-1] for kind, variants in KINDS.items()} | {
    "table": ("value", TABLES["value"])
}
"""`python -m benchmarks.evidence` plants all of them."""


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    """Shared: copy it before you change it."""
    return Sealed(tmp_path_factory.mktemp("sealed") / "store")


@pytest.fixture
def sealed(untouched: Sealed, tmp_path: Path) -> Sealed:
    return untouched.copy(tmp_path / "sealed")


def test_an_untouched_store_has_no_fault(sealed: Sealed, tmp_path: Path) -> None:
    assert sealed.faults() == []
    assert sealed.export(tmp_path / "export") == []
    sealed.fold()
    assert sealed.faults() == []
    assert sealed.export(tmp_path / "another") == []


@pytest.mark.parametrize(("kind", "variant"), ONE_OF_EACH.items(), ids=ONE_OF_EACH)
def test_tampering_is_found_in_the_store_and_in_its_export(
    kind: str, variant: tuple[str, Plant], sealed: Sealed, tmp_path: Path
) -> None:
    if kind == "table":
        sealed.fold()
    name, plant = variant
    plant(sealed)
    assert sealed.faults(), name
    assert sealed.export(tmp_path / "export"), name


def test_heads_elsewhere_tell_of_a_store_whose_seals_and_heads_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKENEWS_HEADS", str(tmp_path / "elsewhere"))
    sealed = Sealed(tmp_path / "store")
    heads = (sealed.store.root / "heads").glob("*.json")
    for file in [sealed.log_seals, sealed.record_seals, sealed.lines.with_suffix(".sha256"), *heads]:
        file.unlink()
    assert len([fault for fault in sealed.faults() if "made anew" in fault and "elsewhere" in fault]) == 2


def test_a_record_written_again_with_its_own_time_is_sound(sealed: Sealed) -> None:
    commit(sealed.store, "clean_news/b1", "one")
    assert sealed.faults() == []  # not sealed yet
    sealed.seal()
    assert sealed.faults() == []


def test_a_tombstone_explains_a_removed_record(sealed: Sealed) -> None:
    old = commit(sealed.store, "evaluation/x", "old")
    commit(sealed.store, "evaluation/x", "new")
    sealed.seal()
    prune(sealed.store, [Removed(key="evaluation/x", version=old, bytes=3)], by="me", reason="old")
    assert sealed.faults() == []


@pytest.mark.parametrize("when", ["before", "after", "between"])
def test_an_erasure_keeps_the_chain_whole_and_hides_nothing_else(sealed: Sealed, when: str) -> None:
    if when == "after":
        sealed.fold()
    erase(sealed.store, sealed.log, ERASED, by="me", reason="asked")
    if when == "between":
        sealed.fold()
    assert sealed.faults() == []
    audit_log = sealed.audit()
    assert [note for note in audit_log.not_checked if "an article was erased" in note]
    assert audit_log.values_not_checked == 3  # the line, and two tombstones that are not sealed yet

    if when == "before":
        edit(sealed.lines, lambda lines: [lines[0], " " * len(lines[1][:-1]) + "\n", *lines[2:]])
    else:
        table = pl.read_parquet(sealed.table)
        other = pl.col("article_id") == f"{1:032x}"
        table.with_columns(title=pl.when(~other).then("title")).write_parquet(sealed.table)
    assert len(sealed.faults()) == 1


def test_what_a_killed_process_left_is_sealed_by_the_next(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = sealed.lines.read_bytes()
    sealed.lines.write_bytes(whole + whole.splitlines(keepends=True)[0][:40])
    other = PredictionLog(sealed.log.root)
    answer(other, 4)
    with monkeypatch.context() as killed:
        killed.setattr(sealing, "Sealed", lambda **_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            sealed.seal()
    answer(other, 5)
    sealed.seal()
    assert sealed.faults() == []
    assert sealed.audit().not_checked == []


def test_digests_that_were_lost_are_made_again(sealed: Sealed) -> None:
    sealed.lines.with_suffix(".sha256").unlink()
    with sealed.lines.open("a") as file:
        file.write(sealed.lines.read_text().splitlines()[0] + "\n")
    sealed.seal()
    assert sealed.faults() == []
