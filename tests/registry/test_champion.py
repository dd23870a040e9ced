import json
import re
import shutil
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from fakenews_assets.registry.bundle import BundleDamaged, BundleMissing, open_bundle
from fakenews_assets.registry.champion import (
    HISTORY_FILE,
    POINTER_FILE,
    ChampionMoved,
    ChampionRegistry,
    Pointer,
    RegistryError,
    first_out_of_order,
)
from fakenews_resources.storage.address import backend_of
from fakenews_resources.storage.backend import FolderBackend, Replaced
from tests.support.buckets import served_bucket
from tests.support.forked import start


@pytest.fixture
def registry(models: Path) -> ChampionRegistry:
    return ChampionRegistry(models)


@pytest.fixture
def shas(make_bundle: Callable[[str], str]) -> tuple[str, ...]:
    """Three bundles."""
    return tuple(make_bundle(weights) for weights in "abc")


def _promote(registry: ChampionRegistry, sha: str, expected: str | None) -> Pointer:
    return registry.promote(sha, expected=expected, reason="better", run_id="run", promoted_by="gate")


def _roll_back(registry: ChampionRegistry, expected: str | None = None) -> Pointer:
    return registry.rollback(reason="bad news", run_id=None, promoted_by="anna", expected=expected)


def _bundles(registry: ChampionRegistry) -> list[str]:
    return [pointer.bundle for pointer in registry.history()]


def test_there_is_no_champion_at_first(registry: ChampionRegistry):
    assert registry.champion() is None
    assert registry.history() == []
    with pytest.raises(RegistryError, match="No earlier champion"):
        _roll_back(registry)


def test_promotions_are_remembered_in_order(registry: ChampionRegistry, shas: tuple[str, ...]):
    first = _promote(registry, shas[0], None)
    second = _promote(registry, shas[1], shas[0])

    assert registry.champion() == second
    assert registry.history() == [first, second]
    assert (second.sequence, second.previous, second.action) == (2, 1, "promote")
    assert (second.reason, second.run_id, second.promoted_by) == ("better", "run", "gate")
    assert first.promoted_at < second.promoted_at


def test_a_champion_that_moved_is_not_replaced(registry: ChampionRegistry, shas: tuple[str, ...]):
    with pytest.raises(ChampionMoved, match="not set, not"):
        _promote(registry, shas[1], shas[0])
    first = _promote(registry, shas[0], None)
    for expected in (None, shas[2]):
        with pytest.raises(ChampionMoved, match=shas[0]):
            _promote(registry, shas[1], expected)
    assert registry.history() == [first]


def test_only_intact_bundles_become_champion(registry: ChampionRegistry, shas: tuple[str, ...]):
    (registry.backend.root / shas[1] / "model" / "weights.bin").write_text("B")
    with pytest.raises(BundleDamaged, match=r"weights\.bin"):
        _promote(registry, shas[1], None)
    with pytest.raises(BundleMissing, match="no bundle"):
        _promote(registry, "0" * 64, None)
    assert registry.champion() is None
    _promote(registry, shas[0], None)
    with pytest.raises(ValueError, match="champion already"):
        _promote(registry, shas[0], shas[0])


def test_rolling_back_walks_down_and_never_back_up(registry: ChampionRegistry, shas: tuple[str, ...]):
    a, b, c = shas
    _promote(registry, a, None)
    _promote(registry, b, a)
    _promote(registry, c, b)

    back = _roll_back(registry)
    assert (back.bundle, back.action, back.reason, back.promoted_by) == (b, "rollback", "bad news", "anna")
    assert registry.champion() == back
    assert _roll_back(registry).bundle == a
    assert _bundles(registry) == [a, b, c, b, a]
    with pytest.raises(RegistryError, match="No earlier champion"):
        _roll_back(registry)

    _promote(registry, c, a)
    assert _roll_back(registry).bundle == a  # not b, which was rolled back


def test_a_rollback_can_name_what_it_removes(registry: ChampionRegistry, shas: tuple[str, ...]):
    a, b, c = shas
    _promote(registry, a, None)
    _promote(registry, b, a)
    with pytest.raises(ChampionMoved):
        _roll_back(registry, expected=c)
    assert _roll_back(registry, expected=b).bundle == a


def test_a_rollback_to_a_damaged_bundle_changes_nothing(registry: ChampionRegistry, shas: tuple[str, ...]):
    _promote(registry, shas[0], None)
    champion = _promote(registry, shas[1], shas[0])
    (registry.backend.root / shas[0] / "prepare.json").unlink()

    with pytest.raises(BundleDamaged, match=r"prepare\.json \(missing\)"):
        _roll_back(registry)
    assert registry.champion() == champion


