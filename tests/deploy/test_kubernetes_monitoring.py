"""What watches the service on Kubernetes: the alarms, the dashboard and the scrape jobs of compose, and the autoscaler.

`python -m tests.deploy.test_kubernetes_monitoring` writes the alarms anew.
"""

import json
import re
from typing import Any, Final

import promql_parser
import yaml
from typer.main import get_command

from bentos.fakenews import metrics
from bentos.fakenews.settings import ServiceSettings
from fakenews_assets.cli import app
from tests.deploy.files import DEPLOY, read, rendered, resource

ALERTS: Final = DEPLOY / "kubernetes" / "monitoring" / "alerts.yaml"
_HEAD: Final = "# Made of ../../compose/alerts.yaml by `python -m tests.deploy.test_kubernetes_monitoring`; change the alarms there.\n"


def alerts() -> dict[str, Any]:
    """The alarms of compose as a resource of the Prometheus operator."""
    head = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "fakenews"},
    }
    return {**head, "spec": read("compose/alerts.yaml")}


def test_the_alarms_are_those_of_compose():
    assert yaml.safe_load(ALERTS.read_text()) == alerts(), "python -m tests.deploy.test_kubernetes_monitoring"
    assert resource("gke", "PrometheusRule")["spec"] == alerts()["spec"]


def test_the_dashboard_is_that_of_compose():
    made = resource("gke", "ConfigMap", "fakenews-dashboard")
    (text,) = made["data"].values()
    assert json.loads(text) == json.loads((DEPLOY / "compose/grafana/dashboards/fakenews.json").read_text())
    assert made["metadata"]["labels"] == {"grafana_dashboard": "1"}


def test_scrape_jobs_have_the_names_that_alarms_and_dashboard_ask_for():
    monitor = resource("gke", "ServiceMonitor")["spec"]
    (chosen,) = monitor["selector"]["matchExpressions"]
    label = chosen["key"]
    assert monitor["jobLabel"] == label
    services = [one for one in rendered("gke") if one["kind"] == "Service"]
    jobs = {one["metadata"]["labels"][label]: one for one in services}
    scraped = {one["job_name"]: one for one in read("compose/prometheus.yaml")["scrape_configs"]}
    assert set(chosen["values"]) == set(jobs) == set(scraped)
    (endpoint,) = monitor["endpoints"]
    assert {one["metrics_path"] for one in scraped.values()} == {endpoint["path"]}
    for one in services:
        assert endpoint["port"] in {port["name"] for port in one["spec"]["ports"]}


def test_the_monitor_runs_on_the_charts_instance():
    spec = resource("gke", "Deployment", "fakenews-monitor")["spec"]["template"]["spec"]
    values = read("kubernetes/values.yaml")
    (container,) = spec["containers"]
    program, command, *options = container["command"]
    assert program == "fakenews"
    parameters = get_command(app).commands[command].params  # pyright: ignore[reportAttributeAccessIssue]
    given = dict(zip(options[::2], options[1::2], strict=True))
    assert set(given) <= {name for one in parameters for name in one.opts}
    assert [str(one["containerPort"]) for one in container["ports"]] == [given["--port"]]
    assert given["--host"] == "0.0.0.0"  # noqa: S104
    secret = next(one for one in container["env"] if one["name"] == "DAGSTER_PG_PASSWORD")["valueFrom"][
        "secretKeyRef"
    ]
    assert secret == {"name": values["global"]["postgresqlSecretName"], "key": "postgresql-password"}
    assert spec["serviceAccountName"] == values["global"]["serviceAccountName"]
    home = re.search(r"DAGSTER_HOME=(\S+)", (DEPLOY / "Dockerfile.dagster").read_text())
    assert home is not None
    mounted = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    assert mounted["instance"] == f"{home[1]}/dagster.yaml"
    maps = {one["name"]: one["configMap"]["name"] for one in spec["volumes"] if "configMap" in one}
    # The chart's name for it, of a release that is called dagster.
    assert maps == {"instance": "dagster-instance"}
    assert "helm upgrade dagster dagster/dagster " in (DEPLOY / "README.md").read_text()


def test_the_autoscaler_follows_the_queue_that_the_service_shows():
    cpu, queue = resource("gke", "HorizontalPodAutoscaler")["spec"]["metrics"]
    assert cpu["resource"]["name"] == "cpu"
    name = queue["pods"]["metric"]["name"]
    assert name == next(iter(metrics.QUEUED.collect())).name
    assert int(queue["pods"]["target"]["averageValue"]) == ServiceSettings().max_batch_rows
    (rule,) = read("kubernetes/monitoring/prometheus-adapter.yaml")["rules"]["custom"]
    series = promql_parser.parse(rule["seriesQuery"])
    assert isinstance(series, promql_parser.VectorSelector)
    assert series.name == name
    # As the adapter fills it in, for the pods of a namespace.
    filled = {"Series": name, "LabelMatchers": 'namespace="dagster",pod=~"a|b"', "GroupBy": "pod"}
    query = re.sub(r"<<\.(\w+)>>", lambda blank: filled[blank[1]], rule["metricsQuery"])
    assert isinstance(promql_parser.parse(query), promql_parser.AggregateExpr)
    assert set(rule["resources"]["overrides"]) == {"namespace", "pod"}


if __name__ == "__main__":
    ALERTS.write_text(_HEAD + yaml.safe_dump(alerts(), sort_keys=False, width=120))
