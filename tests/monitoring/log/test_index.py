"""The index of a day's lines: never wrong, whatever became of it or of the lines."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from fakenews_assets.monitoring.log.index import LogIndex
from fakenews_resources.request_ids import new_request_id


def write(file: Path, *ids: str, rows: int = 1, separators: tuple[str, str] = (", ", ": ")) -> None:
    lines = (
        json.dumps({"row": row, "title": "x" * 300, "request_id": one}, separators=separators)
        for one in ids
        for row in range(rows)
    )
    with file.open("a") as log:
        log.writelines(f"{line}\n" for line in lines)


def knows(index: LogIndex, request_id: str, row: int) -> tuple[bool, Mapping[str, int]]:
    """Whether the index knows a row, and what it covers."""
    line, covered = index.look_up(request_id, row)
    if line is not None:
        record = json.loads(line)
        assert (record["request_id"], record["row"]) == (request_id, row)
    return line is not None, covered


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    return tmp_path / "predictions-1.jsonl"


@pytest.fixture
def index(tmp_path: Path) -> LogIndex:
    return LogIndex(tmp_path / "predictions.index")


def test_it_knows_the_rows_of_what_it_covers(lines: Path, index: LogIndex) -> None:
    one, two, later = (new_request_id() for _ in range(3))
    other = lines.with_name("predictions-2.jsonl")
    write(lines, one, rows=3)
    write(other, two)
    assert knows(index, one, 0) == (False, {})
    index.update([lines, other])
    covered = {file.name: file.stat().st_size for file in (lines, other)}
    assert knows(index, one, 2) == knows(index, two, 0) == (True, covered)
    assert knows(index, one, 3) == knows(index, new_request_id(), 0) == (False, covered)

    write(other, later, separators=(",", ":"))  # as an erasure leaves a line
    assert knows(index, later, 0) == (False, covered)
    index.update([lines, other])
    assert knows(index, later, 0) == (True, covered | {other.name: other.stat().st_size})


@pytest.mark.parametrize("damage", [b"", b"{}\n", b'{"request_id": "x\n', b"\r\r\n", b"\n \n"])
def test_it_gives_the_line(
    lines: Path, index: LogIndex, damage: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fakenews_assets.monitoring.log.index._AT_ONCE", 1000)
    ids = [new_request_id() for _ in range(8)]
    write(lines, *ids[:3])
    with lines.open("ab") as log:
        log.write(damage)
    write(lines, *ids[3:], rows=2)
    index.update([lines])
    assert all(knows(index, one, 0)[0] for one in ids)


def test_a_line_is_covered_once_it_is_whole(lines: Path, index: LogIndex) -> None:
    one, two = new_request_id(), new_request_id()
    write(lines, one)
    size = lines.stat().st_size
    write(lines, two)
    whole = lines.read_bytes()
    for end in (size + 10, len(whole) - 1):
        lines.write_bytes(whole[:end])
        index.update([lines])
        assert knows(index, two, 0) == (False, {lines.name: size})
    lines.write_bytes(whole)
    index.update([lines])
    assert knows(index, two, 0) == (True, {lines.name: len(whole)})


@pytest.mark.parametrize(
    "damaged", [b"", b"{}", b"null", b'{"request_id": "x', b"\x00\x00", b"\xff\xfe", b"[[["]
)
def test_a_damaged_line_hides_no_other(lines: Path, index: LogIndex, damaged: bytes) -> None:
    before, after = new_request_id(), new_request_id()
    write(lines, before)
    lines.write_bytes(lines.read_bytes() + damaged + b"\n")
    write(lines, after)
    index.update([lines])
    assert knows(index, before, 0)[0]
    assert knows(index, after, 0)[0]
    assert knows(index, before, 0)[1] == {lines.name: lines.stat().st_size}


def test_a_line_longer_than_a_block_is_taken_in(
    lines: Path, index: LogIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fakenews_assets.monitoring.log.index._AT_ONCE", 100)
    ids = [new_request_id() for _ in range(20)]
    write(lines, *ids)
    index.update([lines])
    assert all(knows(index, one, 0) == (True, {lines.name: lines.stat().st_size}) for one in ids)


@pytest.mark.parametrize("left", [0, 1, 100, 4096, 8192, 20_000])
def test_a_torn_index_is_made_anew(lines: Path, index: LogIndex, left: int) -> None:
    ids = [new_request_id() for _ in range(2000)]
    write(lines, *ids)
    index.update([lines])
    file = lines.with_name("predictions.index")
    file.write_bytes(file.read_bytes()[:left])
    assert knows(index, ids[1500], 0) == (False, {})
    index.update([lines])
    covered = {lines.name: lines.stat().st_size}
    assert knows(index, ids[1500], 0) == (True, covered)
    file.write_bytes(b"no index at all" * 1000)
    assert knows(index, ids[1500], 0) == (False, {})
    index.update([lines])
    assert knows(index, ids[1500], 0) == (True, covered)


def test_zeros_in_an_index_are_found_when_it_is_checked(lines: Path, index: LogIndex) -> None:
    ids = [new_request_id() for _ in range(2000)]
    write(lines, *ids)
    index.update([lines])
    file = lines.with_name("predictions.index")
    content = bytearray(file.read_bytes())
    content[-6000:-4096] = bytes(6000 - 4096)
    file.write_bytes(content)
    index.update([lines])
    assert not all(knows(index, one, 0)[0] for one in ids)
    index.update([lines], check=True)
    assert all(knows(index, one, 0) == (True, {lines.name: lines.stat().st_size}) for one in ids)


def test_a_changed_byte_is_found_out(lines: Path, index: LogIndex) -> None:
    ids = [new_request_id() for _ in range(300)]
    write(lines, *ids)
    index.update([lines])
    file = lines.with_name("predictions.index")
    sound = file.read_bytes()
    places = [sound.index(one.encode()) for one in ids[::60]]  # of their entries, in pages of both kinds
    changes = [(at + behind, 1 << bit) for at in places for behind in (0, 35, 36, -1) for bit in (0, 6)]
    changes.append((sound.index(str(lines.name).encode()) + len(lines.name), 1))  # what it covers
    for at, bit in changes:
        content = bytearray(sound)
        content[at] ^= bit
        file.write_bytes(content)
        for one in ids[::15]:
            found, covered = knows(index, one, 0)
            assert found or not covered, (at, bit)
        index.update([lines])
        assert all(knows(index, one, 0)[0] for one in ids[::60])


def test_lines_that_have_changed_are_found_out(lines: Path, index: LogIndex) -> None:
    one, two = new_request_id(), new_request_id()
    write(lines, one, two)
    index.update([lines])
    content = lines.read_bytes().splitlines(keepends=True)
    lines.write_bytes(content[1] + content[0])
    assert knows(index, one, 0) == (False, {})
    assert not lines.with_name("predictions.index").exists()


def test_it_forgets_lines_that_are_gone(lines: Path, index: LogIndex) -> None:
    gone, kept = new_request_id(), new_request_id()
    other = lines.with_name("predictions-2.jsonl")
    write(lines, gone)
    write(other, kept)
    index.update([lines, other])
    lines.unlink()
    index.update([other])
    assert knows(index, gone, 0) == (False, {other.name: other.stat().st_size})
    assert knows(index, kept, 0)[0]


def test_a_kill_while_it_is_made_loses_nothing(lines: Path, index: LogIndex) -> None:
    ids = [new_request_id() for _ in range(3000)]
    write(lines, *ids)
    code = """
import sys
from pathlib import Path
from fakenews_assets.monitoring.log import index as log_index
log_index._AT_ONCE = 2000
lines = Path(sys.argv[1])
while True:
    index = log_index.LogIndex(lines.with_name("predictions.index"))
    index.remove()
    print(flush=True)
    index.update([lines])
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(lines)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    assert process.stdout is not None
    process.stdout.readline()
    while not knows(index, ids[0], 0)[0]:  # it is in the middle of them
        assert process.poll() is None
    process.kill()
    process.wait()
    process.stdout.close()
    index.update([lines])
    assert all(knows(index, one, 0)[0] for one in ids)
    assert knows(index, ids[0], 0)[1] == {lines.name: lines.stat().st_size}
