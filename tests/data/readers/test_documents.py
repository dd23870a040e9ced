"""Documents that are converted in a process of their own."""

import io
import subprocess
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from fakenews_assets.data.fields.columns import read_raw
from fakenews_assets.data.readers import documents
from fakenews_assets.data.readers.table import Limits
from tests.support.kinds import xlsx


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


def test_cells_of_a_sheet_that_are_merged_downwards_all_have_their_value(tmp_path: Path) -> None:
    rows = [
        ("title", "label", "text"),
        ("One", "fake", "a"),
        ("Two", "", "b"),
        ("Three", "real", "wide"),
        ("Four", "", "c"),
    ]
    path = tmp_path / "merged.xlsx"
    with (
        zipfile.ZipFile(io.BytesIO(xlsx(rows))) as plain,
        zipfile.ZipFile(path, "w") as merged,
    ):
        for name in plain.namelist():
            content = plain.read(name).decode()
            cells = "".join(f'<mergeCell ref="{one}"/>' for one in ("B4:B5", "B2:B3"))
            merged.writestr(
                name,
                content.replace("</sheetData>", f'</sheetData><mergeCells count="2">{cells}</mergeCells>'),
            )
    (chunk,) = read_raw(path)
    assert chunk.rows.select("title", "label", "text").rows() == [
        ("One", "fake", "a"), ("Two", "fake", "b"), ("Three", "real", "wide"), ("Four", "real", "c"),
    ]  # fmt: skip
