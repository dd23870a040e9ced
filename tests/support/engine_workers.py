"""What workers do in the tests of the engine; apart, because each of their processes imports this module."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import ray

from fakenews_resources.engine.in_process import ShippedFolder


def squared() -> Callable[[int], int]:
    return lambda number: number**2


def slow_where_even() -> Callable[[int], int]:
    def work(number: int) -> int:
        time.sleep(0.2 * (number % 2 == 0))
        return number

    return work


def where(log: Path) -> Callable[[int], tuple[str, int]]:
    """Says where it works; each call of this function, that is each load of a model, leaves a line."""
    with log.open("a") as file:
        file.write(f"{os.getpid()}\n")

    def work(_: int) -> tuple[str, int]:
        time.sleep(0.05)
        return ray.get_runtime_context().get_node_id(), os.getpid()

    return work


def failing() -> Callable[[int], int]:
    def work(number: int) -> int:
        if number == 3:
            raise KeyError("row 3 has no title")
        return number

    return work


def killed_once(marker: Path) -> Callable[[int], int]:
    def work(number: int) -> int:
        if number == 5 and not marker.exists():
            marker.touch()
            os._exit(1)
        return 10 * number

    return work


def killed_always() -> Callable[[int], int]:
    return lambda _: os._exit(1)


def in_folder(folder: ShippedFolder) -> Callable[[str], tuple[str, str]]:
    return lambda name: (str(folder.path), (folder.path / name).read_text())
