"""Erasing an article: no word of it is left, the chain still holds, and no kill leaves it half done."""

import json
import shutil
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import polars as pl
import pytest
from rich.console import Console

from fakenews_assets.cli.running import GraphRunner
from fakenews_assets.governance.audit.chain import audit_champion
from fakenews_assets.governance.erasure import erasure
from fakenews_assets.governance.erasure.blanking import blanked
from fakenews_assets.governance.erasure.erasure import Erased, erase
from fakenews_assets.governance.erasure.finding import UnknownArticle, holders
from fakenews_assets.monitoring.assets import prediction_log
from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_resources.storage.hashing import hash_files
from fakenews_resources.storage.io_manager import ArtifactIOManager, Storage
from fakenews_resources.storage.ledger import Erasure
from fakenews_resources.storage.store import Store
from fakenews_resources.storage.tombstones import Tombstones
from tests.governance.erasure.conftest import Subject, held_by, subject_of
from tests.support.forked import kill_at_call, start, wait
from tests.support.watched import DAY, Watched


def by_order(store: Store, service_log: Path, article_id: str, *, raw: bool = False) -> Erased:
    return erase(store, service_log, article_id, by="the court", reason="order 17", raw=raw)


def rotate(service_log: Path) -> None:
    PredictionLog(service_log, now=lambda: datetime(2026, 11, 21, 12, tzinfo=UTC)).rotate()


def materialize_log(store: Store) -> None:
    storage = Storage(root=str(store.root))
    resources = {"storage": storage, "io_manager": ArtifactIOManager(storage=storage)}
    assert dg.materialize([prediction_log], partition_key=DAY.isoformat(), resources=resources).success


def tree(store: Store) -> dict[str, object]:
    return dict(hash_files(store.root))


def test_no_word_is_left_outside_the_raw_bytes_and_the_chain_holds(
    store: Store, service_log: Path, asked: Subject, watched: Watched
) -> None:
    rotate(service_log)
    materialize_log(store)
    cache = store.workspace("finetuned_bert") / "tokens"
    assert list(cache.glob("*.parquet"))
    assert held_by(store, asked.title) == [
        "clean_news", "prediction_log", "raw_news", "service_log", "splits"
    ]  # fmt: skip

    erased = by_order(store, service_log, asked.article_id)

    assert held_by(store, asked.title) == ["raw_news"]
    assert held_by(store, asked.text[:60]) == ["raw_news"]
    assert not cache.exists()
    row = store.current("splits").scan("train").filter(article_id=asked.article_id).collect()
    assert row.select("title", "text").rows() == [("", "")]
    assert row["label"].null_count() == 0
    tombstone = erased.tombstone
    assert (tombstone.state, tombstone.by, tombstone.reason) == ("done", "the court", "order 17")
    assert {one.key for one in tombstone.files} == {
        "clean_news/b1", "splits", f"prediction_log/{DAY}", "service_log"
    }  # fmt: skip
    assert tombstone.bundles == (watched.champion,)
    assert asked.title not in tombstone.model_dump_json()
    assert store.verify(store.current("splits")) == ["train.parquet"]

    audit = audit_champion(store)
    assert audit.faults == ()
    assert len(audit.taken_out) == 1
    assert "by the court: order 17" in audit.taken_out[0]
    assert watched.champion in audit.taken_out[0]


def test_the_raw_bytes_lose_it_too_if_asked(store: Store, service_log: Path, asked: Subject) -> None:
    erased = by_order(store, service_log, asked.article_id, raw=True)
    assert held_by(store, asked.title) == []
    assert held_by(store, asked.text[:60]) == []
    assert list(erased.tombstone.raw_rows) == ["raw_news/b1"]
    assert audit_champion(store).faults == ()
    assert "raw bytes" in audit_champion(store).taken_out[0]


def test_the_raw_bytes_can_lose_it_later(store: Store, service_log: Path, asked: Subject) -> None:
    by_order(store, service_log, asked.article_id)
    assert by_order(store, service_log, asked.article_id, raw=True).anew
    assert held_by(store, asked.title) == []
    assert audit_champion(store).faults == ()


@pytest.mark.parametrize("raw", [False, True])
def test_a_near_duplicate_keeps_its_cluster_and_the_chain_holds(
    store: Store, service_log: Path, raw: bool
) -> None:
    """The erased article gave its cluster the name, and linked it."""
    for split in ("train", "val", "test"):
        by_order(store, service_log, subject_of(store, split, clustered=True).article_id, raw=raw)
    assert audit_champion(store).faults == ()


