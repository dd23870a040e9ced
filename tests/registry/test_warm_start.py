"""What a training goes on from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from fakenews_assets.registry.bundle import BundleError, BundleMissing, Manifest, write_bundle
from fakenews_assets.registry.champion import ChampionRegistry, RegistryError
from fakenews_assets.registry.warm_start import warm_start
from fakenews_assets.training.assets import finetuned_bert
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.io_manager import ArtifactIOManager, Storage
from fakenews_resources.storage.store import Store, ValueMissing
from fakenews_resources.tracking.resource import Tracker
from tests.support.champions import make_champion
from tests.support.models import build_tiny_bert, separable_articles

pytestmark = pytest.mark.runs


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def encoder(store: Store) -> Artifact:
    """An encoder that was fine-tuned, and once more since."""
    versions = []
    for weights in ("first", "second"):
        draft = store.draft()
        (draft.path / "model.safetensors").write_text(weights)
        versions.append(store.commit("finetuned_bert", draft))
    return versions[0]


@pytest.fixture
def make_descendant(make_draft: Callable[..., Path], manifest: Manifest, store: Store) -> Callable[..., str]:
    """Bundle what is made of the given versions; returns its sha."""

    def make(**behind: str) -> str:
        versions = {"data_versions": manifest.data_versions | behind}
        return write_bundle(make_draft(), store.bundles.root, manifest.model_copy(update=versions))

    return make


def promote(store: Store, sha: str) -> None:
    ChampionRegistry(store.bundles.root).promote(
        sha, expected=None, reason="", run_id=None, promoted_by="test"
    )


def test_the_encoder_behind_a_bundle_is_found_whatever_came_later(
    store: Store, encoder: Artifact, make_descendant: Callable[..., str]
) -> None:
    sha = make_descendant(finetuned_bert=encoder.version)
    promote(store, sha)
    for name in (sha, "champion"):
        found = warm_start(store, name, "minilm")
        assert (found.bundle, found.encoder) == (sha, encoder)
    assert store.current("finetuned_bert").version != encoder.version


def test_a_student_of_another_encoder_leads_to_its_teacher(
    store: Store, encoder: Artifact, make_draft: Callable[..., Path], manifest: Manifest
) -> None:
    versions = manifest.data_versions | {"finetuned_bert": encoder.version}
    student = manifest.model_copy(
        update={"encoder": "distilbert-base-uncased", "data_versions": versions, "candidate": "distilbert"}
    )
    sha = write_bundle(make_draft(), store.bundles.root, student)
    assert warm_start(store, sha, "minilm").encoder == encoder
    with pytest.raises(BundleError, match="from the encoder minilm, not from distilbert"):
        warm_start(store, sha, "distilbert-base-uncased")


def test_what_nothing_can_go_on_from_says_why(
    store: Store, encoder: Artifact, make_descendant: Callable[..., str]
) -> None:
    with pytest.raises(RegistryError, match="no champion for a warm start; leave warm_start empty"):
        warm_start(store, "champion", "minilm")
    with pytest.raises(BundleMissing, match="no bundle f00"):
        warm_start(store, "f00", "minilm")
    baseline = make_descendant(baseline_model="a" * 32)
    promote(store, baseline)
    with pytest.raises(BundleError, match=f"Bundle {baseline} was not made of a fine-tuned encoder; leave"):
        warm_start(store, "champion", "minilm")
    with pytest.raises(BundleError, match="from the encoder minilm, not from albert"):
        warm_start(store, make_descendant(finetuned_bert=encoder.version), "albert")
    with pytest.raises(ValueMissing, match="'finetuned_bert' has no version c"):
        warm_start(store, make_descendant(finetuned_bert="c" * 32), "minilm")


@pytest.fixture
def tiny(tmp_path: Path, store: Store) -> dict[str, Any]:
    """A configuration of finetuned_bert; its splits are in the store."""
    draft = store.draft()
    for seed, split in enumerate(("train", "val")):
        articles = separable_articles(64, seed=seed).with_columns(
            source=pl.lit(None, pl.String), batch=pl.lit("b1")
        )
        articles.write_parquet(draft.path / f"{split}.parquet")
    store.commit("splits", draft)
    folder = build_tiny_bert(tmp_path / "tiny")
    return {"encoder": {"name": str(folder), "max_tokens": 64}, "max_tokens": 32, "epochs": 1}


def train(store: Store, config: dict[str, Any]) -> dict[str, Any]:
    """Materialize finetuned_bert. Returns: its metadata."""
    storage = Storage(root=str(store.root))
    result = dg.materialize(
        [dg.AssetSpec("splits"), finetuned_bert],
        resources={
            "storage": storage,
            "io_manager": ArtifactIOManager(storage=storage),
            "tracker": Tracker(storage=storage, mode="off"),
        },
        run_config={"ops": {"finetuned_bert": {"config": config}}},
    )
    (event,) = result.asset_materializations_for_node("finetuned_bert")
    return {name: value.value for name, value in event.metadata.items()}


def test_a_training_goes_on_from_the_champion_and_its_record_says_so(
    store: Store, tiny: dict[str, Any]
) -> None:
    assert train(store, tiny)["started_from"] == tiny["encoder"]["name"]
    first = store.current("finetuned_bert")
    assert first.record is not None
    assert "warm_start" not in first.meta
    champion = make_champion(
        store.bundles.root, encoder=tiny["encoder"]["name"], behind={"finetuned_bert": first.version}
    )

    # As a sensor asks for it: the recorded configuration, but for the start.
    metadata = train(store, {**first.record.config, "warm_start": "champion"})

    assert metadata["started_from"] == f"bundle {champion}"
    second = store.current("finetuned_bert")
    assert second.meta["warm_start"] == {"bundle": champion, "finetuned_bert": first.version}
    assert second.record is not None
    assert second.record.upstream.keys() == {"splits"}
    digests = {one.read_json("training.json")["start_sha256"] for one in (first, second)}
    assert len(digests) == 2


def test_a_training_that_cannot_go_on_fails_with_advice(store: Store, tiny: dict[str, Any]) -> None:
    for warm, said in {"champion": "no champion for a warm start; leave", "f00": "no bundle f00"}.items():
        with pytest.raises(dg.Failure, match=said):
            train(store, {**tiny, "warm_start": warm})
    make_champion(store.bundles.root)
    with pytest.raises(dg.Failure, match=r"Bundle \w+ was not made of a fine-tuned encoder; leave"):
        train(store, {**tiny, "warm_start": "champion"})
    assert not store.exists("finetuned_bert")
