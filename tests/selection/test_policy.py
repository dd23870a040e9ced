from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from fakenews_assets.evaluation.unseen.publishers import unseen_roc_auc
from fakenews_assets.selection.candidates import Candidate
from fakenews_assets.selection.policy import Choice, Verdict, choose
from fakenews_assets.selection.settings import SelectionPolicy
from fakenews_assets.selection.timing import Speeds
from tests.support.publishers import draw_publishers

POLICY = SelectionPolicy(resamples=200)


def _verdict(choice: Choice, name: str) -> Verdict:
    return next(verdict for verdict in choice.verdicts if verdict.name == name)


def test_the_fastest_of_the_good_enough_wins(make_candidate: Callable):
    choice = choose(
        [
            make_candidate("fast", range(104, 208), rows_per_second=300),  # 0.2 points worse than the best
            make_candidate("best", range(100), rows_per_second=100),
            make_candidate("poor", range(300), rows_per_second=900),  # 10 points worse
        ],
        POLICY,
    )

    assert (choice.winner, choice.best) == ("fast", "best")
    assert [verdict.name for verdict in choice.verdicts] == ["best", "fast", "poor"]
    assert [verdict.eligible for verdict in choice.verdicts] == [True, True, False]
    assert _verdict(choice, "best").loss_points == 0
    assert _verdict(choice, "fast").loss_points == pytest.approx(0.2, abs=0.01)
    assert _verdict(choice, "fast").difference.low < -0.002 < _verdict(choice, "fast").difference.high
    assert _verdict(choice, "fast").reasons == ("the fastest of those that are good enough",)
    assert _verdict(choice, "best").reasons == (
        "good enough, but slower than fast: 100 articles/s against 300",
    )
    lost, significant = _verdict(choice, "poor").reasons
    assert lost == "loses 10.00 points of macro-F1 to best; 0.5 are allowed"
    assert significant.startswith("significantly worse than best: by ")


def test_a_small_loss_that_is_sure_is_refused(make_candidate: Callable):
    # Wrong wherever the best is, and on 8 rows more: 0.4 points, but never the other way round.
    best, sure = make_candidate("best", range(100)), make_candidate("sure", range(108), rows_per_second=900)

    choice = choose([best, sure], POLICY)
    verdict = _verdict(choice, "sure")

    assert choice.winner == "best"
    assert verdict.loss_points == pytest.approx(0.4, abs=0.01)
    assert len(verdict.reasons) == 1
    assert verdict.reasons[0].startswith("significantly worse than best")


def test_a_loss_of_exactly_what_is_allowed_is_eligible(make_candidate: Callable):
    best, other = make_candidate("best", range(100)), make_candidate("other", range(102), rows_per_second=900)
    loss = _verdict(choose([best, other], POLICY), "other").loss_points

    assert choose([best, other], SelectionPolicy(max_loss_points=loss, resamples=200)).winner == "other"
    tighter = SelectionPolicy(max_loss_points=loss - 1e-6, resamples=200)
    assert choose([best, other], tighter).winner == "best"


def test_near_duplicates_are_no_independent_evidence(make_candidate: Callable):
    best, other = make_candidate("best", range(100)), make_candidate("other", range(108), rows_per_second=900)
    clusters = pl.Series([f"c{row // 50}" for row in range(2000)])  # the 8 rows lie in one cluster

    assert choose([best, other], POLICY).winner == "best"
    assert choose([best, other], POLICY, clusters).winner == "other"


@pytest.mark.parametrize(
    ("ceiling", "reason"),
    [
        ({"max_megabytes": 90.0}, "takes 120.0 MB; 90 are allowed"),
        ({"max_latency_ms": 20.0}, "takes 25.00 ms for one article; 20 are allowed"),
    ],
)
def test_ceilings_exclude(make_candidate: Callable, ceiling: dict[str, float], reason: str):
    candidates = [
        make_candidate("small", rows_per_second=100, megabytes=80, latency_ms=10),
        make_candidate("large", rows_per_second=200, megabytes=120, latency_ms=25),
    ]

    assert choose(candidates, POLICY).winner == "large"
    choice = choose(candidates, POLICY.model_copy(update=ceiling))
    assert choice.winner == "small"
    assert _verdict(choice, "large").reasons == (reason,)


def test_ceilings_that_exclude_all_say_what_to_relax(make_candidate: Callable):
    candidates = [
        make_candidate("best", range(100), megabytes=120, latency_ms=25),
        make_candidate("poor", range(300), megabytes=20, latency_ms=5),
    ]
    policy = SelectionPolicy(resamples=200, max_megabytes=90, max_latency_ms=30)

    with pytest.raises(ValueError, match=r"Raise max_megabytes to 120\.0 or more to admit best") as raised:
        choose(candidates, policy)
    assert "poor: loses 10.00 points" in str(raised.value)


