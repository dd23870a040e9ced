"""The order of the tests among workers: each worker begins with its share of the longest ones.

It is a plugin of pytest.
"""

from itertools import islice

import pytest


def deal(longest: list[pytest.Item], others: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Order tests so that the parts that xdist cuts them into begin with the longest ones, dealt out in turn.

    With `--dist worksteal` a worker gets consecutive tests, as many as the others. One that has no more takes over the
    last ones of another worker, never the first ones: long tests that follow each other all stay with one worker.
    """
    dealt: list[pytest.Item] = []
    rest, left = iter(others), len(longest) + len(others)
    for worker in range(workers):
        size = left // (workers - worker)
        own = longest[worker::workers]
        dealt += own
        dealt += islice(rest, max(0, size - len(own)))
        left -= size
    return [*dealt, *rest]


@pytest.hookimpl(trylast=True)  # when it is known which tests are left out
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest tests first, and then those with Dagster's daemon."""
    longest = [item for item in items if item.get_closest_marker("longest")]
    longest += [item for item in items if item.get_closest_marker("daemon") and item not in longest]
    chosen = set(longest)
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    items[:] = deal(longest, [item for item in items if item not in chosen], workers)
