"""The chart's values, without the chart, which no package carries (test_chart.py has it). The keys are those that its own
values.yaml and documentation name (https://docs.dagster.io/deployment/oss/deployment-options/kubernetes), written down here.
What the chart passes on to Dagster and to Kubernetes is held against these two themselves."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import kubernetes_validate
import pytest
import yaml
from dagster import DagsterInstance
from dagster._config import process_config, resolve_to_config_type
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster_gcp.gcs import GCSComputeLogManager
from dagster_k8s import K8sRunLauncher
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import DagsterK8sJobConfig, UserDefinedDagsterK8sConfig, construct_dagster_k8s_job
from kubernetes.client import ApiClient

from fakenews_assets.automation import pods
from tests.deploy import chart
from tests.deploy.files import DEPLOY, REPOSITORY, read, resource

VALUES = read("kubernetes/values.yaml")
ON_GPUS = read("kubernetes/values-gpu.yaml")

_POD = {"image", "env", "envConfigMaps", "envSecrets", "labels", "annotations", "nodeSelector", "affinity",
        "tolerations", "podSecurityContext", "securityContext", "resources", "livenessProbe", "readinessProbe",
        "startupProbe", "volumes", "volumeMounts", "schedulerName"}  # fmt: skip

KNOWN: Mapping[str, set[str] | None] = {
    "global": {"postgresqlSecretName", "dagsterHome", "serviceAccountName", "celeryConfigSecretName"},
    "dagsterWebserver": _POD
    | {"replicaCount", "nameOverride", "pathPrefix", "service", "workspace", "enableReadOnly", "logLevel"}
    | {"dbStatementTimeout", "dbPoolRecycle", "deploymentLabels"},
    "dagsterDaemon": _POD
    | {
        "enabled",
        "heartbeatTolerance",
        "runCoordinator",
        "runMonitoring",
        "runRetries",
        "sensors",
        "schedules",
    }
    | {"deploymentLabels"},
    "dagster-user-deployments": {"enabled", "enableSubchart", "imagePullSecrets", "deployments"},
    "postgresql": {
        "enabled",
        "image",
        "postgresqlHost",
        "postgresqlUsername",
        "postgresqlPassword",
        "service",
    }
    | {"postgresqlDatabase", "postgresqlParams", "postgresqlScheme"},
    "computeLogManager": {"type", "config"},
    "runLauncher": {"type", "config"},
    "serviceAccount": {"create", "name", "annotations"},
    "telemetry": {"enabled"},
    "rabbitmq": {"enabled", "image", "rabbitmq", "service", "volumePermissions"},
    "redis": {"enabled", "internal", "usePassword", "password", "host", "port"},
    "flower": {"enabled"},
    "generatePostgresqlPasswordSecret": None,
    "generateCeleryConfigSecret": None,
    "concurrency": {"enabled", "pools", "runs"},
    "additionalInstanceConfig": None,
    "extraManifests": None,
}
OF_A_DEPLOYMENT = _POD | {
    "name",
    "dagsterApiGrpcArgs",
    "codeServerArgs",
    "includeConfigInLaunchedRuns",
    "port",
}
OF_THE_LAUNCHER = {"image", "imagePullPolicy", "jobNamespace", "loadInclusterConfig", "kubeconfigFile", "envConfigMaps",
                   "envSecrets", "envVars", "volumeMounts", "volumes", "labels", "failPodOnRunFailure", "resources",
                   "schedulerName", "securityContext", "runK8sConfig"}  # fmt: skip
OF_MONITORING = {"enabled", "startTimeoutSeconds", "cancelTimeoutSeconds", "pollIntervalSeconds",
                 "maxResumeRunAttempts", "maxRuntimeSeconds", "freeSlotsAfterRunEndSeconds"}  # fmt: skip

DEPLOYMENT: Mapping[str, Any] = VALUES["dagster-user-deployments"]["deployments"][0]


@pytest.mark.parametrize("values", [VALUES, ON_GPUS])
def test_the_chart_knows_every_key(values: Mapping[str, Any]):
    for key, value in values.items():
        assert key in KNOWN
        known = KNOWN[key]
        if known is not None:
            assert set(value) <= known, key


def test_the_chart_knows_every_key_further_down():
    assert set(DEPLOYMENT) <= OF_A_DEPLOYMENT
    assert set(VALUES["runLauncher"]["config"]) == {"k8sRunLauncher"}
    assert set(VALUES["runLauncher"]["config"]["k8sRunLauncher"]) <= OF_THE_LAUNCHER
    assert set(VALUES["dagsterDaemon"]["runMonitoring"]) <= OF_MONITORING
    assert set(VALUES["computeLogManager"]["config"]["gcsComputeLogManager"]) <= {
        "bucket", "localDir", "prefix", "jsonCredentialsEnvvar", "uploadInterval"
    }  # fmt: skip


def test_limits_and_retries_are_the_laptops():
    laptop = yaml.safe_load((REPOSITORY / "dagster.yaml").read_text())
    rendered = chart.instance(VALUES)
    same = ("concurrency", "run_retries", "telemetry", "nux")
    assert {name: rendered.get(name) for name in same} == {name: laptop[name] for name in same}
    # A node of a cluster may have to start first.
    longer = {"start_timeout_seconds", "poll_interval_seconds"}
    monitoring = {name: value for name, value in rendered["run_monitoring"].items() if name not in longer}
    assert monitoring == {
        name: value for name, value in laptop["run_monitoring"].items() if name not in longer
    }


def test_dagster_queues_runs_within_the_laptops_limits(tmp_path: Path):
    laptop = loaded(yaml.safe_load((REPOSITORY / "dagster.yaml").read_text()), tmp_path / "laptop")
    cluster = loaded(chart.instance(VALUES), tmp_path / "cluster")
    assert isinstance(cluster.run_coordinator, QueuedRunCoordinator)
    assert cluster.get_concurrency_config() == laptop.get_concurrency_config()
    assert cluster.get_concurrency_config().run_queue_config is not None
    assert cluster.run_retries_enabled
    assert not cluster.run_retries_retry_on_asset_or_op_failure
    assert not cluster.nux_enabled


def test_a_queue_that_is_switched_off_is_noticed(tmp_path: Path):
    values = VALUES | {"dagsterDaemon": VALUES["dagsterDaemon"] | {"runCoordinator": {"enabled": False}}}
    instance = loaded(chart.instance(values), tmp_path)
    assert not isinstance(instance.run_coordinator, QueuedRunCoordinator)
    assert instance.get_concurrency_config().run_queue_config is None


def loaded(config: Mapping[str, Any], folder: Path) -> DagsterInstance:
    """The instance that Dagster makes of a configuration, with its storage and its output in a folder."""
    elsewhere = {"storage", "local_artifact_storage", "compute_logs", "run_launcher"}
    own = {name: value for name, value in config.items() if name not in elsewhere}
    folder.mkdir(exist_ok=True)
    (folder / "dagster.yaml").write_text(yaml.safe_dump(own))
    return DagsterInstance.from_config(str(folder))


def test_what_the_chart_passes_to_dagster_is_what_dagster_takes():
    logs = VALUES["computeLogManager"]
    assert logs["type"] == "GCSComputeLogManager"
    config = logs["config"]["gcsComputeLogManager"]
    rendered = {
        "bucket": config["bucket"],
        "prefix": config["prefix"],
        "upload_interval": config["uploadInterval"],
    }
    accept(GCSComputeLogManager.config_type(), rendered)
    launcher = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
    more = launcher["runK8sConfig"]
    accept(
        K8sRunLauncher.config_type(),
        {
            "image_pull_policy": launcher["imagePullPolicy"],
            "load_incluster_config": launcher["loadInclusterConfig"],
            "security_context": launcher["securityContext"],
            "run_k8s_config": {
                "pod_spec_config": more["podSpecConfig"],
                "job_spec_config": more["jobSpecConfig"],
            },
            "service_account_name": VALUES["global"]["serviceAccountName"],
            "instance_config_map": "dagster-instance",
            "postgres_password_secret": VALUES["global"]["postgresqlSecretName"],
        },
    )


def run_context() -> K8sContainerContext:
    """What each run is given: by the launcher, and by its code location as the chart's `k8sContainerContext` renders it."""
    launcher = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
    of_launcher = K8sContainerContext(
        security_context=launcher["securityContext"],
        run_k8s_config=UserDefinedDagsterK8sConfig.from_dict(
            {
                "pod_spec_config": launcher["runK8sConfig"]["podSpecConfig"],
                "job_spec_config": launcher["runK8sConfig"]["jobSpecConfig"],
            }
        ),
    )
    assert DEPLOYMENT["includeConfigInLaunchedRuns"] == {"enabled": True}
    return of_launcher.merge(
        K8sContainerContext.create_from_config(
            {
                "k8s": {
                    "image_pull_policy": DEPLOYMENT["image"]["pullPolicy"],
                    "env_config_maps": [one["name"] for one in DEPLOYMENT["envConfigMaps"]],
                    "volume_mounts": DEPLOYMENT["volumeMounts"],
                    "volumes": DEPLOYMENT["volumes"],
                    "resources": DEPLOYMENT["resources"],
                    "env": DEPLOYMENT["env"],
                }
            }
        )
    )


