"""The monitoring page holds what happened, and nothing that it was not given."""

import re
from datetime import UTC, date, datetime

import numpy as np
import pytest

from fakenews_assets.models.bootstrap import Interval
from fakenews_assets.models.metrics import Metrics
from fakenews_assets.monitoring.drift.verdict import Abstentions, DriftVerdict, FeatureDrift
from fakenews_assets.monitoring.page.history import Day, Traffic
from fakenews_assets.monitoring.page.page import last_days, monitoring_html
from fakenews_assets.monitoring.performance import PerformanceVerdict
from fakenews_assets.registry.champion import Pointer

UNTIL = date(2026, 11, 24)


def feature(value: float) -> FeatureDrift:
    return FeatureDrift(name="embedding", measure="auc", value=value, chance=0.52, relevant=0.55)


def verdict(value: float, *, abstained: int = 60) -> DriftVerdict:
    return DriftVerdict(
        model_id="a" * 64, candidate="c", rows=500, reference_rows=900, first=None, last=None, by_other_models=0,
        repeated=0, min_rows=200, features=(feature(value),), abstentions=Abstentions(
            rows=500, abstained=abstained, out_of_distribution=0, reference_rows=900, reference_abstained=100,
            tolerated=0.17,
        ),
    )  # fmt: skip


def pointer(reason: str) -> Pointer:
    return Pointer(
        sequence=1, bundle="a" * 64, previous=None, action="promote", reason=reason, run_id=None,
        promoted_by="test", promoted_at=datetime(2026, 11, 20, tzinfo=UTC),
    )  # fmt: skip


def test_days_in_a_row() -> None:
    found = last_days(date(2026, 12, 1), 3)
    assert found == [date(2026, 11, 29), date(2026, 11, 30), date(2026, 12, 1)]


def test_an_empty_month_is_a_page_too() -> None:
    page = monitoring_html([Day(day) for day in last_days(UNTIL, 30)], [], None)
    assert page.count("<svg") == 4
    assert "There is no report yet." in page
    assert "There is no champion yet." in page


def card(page: str, name: str) -> tuple[str, str]:
    """State and word of a card."""
    found = re.search(rf'<div class="card (\w+)"><h2>{name}</h2><p class="value">(.*?)</p>', page)
    assert found
    return found[1], found[2]


def test_the_newest_report_decides_what_stands_on_top() -> None:
    days = [Day(UNTIL.replace(day=23), drift=verdict(0.5)), Day(UNTIL, drift=verdict(0.9))]
    assert card(monitoring_html(days, [], None), "Drift") == ("alarm", "drifted")
    calm = [Day(UNTIL.replace(day=23), drift=verdict(0.9)), Day(UNTIL, drift=verdict(0.5))]
    page = monitoring_html(calm, [], None)
    assert card(page, "Drift") == ("good", "as usual")
    assert "Nothing: no alarm is raised." in page


def test_too_many_abstentions_are_an_alarm_that_says_what_to_do() -> None:
    page = monitoring_html([Day(UNTIL, drift=verdict(0.5, abstained=330))], [], None)
    assert card(page, "Abstentions") == ("alarm", "too many")
    assert "66.0%, too many" in page
    assert "The model abstains too often." in page
    assert "Then retrain." in page


@pytest.mark.parametrize(
    ("high", "shown"),
    [
        (0.96, ("alarm", "dropped")),
        (0.985, ("watch", "lower, perhaps beyond tolerance")),
        (1.0, ("good", "as evaluated")),
    ],
)
def test_only_an_interval_around_the_evaluated_score_is_good(high: float, shown: tuple[str, str]) -> None:
    labels = np.arange(400) % 2
    perfect = Metrics.of(labels, 0.1 + 0.8 * labels)
    quality = PerformanceVerdict(
        model_id="a" * 64, candidate="c", labels={"feedback": 400}, by_other_models=0, min_labels=100,
        max_drop_points=2.0, metrics=perfect, intervals={"macro_f1": Interval(low=0.95, high=high)}, evaluated=perfect,
    )  # fmt: skip
    page = monitoring_html([Day(UNTIL, performance=quality)], [], None)
    assert card(page, "Quality") == shown
    assert ("Nothing: no alarm is raised." in page) is (shown[0] == "good")


def test_numbers_and_links_of_a_day() -> None:
    traffic = Traffic(real=1200, fake=300, unsure=100, feedback=5, latency_p50_ms=4.4, latency_p95_ms=20.0)
    page = monitoring_html([Day(UNTIL, traffic, verdict(0.5), None, ("data_drift",))], [], "beware")
    cells = re.findall(r"<t[dh](?: class=\"number\")?>([\d,]+)</t[dh]>", page)
    assert cells == ["1,600", "1,200", "300", "100", "4", "20"]
    assert '<a href="reports/2026-11-24/data_drift.html">drift</a>' in page
    assert "text_metrics" not in page
    assert '<p class="note">beware</p>' in page


def test_tables_and_plots_can_be_read_without_seeing_and_scrolled_without_a_mouse() -> None:
    page = monitoring_html([Day(UNTIL, drift=verdict(0.5))], [pointer("why")], None)
    assert page.count("<table>") == len(
        re.findall(r'role="region" aria-label="\w+" tabindex="0"><table>', page)
    )
    assert not re.findall(r"<th(?! scope)>", page)
    assert len(re.findall(r'<svg role="img" aria-label="[^"]+"', page)) == 4


def test_what_people_wrote_is_no_markup() -> None:
    page = monitoring_html([Day(UNTIL)], [pointer("<script>alert(1)</script>")], "a & b")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "a &amp; b" in page


def test_a_feature_counts_from_its_threshold_on() -> None:
    assert not feature(0.55).drifted
    assert feature(0.551).drifted
    assert feature(0.6).score == (0.6 - 0.5) / (0.55 - 0.5)
    by_chance = FeatureDrift(name="p", measure="wasserstein", value=0.15, chance=0.2, relevant=0.1)
    assert not by_chance.drifted
    assert by_chance.score == 0.15 / 0.2
