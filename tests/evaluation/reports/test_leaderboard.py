import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from fakenews_assets.common.plotting import to_png
from fakenews_assets.evaluation.evaluating import Evaluation, EvaluationConfig, evaluate
from fakenews_assets.evaluation.generalization.generalization import Spread
from fakenews_assets.evaluation.metrics.speed import SpeedConfig
from fakenews_assets.evaluation.reports.leaderboard import LEADERBOARD_SCHEMA, leaderboard_table, pareto_front
from fakenews_assets.evaluation.reports.leaderboard_markdown import leaderboard_markdown
from fakenews_assets.evaluation.reports.leaderboard_plot import leaderboard_plot
from fakenews_assets.models.bootstrap import Interval

FAST = EvaluationConfig(
    resamples=100,
    speed=SpeedConfig(single_repetitions=2, batch_repetitions=2, length_repetitions=2, warm_up=0),
)
Judge = Callable[..., Evaluation]


@pytest.fixture
def judge(make_split: Callable, classify: Callable, model_folder: Path) -> Judge:
    """Make evaluations with a given macro-F1 and speed out of a measured one."""
    split = make_split(60)
    measured, _ = evaluate(classify(split), split, FAST, model_folder)

    def make(macro_f1: float | None, rows_per_second: float, latency: float | None = None) -> Evaluation:
        interval = None if macro_f1 is None else Interval(low=macro_f1 - 0.02, high=macro_f1 + 0.01)
        speed = {
            "rows_per_second": rows_per_second,
            "latency_p50_ms": latency or 1000 / rows_per_second,
            "latency_ms_by_words": {0: 0.5, 100: 5.0, 200: 9.0},
        }
        return measured.model_copy(
            update={
                "metrics": measured.metrics.model_copy(update={"macro_f1": macro_f1}),
                "selection_macro_f1": macro_f1,
                "intervals": {**measured.intervals, "macro_f1": interval},
                "speed": measured.speed.model_copy(update=speed),
            }
        )

    return make


@pytest.fixture
def evaluations(judge: Judge) -> dict[str, Evaluation]:
    return {
        "baseline": judge(0.85, 9000),
        "finetuned": judge(0.95, 300),
        "distilled": judge(0.94, 600),
        "slow": judge(0.93, 200),
    }


def test_the_front_holds_what_nothing_dominates():
    assert pareto_front([(0.9, 10), (0.8, 20), (0.8, 10), (0.7, 30), (0.95, 5), (0.6, 30)]) == [
        True,
        True,
        False,
        True,
        True,
        False,
    ]


def test_ties_are_on_the_front_together_or_not_at_all():
    assert pareto_front([(0.9, 10), (0.9, 10)]) == [True, True]
    assert pareto_front([(0.9, 10), (0.9, 11)]) == [False, True]
    assert pareto_front([(0.9, 10), (0.9, 10), (0.95, 10)]) == [False, False, True]
    assert pareto_front([(0.5, 1)]) == [True]
    assert pareto_front([]) == []


def test_the_table_is_sorted_and_holds_the_numbers(evaluations: dict[str, Evaluation]):
    table = leaderboard_table(evaluations)

    assert table.schema == LEADERBOARD_SCHEMA
    assert table["candidate"].to_list() == ["finetuned", "distilled", "slow", "baseline"]
    assert table["on_pareto_front"].to_list() == [True, True, False, True]
    assert table["speedup"].to_list() == pytest.approx([1, 2, 2 / 3, 30])
    one, line = evaluations["distilled"], table.row(1, named=True)
    assert (line["macro_f1"], line["low"], line["high"]) == pytest.approx((0.94, 0.92, 0.95))
    assert (line["accuracy"], line["ece"]) == (one.metrics.accuracy, one.metrics.ece)
    assert (line["latency_p50_ms"], line["rows_per_second"]) == (1000 / 600, 600)
    assert (line["megabytes"], line["parameters"]) == (one.bytes_on_disk / 1e6, one.parameters)


def test_another_candidate_can_be_compared_with(evaluations: dict[str, Evaluation]):
    against_slow = leaderboard_table(evaluations, baseline_of_comparison="slow")
    assert against_slow["speedup"].to_list() == pytest.approx([1.5, 3, 1, 45])

    without = leaderboard_table({"slow": evaluations["slow"]})
    assert without["speedup"].to_list() == [None]


def test_an_undefined_macro_f1_comes_last_and_off_the_front(evaluations: dict[str, Evaluation], judge: Judge):
    table = leaderboard_table({"odd": judge(None, 20_000), **evaluations})

    last = table.row(-1, named=True)
    assert (last["candidate"], last["macro_f1"], last["low"]) == ("odd", None, None)
    assert not last["on_pareto_front"]
    assert table["on_pareto_front"].sum() == 3
    assert "| odd | not measured |  | undefined |" in leaderboard_markdown(table)
    assert _names(leaderboard_plot(table)) == {"finetuned", "distilled", "slow", "baseline"}


