"""Lines of the service's log that are cut anywhere: no word of an article is left in them, and others stay."""

import json
import os
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from fakenews_assets.governance.erasure.erasure import Erased, erase
from fakenews_assets.governance.erasure.log_lines import blank_lines, blank_unreadable_lines
from fakenews_assets.governance.erasure.quoting import Wording
from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_assets.monitoring.log.records import PREDICTION_LOG_SCHEMA
from fakenews_resources.storage.store import Store
from fakenews_resources.storage.tombstones import Tombstones
from tests.governance.erasure.conftest import log_record

DAY = date(2026, 11, 20)
TITLE, TEXT = "Mayor & council open the “new” bridge", "The ribbon was cut at noon on Tuesday."
IDS = ["a" * 32, "b" * 32]
WORDING = Wording(frozenset({TITLE}), frozenset({TEXT}))


def record(article_id: str, title: str, text: str, request: str = "r") -> bytes:
    values = log_record(article_id, title, text, request, "2026-11-20T12:00:00.000+00:00")
    assert list(values) == PREDICTION_LOG_SCHEMA.names()
    return json.dumps(values).encode()


MINE = record(IDS[0], TITLE, TEXT)
OTHERS = [record("c" * 32, "Another headline", "of another day", request) for request in ("r1", "r2")]


def blanked(tmp_path: Path, data: bytes) -> bytes:
    """What is left of a segment of the log."""
    segment = tmp_path / "predictions-x.jsonl"
    segment.write_bytes(data)
    os.utime(segment, (0, 0))  # nobody is writing it
    blank_unreadable_lines(segment, IDS, WORDING)
    os.utime(segment, (0, 0))
    blank_lines(segment, IDS)
    left = segment.read_bytes()
    assert len(left) == len(data)
    return left


def holds_words(data: bytes) -> bool:
    """Whether eight successive bytes of the title or the text are left."""
    forms = [json.dumps(one)[1:-1].encode() for one in (TITLE, TEXT)]
    return any(form[at : at + 8] in data for form in forms for at in range(len(form) - 7))


