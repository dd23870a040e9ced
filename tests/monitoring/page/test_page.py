"""The monitoring page holds what happened, and nothing that it was not given."""

from datetime import UTC, date, datetime

from fakenews_assets.monitoring.drift.verdict import DriftVerdict, FeatureDrift
from fakenews_assets.monitoring.page.history import Day, Traffic
from fakenews_assets.monitoring.page.page import last_days, monitoring_html
from fakenews_assets.registry.champion import Pointer

UNTIL = date(2026, 11, 24)


def feature(value: float) -> FeatureDrift:
    return FeatureDrift(name="embedding", measure="auc", value=value, chance=0.52, relevant=0.55)


def verdict(value: float) -> DriftVerdict:
    return DriftVerdict(
        model_id="a" * 64, candidate="c", rows=500, reference_rows=900, first=None, last=None, by_other_models=0,
        repeated=0, min_rows=200, features=(feature(value),),
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


def test_the_newest_report_decides_what_stands_on_top() -> None:
    days = [Day(UNTIL.replace(day=23), drift=verdict(0.5)), Day(UNTIL, drift=verdict(0.9))]
    assert '<div class="card alarm"><h3>Drift</h3><p class="value">drifted</p>' in monitoring_html(
        days, [], None
    )
    calm = [Day(UNTIL.replace(day=23), drift=verdict(0.9)), Day(UNTIL, drift=verdict(0.5))]
    assert '<div class="card"><h3>Drift</h3><p class="value">as usual</p>' in monitoring_html(calm, [], None)


def test_numbers_and_links_of_a_day() -> None:
    traffic = Traffic(real=1200, fake=300, unsure=100, feedback=5, latency_p50_ms=4.4, latency_p95_ms=20.0)
    page = monitoring_html([Day(UNTIL, traffic, verdict(0.5), None, ("data_drift",))], [], "beware")
    assert "<td>1,600</td><td>1,200 / 300 / 100</td><td>4 / 20</td>" in page
    assert '<a href="reports/2026-11-24/data_drift.html">drift</a>' in page
    assert "text_metrics" not in page
    assert '<p class="note">beware</p>' in page


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