def test_different_splits_are_refused(evaluations: dict[str, Evaluation]):
    evaluations["slow"] = evaluations["slow"].model_copy(update={"rows": 1061})

    with pytest.raises(ValueError, match=r"finetuned on 60, .*slow on 1,061 rows"):
        leaderboard_table(evaluations)
    with pytest.raises(ValueError, match="needs candidates"):
        leaderboard_table({})


def test_markdown_holds_the_numbers(evaluations: dict[str, Evaluation]):
    evaluations["a|b"] = evaluations.pop("slow")
    report = leaderboard_markdown(leaderboard_table(evaluations), "Only a test.")

    assert report.startswith("> **Only a test.**\n\n| candidate | unseen: ROC AUC |")
    assert "| **distilled** | not measured |  | 0.940 (0.920 to 0.950) |" in report
    assert "| 0.50 / 9.00 | 600 | 2.00x | 0.0 |" in report
    assert "| a\\|b | not measured |  | 0.930 (" in report
    assert not leaderboard_markdown(leaderboard_table(evaluations)).startswith(">")


def test_the_champion_is_named_in_the_table_and_in_the_plot(evaluations: dict[str, Evaluation]):
    table = leaderboard_table(evaluations, champion="slow")
    assert table.filter("is_champion")["candidate"].to_list() == ["slow"]
    assert "| slow (champion) |" in leaderboard_markdown(table)
    assert _names(leaderboard_plot(table)) == {"finetuned", "distilled", "slow (champion)", "baseline"}


def test_the_plot_is_an_image_that_follows_the_data(evaluations: dict[str, Evaluation], judge: Judge):
    image = to_png(leaderboard_plot(leaderboard_table(evaluations)))
    other = to_png(leaderboard_plot(leaderboard_table({**evaluations, "slow": judge(0.97, 200)})))

    assert imread(io.BytesIO(image)).shape[2] == 4
    assert image == to_png(leaderboard_plot(leaderboard_table(evaluations)))
    assert image != other


def test_the_step_line_is_the_front_of_what_is_drawn(judge: Judge):
    # "batcher" leads by throughput only: one article takes it longer than it takes "quick".
    table = leaderboard_table(
        {
            "quick": judge(0.9, 100, latency=1),
            "batcher": judge(0.9, 900, latency=2),
            "best": judge(0.95, 50, latency=20),
        }
    )
    (line, *_) = leaderboard_plot(table).axes[0].lines

    x, y = (np.asarray(values, dtype=float) for values in line.get_data())
    assert x[:-1].tolist() == [1, 20]
    assert y.tolist() == pytest.approx([0.9, 0.95, 0.95])
    assert line.get_drawstyle() == "steps-post"


def test_names_do_not_cover_each_other(judge: Judge):
    crowd = {f"candidate-{index}": judge(0.9 + 0.002 * index, 300 + 5 * index) for index in range(12)}
    crowd["far"] = judge(0.7, 5000)
    figure = leaderboard_plot(leaderboard_table(crowd))
    figure.draw_without_rendering()
    labels = [text for text in figure.axes[0].texts if text.get_text()]
    boxes = [label.get_window_extent() for label in labels]

    assert len(labels) == 13
    for index, box in enumerate(boxes):
        assert box.count_overlaps(boxes[:index]) == 0


def test_an_empty_board_is_drawn_empty():
    assert to_png(leaderboard_plot(pl.DataFrame(schema=LEADERBOARD_SCHEMA))).startswith(b"\x89PNG")


def _names(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.axes[0].texts} - {""}


def test_the_spread_over_seeds_stands_beside_the_candidates_it_was_measured_of(
    evaluations: dict[str, Evaluation],
):
    def spread(protocol: str, mean: float, held_out: str | None = None) -> Spread:
        return Spread.model_validate(
            {
                "protocol": protocol,
                "held_out": held_out,
                "model": "finetuned",
                "seeds": 3,
                "rows": 60,
                "mean": mean,
                "sd": 0.004,
                "low": mean - 0.01,
                "high": mean + 0.01,
                "called_fake": 0.5,
                "fake_share": 0.5,
            }
        )

    spreads = [
        spread("grouped", 0.945),
        spread("source_disjoint", 0.61),
        spread("source_disjoint", 0.55, held_out="blog"),
    ]
    table = leaderboard_table(evaluations, spreads)
    row = table.row(by_predicate=pl.col("candidate") == "finetuned", named=True)
    assert (row["seeds"], row["seed_mean"], row["seed_sd"], row["source_disjoint"]) == (3, 0.945, 0.004, 0.61)
    assert row["time_ordered"] is None
    assert table.filter(pl.col("candidate") != "finetuned")["seed_mean"].null_count() == 3
    text = leaderboard_markdown(table)
    assert "| finetuned | 3 | 0.945 | 0.004 | 0.935 to 0.955 | 0.610 |  |" in text
    assert "source-disjoint" not in leaderboard_markdown(leaderboard_table(evaluations))
