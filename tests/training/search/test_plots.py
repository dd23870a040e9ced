"""Pictures of a search."""

import numpy as np

from fakenews_assets.common.plotting import to_png
from fakenews_assets.training.plots import history_figure, settings_figure
from fakenews_assets.training.search.result import RecordState, SearchResult, TrialRecord
from fakenews_assets.training.search.settings import SearchSettings

OUTCOMES: list[tuple[RecordState, float | None]] = [
    ("complete", 0.6),
    ("failed", None),
    ("complete", 0.5),
    ("complete", 0.9),
    ("pruned", 0.1),
    ("pruned", None),
]


def make_result() -> SearchResult:
    trials = tuple(
        TrialRecord(
            number=number,
            state=state,
            params={"learning_rate": 10.0 ** -(number + 1), "batch_size": 16} if state != "failed" else {},
            value=value,
            seconds=1.0,
        )
        for number, (state, value) in enumerate(OUTCOMES)
    )
    return SearchResult(
        settings=SearchSettings(batch_size=[16, 32]),
        train_rows=96,
        val_rows=32,
        best_trial=3,
        best_value=0.9,
        best_changes=trials[3].params,
        trials=trials,
        seconds=6.0,
        versions={},
    )


def test_history_shows_every_trial_that_counts_and_the_best_so_far() -> None:
    figure = history_figure(make_result())

    (axis,) = figure.axes
    complete, pruned = (np.asarray(scatter.get_offsets()).tolist() for scatter in axis.collections)
    assert complete == [[0, 0.6], [2, 0.5], [3, 0.9]]
    assert pruned == [[4, 0.1]]
    (best,) = axis.lines
    assert np.asarray(best.get_ydata()).tolist() == [0.6, 0.6, 0.9]
    assert to_png(figure).startswith(b"\x89PNG")


def test_settings_are_drawn_one_by_one_on_their_own_scale() -> None:
    figure = settings_figure(make_result())

    rate, size = figure.axes
    assert (rate.get_xlabel(), size.get_xlabel()) == ("learning_rate", "batch_size")
    assert (rate.get_xscale(), size.get_xscale()) == ("log", "linear")
    assert np.asarray(rate.collections[1].get_offsets()).tolist() == [[1e-5, 0.1]]
    assert np.asarray(rate.lines[0].get_xdata()).tolist() == [1e-4, 1e-4]
    assert size.get_xticks().tolist() == [16, 32]
    assert to_png(figure).startswith(b"\x89PNG")
