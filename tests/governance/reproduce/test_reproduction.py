"""Comparing what was made again with what was recorded, without making it: the values are copied and then spoilt."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from fakenews_assets.cli.governance.reproducing import seed_spread
from fakenews_assets.data.receiving.raw_files import raw_files
from fakenews_assets.evaluation.generalization.generalization import Spread, write_spreads
from fakenews_assets.governance.reproduce.recipe import CannotReproduce, lay_out
from fakenews_assets.governance.reproduce.reproduction import Line, SeedSpread, compare, remarks
from fakenews_assets.registry.bundle import Bundle, Manifest, open_bundle, write_bundle
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.store import Store
from tests.governance.audit.conftest import flip_byte
from tests.support.watched import Watched

ORDER = (
    "raw_news",
    "clean_news",
    "article_clusters",
    "splits",
    "finetuned_bert",
    "baseline_model",
    "evaluation",
)
JUDGED = "evaluation/baseline"


@pytest.fixture
def bundle(watched: Watched) -> Bundle:
    return open_bundle(watched.store.bundles.root / watched.champion)


@pytest.fixture
def scratch(watched: Watched, bundle: Bundle, tmp_path: Path) -> Store:
    """A store where everything has come out equal."""
    store = Store(tmp_path / "scratch")
    for key, version in bundle.manifest.data_versions.items():
        store.adopt(watched.store.get(key, version))
    return store


def change(store: Store, key: str, edit: Callable[[Path], object]) -> Artifact:
    """Commit another version of a value."""
    before, draft = store.current(key), store.draft()
    assert before.record is not None
    shutil.copytree(before.path, draft.path, dirs_exist_ok=True)
    edit(draft.path)
    return store.commit(key, draft, code_version=before.record.code_version, config=before.record.config)


def lines(found: list[Line]) -> dict[str, Line]:
    return {line.name: line for line in found}


def set_metric(name: str, value: float) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        evaluation = json.loads((folder / "evaluation.json").read_text())
        evaluation["metrics"][name] = value
        (folder / "evaluation.json").write_text(json.dumps(evaluation))

    return edit


def test_equal_values_are_equal(watched: Watched, bundle: Bundle, scratch: Store):
    found = compare(watched.store, scratch, bundle, None)

    results = [line for line in found if line.what != "environment"]
    assert remarks(watched.store, bundle, found) == ()
    assert {line.verdict for line in results} == {"equal"}
    assert [line.name for line in found if line.what == "data"] == [
        "article_clusters",
        "clean_news/b1",
        "splits",
    ]
    assert [line.name for line in found if line.what == "model"] == ["baseline_model"]
    assert {"accuracy", "macro_f1", "ece", "fake recall", "temperature"} <= lines(results).keys()
    packages = lines(found)["packages"]
    assert packages.verdict == "equal"
    assert int(packages.recorded) > 200


def test_one_changed_label_is_a_failure_that_names_its_table(
    watched: Watched, bundle: Bundle, scratch: Store
):
    def edit(folder: Path) -> None:
        table = pl.read_parquet(folder / "val.parquet")
        first = pl.int_range(pl.len()) == 0
        table.with_columns(
            pl.when(first).then(1 - pl.col("label")).otherwise("label").alias("label")
        ).write_parquet(folder / "val.parquet")

    change(scratch, "splits", edit)
    line = lines(compare(watched.store, scratch, bundle, None))["splits"]
    assert (line.verdict, line.fails) == ("different", True)
    assert line.note.startswith("val.parquet: label differs in 1 rows, first in row 1")


def test_the_same_rows_written_otherwise_are_told_apart(watched: Watched, bundle: Bundle, scratch: Store):
    change(
        scratch,
        "splits",
        lambda folder: pl.read_parquet(folder / "val.parquet").write_parquet(
            folder / "val.parquet", compression="uncompressed"
        ),
    )
    line = lines(compare(watched.store, scratch, bundle, None))["splits"]
    assert line.fails
    assert line.note == "val.parquet: the same rows, encoded differently"


def test_other_weights_are_said_and_not_held_against_it(watched: Watched, bundle: Bundle, scratch: Store):
    change(scratch, "baseline_model", lambda folder: (folder / "more").write_text("x"))
    line = lines(compare(watched.store, scratch, bundle, None))["baseline_model"]
    assert (line.verdict, line.fails, line.note) == ("different", False, "more")


def test_a_training_that_took_longer_gave_the_same_weights(watched: Watched, bundle: Bundle, scratch: Store):
    change(scratch, "baseline_model", lambda folder: (folder / "training.json").write_text("{}"))
    line = lines(compare(watched.store, scratch, bundle, None))["baseline_model"]
    assert (line.verdict, line.note) == ("equal", "but for training.json, which tells how long it took")


def test_a_metric_may_move_within_its_bootstrap_interval(watched: Watched, bundle: Bundle, scratch: Store):
    evaluation = json.loads((bundle.path / "evaluation.json").read_text())
    interval, value = evaluation["intervals"]["accuracy"], evaluation["metrics"]["accuracy"]

    change(scratch, JUDGED, set_metric("accuracy", (value + interval["high"]) / 2))
    line = lines(compare(watched.store, scratch, bundle, None))["accuracy"]
    assert (line.verdict, line.fails) == ("within", False)
    assert line.note.endswith("bootstrap interval")

    change(scratch, JUDGED, set_metric("accuracy", interval["low"] - 0.001))
    line = lines(compare(watched.store, scratch, bundle, None))["accuracy"]
    assert (line.verdict, line.fails) == ("outside", True)

    change(scratch, JUDGED, set_metric("ece", 0.5))
    line = lines(compare(watched.store, scratch, bundle, None))["ece"]
    assert (line.verdict, line.fails) == ("not comparable", False)


def test_a_measured_spread_of_seeds_takes_the_place_of_the_interval(
    watched: Watched, bundle: Bundle, scratch: Store
):
    value = json.loads((bundle.path / "evaluation.json").read_text())["metrics"]["macro_f1"]
    spread = SeedSpread(sd=0.001, seeds=5)
    assert spread.reach == pytest.approx(0.001 * 2.776445 * 2**0.5)  # Student's t with 4 degrees of freedom

    change(scratch, JUDGED, set_metric("macro_f1", value + 0.0039))
    line = lines(compare(watched.store, scratch, bundle, spread))["macro_f1"]
    assert line.verdict == "within"
    assert line.note.endswith("0.0010 sd over 5 seeds")
    change(scratch, JUDGED, set_metric("macro_f1", value + 0.0040))
    assert lines(compare(watched.store, scratch, bundle, spread))["macro_f1"].verdict == "outside"
    assert lines(compare(watched.store, scratch, bundle, None))["macro_f1"].verdict == "within"


def test_few_seeds_allow_more() -> None:
    assert SeedSpread(sd=1, seeds=3).reach == pytest.approx(6.085, abs=1e-3)
    assert SeedSpread(sd=1, seeds=1000).reach == pytest.approx(1.96 * 2**0.5, abs=0.01)


@pytest.mark.parametrize("other", ["", "splits", "finetuned_bert"])
def test_a_spread_counts_for_the_recipe_and_splits_that_it_was_measured_of(
    bundle: Bundle, tmp_path: Path, other: str
) -> None:
    measured = Spread(
        protocol="grouped", held_out=None, model="finetuned-openvino-int8", seeds=3, rows=9, mean=0.9, sd=0.01,
        low=0.8, high=1, called_fake=0.5, fake_share=0.5,
    )  # fmt: skip
    store, behind = Store(tmp_path / "measured"), {"splits": "1" * 32, "finetuned_bert": "2" * 32}
    draft = store.draft()
    write_spreads([measured], draft.path)
    store.commit("generalization", draft, upstream=behind)
    update = {"candidate": measured.model, "data_versions": behind | ({other: "3" * 32} if other else {})}
    found = seed_spread(store, bundle.manifest.model_copy(update=update))
    assert found == (None if other else SeedSpread(sd=0.01, seeds=3))


def test_other_code_and_new_settings_are_named(watched: Watched, bundle: Bundle, scratch: Store):
    before, draft = scratch.current("baseline_model"), scratch.draft()
    assert before.record is not None
    shutil.copytree(before.path, draft.path, dirs_exist_ok=True)
    scratch.commit(
        "baseline_model", draft, code_version="99", config={**before.record.config, "brand_new": 3}
    )
    told = compare(watched.store, scratch, bundle, None)
    found = lines(told)
    assert (found["code of baseline_model"].found, found["baseline_model"].verdict) == ("99", "equal")
    assert found["brand_new of baseline_model"].found == "3"
    (note,) = remarks(watched.store, bundle, told)
    assert (
        "code of baseline_model; brand_new of baseline_model. To repeat it exactly, check out commit" in note
    )


def test_a_recipe_is_laid_out_in_the_order_of_the_graph(watched: Watched, bundle: Bundle, tmp_path: Path):
    scratch = Store(tmp_path / "scratch")
    steps = lay_out(watched.store, scratch, bundle.manifest, ORDER)

    assert [step.key for step in steps] == [
        "clean_news/b1",
        "article_clusters",
        "splits",
        "baseline_model",
        JUDGED,
    ]
    assert {step.key: step.config for step in steps} == {
        key: config for key, config in bundle.manifest.config.items() if key != "raw_news/b1"
    }
    assert (steps[0].asset, steps[0].partition, steps[1].partition) == ("clean_news", "b1", None)
    raw = scratch.current("raw_news/b1")
    assert raw.version == bundle.manifest.data_versions["raw_news/b1"]
    assert scratch.verify(raw) == []
    assert not scratch.exists("splits")


def test_changed_or_missing_raw_bytes_cannot_be_reproduced(watched: Watched, bundle: Bundle, tmp_path: Path):
    raw = watched.store.current("raw_news/b1")
    flip_byte(raw_files(raw)[0])
    with pytest.raises(CannotReproduce, match=r"raw_news/b1: the files in .* do not match version"):
        lay_out(watched.store, Store(tmp_path / "one"), bundle.manifest, ORDER)
    raw.path.with_name(f"{raw.version}.json").unlink()
    with pytest.raises(CannotReproduce, match="cannot be reproduced: 'raw_news/b1' has no version"):
        lay_out(watched.store, Store(tmp_path / "two"), bundle.manifest, ORDER)


def warm_started(store: Store, champion: Manifest, origin: str) -> Manifest:
    """The manifest of a bundle whose encoder went on from the one behind another bundle."""
    before, draft = store.current("finetuned_bert"), store.draft()
    shutil.copytree(before.path, draft.path, dirs_exist_ok=True)
    (draft.path / "trained").write_text("twice")
    draft.meta["warm_start"] = {"bundle": origin, "finetuned_bert": before.version}
    encoder = store.commit("finetuned_bert", draft)
    return champion.model_copy(
        update={
            "data_versions": {**champion.data_versions, "finetuned_bert": encoder.version},
            "config": {**champion.config, "finetuned_bert": {"warm_start": "champion", "epochs": 1}},
        }
    )


@pytest.fixture
def origin(watched: Watched, bundle: Bundle) -> str:
    """A bundle that an encoder is behind."""
    draft = watched.store.draft().path
    shutil.copytree(bundle.path, draft, dirs_exist_ok=True)
    versions = {
        **bundle.manifest.data_versions,
        "finetuned_bert": watched.store.current("finetuned_bert").version,
    }
    manifest = bundle.manifest.model_copy(update={"data_versions": versions, "files": {}})
    (draft / "manifest.json").unlink()
    return write_bundle(draft, watched.store.bundles.root, manifest)


def test_a_warm_start_brings_its_bundle_and_encoder(
    watched: Watched, bundle: Bundle, origin: str, tmp_path: Path
):
    store, scratch = watched.store, Store(tmp_path / "scratch")
    first = store.current("finetuned_bert").version
    manifest = warm_started(store, bundle.manifest, origin)

    steps = {step.key: step for step in lay_out(store, scratch, manifest, ORDER)}
    assert steps["finetuned_bert"].config == {"warm_start": origin, "epochs": 1}
    assert open_bundle(scratch.bundles.root / origin).sha == origin
    assert scratch.get("finetuned_bert", first).version == first


def test_a_warm_start_that_is_gone_is_said_so(watched: Watched, bundle: Bundle, origin: str, tmp_path: Path):
    manifest = warm_started(watched.store, bundle.manifest, origin)
    shutil.rmtree(watched.store.bundles.root / origin)
    with pytest.raises(CannotReproduce, match="was trained from the encoder behind an earlier bundle"):
        lay_out(watched.store, Store(tmp_path / "scratch"), manifest, ORDER)
