"""The store: versions, pointers, and what a kill leaves behind."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import polars as pl
import pytest

from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.hashing import hash_files, version_of
from fakenews_resources.storage.keys import is_usable_name
from fakenews_resources.storage.store import Store, StoreError, ValueMissing


def draft_of(store: Store, **files: str) -> Artifact:
    draft = store.draft()
    for name, content in files.items():
        (draft.path / name).write_text(content)
    return draft


@pytest.fixture
def store(address: str) -> Store:
    return Store(address)


def test_a_committed_value_is_read_back_with_its_record(store: Store) -> None:
    draft = draft_of(store, a="one", b="two")
    draft.meta["rows"] = 2
    stored = store.commit(
        "news/b1", draft, run_id="r", code_version="3", config={"x": 1}, upstream={"raw/b1": "v"}
    )

    found = store.current("news/b1")
    assert found == stored
    assert (found.path / "a").read_text() == "one"
    assert found.record is not None
    assert found.record.upstream == {"raw/b1": "v"}
    assert found.record.files["b"].bytes == 3
    assert found.meta == {"rows": 2}
    assert not draft.path.exists()


def test_equal_content_has_one_version_and_other_content_another(store: Store) -> None:
    first = store.commit("k", draft_of(store, a="one"))
    again = store.commit("k", draft_of(store, a="one"))
    other = store.commit("k", draft_of(store, a="two"))
    renamed = store.commit("k", draft_of(store, b="two"))

    assert first.version == again.version
    assert len({first.version, other.version, renamed.version}) == 3
    assert store.current("k").version == renamed.version
    assert (store.get("k", first.version).path / "a").read_text() == "one"


def test_a_version_is_of_names_and_contents(tmp_path: Path) -> None:
    def make(name: str, **files: str) -> str:
        for file, content in files.items():
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / file).write_text(content)
        return version_of(hash_files(tmp_path / name))

    assert make("one", a="1", b="2") == make("two", b="2", a="1")
    assert (
        len({make("one"), make("three", a="2", b="1"), make("four", a="1", c="2"), make("five", a="1")}) == 4
    )


def test_what_is_not_there_says_what_to_do(store: Store) -> None:
    assert not store.exists("k")
    with pytest.raises(ValueMissing, match="Materialize it first"):
        store.current("k")
    store.commit("k", draft_of(store, a="one"))
    with pytest.raises(ValueMissing, match="no version"):
        store.get("k", "0" * 32)
    with pytest.raises(StoreError, match="holds no files"):
        store.commit("k", store.draft())


@pytest.mark.parametrize("key", ["", "a//b", ".hidden", "a/../b", "a/.work"])
def test_keys_cannot_leave_the_store(store: Store, key: str) -> None:
    with pytest.raises(StoreError, match="not a usable key"):
        store.commit(key, draft_of(store, a="one"))


def test_a_key_with_unusual_characters_stays_one_folder(store: Store) -> None:
    store.commit("news/2026 @ö|x", draft_of(store, a="one"))
    assert (store.current("news/2026 @ö|x").path / "a").read_text() == "one"
    assert len(list((store.root / "news").iterdir())) == 1


def test_readers_keep_the_accepted_version_when_a_later_one_is_refused(store: Store) -> None:
    accepted = store.commit("k", draft_of(store, a="one"))
    refused = store.commit("k", draft_of(store, a="two"), refused={"balance": "all are fake"})
    assert store.current("k") == accepted
    assert store.refused("k") == refused
    assert (store.get("k", refused.version).path / "a").read_text() == "two"
    later = store.commit("k", draft_of(store, a="three"))
    assert (store.current("k"), store.refused("k")) == (later, None)


def test_a_key_with_nothing_but_a_refused_version_says_why_it_cannot_be_read(store: Store) -> None:
    store.commit("news/b1", draft_of(store, a="one"), refused={"balance": "all are fake"})
    assert not store.exists("news/b1")
    assert (store.partitions("news"), store.refused_partitions("news")) == (set(), {"b1"})
    assert store.all_keys() == ["news/b1"]  # an erasure has to look there too
    with pytest.raises(ValueMissing, match=r"was refused.*balance: all are fake"):
        store.current("news/b1")


def test_bytes_that_were_accepted_stay_accepted(store: Store) -> None:
    accepted = store.commit("k", draft_of(store, a="one"))
    store.commit("k", draft_of(store, a="one"), refused={"balance": "all are fake"})
    assert store.current("k") == accepted
    record = store.current("k").record
    assert record is not None
    assert record.refused == {}


def test_a_refused_version_can_be_removed(store: Store) -> None:
    refused = store.commit("k", draft_of(store, a="one"), refused={"balance": "all are fake"})
    store.remove("k", refused.version)
    assert store.refused("k") is None
    assert store.all_keys() == []


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "x" * 300, "ö" * 60])
def test_names_under_which_nothing_can_be_stored(name: str) -> None:
    assert not is_usable_name(name)


@pytest.mark.parametrize("name", ["2026-11", "a b", "CURRENT", "ö" * 30, "a\\b", "%2F"])
def test_names_under_which_something_can_be_stored(store: Store, name: str) -> None:
    assert is_usable_name(name)
    store.commit(f"news/{name}", draft_of(store, a="one"))
    assert store.partitions("news") == {name}
    assert store.all_keys() == [f"news/{name}"]


def test_verify_names_what_changed(store: Store) -> None:
    stored = store.commit("k", draft_of(store, a="one", b="two", c="three"))
    assert store.verify(stored) == []
    (stored.path / "a").write_text("onE")
    (stored.path / "b").unlink()
    (stored.path / "extra").write_text("x")
    assert store.verify(stored) == ["a", "b", "extra"]


def test_scan_reads_one_table_or_its_parts(store: Store) -> None:
    draft = store.draft()
    pl.DataFrame({"x": [1]}).write_parquet(draft.path / "whole.parquet")
    for part in range(12):
        pl.DataFrame({"x": [part]}).write_parquet(draft.path / f"parts-{part:04d}.parquet")
    stored = store.commit("k", draft)
    assert stored.scan("whole").collect()["x"].to_list() == [1]
    assert stored.scan("parts").collect()["x"].to_list() == list(range(12))


def test_stale_drafts_are_swept_and_young_ones_kept(store: Store) -> None:
    old, young = store.draft(), store.draft()
    long_ago = time.time() - 2 * 24 * 3600
    os.utime(old.path, (long_ago, long_ago))
    store.draft()
    assert not old.path.exists()
    assert young.path.exists()


WRITER = """
import sys
from fakenews_resources.storage.store import Store
store, number = Store(sys.argv[1]), 0
while True:
    number += 1
    draft = store.draft()
    for name in "abcdefgh":
        (draft.path / name).write_text(str(number) * 2000)
    store.commit("k", draft)
    print(number, flush=True)
