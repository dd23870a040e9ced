"""Progress: what a step reports, as listeners hear it and as its log has it."""

import logging
import threading
from collections.abc import Iterator

import dagster as dg
import pytest

from fakenews_assets.common import progress
from fakenews_assets.common.assets import asset
from fakenews_assets.common.progress import Lines, Progress, Step


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Watched:
    """A step on a fake clock, and what its listener last heard."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.heard: list[Progress] = []
        self.step = Step("finetuned_bert", self.heard.append, self.clock)

    def after(self, seconds: float) -> str:
        self.clock.now += seconds
        self.step.tell()
        return str(self.heard[-1])


def test_counts_rate_and_remaining_time() -> None:
    watched = Watched()
    watched.step.report(0, 495, "steps", "")
    watched.clock.now = 30
    watched.step.report(120, 495, "steps", "epoch 1/3, loss 0.312")
    assert watched.after(0) == "120 of 495 steps (24%), 4.0 steps/s, 1:34 left, epoch 1/3, loss 0.312"


def test_a_silent_step_slows_down_and_its_end_moves_away() -> None:
    watched = Watched()
    watched.step.report(0, 100, "articles", "")
    watched.clock.now = 2
    watched.step.report(50, 100, "articles", "")
    assert watched.after(0) == "50 of 100 articles (50%), 25 articles/s, 0:02 left"
    assert watched.after(98) == "50 of 100 articles (50%), 2.0 s per article, 1:40 left"


def test_a_step_without_counts_says_how_long_it_has_been_at_it() -> None:
    watched = Watched()
    assert watched.after(70) == "1:10 so far"
    watched.step.report(0, None, "", "quantizing")
    assert watched.after(5) == "1:15 so far, quantizing"


def test_counts_without_a_total_have_a_rate_and_no_end() -> None:
    watched = Watched()
    watched.step.report(0, None, "articles", "comparing speeds")
    watched.step.advance(1_000)
    watched.step.advance(500)
    assert watched.after(10) == "1,500 articles, 150 articles/s, comparing speeds"


def test_bytes_are_megabytes() -> None:
    watched = Watched()
    watched.step.report(0, 245_000_000, "bytes", "")
    watched.clock.now = 10
    watched.step.report(98_000_000, 245_000_000, "bytes", "")
    assert watched.after(0) == "98.0 of 245.0 MB (40%), 9.8 MB/s, 0:15 left"


def test_the_rate_of_a_resumed_count_begins_where_it_was_resumed() -> None:
    watched = Watched()
    watched.step.report(200, 300, "steps", "")
    watched.clock.now = 10
    watched.step.report(210, 300, "steps", "")
    assert watched.after(0) == "210 of 300 steps (70%), 1.0 steps/s, 1:30 left"


def test_a_new_count_has_a_rate_of_its_own() -> None:
    watched = Watched()
    watched.step.report(0, 100, "articles", "first")
    watched.clock.now = 100
    watched.step.report(100, 100, "articles", "first")
    watched.step.report(0, 100, "articles", "second")
    watched.clock.now = 101
    watched.step.advance(10)
    assert watched.after(0) == "10 of 100 articles (10%), 10 articles/s, 0:09 left, second"


def test_parts_share_one_count() -> None:
    watched = Watched()
    for number in (0, 1):
        watched.step.enter(number, 4, "trials", f"seed {number}")
        watched.step.report(0, 50, "steps", "")
        watched.clock.now += 60
        watched.step.report(25, 50, "steps", "loss 0.4")
        if number == 1:
            break
        watched.clock.now += 60
        watched.step.report(50, 50, "steps", "loss 0.3")
        watched.step.leave()
    # One part and a half in three minutes.
    expected = "1 of 4 trials (38%), 2:00 per trial, 5:00 left, seed 1, 25 of 50 steps (50%), loss 0.4"
    assert watched.after(0) == expected


def test_a_hot_loop_costs_its_listeners_two_reports_a_second() -> None:
    watched = Watched()
    watched.step.report(0, 10_000, "articles", "")
    for _ in range(10_000):
        watched.clock.now += 0.001
        watched.step.advance(1)
    assert 19 <= len(watched.heard) <= 21
    assert watched.after(0).startswith("10,000 of 10,000 articles (100%), 1,000 articles/s")


def test_a_line_every_ten_seconds() -> None:
    clock = Clock()
    written: list[tuple[float, str]] = []
    lines = Lines(lambda line: written.append((clock.now, line)), clock)
    for second in range(36):
        clock.now = second
        lines(Progress("evaluation", second, 36, "articles"))
    assert [at for at, _ in written] == [10, 20, 30]
    assert written[0][1] == "evaluation: 10 of 36 articles (28%)"


def test_no_line_is_written_twice() -> None:
    clock = Clock()
    written: list[float] = []
    lines = Lines(lambda _: written.append(clock.now), clock)
    for second in range(60):
        clock.now = second
        lines(Progress("clean_news", 0 if second < 45 else 500, 1000, "rows"))
    assert written == [10, 45]


def test_what_lies_deep_reports_to_the_step_around_it_and_to_none_outside() -> None:
    heard: list[Progress] = []
    with progress.listening(heard.append):
        progress.report(1, 2, "rows")
        progress.advance(1)
        with progress.part(0, 2, "trials"):
            progress.report(1, 2, "rows")
        assert not heard
        with progress.step("outer"):
            with progress.step("inner"):
                progress.report(1, 2, "rows")
            progress.report(3, 4, "rows")
    last = {one.task: (one.done, one.total) for one in heard}
    assert last == {"inner": (1, 2), "outer": (3, 4)}


def test_a_step_that_reports_nothing_is_told_of_all_the_same() -> None:
    told = threading.Event()
    with progress.listening(lambda _: told.set()), progress.step("quiet"):
        assert told.wait(30)


def test_the_log_of_a_step_gets_its_lines(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    with caplog.at_level(logging.INFO), progress.step("clean_news", logging.getLogger("run")):
        progress.report(5, 10, "rows")
    assert "clean_news: 5 of 10 rows (50%)" in caplog.messages


@asset()
def plain() -> int:
    progress.report(1, 2, "rows", "as a function")
    return 1


@asset(output_required=False)
def yielding() -> Iterator[dg.MaterializeResult[int]]:
    progress.report(1, 2, "rows", "as a generator")
    yield dg.MaterializeResult(value=1)


@pytest.mark.parametrize(("one", "how"), [(plain, "function"), (yielding, "generator")])
def test_every_asset_shows_its_progress_in_the_log_of_its_run(
    one: dg.AssetsDefinition, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([one], instance=instance)
        entries = instance.all_logs(result.run_id)
    name = one.key.to_user_string()
    lines = [entry.user_message for entry in entries if entry.step_key == name and not entry.is_dagster_event]
    assert lines[0] == f"{name}: 1 of 2 rows (50%), as a {how}"
