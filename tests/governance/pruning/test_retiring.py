"""A batch is retired with all its versions, unless a bundle was made of it."""

import pytest

from fakenews_assets.governance.audit.chain import audit_champion
from fakenews_assets.governance.pruning.retiring import BatchInUse, retire_batch
from fakenews_resources.storage.hashing import hash_files
from fakenews_resources.storage.ledger import Removal
from fakenews_resources.storage.store import Store, StoreError
from fakenews_resources.storage.tombstones import Tombstones
from tests.support.watched import Watched


def retire(store: Store, batch: str) -> Removal:
    return retire_batch(store, batch, by="somebody", reason="the licence ended")


def another_batch(store: Store) -> None:
    for key in ("raw_news/b2", "clean_news/b2", "batch_predictions/b2"):
        for content in ("old", "new"):
            draft = store.draft()
            (draft.path / "value").write_text(content)
            store.commit(key, draft)


def test_one_that_a_bundle_was_made_of_is_refused_and_named(watched: Watched) -> None:
    before = hash_files(watched.store.root)
    with pytest.raises(BatchInUse, match=watched.champion):
        retire(watched.store, "b1")
    assert hash_files(watched.store.root) == before


def test_all_of_another_one_goes(watched: Watched) -> None:
    store = watched.store
    another_batch(store)
    assert store.partitions("raw_news") == {"b1", "b2"}
    tombstone = retire(store, "b2")
    assert (tombstone.batch, len(tombstone.removed)) == ("b2", 6)
    assert store.partitions("raw_news") == {"b1"}
    assert not list(store.root.glob("*/b2"))
    assert audit_champion(store).faults == ()


def test_done_again_it_removes_what_a_kill_left(watched: Watched) -> None:
    store = watched.store
    another_batch(store)
    retire(store, "b2")
    another_batch(store)
    (store.root / "raw_news" / "b2" / "CURRENT").unlink()
    retire(store, "b2")
    assert not list(store.root.glob("*/b2"))
    assert len(Tombstones(store).sound().entries) == 2


def test_a_name_that_leads_into_another_batch_removes_nothing(watched: Watched) -> None:
    store = watched.store
    another_batch(store)
    before = hash_files(store.root)
    with pytest.raises(StoreError, match="nothing can be stored under that name"):
        retire(store, f"b2/{store.current('raw_news/b2').version}")
    assert hash_files(store.root) == before
