"""Every kind of file is read to the same rows, or refused with its cause."""

from pathlib import Path

import pytest

from fakenews_assets.data.fields.columns import read_raw
from fakenews_assets.data.readers.table import UnreadableFile
from tests.support.kinds import READ, REFUSED, Kind


def written(folder: Path, kind: Kind) -> Path:
    path = folder / kind.name
    path.write_bytes(kind.content)
    return path


@pytest.mark.parametrize("kind", READ, ids=lambda kind: kind.name)
def test_a_file_of_each_kind(tmp_path: Path, kind: Kind) -> None:
    rows = [
        (title, text.replace("\r\n", "\n"), int(label))
        for chunk in read_raw(written(tmp_path, kind))
        for title, text, label in chunk.rows.select("title", "text", "label").iter_rows()
    ]
    assert rows == [*kind.rows]


@pytest.mark.parametrize("kind", REFUSED, ids=lambda kind: kind.name)
def test_what_is_no_table(tmp_path: Path, kind: Kind) -> None:
    with pytest.raises(UnreadableFile, match=kind.refusal) as caught:
        list(read_raw(written(tmp_path, kind)))
    assert str(caught.value).isprintable()
