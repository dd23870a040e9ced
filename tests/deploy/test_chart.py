"""Dagster's chart itself, rendered with our values and checked by its own schema.

No package carries it. CI loads it; elsewhere:

    helm pull dagster --repo https://dagster-io.github.io/helm --version VERSION_OF_DAGSTER --untar --untardir FOLDER
    FAKENEWS_HELM_CHART=FOLDER/dagster .venv/bin/python -m pytest tests/deploy/test_chart.py
"""

import os
import subprocess
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml
from dagster import DagsterInstance
from dagster._core.run_coordinator import QueuedRunCoordinator

from tests.deploy import chart
from tests.deploy.files import DEPLOY, read
from tests.deploy.test_helm import loaded

CHART: Final = os.environ.get("FAKENEWS_HELM_CHART")
pytestmark = pytest.mark.skipif(CHART is None, reason="FAKENEWS_HELM_CHART names no chart")


def helm(*arguments: str) -> "subprocess.CompletedProcess[str]":
    assert CHART
    command = ["helm", "template", "dagster", CHART, "--namespace", "dagster", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def rendered(*files: str) -> list[dict[str, Any]]:
    given = [word for file in files for word in ("--values", str(DEPLOY / "kubernetes" / file))]
    made = helm(*given)
    assert made.returncode == 0, made.stderr
    return [one for one in yaml.safe_load_all(made.stdout) if one]


@pytest.mark.parametrize("files", [("values.yaml",), ("values.yaml", "values-gpu.yaml")])
def test_kubernetes_takes_what_the_chart_renders(files: tuple[str, ...]) -> None:
    resources = rendered(*files)
    for one in resources:
        kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)
    made = {(one["kind"], one["metadata"]["name"]) for one in resources}
    assert {("ServiceAccount", "dagster"), ("ConfigMap", "fakenews-training-pod")} <= made
    pods = [one["spec"]["template"]["spec"] for one in resources if one["kind"] == "Deployment"]
    assert len(pods) == 3
    for pod in pods:
        assert pod["serviceAccountName"] == "dagster"
        assert pod["securityContext"]["runAsNonRoot"]
        for container in (*pod["containers"], *pod.get("initContainers", ())):
            assert container["securityContext"]["readOnlyRootFilesystem"]


def test_the_instance_is_the_one_that_the_other_tests_look_at(tmp_path: Path) -> None:
    (config,) = (one for one in rendered("values.yaml") if one["metadata"]["name"] == "dagster-instance")
    instance = yaml.safe_load(config["data"]["dagster.yaml"])
    expected = chart.instance(read("kubernetes/values.yaml"))
    assert {name: instance.get(name) for name in expected} == expected
    made: DagsterInstance = loaded({name: instance[name] for name in expected}, tmp_path)
    assert isinstance(made.run_coordinator, QueuedRunCoordinator)


def test_the_charts_schema_refuses_what_it_does_not_know() -> None:
    refused = helm("--set", "dagsterDaemon.enabled=perhaps")
    assert refused.returncode != 0
    assert "dagsterDaemon" in refused.stderr
