"""Evidently's pages say what they are about, and the tests open on the tests."""

from datetime import date

import pytest

from fakenews_assets.monitoring.drift.heading import with_heading
from fakenews_assets.monitoring.drift.verdict import DriftVerdict

VERDICT = DriftVerdict(
    model_id="a1b2" * 16, candidate="<c>", rows=250, reference_rows=900, first=None, last=None, by_other_models=0,
    repeated=0, min_rows=200, features=(),
)  # fmt: skip
BARE = '<html lang="en">\n<head>\n</head>\n<body>\n<script>fe.useState("metrics")</script></body></html>'


def headed(name: str) -> str:
    return with_heading(BARE, ["data_drift", "drift_tests"], name, date(2026, 11, 27), VERDICT)


def test_a_page_says_what_it_is_about_and_leads_back_and_to_the_others() -> None:
    page = headed("data_drift")
    assert "<title>Data drift of 27 November 2026 – fakenews</title>" in page
    assert "<h1>Data drift of 27 November 2026</h1>" in page
    assert "Model a1b2a1b2a1b2 (&lt;c&gt;). Its test split of 900 articles is the reference." in page
    assert '<a href="/">← Monitoring</a>' in page
    assert '<a href="drift_tests.html">Drift tests</a>' in page
    assert "text_metrics" not in page


@pytest.mark.parametrize(("name", "tab"), [("drift_tests", "tests"), ("data_drift", "metrics")])
def test_only_the_tests_open_on_the_tests(name: str, tab: str) -> None:
    assert f'useState("{tab}")' in headed(name)


def test_evidently_still_has_what_the_heading_changes() -> None:
    """If this fails after an update: find the tab's first state in Evidently's script, and the template's tags."""
    # Evidently takes seconds to import.
    from evidently.legacy.utils import dashboard

    params = dashboard.TemplateParams("d", dashboard.DashboardInfo(name="d", widgets=[]), {})
    html = dashboard.file_html_template(params)
    for part in ("<head>", "<body>", '<div id="root_', 'useState("metrics")'):
        assert html.count(part) == 1