def test_a_new_version_of_the_batch_keeps_it_out_and_the_others_keep_their_sides(
    store: Store, service_log: Path
) -> None:
    subjects = [subject_of(store, split, clustered=True) for split in ("train", "val", "test")]
    subjects.append(subject_of(store, "train"))
    for subject in subjects:
        by_order(store, service_log, subject.article_id)
    before = store.current("clean_news/b1").version
    with GraphRunner(Console(quiet=True)) as runner:
        runner.run("ingest_batch", "b1", {}, {"clean_news"})
        made = runner.defs.resolve_job_def("prepare_corpus").execute_in_process(
            asset_selection=[dg.AssetKey("article_clusters"), dg.AssetKey("splits")], instance=runner.instance
        )
    checks = {check.check_name: check.passed for check in made.get_asset_check_evaluations()}
    assert checks["every_article_keeps_its_split"]
    assert all(checks.values())
    clean = store.current("clean_news/b1")
    assert clean.version != before
    ids = clean.scan("articles").select("article_id").collect()["article_id"]
    assert not ids.is_in([one.article_id for one in subjects]).any()
    kept_out = pl.read_parquet(clean.path / "quarantine.parquet").filter(reason="erased")
    assert kept_out.select("detail", "record").unique().rows() == [("", "")]
    assert kept_out.height == clean.read_json("summary.json")["rejected"]["erased"] == 4
    assert held_by(store, subjects[-1].title) == ["raw_news"]  # the others have near-duplicates


OTHER_FILE_SYSTEM = Path("/dev/shm")  # noqa: S108


@pytest.mark.skipif(not OTHER_FILE_SYSTEM.is_dir(), reason="this machine has no second file system")
def test_a_log_on_another_file_system_loses_it_too(store: Store, service_log: Path, asked: Subject) -> None:
    rotate(service_log)
    with TemporaryDirectory(dir=OTHER_FILE_SYSTEM) as folder:
        away = Path(folder) / "log"
        shutil.move(service_log, away)
        assert away.stat().st_dev != store.root.stat().st_dev
        assert by_order(store, away, asked.article_id).tombstone.state == "done"
        assert holders(away, [asked.title]) == []
        assert not (away / ".erasing").exists()


def test_half_a_table_of_a_day_is_removed(store: Store, service_log: Path, asked: Subject) -> None:
    half = service_log / DAY.isoformat() / "predictions.part"
    half.write_text(asked.title)
    by_order(store, service_log, asked.article_id)
    assert not half.exists()


def test_a_damaged_file_of_another_batch_stops_no_erasure(
    store: Store, service_log: Path, asked: Subject
) -> None:
    draft = store.draft()
    (draft.path / "cut.parquet").write_bytes(b"PAR1 and nothing that follows")
    store.commit("raw_news/cut", draft)
    assert by_order(store, service_log, asked.article_id).anew
    assert held_by(store, asked.title) == ["raw_news"]


def test_done_again_it_changes_nothing(store: Store, service_log: Path, asked: Subject) -> None:
    first = by_order(store, service_log, asked.article_id)
    before = tree(store)
    again = erase(store, service_log, asked.article_id, by="another", reason="x")
    assert not again.anew
    assert again.tombstone == first.tombstone
    assert tree(store) == before


def test_what_nobody_has_is_refused(store: Store, service_log: Path) -> None:
    before = tree(store)
    with pytest.raises(UnknownArticle, match="Take its id from clean_news"):
        by_order(store, service_log, "0" * 32)
    assert {name: one for name, one in tree(store).items() if not name.startswith("tombstones/")} == before


def test_an_article_that_only_the_service_knows(store: Store, service_log: Path, watched: Watched) -> None:
    title = "A headline that no batch has ever held"
    watched.answer(pl.DataFrame({"title": [title], "text": [""]}), DAY)
    (line,) = [json.loads(one) for one in next(service_log.glob("*/*.jsonl")).read_text().splitlines()]
    by_order(store, service_log, line["article_id"])
    assert held_by(store, title) == []
    (left,) = PredictionLog(service_log).read(DAY, "predictions").collect().rows(named=True)
    assert (left["title"], left["probability"]) == (None, line["probability"])


