"""The alarms fire in the outage that they are for, and in no other; time runs in Prometheus' own simulator."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.deploy.files import DEPLOY, REPOSITORY, read

RULES: Final = [rule for group in read("compose/alerts.yaml")["groups"] for rule in group["rules"]]

BEGIN: Final = 30
"""Minutes of calm before an outage."""
END: Final = 120

_RISES: Final = "0+15x480"
_SERVICE: Final = 'job="fakenews", instance="service:3000"'
_GRAPH: Final = 'job="fakenews-monitor", instance="monitor:3002"'

CALM: Final = {
    f"up{{{_SERVICE}}}": "1x480",
    f"up{{{_GRAPH}}}": "1x480",
    f"process_start_time_seconds{{{_SERVICE}}}": "0x480",
    f"fakenews_serving{{{_SERVICE}}}": "1x480",
    f'fakenews_requests_total{{endpoint="/predict", status="200", {_SERVICE}}}': _RISES,
    f'fakenews_requests_total{{endpoint="/predict", status="503", {_SERVICE}}}': "0x480",
    f'fakenews_requests_total{{endpoint="/predict", status="500", {_SERVICE}}}': "0x480",
    f'fakenews_request_seconds_bucket{{endpoint="/predict", le="0.05", {_SERVICE}}}': _RISES,
    f'fakenews_request_seconds_bucket{{endpoint="/predict", le="2.0", {_SERVICE}}}': _RISES,
    f'fakenews_request_seconds_bucket{{endpoint="/predict", le="+Inf", {_SERVICE}}}': _RISES,
    f'fakenews_verdicts_total{{verdict="real", {_SERVICE}}}': _RISES,
    f"fakenews_refused_total{{{_SERVICE}}}": "0x480",
    f'fakenews_model_swaps_total{{outcome="failed", {_SERVICE}}}': "0x480",
    f"fakenews_log_lost_total{{{_SERVICE}}}": "0x480",
    f"fakenews_log_broken{{{_SERVICE}}}": "0x480",
    f'fakenews_daemon_heartbeat_timestamp_seconds{{daemon="sensor", {_GRAPH}}}': _RISES,
    f"fakenews_sensors_timestamp_seconds{{{_GRAPH}}}": _RISES,
    f'fakenews_reported_day_timestamp_seconds{{asset="drift_report", {_GRAPH}}}': "0x480",
    f"fakenews_champion_timestamp_seconds{{{_GRAPH}}}": f"{-72 * 3600}x480",
    f"fakenews_log_arrived_timestamp_seconds{{{_GRAPH}}}": _RISES,
    f"fakenews_failed_runs{{{_GRAPH}}}": "0x480",
    f"fakenews_storage_free_ratio{{{_GRAPH}}}": "0.5x480",
}
"""Series of a good day, one value every 15 s, by the name that `promtool` reads."""

UNTIL: Final = BEGIN * 4
AFTER: Final = (END - BEGIN) * 4

STOPS: Final = f"0+15x{UNTIL} {UNTIL * 15}x{AFTER}"
STARTS: Final = f"0x{UNTIL} 0+15x{AFTER}"

GONE: Final = (f"1x{UNTIL} 0x{AFTER}", f"1x{UNTIL} stale")

OUTAGES: Final[Mapping[str, tuple[Mapping[str, str], Mapping[str, int]]]] = {
    "the service is killed": ({"up{job=": GONE[0]}, {"ServiceDown": 2}),
    "the service's target is gone": ({"up{job=": GONE[1]}, {"ServiceDown": 2}),
    "the service ends once a minute": (
        {
            "up{job=": f"1x{UNTIL} {'0 1x2 ' * (AFTER // 4)}",
            "process_start_time_seconds": f"0x{UNTIL} {' '.join(f'_ {60 * at}x2' for at in range(1, AFTER // 4))}",
        },
        {"ServiceRestarts": 4},
    ),
    "there is no champion": (
        {
            "fakenews_serving": f"1x{UNTIL} 0x{AFTER}",
            "requests_total@200": STOPS,
            "requests_total@503": STARTS,
            "fakenews_verdicts_total": STOPS,
        },
        {"NoChampion": 3, "MostRequestsFail": 3},
    ),
    "every answer is 503": (
        {
            "requests_total@200": STOPS,
            "requests_total@503": STARTS,
            "fakenews_refused_total": STARTS,
            "fakenews_verdicts_total": STOPS,
        },
        {"MostRequestsFail": 4, "RequestsRefused": 7},
    ),
    "a hundredth of the answers is 500": (
        {"requests_total@500": f"0x{UNTIL} 0+0.15x{AFTER}"},
        {"RequestsFail": 7},
    ),
    "answers are slow": ({'le="0.05"': STOPS}, {"AnswersAreSlow": 12}),
    "a champion cannot be loaded": (
        {"fakenews_model_swaps_total": f"0x{UNTIL} 1x{AFTER}"},
        {"ChampionCannotBeServed": 1},
    ),
    "the log's disk is full": (
        {"fakenews_log_broken": f"0x{UNTIL} 1x{AFTER}", "fakenews_log_lost_total": STARTS},
        {"PredictionLogLosesLines": 1},
    ),
    "the log is written elsewhere": (
        {"fakenews_log_arrived_timestamp_seconds": STOPS},
        {"AnswersDoNotArrive": 21},
    ),
    "the log never arrived": ({"fakenews_log_arrived_timestamp_seconds": ""}, {"AnswersDoNotArrive": 0}),
    "the monitor is down": ({f"up{{{_GRAPH}": GONE[0]}, {"MonitorDown": 6}),
    "the daemon is dead": ({"fakenews_daemon_heartbeat": STOPS}, {"DaemonDead": 7}),
    "the code server is dead": ({"fakenews_sensors_timestamp": STOPS}, {"SensorsFail": 12}),
    "a night is missed": (
        {"fakenews_reported_day": f"{BEGIN * 60 - 52 * 3600}x480"},
        {"NightMissed": 1},
    ),
    "no night ever was": ({"fakenews_reported_day": ""}, {"NightMissed": 0}),
    "no night has been yet": (
        {"fakenews_reported_day": "", "fakenews_champion": "0x480"},
        {},
    ),
    "a run fails": ({"fakenews_failed_runs": f"0x{UNTIL} 1x{AFTER}"}, {"RunsFail": 1}),
    "the disk fills": ({"fakenews_storage_free_ratio": f"0.5x{UNTIL} 0.05x{AFTER}"}, {"DiskFills": 6}),
    "the disk is full": (
        {"fakenews_storage_free_ratio": f"0.5x{UNTIL} 0.01x{AFTER}"},
        {"DiskIsFull": 1, "DiskFills": 6},
    ),
}
"""Outages: the series that change (a part of the name, after @ its status), and within how many minutes which alarms
fire. No others do."""


def series(changes: Mapping[str, str]) -> list[dict[str, str]]:
    changed = dict(CALM)
    for part, values in changes.items():
        name, _, status = part.partition("@")
        changed[next(one for one in CALM if name in one and f'status="{status}' in one + 'status="')] = values
    for up in [one for one, values in changed.items() if values in GONE]:
        # Prometheus ends every series of a target that does not answer.
        target = up.removeprefix("up{")
        for one in CALM.keys() - {up}:
            if one.endswith(target):
                changed[one] = re.sub(r"x480$", f"x{UNTIL} stale", changed[one])
    return [{"series": name, "values": values} for name, values in changed.items() if values]


def firing(minute: float, alarms: list[str]) -> dict[str, Any]:
    return {
        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": f"{minute * 60:.0f}s",
        "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in alarms],
    }


def scenario(changes: Mapping[str, str], fires: Mapping[str, int]) -> dict[str, Any]:
    """Nothing before, each alarm within its time, and only these."""
    before = [firing(BEGIN - 1, [])] if all(fires.values()) else []
    within = [
        firing(BEGIN + minute, sorted(name for name, at in fires.items() if at <= minute))
        for minute in sorted(set(fires.values()))
    ]
    return {"interval": "15s", "input_series": series(changes), "promql_expr_test": [*before, *within]}


@pytest.fixture(scope="module")
def promtool() -> str:
    return shutil.which("promtool") or pytest.skip("Prometheus is not installed here: no promtool")


def simulate(promtool: str, folder: Path, *scenarios: Mapping[str, Any]) -> str:
    """What `promtool` finds wrong; empty: nothing."""
    tests = {"rule_files": [str(DEPLOY / "compose" / "alerts.yaml")], "tests": list(scenarios)}
    (folder / "tests.yaml").write_text(yaml.safe_dump(tests, width=1000))
    done = subprocess.run(
        [promtool, "test", "rules", str(folder / "tests.yaml")], capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("outage", OUTAGES)
def test_an_outage_is_told_in_time_and_nothing_else_is(promtool: str, tmp_path: Path, outage: str) -> None:
    changes, fires = OUTAGES[outage]
    assert simulate(promtool, tmp_path, scenario(changes, fires)) == ""


def test_a_good_day_is_quiet(promtool: str, tmp_path: Path) -> None:
    quiet = {"interval": "15s", "input_series": series({}), "promql_expr_test": [firing(END - 1, [])]}
    assert simulate(promtool, tmp_path, quiet) == ""
    louder = quiet | {"promql_expr_test": [firing(END - 1, ["ServiceDown"])]}
    assert "ServiceDown" in simulate(promtool, tmp_path, louder)


def test_every_alarm_has_an_outage() -> None:
    assert {name for _, fires in OUTAGES.values() for name in fires} == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alarm_says_what_has_happened_how_bad_it_is_and_what_to_do(rule: Mapping[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"]["summary"].endswith((".", "?"))
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^### (\w+)$", (REPOSITORY / page).read_text(), re.MULTILINE)
    assert anchor in {heading.lower() for heading in headings}