@pytest.mark.compute
@pytest.mark.parametrize("piece", ["head", "tail", "without its middle"])
@pytest.mark.parametrize("place", ["last", "last with an end", "middle", "middle without an end"])
def test_a_line_cut_at_any_byte(piece: str, place: str, tmp_path: Path) -> None:
    for cut in range(1, len(MINE)):
        torn = {
            "head": MINE[:cut],
            "tail": MINE[cut:],
            "without its middle": MINE[: cut // 2] + MINE[cut // 2 + 40 :],
        }[piece]
        before, after = OTHERS[0] + b"\n", OTHERS[1] + b"\n"
        data = {
            "last": before + after + torn,
            "last with an end": before + after + torn + b"\n",
            "middle": before + torn + b"\n" + after,
            "middle without an end": before + torn + after,
        }[place]
        left = blanked(tmp_path, data)
        assert left.startswith(before), cut
        assert OTHERS[1] in left, cut
        assert not holds_words(left), (cut, left)


def test_what_holds_no_word_of_it_stays(tmp_path: Path) -> None:
    for cut in range(1, len(OTHERS[0])):
        torn = OTHERS[0][:cut]
        for data in (OTHERS[1] + b"\n" + torn, torn + b"\n" + OTHERS[1] + b"\n"):
            # Of one that is cut before it names its article, nobody can say more than that it has no words.
            assert blanked(tmp_path, data) == data
    garbage = b"\x00\xff\xfe garbage \x80\n\n   \n12\n[]\n{}\n" + OTHERS[0] + b"\n"
    assert blanked(tmp_path, garbage) == garbage


def test_garbage_that_holds_its_words_goes(tmp_path: Path) -> None:
    for piece in (TITLE[:20], TEXT[5:25], MINE[:-20].decode("latin-1")):
        left = blanked(tmp_path, b"\x00\xff" + piece.encode() + b"\x80\n" + OTHERS[0] + b"\n")
        assert not holds_words(left)
        assert left.endswith(OTHERS[0] + b"\n")


def test_a_line_that_is_half_blanked_at_any_byte(tmp_path: Path) -> None:
    segment = tmp_path / "predictions-y.jsonl"
    segment.write_bytes(MINE + b"\n")
    blank_lines(segment, IDS)
    new = segment.read_bytes()
    for cut in range(len(MINE)):
        left = blanked(tmp_path, OTHERS[0] + b"\n" + new[:cut] + MINE[cut:] + b"\n" + OTHERS[1] + b"\n")
        assert not holds_words(left), cut
        read = pl.read_ndjson(left, schema=dict.fromkeys(PREDICTION_LOG_SCHEMA, pl.String))[
            "request_id"
        ].to_list()
        assert (read[0], read[-1]) == ("r1", "r2")


def logged(tmp_path: Path, data: bytes) -> Path:
    segment = tmp_path / "log" / DAY.isoformat() / "predictions-x.jsonl"
    segment.parent.mkdir(parents=True, exist_ok=True)
    segment.write_bytes(data)
    os.utime(segment, (0, 0))
    return segment


def by_order(store: Store, log: Path) -> Erased:
    return erase(store, log, IDS[0], by="the court", reason="order 17")


@pytest.mark.parametrize(
    "torn",
    [MINE[:-30], MINE[200:], b"\x00\xff\x00", OTHERS[0][:-30], MINE[:-30] + OTHERS[0]],
    ids=["head", "tail", "garbage", "another", "merged"],
)
@pytest.mark.parametrize("place", ["last", "middle"])
def test_an_erasure_that_meets_one_ends(torn: bytes, place: str, tmp_path: Path) -> None:
    lines = [MINE, OTHERS[0], torn] if place == "last" else [MINE, torn, OTHERS[0]]
    segment = logged(tmp_path, b"\n".join(lines) + (b"" if place == "last" else b"\n"))
    store, log = Store(tmp_path / "store"), tmp_path / "log"
    erased = by_order(store, log)
    left = segment.read_bytes()
    assert not holds_words(left)
    assert OTHERS[0] in left
    is_kept = torn in (b"\x00\xff\x00", OTHERS[0][:-30])
    assert (torn in left) is is_kept
    assert erased.unreadable == ({} if is_kept else {str(segment): 1})
    assert [one.file for one in Tombstones(store).sound().done[0].files] == [segment.name]
    assert not by_order(store, log).anew
    if torn.endswith(OTHERS[0]):
        assert left.count(OTHERS[0]) == 2, "the record behind the cut can be read again"
    if place == "last" or not is_kept:
        read = PredictionLog(log).read(DAY, "predictions").collect()
        assert read["request_id"].sort().to_list() == ["r", "r1"]


def test_one_that_only_a_cut_line_holds_is_erased(tmp_path: Path) -> None:
    segment = logged(tmp_path, OTHERS[0] + b"\n" + MINE[:-30])
    erased = by_order(Store(tmp_path / "store"), tmp_path / "log")
    assert erased.anew
    assert segment.read_bytes() == OTHERS[0] + b"\n" + b" " * len(MINE[:-30])


def test_a_line_that_a_service_is_writing_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = tmp_path / "predictions-x.jsonl"
    segment.write_bytes(MINE[:200])

    def go_on(_seconds: float) -> None:
        with segment.open("ab") as file:
            file.write(MINE[200:] + b"\n")

    monkeypatch.setattr("time.sleep", go_on)
    assert blank_unreadable_lines(segment, IDS, WORDING) == 0
    assert segment.read_bytes() == MINE + b"\n"


def test_a_service_goes_on_behind_a_blanked_line(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path / "log", now=lambda: datetime(2026, 11, 20, 12, tzinfo=UTC))
    log.append("predictions", [json.loads(MINE)])
    by_order(Store(tmp_path / "store"), tmp_path / "log")
    log.append("predictions", [json.loads(OTHERS[0])])
    log.close()
    read = log.read(DAY, "predictions").collect()
    assert read.select("request_id", "title").rows() == [("r", None), ("r1", "Another headline")]


def test_a_line_that_begins_as_another_record_and_goes_on_as_this_one(tmp_path: Path) -> None:
    other, mine = record("c" * 32, "Another headline", "of another day"), MINE
    for cut in range(mine.index(b'"title_chars"'), len(mine)):
        torn = other[: other.index(b'"title_chars"')] + mine[cut:]
        with suppress(ValueError):  # cut between two values, it is a sound record of the other article
            json.loads(torn)
            continue
        left = blanked(tmp_path, OTHERS[0] + b"\n" + torn + b"\n" + OTHERS[1] + b"\n")
        assert left.startswith(OTHERS[0] + b"\n")
        assert left.endswith(OTHERS[1] + b"\n")
        words = [json.dumps(one)[1:-1].encode() for one in (TITLE, TEXT)]
        assert not any(form[at : at + 16] in left for form in words for at in range(len(form) - 15)), cut


def test_a_short_record_of_somebody_else_does_not_grow_into_the_next(tmp_path: Path) -> None:
    short = json.dumps({"time": "x", "article_id": IDS[0], "title": "a"}, separators=(",", ":")).encode()
    left = blanked(tmp_path, short + b"\n" + OTHERS[0] + b"\n")
    assert left.endswith(b"\n" + OTHERS[0] + b"\n")
    assert b'"a"' not in left
