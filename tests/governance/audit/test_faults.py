"""Planted faults: the audit finds each and names it, and finds nothing before it was planted."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fakenews_assets.data.receiving.raw_files import raw_files
from fakenews_assets.governance.audit.audit_log import Audit
from fakenews_assets.governance.audit.chain import audit_champion
from fakenews_assets.governance.erasure.erasure import erase
from fakenews_assets.registry.champion import HISTORY_FILE, POINTER_FILE, ChampionRegistry
from fakenews_resources.storage.hashing import digest
from tests.governance.audit.conftest import Plant, Project, edit_json, flip_byte

RAW, CLEAN = "raw_news/b1", "clean_news/b1"


@dataclass(frozen=True)
class Fault:
    """A fault, and the links that have to name it, as kind and beginning of the name."""

    name: str
    plant: Plant
    checks: tuple[tuple[str, str], ...]
    says: str = ""
    """Part of what one of these links says."""


def in_version(key: str, file: str) -> Plant:
    return lambda project: flip_byte(project.stored(key).path / file)


def in_raw_bytes(project: Project) -> None:
    raw = project.stored(RAW)
    flip_byte(raw_files(raw)[0])


def in_bundle(file: str) -> Plant:
    return lambda project: flip_byte(project.bundle / file)


def edit_table(project: Project, key: str, table: str, change: pl.Expr) -> None:
    """Change a stored table, and its record's hashes with it."""
    file = project.stored(key).path / table
    pl.read_parquet(file).with_columns(change).write_parquet(file)
    project.rehash(key)


def flipped_label(row: int = 0) -> pl.Expr:
    at = pl.int_range(pl.len()) == row
    return pl.when(at).then(1 - pl.col("label")).otherwise("label").cast(pl.Int8).alias("label")


def label_after_training(project: Project) -> None:
    edit_table(project, CLEAN, "articles-0000.parquet", flipped_label(4))


def label_in_split(project: Project) -> None:
    edit_table(project, "splits", "train.parquet", flipped_label(4))


def label_in_test_split(project: Project) -> None:
    edit_table(project, "splits", "test.parquet", flipped_label(4))


def better_predictions(project: Project) -> None:
    sharper = (pl.col("probability") > 0.5).cast(pl.Float64).alias("probability")
    edit_table(project, "evaluation/baseline", "predictions.parquet", sharper)


def better_choice(project: Project) -> None:
    """As if the candidate had been right on the split that it was chosen on."""
    right = pl.col("true_label").alias("predicted_label")
    edit_table(project, "evaluation/baseline", "selection.parquet", right)


def milder_choice(project: Project) -> None:
    """Other probabilities, from which the same labels and scores follow."""
    milder = (0.5 + (pl.col("probability") - 0.5) * 0.5).alias("probability")
    edit_table(project, "evaluation/baseline", "selection.parquet", milder)


def better_evaluation_in_bundle(project: Project) -> None:
    edit_json(project.bundle / "evaluation.json", abstained=0)


def other_commit_in_manifest(project: Project) -> None:
    edit_json(project.bundle / "manifest.json", git_commit="0" * 40)


def edit_line(project: Project, **changes: Any) -> None:
    """Change the line of the audited request in the service's log."""
    lines = [json.loads(line) for line in project.lines.read_text().splitlines()]
    changed = [line | changes if line["request_id"] == project.request_id else line for line in lines]
    project.lines.write_text("".join(json.dumps(line) + "\n" for line in changed))


def before_materialization(**changes: Any) -> Plant:
    def plant(project: Project) -> None:
        shutil.rmtree(project.store.root / "prediction_log")
        edit_line(project, **changes)

    return plant


def abstention(project: Project) -> None:
    line = next(line for line in project.lines.read_text().splitlines() if project.request_id in line)
    before_materialization(abstained=not json.loads(line)["abstained"])(project)


def probability_after_materialization(project: Project) -> None:
    edit_line(project, probability=0.5)


def label_in_materialized_log(project: Project) -> None:
    label = (1 - pl.col("predicted_label")).cast(pl.Int8).alias("predicted_label")
    edit_table(project, f"prediction_log/{project.day}", "predictions.parquet", label)


def byte_in_materialized_log(project: Project) -> None:
    flip_byte(project.stored(f"prediction_log/{project.day}").path / "predictions.parquet")