def test_the_best_on_unseen_publishers_is_the_measure(make_candidate: Callable):
    """A faster candidate that is as good on known publishers, and worse on others, is not good enough."""
    articles, predictions = draw_publishers(60, 20)
    noise = pl.Series(np.random.default_rng(1).normal(0, 0.3, predictions.height))

    def judged(name: str, unseen: pl.DataFrame, wrong: range, rows_per_second: float) -> Candidate:
        one = make_candidate(name, wrong, rows_per_second=rows_per_second)
        auc = unseen_roc_auc(articles, unseen["probability"])
        evaluation = one.evaluation.model_copy(update={"selection_unseen_roc_auc": auc})
        return Candidate(name, evaluation, one.predictions, unseen)

    noisy = predictions.with_columns((pl.col("probability") + noise).clip(0, 1))
    best = judged("reader", predictions, range(4), 100)
    candidates = [best, judged("stylist", noisy, range(0), 900), judged("equal", predictions, range(4), 50)]
    choice = choose(candidates, POLICY, unseen=articles)
    assert (choice.winner, choice.best) == ("reader", "reader")
    lost, significant = _verdict(choice, "stylist").reasons
    assert "points of ROC AUC on unseen publishers to reader; 1 are allowed" in lost
    assert significant.startswith("significantly worse than reader on unseen publishers: by ")
    assert _verdict(choice, "stylist").unseen_roc_auc == candidates[1].unseen_roc_auc
    assert choose(candidates, POLICY.model_copy(update={"max_unseen_loss_points": 50.0})).winner == "stylist"


def test_speeds_are_measured_together_of_those_that_are_good_enough(make_candidate: Callable):
    candidates = [
        make_candidate("best", rows_per_second=100),
        make_candidate("other", rows_per_second=300),
        make_candidate("poor", range(300), rows_per_second=900),
    ]

    def measure(names: Sequence[str]) -> Speeds:
        assert set(names) == {"best", "other"}
        return Speeds({"best": [0.1], "other": [0.2], "finetuned": [0.3]}, 128)

    choice = choose(candidates, POLICY, measure_speeds=measure)
    assert choice.winner == "best"
    assert {one.name: one.rows_per_second for one in choice.verdicts} == {
        "best": 1280,
        "other": 640,
        "poor": 900,
    }


def test_equal_speed_goes_to_the_smaller(make_candidate: Callable):
    candidates = [make_candidate("large", megabytes=90), make_candidate("small", megabytes=30)]

    for order in (candidates, candidates[::-1]):
        choice = choose(order, POLICY)
        assert choice.winner == "small"
        assert _verdict(choice, "large").reasons == ("good enough and as fast as small, but not smaller",)


def test_other_rows_or_another_order_are_refused_by_name(make_candidate: Callable):
    a, b, odd = (make_candidate(name) for name in ("a", "b", "odd"))
    reversed_rows = Candidate("odd", odd.evaluation, odd.predictions.reverse())
    flipped = odd.predictions.with_columns(
        true_label=1 - pl.col("true_label"), predicted_label=1 - pl.col("predicted_label")
    )
    relabelled = Candidate("odd", odd.evaluation, flipped)

    for other in (reversed_rows, relabelled):
        with pytest.raises(ValueError, match=r"^odd: evaluated on other articles, .* than a, b\."):
            choose([other, a, b], POLICY)


def test_unusable_candidates_are_refused(make_candidate: Callable):
    good, bad = make_candidate("good"), make_candidate("bad", range(10))
    with pytest.raises(ValueError, match="no candidate to choose"):
        choose([], POLICY)
    with pytest.raises(ValueError, match="share a name: good, good"):
        choose([good, good], POLICY)
    with pytest.raises(ValueError, match="predictions of mixed do not belong"):
        Candidate("mixed", good.evaluation, bad.predictions)
    one_class = good.evaluation.model_copy(update={"selection_macro_f1": None})
    undefined = Candidate("u", one_class, good.predictions.filter(pl.col("true_label") == 0))
    with pytest.raises(ValueError, match="one class only"):
        choose([undefined], POLICY)


def test_settings_refuse_what_they_do_not_know():
    with pytest.raises(ValidationError, match="max_los_points"):
        SelectionPolicy.model_validate({"max_los_points": 1})
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        SelectionPolicy(max_loss_points=-1)


def test_a_choice_survives_json(make_candidate: Callable):
    choice = choose([make_candidate("a"), make_candidate("b", range(100))], POLICY)
    assert Choice.model_validate_json(choice.model_dump_json()) == choice
