"""The selection as an asset, killed between its decision and the champion's move."""

import shutil

import polars as pl
import pytest
from rich.console import Console

from fakenews_assets.cli.errors import CommandFailed
from fakenews_assets.cli.running import GraphRunner
from fakenews_assets.governance.audit.chain import audit_champion
from fakenews_assets.governance.erasure.erasure import erase
from fakenews_assets.registry.champion import (
    HISTORY_FILE,
    POINTER_FILE,
    ChampionMoved,
    ChampionRegistry,
    Pointer,
)
from fakenews_assets.selection import promotion
from fakenews_assets.selection.champion import ChampionRecord
from fakenews_assets.selection.decision import Decision
from fakenews_resources.storage.store import Store
from tests.support.watched import Watched, timed_by_processor


class Killed(RuntimeError):
    """As if the process had ended here."""


@pytest.fixture
def store(watched: Watched) -> Store:
    """A store where everything is judged and nothing selected."""
    for name in (POINTER_FILE, HISTORY_FILE):
        (watched.store.bundles.root / name).unlink()
    for asset in ("selected_model", "champion"):
        shutil.rmtree(watched.store.root / asset)
    shutil.rmtree(watched.store.root / "seals")  # they know the champion that was
    return watched.store


def select(*again: str) -> None:
    with GraphRunner(Console(quiet=True)) as runner, timed_by_processor():
        runner.run("select_champion", None, {}, again)


def test_a_selection_that_promotes_nothing_leaves_the_champion_with_its_decision(store: Store) -> None:
    select()
    chosen, first = store.current("champion"), store.current("selected_model")
    record = ChampionRecord.read(chosen.path)
    assert record.decision == first.version
    assert record.pointer == ChampionRegistry(store.bundles).champion()
    select("selected_model")
    assert not Decision.read(store.current("selected_model").path).promoted
    assert store.current("selected_model").version != first.version
    assert store.current("champion").version == chosen.version


def test_a_kill_before_the_champion_moves_leaves_a_run_to_repeat(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []

    def die(*_: object, **moved: str) -> None:
        record = store.current("selected_model").record
        assert record is not None
        told.append((moved["run_id"], record.run_id))
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(ChampionRegistry, "promote", die)
        with pytest.raises(CommandFailed, match="Killed"):
            select()
    (runs,) = told
    assert runs[0] == runs[1]  # the decision was stored by then
    assert ChampionRegistry(store.bundles).champion() is None

    select()
    assert audit_champion(store).faults == ()


def test_a_kill_after_the_champion_moved_leaves_it_with_its_decision(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(promotion, "track_champion", die)
        with pytest.raises(CommandFailed, match="Killed"):
            select()
    assert audit_champion(store).faults == ()
    select()  # it is champion already
    assert audit_champion(store).faults == ()


def test_articles_erased_since_they_were_judged_hold_nothing_up(watched: Watched, store: Store) -> None:
    article = store.current("splits").scan("test").filter(pl.col("text") != "").head(1).collect()
    erase(store, watched.root / "log", article["article_id"][0], by="a court", reason="an order")
    select()
    assert audit_champion(store).faults == ()


def test_who_comes_second_decides_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    original, attempts = ChampionRegistry.promote, []

    def late(registry: ChampionRegistry, bundle_sha: str, **moved: str) -> Pointer:
        attempts.append(bundle_sha)
        if len(attempts) == 1:
            raise ChampionMoved
        return original(registry, bundle_sha, **moved)

    monkeypatch.setattr(ChampionRegistry, "promote", late)
    select()
    assert len(attempts) == 2
    assert audit_champion(store).faults == ()