def line_gone_from_log(project: Project) -> None:
    kept = [line for line in project.lines.read_text().splitlines() if project.request_id not in line]
    project.lines.write_text("\n".join(kept) + "\n")


def broken_line(project: Project) -> None:
    shutil.rmtree(project.store.root / "prediction_log")
    project.lines.write_text(project.lines.read_text().replace('"probability": ', '"probability": x'))


def swapped_pointer(project: Project) -> None:
    edit_json(project.models / POINTER_FILE, bundle=project.other_bundle)


def append_pointer(project: Project, **changes: Any) -> None:
    """Move the champion by hand, history and all."""
    pointer = json.loads((project.models / POINTER_FILE).read_text())
    pointer |= {"sequence": pointer["sequence"] + 1, "previous": pointer["sequence"], **changes}
    with (project.models / HISTORY_FILE).open("a") as history:
        history.write(json.dumps(pointer) + "\n")
    (project.models / POINTER_FILE).write_text(json.dumps(pointer))


def promoted_by_hand(project: Project) -> None:
    append_pointer(project, bundle=project.bundle.name, reason="looked better")


def rolled_back_by_hand(project: Project) -> None:
    append_pointer(project, bundle=project.other_bundle, action="rollback", reason="it was bad")


def history_removed(project: Project) -> None:
    (project.models / HISTORY_FILE).unlink()
    pointer_removed(project)


def edit_last_move(project: Project, **changes: Any) -> None:
    """Change the pointer and its line of the history alike."""
    pointer = json.loads((project.models / POINTER_FILE).read_text()) | changes
    (project.models / POINTER_FILE).write_text(json.dumps(pointer))
    lines = (project.models / HISTORY_FILE).read_text().splitlines()
    (project.models / HISTORY_FILE).write_text("\n".join([*lines[:-1], json.dumps(pointer)]) + "\n")


def promotion_back_dated(project: Project) -> None:
    edit_last_move(project, promoted_at="2020-02-02T02:02:02Z")


def move_removed_and_relinked(project: Project) -> None:
    """As if the bundle between had never been champion."""
    registry, bundle = ChampionRegistry(project.models), project.bundle.name
    moves = ((project.other_bundle, bundle), (bundle, project.other_bundle))
    for sha, before in moves:
        registry.promote(sha, expected=before, reason="it is", run_id=None, promoted_by="test")
    first, _, last = (project.models / HISTORY_FILE).read_text().splitlines(keepends=True)
    (project.models / HISTORY_FILE).write_text(first + last)
    edit_last_move(project, previous=1)


def promoter_edited(project: Project) -> None:
    edit_last_move(project, promoted_by="nobody")


def history_line_removed(project: Project) -> None:
    (project.models / HISTORY_FILE).write_text("")


def pointer_removed(project: Project) -> None:
    (project.models / POINTER_FILE).unlink()


def decision_edited(project: Project) -> None:
    edit_json(project.stored("selected_model").path / "decision.json", reasons=["because"])


def decision_edited_and_rehashed(project: Project) -> None:
    decision_edited(project)
    project.rehash("selected_model")


def upstream_edited(project: Project) -> None:
    record = json.loads(project.record("splits").read_text())
    edit_json(project.record("splits"), upstream=record["upstream"] | {CLEAN: "0" * 32})


def setting_edited(project: Project) -> None:
    record = json.loads(project.record("baseline_model").read_text())
    edit_json(project.record("baseline_model"), config=record["config"] | {"seed": 12345})


def record_cut_short(project: Project) -> None:
    record = project.record("article_clusters")
    record.write_text(record.read_text()[:100])


def raw_batch_removed(project: Project) -> None:
    record = project.record(RAW)
    shutil.rmtree(project.stored(RAW).path)
    record.unlink()


def bundle_removed(project: Project) -> None:
    shutil.rmtree(project.bundle)


def erase_article(project: Project, split: str = "train") -> str:
    """Erase an article, of which nothing is planted wrong. Returns its id."""
    article = (
        project.stored("splits").scan(split).filter(pl.col("text") != "").head(1).collect()["article_id"][0]
    )
    erase(project.store, project.service_log, article, by="a court", reason="an order")
    return article


def tombstone_of(project: Project, number: int = 2) -> Path:
    return project.store.root / "tombstones" / f"{number:06d}.json"


