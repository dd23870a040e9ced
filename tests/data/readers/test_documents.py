"""Documents that are converted in a process of their own."""

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from fakenews_assets.data.readers import documents
from fakenews_assets.data.readers.table import Limits


def test_documents_that_come_together_need_the_memory_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running: list[int] = [0]
    together: list[int] = []
    run = subprocess.run

    def watched(*arguments: Any, **options: Any) -> Any:
        running[0] += 1
        together.append(running[0])
        time.sleep(0.05)
        try:
            return run(*arguments, **options)
        finally:
            running[0] -= 1

    monkeypatch.setattr(documents.subprocess, "run", watched)

    def convert(number: int) -> bytes:
        path = tmp_path / f"{number}.json"
        path.write_text(f'[{{"title": "{number}"}}]')
        with path.open("rb") as file, ExitStack() as opened:
            lines = documents.to_lines(file, "utf-8", Limits(), opened)
            lines.seek(0)
            return lines.read()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(convert, range(4)))
    assert found == [b'{"title": "%d"}\n' % number for number in range(4)]
    assert together == [1] * 4
