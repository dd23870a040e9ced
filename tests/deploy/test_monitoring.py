"""Dashboard and alarms ask only for what the service shows."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import promql_parser
import pytest
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from bentos.fakenews import metrics
from fakenews_assets.cli.monitoring.exporter import GraphCollector
from fakenews_resources.storage.io_manager import Storage
from tests.deploy.files import DEPLOY, read
from tests.support.servers import serve

DASHBOARD = json.loads((DEPLOY / "compose" / "grafana" / "dashboards" / "fakenews.json").read_text())

OF_PROMETHEUS = {"up"}
LABELS_OF_PROMETHEUS = {"job", "instance", "le"}


def expressions() -> Iterator[tuple[str, str]]:
    """Where each expression stands, and the expression, with Grafana's own variables filled in."""
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], re.sub(r"\$__\w+", "5m", target["expr"])
    for annotation in DASHBOARD["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]
    for group in read("compose/alerts.yaml")["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def nodes(expression: Any) -> Iterator[Any]:
    """Everything in a parsed expression."""
    yield expression
    for name in ("expr", "lhs", "rhs", "args", "vector_selector", "param"):
        child = getattr(expression, name, None)
        for one in child if isinstance(child, list) else [child]:
            if isinstance(one, promql_parser.Expr):
                yield from nodes(one)


def asked(expression: str) -> tuple[set[str], set[str]]:
    """Series and labels that an expression names."""
    series: set[str] = set()
    labels: set[str] = set()
    for node in nodes(promql_parser.parse(expression)):
        if isinstance(node, promql_parser.VectorSelector):
            assert node.name, "a selector without the name of its series"
            series.add(node.name)
            labels |= {matcher.name for matcher in node.matchers.matchers}
        modifier = getattr(node, "modifier", None)
        if isinstance(modifier, promql_parser.AggModifier):
            labels |= set(modifier.labels)
    return series, labels


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Series of a real service, by name, and of the graph. The service has no champion, and shows its metrics all the
    same."""
    folder = tmp_path_factory.mktemp("metered")
    ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    with serve(folder, folder / "models", ready=False) as server:
        text = httpx.get(f"{server.url}/metrics").text
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as instance:
        graph = CollectorRegistry()
        graph.register(GraphCollector(Storage(root=str(folder)), instance))
        text += generate_latest(graph).decode()
    return {
        family.name + end
        for family in text_string_to_metric_families(text)
        for end in ends.get(family.type, ())
    }


def test_there_is_something_to_look_at():
    assert len(list(expressions())) > 20


def test_expressions_name_what_the_service_shows(shown: set[str]):
    for where, expression in expressions():
        series, _ = asked(expression)
        assert series, where
        assert series <= shown | OF_PROMETHEUS, where


def test_expressions_name_labels_that_there_are():
    own = {
        label
        for metric in vars(metrics).values()
        if isinstance(metric, MetricWrapperBase)
        for label in metric._labelnames
    }
    assert {"reason", "status", "verdict", "outcome", "endpoint"} <= own
    own |= {"daemon", "asset"}  # of the graph
    for where, expression in expressions():
        _, labels = asked(expression)
        assert labels <= own | LABELS_OF_PROMETHEUS, where


def test_every_metric_of_the_service_is_shown_or_watched():
    used = set().union(*(asked(expression)[0] for _, expression in expressions()))
    for family in REGISTRY.collect():
        if family.name.startswith("fakenews_"):
            assert any(series.startswith(family.name) for series in used), family.name


def test_panels_lie_beside_each_other_and_say_what_they_mean():
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + column, place["y"] + row)
            for column in range(place["w"])
            for row in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(column for column, _ in cells) < 24
        taken |= cells
        assert panel["description"].endswith("."), panel["title"]


def test_the_dashboard_asks_the_datasource_that_is_set_up():
    (source,) = read("compose/grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    asked_of = {target["datasource"]["uid"] for panel in DASHBOARD["panels"] for target in panel["targets"]}
    assert asked_of == {source["uid"]}
    host, port = re.fullmatch(r"http://(\w+):(\d+)", source["url"]).groups()  # pyright: ignore[reportOptionalMemberAccess]
    assert read("compose.yaml")["services"][host]["ports"] == [f"127.0.0.1:{port}:{port}"]
    (provider,) = read("compose/grafana/provisioning/dashboards/fakenews.yaml")["providers"]
    mounts = [volume.split(":") for volume in read("compose.yaml")["services"]["grafana"]["volumes"]]
    assert ["./compose/grafana/dashboards", provider["options"]["path"], "ro"] in mounts


def test_prometheus_scrapes_what_compose_runs_and_tells_alertmanager():
    config = read("compose/prometheus.yaml")
    assert config["rule_files"] == ["alerts.yaml"]
    services = read("compose.yaml")["services"]
    targets = {
        job["job_name"]: target.split(":")
        for job in config["scrape_configs"]
        for one in job["static_configs"]
        for target in one["targets"]
    }
    assert set(targets) == {"fakenews", "fakenews-monitor"}
    assert all(port in services[host]["command"] for host, port in targets.values())
    ((manager,),) = (one["targets"] for one in config["alerting"]["alertmanagers"][0]["static_configs"])
    host, port = manager.split(":")
    assert services[host]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert (DEPLOY / "compose" / Path(config["rule_files"][0])).is_file()