"""


@pytest.mark.server
def test_kill_9_during_commits_leaves_a_whole_value(store: Store, tmp_path: Path) -> None:
    store.commit("k", draft_of(store, a="first"))
    for wait in (0.0, 0.003, 0.011):
        writer = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), store.address], stdout=subprocess.PIPE
        )
        assert writer.stdout is not None
        writer.stdout.readline()  # it is committing now
        time.sleep(wait)
        writer.kill()
        writer.wait()
        fresh = store.afresh(tmp_path / f"copy {wait}")
        assert fresh.verify(fresh.current("k")) == []
    store.commit("k", draft_of(store, a="last"))
    assert (store.current("k").path / "a").read_text() == "last"


def test_partitions_are_those_with_a_value(store: Store) -> None:
    assert store.partitions("news") == set()
    for name in ("b1", "b 2"):
        store.commit(f"news/{name}", draft_of(store, a=name))
    store.backend.write("news/b3/abc.json", b"{}")
    assert store.partitions("news") == {"b1", "b 2"}


def test_keys_are_those_with_a_value(store: Store) -> None:
    for key in ("splits", "news/b 1", "news/b2"):
        store.commit(key, draft_of(store, a="x"))
    (store.workspace("w") / "CURRENT").touch()
    assert store.all_keys() == ["news/b 1", "news/b2", "splits"]


def test_a_version_is_removed_unless_it_is_the_current_one(store: Store) -> None:
    old = store.commit("k", draft_of(store, a="one"))
    new = store.commit("k", draft_of(store, a="two"))
    with pytest.raises(StoreError, match="current version"):
        store.remove("k", new.version)
    store.remove("k", old.version)
    store.remove("k", old.version)  # already gone
    assert store.versions("k") == [new.version]
    assert not old.path.exists()
    drafts = store.root / ".drafts"
    assert not drafts.exists() or list(drafts.iterdir()) == []
    assert store.commit("k", draft_of(store, a="one")).version == old.version


def test_a_folder_without_a_record_is_told_apart(store: Store) -> None:
    old = store.commit("k", draft_of(store, a="one"))
    store.commit("k", draft_of(store, a="two"))
    assert store.without_record("k") == []
    store.backend.delete(f"k/{old.version}.json")
    assert store.without_record("k") == [old.version]
    store.remove("k", old.version)
    assert store.without_record("k") == []


def test_a_value_is_removed_with_all_versions(store: Store) -> None:
    for content in ("one", "two"):
        store.commit("k/b1", draft_of(store, a=content))
    store.remove_key("k/b1")
    store.remove_key("k/b1")
    assert store.partitions("k") == set()
    assert store.backend.children("k") == []


def test_many_keys_are_read_like_one(store: Store) -> None:
    for batch in ("b 2", "b1"):
        store.commit(f"k/{batch}", draft_of(store, a=batch))
    keys = ["k/b 2", "k/none", "k/b1"]
    found = store.current_of(keys)
    assert list(found) == ["k/b 2", "k/b1"]
    assert found == {key: store.current(key) for key in found}
    assert store.current_versions(keys) == {key: one.version for key, one in found.items()}
    store.backend.delete(f"k/b1/{found['k/b1'].version}.json")
    with pytest.raises(ValueMissing):
        store.current_of(keys)
