"""Ancestors through all generations, and values made of two versions of one thing."""

from pathlib import Path

import pytest

from fakenews_assets.registry.lineage import MixedVersions, ancestors
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.store import Store


def put(store: Store, key: str, content: str, *upstream: Artifact) -> Artifact:
    draft = store.draft()
    (draft.path / "content").write_text(content)
    return store.commit(key, draft, upstream={a.record.key: a.version for a in upstream if a.record})


def test_every_generation_is_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    raw = put(store, "raw_news/b1", "raw")
    clean = put(store, "clean_news/b1", "clean", raw)
    splits = put(store, "splits", "splits", clean)
    model = put(store, "finetuned_bert", "model", splits)
    judged = put(store, "evaluation/finetuned", "judged", splits, model)

    found = ancestors(store, judged)

    assert {key: record.version for key, record in found.items()} == {
        record.key: record.version
        for record in (value.record for value in (raw, clean, splits, model, judged))
        if record
    }


def test_an_old_model_judged_on_new_splits_is_mixed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    model = put(store, "finetuned_bert", "model", put(store, "splits", "old"))
    judged = put(store, "evaluation/finetuned", "judged", put(store, "splits", "new"), model)
    with pytest.raises(MixedVersions, match="two versions of splits"):
        ancestors(store, judged)