def tombstone_edited(project: Project) -> None:
    erase_article(project)
    edit_json(tombstone_of(project), reason="no order")


def tombstone_removed(project: Project) -> None:
    erase_article(project)
    tombstone_of(project).unlink()


def older_tombstone_removed(project: Project) -> None:
    erase_article(project)
    erase_article(project, "test")
    tombstone_of(project).unlink()


def all_tombstones_removed(project: Project) -> None:
    erase_article(project)
    shutil.rmtree(project.store.root / "tombstones")


def head_removed(project: Project) -> None:
    erase_article(project)
    (project.store.root / "tombstones" / "HEAD").unlink()


def half_an_erasure(project: Project) -> None:
    """The tombstone of its end is gone, and HEAD agrees."""
    erase_article(project)
    tombstone_of(project).unlink()
    sha = digest(tombstone_of(project, 1))
    (project.store.root / "tombstones" / "HEAD").write_text(f"1 {sha}\n")


def check_left_out(project: Project) -> None:
    """As if a batch that it refuses had passed."""
    file = project.stored(CLEAN).path / "checks.json"
    kept = [one for one in json.loads(file.read_text()) if one["name"] != "label_semantics"]
    file.write_text(json.dumps(kept))
    project.rehash(CLEAN)


def fewer_repeated_rows(project: Project) -> None:
    edit_json(project.stored(CLEAN).path / "summary.json", repeated=0)
    project.rehash(CLEAN)


def publisher_given_to_the_batch(project: Project) -> None:
    (project.stored(RAW).path / "_mapping.json").write_text(json.dumps({"source": "wire.example"}))
    project.rehash(RAW)


def row_removed_without_tombstone(project: Project) -> None:
    file = project.stored("splits").path / "train.parquet"
    pl.read_parquet(file)[1:].write_parquet(file)
    project.rehash("splits")


def text_blanked_without_tombstone(project: Project) -> None:
    first = pl.int_range(pl.len()) == 0
    for key, table in ((CLEAN, "articles-0000.parquet"), ("splits", "train.parquet")):
        blank = [pl.when(first).then(pl.lit("")).otherwise(name).alias(name) for name in ("title", "text")]
        file = project.stored(key).path / table
        pl.read_parquet(file).with_columns(blank).write_parquet(file)
        project.rehash(key)


def row_removed_behind_a_tombstone(project: Project) -> None:
    """The file is not the one that the tombstone names."""
    erase_article(project)
    row_removed_without_tombstone(project)


def label_changed_behind_a_tombstone(project: Project) -> None:
    article = erase_article(project)
    file = project.stored(CLEAN).path / "articles-0000.parquet"
    mine = pl.col("article_id") == article
    label = pl.when(mine).then(1 - pl.col("label")).otherwise("label").cast(pl.Int8).alias("label")
    pl.read_parquet(file).with_columns(label).write_parquet(file)


def article_brought_back(project: Project) -> None:
    before = (project.stored("splits").path / "train.parquet").read_bytes()
    erase_article(project)
    (project.stored("splits").path / "train.parquet").write_bytes(before)


def version_removed_without_tombstone(project: Project) -> None:
    version = project.stored("article_clusters").version
    project.record("article_clusters").unlink()
    shutil.rmtree(project.store.folder("article_clusters", version))