def test_a_failure_between_history_and_pointer_never_happened(
    registry: ChampionRegistry, shas: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    a, b, c = shas
    first = _promote(registry, a, None)

    write = FolderBackend.write

    def fail(self: FolderBackend, name: str, data: bytes, *, replaces: Replaced) -> None:
        if name == POINTER_FILE:
            raise OSError("disk full")
        write(self, name, data, replaces=replaces)

    with monkeypatch.context() as patch:
        patch.setattr(FolderBackend, "write", fail)
        with pytest.raises(OSError, match="disk full"):
            _promote(registry, b, a)
    assert len((registry.backend.root / HISTORY_FILE).read_text().splitlines()) == 2
    assert registry.champion() == first
    assert registry.history() == [first]

    third = _promote(registry, c, a)
    assert (third.sequence, third.previous) == (3, 1)
    assert registry.history() == [first, third]
    assert _roll_back(registry).bundle == a


@pytest.mark.parametrize("kept", [1, 40, -1])
def test_a_line_cut_short_never_happened(registry: ChampionRegistry, shas: tuple[str, ...], kept: int):
    a, b, _ = shas
    first = _promote(registry, a, None)
    lost = first.model_copy(update={"sequence": 2, "bundle": b, "previous": 1}).model_dump_json()
    with (registry.backend.root / HISTORY_FILE).open("a") as stream:
        stream.write(lost[:kept])

    assert registry.history() == [first]
    second = _promote(registry, b, a)
    assert registry.history() == [first, second]


def test_each_entry_of_the_history_holds_the_hash_of_what_is_before_it(
    registry: ChampionRegistry, shas: tuple[str, ...]
):
    a, b, c = shas
    _promote(registry, a, None)
    _promote(registry, b, a)
    with (registry.backend.root / HISTORY_FILE).open("a") as stream:
        stream.write('{"sequence": 3, "bun')  # a kill
    _promote(registry, c, b)
    _roll_back(registry)
    written = (registry.backend.root / HISTORY_FILE).read_bytes()
    lines = written.splitlines(keepends=True)
    assert len(lines) == 5
    assert first_out_of_order(written) is None
    assert first_out_of_order(b"".join(lines[:4])) is None
    follower = {0: 2, 1: 3, 2: 3, 3: 4}
    for changed, entry in follower.items():
        edited = lines[changed].replace(b"{", b"{ ", 1)
        assert first_out_of_order(b"".join([*lines[:changed], edited, *lines[changed + 1 :]])) == entry
        assert first_out_of_order(b"".join([*lines[:changed], *lines[changed + 1 :]])) == entry
    assert first_out_of_order(b"".join([lines[1], lines[0], *lines[2:]])) == 2

    unlinked = [re.sub(rb',"follows":[^}]*', b"", line) for line in lines]
    assert first_out_of_order(b"".join(unlinked)) is None  # a history older than the field
    assert first_out_of_order(b"".join([*lines[:2], *unlinked[2:]])) == 3


def test_a_damaged_registry_says_what_to_restore(registry: ChampionRegistry, shas: tuple[str, ...]):
    a, b, c = shas
    _promote(registry, a, None)
    _promote(registry, b, a)
    _promote(registry, c, b)
    history = registry.backend.root / HISTORY_FILE
    lines = history.read_text().splitlines(keepends=True)

    history.write_text(lines[0] + lines[2])
    with pytest.raises(RegistryError, match="lacks entry 2"):
        registry.history()
    forged = json.loads(lines[2]) | {"bundle": a}
    history.write_text("".join(lines[:2]) + json.dumps(forged) + "\n")
    with pytest.raises(RegistryError, match="entry 3, or holds another one"):
        registry.history()
    (registry.backend.root / POINTER_FILE).write_text("{")
    with pytest.raises(RegistryError, match="Restore it"):
        registry.champion()


def race(address: str, own: str, asked: Connection) -> None:
    """What a child process does: promote its own bundle over the one that it is told to expect."""
    registry = ChampionRegistry(backend_of(address))
    while True:
        expected = asked.recv()
        try:
            registry.promote(own, expected=expected, reason="", run_id=None, promoted_by=own)
            asked.send("won")
        except ChampionMoved:
            asked.send("lost")


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.bucket)])
def shared(
    request: pytest.FixtureRequest,
    registry: ChampionRegistry,
    shas: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[ChampionRegistry]:
    """The three bundles where several processes reach them."""
    if request.param == "folder":
        yield registry
        return
    monkeypatch.setenv("FAKENEWS_CACHE", str(tmp_path / "cache"))
    with served_bucket(monkeypatch):
        backend = backend_of("gs://news/models")
        for sha in shas:
            shutil.copytree(registry.backend.root / sha, backend.root / sha)
            backend.send(sha)
        yield ChampionRegistry(backend)


@pytest.mark.server
def test_of_two_processes_with_the_same_expectation_one_wins(shared: ChampionRegistry, shas: tuple[str, ...]):
    registry = shared
    first, *racing = shas
    ours, theirs = zip(*(Pipe() for _ in racing), strict=True)
    racers = [
        start(race, registry.backend.address, own, end) for own, end in zip(racing, theirs, strict=True)
    ]

    def ask(expected: str | None) -> list[str]:
        for end in ours:
            end.send(expected)
        return [end.recv() for end in ours]

    try:
        expected = None
        for _ in range(12):
            answers = ask(expected)
            assert sorted(answers) == ["lost", "won"]
            champion = registry.champion()
            assert champion is not None
            assert champion.bundle == racing[answers.index("won")]
            expected = _promote(registry, first, champion.bundle).bundle
    finally:
        for racer in racers:
            racer.kill()
            racer.join()

    assert len(registry.history()) == 24
    numbers = [pointer.sequence for pointer in registry.history()]
    assert numbers == sorted(set(numbers))
    for sha in shas:
        assert open_bundle(registry.backend.root / sha).sha == sha