def job_of_run(tag: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The Kubernetes Job that the launcher makes for a run, whose tag describes its pod."""
    context = run_context().merge(
        K8sContainerContext(run_k8s_config=UserDefinedDagsterK8sConfig.from_dict(tag or {}))
    )
    config = DagsterK8sJobConfig(
        job_image="dagster",
        dagster_home="/opt/dagster/dagster_home",
        instance_config_map="dagster-instance",
        postgres_password_secret=VALUES["global"]["postgresqlSecretName"],
    )
    job = construct_dagster_k8s_job(config, ["dagster"], "run", context.run_k8s_config)
    return cast("dict[str, Any]", ApiClient().sanitize_for_serialization(job))


def check_job(job: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The pod's template and its container. Kubernetes accepts them, and nothing is mounted or set twice."""
    kubernetes_validate.validate(job, kubernetes_validate.latest_version(), strict=True)
    template = job["spec"]["template"]
    (container,) = template["spec"]["containers"]
    for names in (
        [one["mountPath"] for one in container["volumeMounts"]],
        [one["name"] for one in container["env"]],
    ):
        assert len(names) == len(set(names)), names
    assert {one["name"] for one in container["volumeMounts"]} == {
        one["name"] for one in template["spec"]["volumes"]
    }
    return template, container


def test_runs_inherit_from_the_code_what_they_need():
    template, container = check_job(job_of_run())
    maps = {one["configMapRef"]["name"] for one in container["envFrom"] if "configMapRef" in one}
    assert maps == {"fakenews-settings", "fakenews-training-pod"}
    assert container["resources"]["limits"] == {"memory": "8Gi"}
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert template["spec"]["securityContext"]["runAsNonRoot"]


@pytest.mark.parametrize("values", [VALUES, ON_GPUS])
def test_a_trainings_pod_keeps_its_work_and_is_not_evicted(
    values: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
):
    (manifest,) = values["extraManifests"]
    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)
    assert {"name": manifest["metadata"]["name"]} in DEPLOYMENT["envConfigMaps"]
    # Helm would take these for its own.
    assert "{{" not in manifest["data"][pods.TRAINING_POD]

    monkeypatch.setenv(pods.TRAINING_POD, manifest["data"][pods.TRAINING_POD])
    (described,) = pods.training_pod().values()
    template, container = check_job(job_of_run(described))
    assert template["metadata"]["annotations"] == {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
    claim = resource("gke", "PersistentVolumeClaim")["metadata"]["name"]
    (work,) = [
        one["name"]
        for one in template["spec"]["volumes"]
        if one.get("persistentVolumeClaim") == {"claimName": claim}
    ]
    (path,) = [one["mountPath"] for one in container["volumeMounts"] if one["name"] == work]
    assert {"name": "FAKENEWS_CACHE", "value": path} in container["env"]
    assert template["spec"]["securityContext"]["fsGroup"] == template["spec"]["securityContext"]["runAsUser"]
    gpus = container["resources"]["limits"].get("nvidia.com/gpu")
    assert gpus == ("1" if values is ON_GPUS else None)


def test_every_pod_is_nobody():
    for part in (DEPLOYMENT, VALUES["dagsterWebserver"], VALUES["dagsterDaemon"]):
        assert part["podSecurityContext"]["runAsNonRoot"]
        assert part["securityContext"]["readOnlyRootFilesystem"]
        assert not part["securityContext"]["allowPrivilegeEscalation"]
        assert {"/tmp"} <= {one["mountPath"] for one in part["volumeMounts"]}  # noqa: S108
        assert "requests" in part["resources"]
    assert VALUES["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]["podSpecConfig"][
        "securityContext"
    ]["runAsNonRoot"]
    # Its user may not open a port below 1024.
    assert VALUES["dagsterWebserver"]["service"]["port"] > 1024
    assert (
        VALUES["dagsterWebserver"]["readinessProbe"]["httpGet"]["port"]
        == VALUES["dagsterWebserver"]["service"]["port"]
    )


def test_no_password_stands_in_the_values():
    assert not VALUES["generatePostgresqlPasswordSecret"]
    assert "password" not in json.dumps(VALUES).lower().replace("postgresqlpasswordsecret", "")


def test_the_chart_has_the_version_of_the_package():
    assert f"--version {version('dagster')} " in (DEPLOY / "README.md").read_text()


def accept(schema: Any, config: Mapping[str, Any]) -> None:
    result = process_config(resolve_to_config_type(schema), config)
    assert result.success, result.errors