FAULTS = (
    Fault("a byte of the raw bytes", in_raw_bytes, (("version", RAW),)),
    Fault("a byte of a clean part", in_version(CLEAN, "articles-0000.parquet"), (("version", CLEAN),)),
    Fault("a byte of the clusters", in_version("article_clusters", "clusters.parquet"), (("version", "article_clusters"),)),
    Fault("a byte of a split", in_version("splits", "train.parquet"), (("version", "splits"),), "train.parquet"),
    Fault("a byte of the bundle's weights", in_bundle("model/baseline.safetensors"), (("bundle", "model/baseline.safetensors"), ("model", "model/"))),
    Fault("a byte of the stored weights", in_version("baseline_model", "baseline.safetensors"), (("version", "baseline_model"),)),
    Fault("a byte of the bundle's calibration", in_bundle("calibration.json"), (("bundle", "calibration.json"), ("copy", "calibration.json"))),
    Fault("the bundle's evaluation", better_evaluation_in_bundle, (("bundle", "evaluation.json"), ("copy", "evaluation.json"))),
    Fault("a byte of the evaluation's predictions", in_version("evaluation/baseline", "predictions.parquet"), (("version", "evaluation/baseline"),)),
    Fault("better predictions, re-hashed", better_predictions, (("version", "evaluation/baseline"), ("metrics", "evaluation/baseline"), ("predictions", "evaluation/baseline predictions.parquet"))),
    Fault("other probabilities of the selection split, re-hashed", milder_choice, (("version", "evaluation/baseline"), ("predictions", "evaluation/baseline selection.parquet"))),
    Fault("better predictions of the selection split, re-hashed", better_choice, (("version", "evaluation/baseline"), ("metrics", "evaluation/baseline macro-F1, selection split"))),
    Fault("the manifest", other_commit_in_manifest, (("bundle", "manifest.json"), ("code", "git commit"))),
    Fault("the bundle is gone", bundle_removed, (("bundle", "manifest.json"),), "missing"),
    Fault("a probability in the log", before_materialization(probability=0.0123), (("probability", ""),)),
    Fault("a label in the log", before_materialization(predicted_label=7), (("answer", ""),)),
    Fault("an article id in the log", before_materialization(article_id="0" * 32), (("article id", ""),)),
    Fault("a model in the log", before_materialization(model_id="0" * 64), (("bundle", "manifest.json"), ("champion", "0"))),
    Fault("a line of the log that is cut", broken_line, (("service log", ""),)),
    Fault("a probability in the log of a materialized day", probability_after_materialization, (("prediction log", "prediction_log/"), ("probability", "")), "probability is 0.5"),
    Fault("a line removed from the log of a materialized day", line_gone_from_log, (("service log", ""),), "missing"),
    Fault("a label in the materialized log, re-hashed", label_in_materialized_log, (("version", "prediction_log/"), ("prediction log", "prediction_log/"))),
    Fault("a byte of the materialized log", byte_in_materialized_log, (("version", "prediction_log/"),)),
    Fault("the pointer, to another bundle", swapped_pointer, (("champion", POINTER_FILE),)),
    Fault("the pointer and the history", promoted_by_hand, (("decision", f"{HISTORY_FILE} entry 2"),)),
    Fault("a rollback to a bundle that never was", rolled_back_by_hand, (("rollback", f"{HISTORY_FILE} entry 2"),)),
    Fault("a promotion back-dated", promotion_back_dated, (("time", f"{HISTORY_FILE} entry 1"),), "older than its bundle"),
    Fault("a move removed, the others linked again", move_removed_and_relinked, (("history", HISTORY_FILE),), "before entry 3 were changed or removed"),
    Fault("a line of the history is gone", history_line_removed, (("champion", POINTER_FILE),), "lacks entry 1"),
    Fault("the pointer is gone", pointer_removed, (("champion", POINTER_FILE),), "missing"),
    Fault("the pointer and all history are gone", history_removed, (("champion", ""),), "no history shows"),
    Fault("who promoted", promoter_edited, (("decision", f"{HISTORY_FILE} entry 1"),)),
    Fault("an abstention in the log", abstention, (), "abstained"),
    Fault("a line of the log without a model", before_materialization(model_id=None), (("bundle", "manifest.json"),)),
    Fault("a line of the log without a probability", before_materialization(probability=None), (("answer", ""),)),
    Fault("the decision", decision_edited, (("version", "selected_model"), ("decision", HISTORY_FILE))),
    Fault("the decision, re-hashed", decision_edited_and_rehashed, (("version", "selected_model"), ("decision", HISTORY_FILE))),
    Fault("a label after training, re-hashed", label_after_training, (("version", CLEAN), ("cleaning", CLEAN), ("splits", "splits ")), "label differs in 1 rows"),
    Fault("a label of a train article, re-hashed", label_in_split, (("version", "splits"), ("splits", "splits train")), "label differs in 1 rows, first in row 5, article"),
    Fault("a label of a test article, re-hashed", label_in_test_split, (("version", "splits"), ("splits", "splits test"), ("test split", "evaluation/baseline")), "label differs"),
    Fault("an input in a record", upstream_edited, (("record", "splits"),), CLEAN),
    Fault("a setting in a record", setting_edited, (("record", "baseline_model"),), "seed"),
    Fault("a record that is cut", record_cut_short, (("version", "article_clusters"),), "cannot be read"),
    Fault("a check of a batch is left out, re-hashed", check_left_out, (("version", CLEAN), ("checks", CLEAN)), "computed passed"),
    Fault("the counts of a batch, re-hashed", fewer_repeated_rows, (("version", CLEAN), ("cleaning", CLEAN), ("checks", CLEAN)), "summary.json: repeated is 0"),
    Fault("a raw batch is gone", raw_batch_removed, (("version", RAW),), "missing"),
    Fault("the publisher of a batch, re-hashed", publisher_given_to_the_batch, (("version", RAW), ("batch mapping", RAW), ("cleaning", CLEAN)), "not what was given for the batch"),
    Fault("a tombstone that was edited", tombstone_edited, (("tombstone", "000002.json"), ("version", CLEAN), ("version", "splits")), "changed since it was recorded"),
    Fault("the last tombstone is gone", tombstone_removed, (("tombstone", "000002.json"), ("version", CLEAN)), "missing"),
    Fault("a tombstone among others is gone", older_tombstone_removed, (("tombstone", "000002.json"), ("version", CLEAN)), "missing"),
    Fault("all tombstones are gone", all_tombstones_removed, (("version", CLEAN), ("version", "splits")), "not the files"),
    Fault("the head of the tombstones is gone", head_removed, (("tombstone", "HEAD"), ("version", CLEAN)), "missing"),
    Fault("an erasure that did not end", half_an_erasure, (("tombstone", "000001.json"), ("version", CLEAN)), "never completed"),
    Fault("a row removed without a tombstone", row_removed_without_tombstone, (("version", "splits"), ("splits", "splits train")), "rows stored"),
    Fault("a text blanked without a tombstone", text_blanked_without_tombstone, (("version", CLEAN), ("article ids", CLEAN), ("cleaning", CLEAN)), "not the hash of its text"),
    Fault("a row removed behind a tombstone", row_removed_behind_a_tombstone, (("version", "splits"), ("splits", "splits train")), "the hash of the files is not the version's name"),
    Fault("a label changed behind a tombstone", label_changed_behind_a_tombstone, (("version", CLEAN),), "not the files that its record lists: articles-0000.parquet"),
    Fault("an erased article from a backup", article_brought_back, (("version", "splits"), ("splits", "splits train")), "contain erased content again"),
    Fault("a version removed without a tombstone", version_removed_without_tombstone, (("version", "article_clusters"),), "missing"),
)  # fmt: skip


