"""Each worker begins with its share of the longest tests, and no test is lost."""

from typing import Any, cast

import pytest

from tests.support.ordering import deal


def parts(tests: list[str], workers: int) -> list[list[str]]:
    """As xdist's worksteal hands them out first."""
    found = []
    for worker in range(workers):
        size = len(tests) // (workers - worker)
        found.append(tests[:size])
        tests = tests[size:]
    return found


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
@pytest.mark.parametrize(("longest", "others"), [(0, 7), (4, 30), (5, 8), (3, 0)])
def test_each_worker_begins_with_its_share(workers: int, longest: int, others: int) -> None:
    long, short = [f"long {one}" for one in range(longest)], [f"short {one}" for one in range(others)]
    dealt = cast(list[str], deal(cast(Any, long), cast(Any, short), workers))
    assert sorted(dealt) == sorted(long + short)
    if longest + others >= workers * longest:
        for worker, part in enumerate(parts(dealt, workers)):
            own = long[worker::workers]
            assert part[: len(own)] == own
