from collections.abc import Callable

import polars as pl
import pytest

from fakenews_assets.selection.gate import Contender, GateDecision, gate
from fakenews_assets.selection.settings import SelectionPolicy

POLICY = SelectionPolicy(resamples=200)


@pytest.fixture
def decide(make_predictions: Callable):
    """Hold a challenger that is wrong on some rows against a champion that is wrong on the first hundred."""

    def decide(wrong: range, speed: float, **policy: float) -> GateDecision:
        challenger = Contender("new", make_predictions(wrong), 100 * speed)
        champion = Contender("old", make_predictions(range(100)), 100)
        return gate(challenger, champion, POLICY.model_copy(update=policy))

    return decide


def test_the_first_champion_needs_no_comparison(make_predictions: Callable):
    decision = gate(Contender("new", make_predictions(), 1), None, POLICY)
    assert decision == GateDecision(promote=True, reasons=("first champion",))


def test_the_champion_itself_is_not_promoted(make_predictions: Callable):
    same = Contender("same", make_predictions(), 1)
    assert gate(same, same, POLICY) == GateDecision(promote=False, reasons=("already champion",))


def test_significantly_better_may_be_slow(decide):
    decision = decide(range(40), 0.2)

    assert decision.promote
    assert decision.reasons[0].startswith("significantly better by 3.00 points of macro-F1 (+")
    assert decision.difference_points == pytest.approx(3, abs=0.01)
    assert 0 < decision.interval.low < 3 < decision.interval.high
    assert decision.speed_ratio == pytest.approx(0.2)
    assert (decision.mcnemar.only_first_right, decision.mcnemar.only_second_right) == (0, 60)
    assert decision.mcnemar.p_value < 1e-9


@pytest.mark.parametrize(("speed", "promoted"), [(0.9, True), (1.0, True), (0.89, False)])
def test_better_by_chance_must_not_be_slower(decide, speed: float, promoted: bool):
    decision = decide(range(104, 200), speed)  # 96 other rows: 0.2 points better

    assert decision.promote is promoted
    assert decision.reasons[0].startswith("better by 0.20 points of macro-F1 (-")
    if not promoted:
        assert decision.reasons[0].endswith("which is not significant")
        assert decision.reasons[1] == "only 0.89 times as fast as the champion; 0.9 are needed"


@pytest.mark.parametrize(("speed", "promoted"), [(1.06, True), (1.05, False), (0.5, False)])
@pytest.mark.parametrize("wrong", [range(100), range(104, 208)])  # equal, and 0.2 points worse by chance
def test_equal_must_be_faster(decide, wrong: range, speed: float, promoted: bool):
    decision = decide(wrong, speed)

    assert decision.promote is promoted
    if promoted:
        assert decision.reasons[0].startswith("as good as the champion: ")
    else:
        assert len(decision.reasons) == 1
        assert f"{speed:.2f} times as fast as the champion; more than 1.05 are needed" in decision.reasons[0]


def test_speed_does_not_pay_for_a_loss(decide):
    decision = decide(range(104, 224), 9)  # 1 point worse, within chance

    assert not decision.promote
    assert decision.reasons == ("loses 1.00 points of macro-F1; 0.5 are allowed",)
    assert decide(range(104, 224), 9, max_loss_points=1.5).promote


def test_speed_does_not_pay_for_a_small_loss_that_is_sure(decide):
    decision = decide(range(108), 9)  # wrong on 8 rows more and right on none: p = 2 / 2^8

    assert not decision.promote
    worse, seldom = decision.reasons
    assert worse.startswith("significantly worse: -0.")
    assert seldom == (
        "significantly less often right: 0 rows that the champion misses against 8 the other way round"
        " (McNemar p = 0.0078)"
    )
    assert decide(range(102), 9).promote  # wrong on 2 rows more: may be chance


def test_near_duplicates_are_no_independent_evidence(make_predictions: Callable):
    better = Contender("new", make_predictions(range(92)), 50)
    champion = Contender("old", make_predictions(range(100)), 100)
    clusters = pl.Series([row // 50 for row in range(2000)])  # the 8 rows lie in one cluster

    assert gate(better, champion, POLICY).promote
    assert not gate(better, champion, POLICY, clusters).promote


def test_unusable_sides_are_refused(make_predictions: Callable):
    rows = make_predictions()
    champion = Contender("old", rows, 100)
    with pytest.raises(ValueError, match="challenger: evaluated on other test rows"):
        gate(Contender("new", rows.head(1000), 100), champion, POLICY)
    with pytest.raises(ValueError, match="above 0"):
        gate(Contender("new", rows, 0), champion, POLICY)


def test_a_decision_survives_json(decide):
    decision = decide(range(40), 1.0)
    assert GateDecision.model_validate_json(decision.model_dump_json()) == decision