def quarantined(store: Store) -> pl.DataFrame:
    return pl.read_parquet(store.current("clean_news/b1").path / "quarantine.parquet")


def test_a_rejected_record_that_quotes_it_is_blanked_and_the_chain_holds(
    store: Store, service_log: Path, watched: Watched
) -> None:
    titles = [record.split(",")[0].strip('"') for record in quarantined(store)["record"]]
    title = max(titles, key=len)
    assert len(title) > 20
    watched.answer(pl.DataFrame({"title": [title], "text": [""]}), DAY)
    (line,) = [json.loads(one) for one in next(service_log.glob("*/*.jsonl")).read_text().splitlines()]
    before = quarantined(store)
    by_order(store, service_log, line["article_id"])
    after = quarantined(store)
    assert after.filter(pl.col("record").str.contains(title, literal=True)).is_empty()
    assert (before["record"] != after["record"]).sum() == before["record"].str.contains(
        title, literal=True
    ).sum()
    assert audit_champion(store).faults == ()


def test_a_title_that_says_too_little_blanks_no_record(
    store: Store, service_log: Path, watched: Watched
) -> None:
    before = quarantined(store)
    for title in ("a", "[VIDEO]"):
        watched.answer(pl.DataFrame({"title": [title], "text": ["the text of a short headline"]}), DAY)
    for row in PredictionLog(service_log).read(DAY, "predictions").collect().iter_rows(named=True):
        by_order(store, service_log, row["article_id"])
    assert quarantined(store).equals(before)


@pytest.mark.parametrize(
    "write", [json.dumps, lambda title: title.replace('"', '""'), lambda title: json.dumps({"title": title})]
)
def test_a_record_is_blanked_however_it_spells_the_title(tmp_path: Path, write: Callable[[str], str]) -> None:
    title = 'Mayor says "no" to the Zürich plan'
    table = pl.DataFrame({"row": [0, 1], "reason": ["label", "label"], "record": [write(title), "another"]})
    table.write_parquet(tmp_path / "quarantine.parquet")
    found = blanked(tmp_path / "quarantine.parquet", ["0" * 32], [title])
    assert found is not None
    assert found["record"].to_list() == ["", "another"]
    assert holders(tmp_path, [title]) == [tmp_path / "quarantine.parquet"]


def erase_until(root: Path, log: Path, article: str, module: str, name: str, count: int) -> None:
    """What a child process does: an erasure that is killed at a call."""
    holder = {"erasure": erasure, "tombstones": Tombstones}[module]
    kill_at_call(holder, name, count)
    by_order(Store(root), log, article, raw=True)


@pytest.mark.parametrize(
    ("module", "name", "count"),
    [
        ("tombstones", "append", 0),
        ("tombstones", "_seal", 0),
        ("erasure", "replace_file", 0),
        ("erasure", "replace_file", 2),
        ("erasure", "_blank_lines", 0),
        ("tombstones", "append", 1),
        ("tombstones", "_seal", 1),
    ],
)
def test_kill_9_is_finished_by_the_same_command(
    store: Store, service_log: Path, asked: Subject, module: str, name: str, count: int
) -> None:
    rotate(service_log)
    killed = start(erase_until, store.root, service_log, asked.article_id, module, name, count)
    assert wait(killed) == -signal.SIGKILL
    planned = (module, name, count) != ("tombstones", "append", 0)
    found = audit_champion(store)
    assert found.intact is not planned
    if (name, count) == ("_seal", 0):
        assert "not in the chain" in str(found.faults)
    elif planned:
        assert "never completed: run `fakenews erase" in str(found.faults)

    by_order(store, service_log, asked.article_id, raw=not planned)
    assert held_by(store, asked.title) == []
    assert audit_champion(store).faults == ()
    assert not (store.root / ".erasing").exists()
    done = [one for one in Tombstones(store).read().entries if isinstance(one, Erasure)][-1]
    assert {one.key for one in done.files} >= {"clean_news/b1", "splits", "raw_news/b1", "service_log"}


def test_a_backup_that_brings_it_back_is_found(store: Store, service_log: Path, asked: Subject) -> None:
    path = store.current("splits").path
    shutil.copytree(path, store.root / "backup")
    by_order(store, service_log, asked.article_id)
    shutil.copy(store.root / "backup" / "train.parquet", path)
    faults = [(check.what, check.name, check.fault) for check in audit_champion(store).faults]
    assert ("version", "splits", "its files contain erased content again: train.parquet") in faults
