"""Bytes belong to one batch, whoever is faster."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from fakenews_assets.data.receiving.claims import Claim, Claims
from fakenews_resources.storage.store import Store

BYTES = "a" * 64
RUNS = 8


@pytest.fixture
def claims(tmp_path: Path) -> Claims:
    return Claims(Store(tmp_path))


def test_of_runs_that_receive_the_same_bytes_at_once_one_gets_them(claims: Claims) -> None:
    together = Barrier(RUNS)

    def receive(number: int) -> Claim:
        mine = Claim(batch=f"b{number}", run_id=str(number))
        together.wait()
        return claims.claim(BYTES, mine, lambda _: True)

    with ThreadPoolExecutor(RUNS) as pool:
        (holder,) = set(pool.map(receive, range(RUNS)))
    assert claims.of(BYTES) == holder


def test_a_claim_that_does_not_stand_gives_way(claims: Claims) -> None:
    first, second = Claim(batch="b1", run_id="1"), Claim(batch="b2", run_id="2")
    assert claims.of(BYTES) is None
    assert claims.claim(BYTES, first, lambda _: True) == first
    assert claims.claim(BYTES, second, lambda earlier: earlier == first) == first
    assert claims.claim(BYTES, second, lambda _: False) == second == claims.of(BYTES)


def test_a_batch_keeps_its_bytes_in_a_later_run(claims: Claims) -> None:
    for run in ("1", "2"):
        mine = Claim(batch="b1", run_id=run)
        assert claims.claim(BYTES, mine, lambda _: True) == mine
