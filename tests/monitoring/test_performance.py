"""Late labels: which answer each belongs to, and what they say."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from fakenews_assets.evaluation.evaluating import Evaluation
from fakenews_assets.models.bootstrap import Interval
from fakenews_assets.models.metrics import Metrics
from fakenews_assets.monitoring.log.records import FEEDBACK_SCHEMA, PREDICTION_LOG_SCHEMA
from fakenews_assets.monitoring.performance import BATCH_LABEL_SCHEMA, join_labels, judge_performance
from fakenews_assets.monitoring.settings import PerformanceSettings
from fakenews_assets.monitoring.windows import JUDGED_ENDPOINTS

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def minutes(count: int) -> datetime:
    return NOON + timedelta(minutes=count)


def table(schema: pl.Schema, *rows: dict[str, Any]) -> pl.LazyFrame:
    return pl.DataFrame(list(rows), schema=schema).lazy()


def answer(article: str, minute: int, request: str = "r", row: int = 0, **changes: Any) -> dict[str, Any]:
    usual = {
        "endpoint": "/predict",
        "probability": 0.9,
        "predicted_label": 1,
        "abstained": False,
        "model_id": "m1",
    }
    return {
        "article_id": article,
        "time": minutes(minute),
        "request_id": request,
        "row": row,
        **usual,
        **changes,
    }


def said(request: str, label: int | None, minute: int, row: int = 0) -> dict[str, Any]:
    return {"time": minutes(minute), "request_id": request, "row": row, "true_label": label, "source": None}


def known(article: str, label: int, minute: int) -> dict[str, Any]:
    return {"article_id": article, "true_label": label, "time": minutes(minute), "origin": "batch"}


def joined(
    answers: list[dict[str, Any]], feedback: list[dict[str, Any]], batches: list[dict[str, Any]]
) -> Any:
    found = join_labels(
        table(PREDICTION_LOG_SCHEMA, *answers),
        table(FEEDBACK_SCHEMA, *feedback),
        table(BATCH_LABEL_SCHEMA, *batches),
    )
    return {row["article_id"]: (row["true_label"], row["origin"]) for row in found.to_dicts()}


def test_feedback_finds_its_row_of_its_request() -> None:
    answers = [answer("a", 0, "r1", 0), answer("b", 0, "r1", 1), answer("c", 0, "r2", 0)]
    assert joined(answers, [said("r1", 0, 5, row=1), said("r9", 1, 5)], []) == {"b": (0, "feedback")}


def test_the_last_word_counts() -> None:
    assert joined([answer("a", 0)], [said("r", 0, 6), said("r", 1, 9)], []) == {"a": (1, "feedback")}


def test_a_label_that_is_taken_back_counts_no_more() -> None:
    answers = [answer("a", 0, "r1"), answer("a", 1, "r2"), answer("b", 0, "r3")]
    given = [said("r1", 0, 5), said("r2", 1, 6), said("r3", 1, 6)]
    assert joined(answers, [*given, said("r2", None, 7), said("r3", None, 7)], []) == {"a": (0, "feedback")}
    assert joined(answers, [said("r3", None, 7), said("r3", 0, 8)], []) == {"b": (0, "feedback")}


def test_a_batch_labels_what_was_asked_before_it_and_nothing_after() -> None:
    answers = [answer("a", 0), answer("b", 20)]
    assert joined(answers, [], [known("a", 0, 10), known("b", 0, 10)]) == {"a": (0, "batch")}


def test_a_batch_counts_more_than_feedback() -> None:
    assert joined([answer("a", 0)], [said("r", 1, 30)], [known("a", 0, 10)]) == {"a": (0, "batch")}


def test_an_article_counts_once_with_its_last_answer() -> None:
    answers = [answer("a", 0, "r1", probability=0.1), answer("a", 5, "r2", probability=0.7)]
    found = join_labels(
        table(PREDICTION_LOG_SCHEMA, *answers),
        table(FEEDBACK_SCHEMA),
        table(BATCH_LABEL_SCHEMA, known("a", 1, 9)),
    )
    assert found["probability"].to_list() == [0.7]


def test_an_explanation_is_no_answer_of_its_own() -> None:
    assert "/explain" not in JUDGED_ENDPOINTS
    assert joined([answer("a", 0, endpoint="/explain")], [said("r", 1, 5)], []) == {}


def labelled(rows: int, right: float, *, seed: int = 0, model_id: str = "m1") -> pl.DataFrame:
    """Answers of which a share is right."""
    generator = np.random.default_rng(seed)
    label = generator.integers(0, 2, rows)
    says = np.where(generator.random(rows) < right, label, 1 - label)
    return pl.DataFrame(
        {
            "article_id": [f"a{row}" for row in range(rows)],
            "probability": 0.1 + 0.8 * says,
            "predicted_label": says,
            "abstained": False,
            "true_label": label,
            "origin": "feedback",
            "model_id": model_id,
        }
    )


@pytest.fixture
def evaluated() -> Evaluation:
    """An evaluation with a macro-F1 of about 0.9."""
    rows = labelled(2000, 0.9, seed=9)
    metrics = Metrics.of(rows["true_label"], rows["probability"])
    return Evaluation.model_construct(metrics=metrics, note="generated")


def test_as_good_as_evaluated(evaluated: Evaluation) -> None:
    verdict = judge_performance(labelled(400, 0.9), "m1", "c", evaluated, PerformanceSettings())
    assert verdict.dropped is False
    assert verdict.summary.endswith(": as evaluated.")
    assert verdict.labels == {"feedback": 400}
    assert verdict.data_note == "generated"


def test_a_drop_is_more_than_is_tolerated_over_the_whole_interval(evaluated: Evaluation) -> None:
    worse = labelled(400, 0.75)
    assert judge_performance(worse, "m1", "c", evaluated, PerformanceSettings()).dropped is True
    lenient = PerformanceSettings(max_drop_points=30)
    assert judge_performance(worse, "m1", "c", evaluated, lenient).dropped is False
    # So few that the interval reaches up to what was evaluated.
    few = PerformanceSettings(min_labels=10)
    assert judge_performance(labelled(12, 0.75, seed=3), "m1", "c", evaluated, few).dropped is False


@pytest.mark.parametrize(
    ("low", "high", "standing"),
    [
        (0.80, 0.87, "dropped"),
        (0.86, 0.89, "lower, perhaps beyond tolerance"),
        (0.885, 0.895, "lower, within tolerance"),
        (0.88, 0.92, "as evaluated"),
        (0.91, 0.93, "higher"),
    ],
)
def test_a_verdict_says_where_the_interval_lies(
    evaluated: Evaluation, low: float, high: float, standing: str
) -> None:
    verdict = judge_performance(labelled(400, 0.9), "m1", "c", evaluated, PerformanceSettings())
    assert verdict.expected is not None
    shift = verdict.expected - 0.9
    interval = Interval(low=low + shift, high=high + shift)
    found = verdict.model_copy(update={"intervals": {"macro_f1": interval}})
    assert found.standing == standing
    assert found.summary.endswith(f": {standing}.")
    assert found.dropped is (standing == "dropped")


def test_too_few_labels_say_nothing(evaluated: Evaluation) -> None:
    verdict = judge_performance(labelled(99, 0.2), "m1", "c", evaluated, PerformanceSettings())
    assert (verdict.dropped, verdict.metrics) == (None, None)
    assert verdict.summary == "Too few labels for a verdict: 99, 100 are needed."


def test_labels_of_one_class_are_judged_by_accuracy(evaluated: Evaluation) -> None:
    fakes = labelled(400, 0.6).filter(pl.col("true_label") == 1)
    verdict = judge_performance(fakes, "m1", "c", evaluated, PerformanceSettings())
    assert verdict.measure == "accuracy"
    assert verdict.dropped is True


@pytest.mark.compute
def test_another_share_of_fakes_is_no_drop() -> None:
    """Of 200 unchanged windows with one fake in ten, at most 5 % are called a drop; against the evaluation's own
    macro-F1 it was three in four."""
    generator = np.random.default_rng(0)

    def draw(rows: int, fakes: float) -> pl.DataFrame:
        label = (generator.random(rows) < fakes).astype(int)
        says = np.where(generator.random(rows) < np.where(label, 0.88, 0.92), label, 1 - label)
        return labelled(rows, 1.0).with_columns(
            probability=pl.Series(0.1 + 0.8 * says), true_label=pl.Series(label)
        )

    cried = []
    for _ in range(200):
        test = draw(900, 0.5)
        metrics = Metrics.of(test["true_label"], test["probability"])
        evaluation = Evaluation.model_construct(metrics=metrics, note=None)
        settings = PerformanceSettings(resamples=200)
        verdict = judge_performance(draw(400, 0.1), "m1", "c", evaluation, settings)
        cried.append(verdict.dropped)
    assert np.mean(cried) <= 0.05


def test_a_model_that_got_worse_is_seen_at_another_share_of_fakes(evaluated: Evaluation) -> None:
    worse = pl.concat([labelled(1500, 0.7).filter(pl.col("true_label") == 0), labelled(200, 0.7)])
    verdict = judge_performance(worse, "m1", "c", evaluated, PerformanceSettings())
    assert verdict.dropped is True
    assert verdict.drop_points is not None
    assert verdict.expected is not None
    assert (
        f"{verdict.expected:.3f} by the evaluation at this share of fakes, {verdict.expected - 0.02:.3f} is tolerated: dropped."
        in verdict.summary
    )


def test_answers_of_other_models_are_left_out_and_counted(evaluated: Evaluation) -> None:
    both = pl.concat([labelled(150, 0.9, seed=1), labelled(120, 0.1, model_id="m0")])
    verdict = judge_performance(both, "m1", "c", evaluated, PerformanceSettings())
    assert (verdict.rows, verdict.by_other_models, verdict.dropped) == (150, 120, False)


def test_without_answers_there_is_nothing_to_judge() -> None:
    verdict = judge_performance(labelled(200, 0.9), None, None, None, PerformanceSettings())
    assert verdict.metrics is None