def test_an_untouched_project_passes(untouched: Audit) -> None:
    assert untouched.faults == ()
    assert untouched.intact


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found_and_named(fault: Fault, project: Project, untouched: Audit) -> None:
    assert untouched.intact
    fault.plant(project)
    found = project.audit()
    named = [(check.what, check.name, check.fault) for check in found.faults]
    assert named
    for what, beginning in fault.checks:
        assert any(kind == what and name.startswith(beginning) for kind, name, _ in named), named
    assert any(fault.says in text for _, _, text in named), named


def test_an_erasure_with_its_tombstones_is_no_fault(project: Project) -> None:
    erase_article(project)
    assert project.audit().faults == ()


def test_the_champion_that_the_pointer_names_by_hand_is_found_out(project: Project) -> None:
    swapped_pointer(project)
    found = audit_champion(project.store)
    assert found.bundle == project.other_bundle
    assert [(check.what, check.name) for check in found.faults] == [("champion", POINTER_FILE)]
    assert project.other_bundle in found.faults[0].found


def test_an_unreadable_pointer_is_a_finding(project: Project) -> None:
    (project.models / POINTER_FILE).write_text("{")
    assert [check.name for check in audit_champion(project.store).faults] == [POINTER_FILE]


def test_a_pointer_that_is_gone_is_a_finding(project: Project) -> None:
    pointer_removed(project)
    assert [check.name for check in audit_champion(project.store).faults] == [POINTER_FILE]


def test_a_real_rollback_passes(project: Project) -> None:
    registry = ChampionRegistry(project.models)
    champion = project.bundle.name
    registry.promote(project.other_bundle, expected=champion, reason="x", run_id=None, promoted_by="test")
    registry.rollback(reason="it was bad", run_id=None, promoted_by="somebody")
    found = project.audit()
    assert found.faults == ()
    assert found.promotion is not None
    assert (found.promotion.action, found.promotion.promoted_by) == ("rollback", "somebody")
