"""Manifests by the schemas of Kubernetes, and that they fit together and with the images."""

import re
from importlib.metadata import version
from typing import Any

import kubernetes_validate
import pytest
import yaml

from fakenews_assets.training.settings import FinetunedBertSettings
from tests.deploy.files import DEPLOY, read

KUBERNETES = DEPLOY / "kubernetes"
VERSIONS = ("1.31", kubernetes_validate.latest_version())

USER = 1034
"""Of both images; what is shared has to belong to one user."""


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((KUBERNETES / name).read_text()))


def service(kind: str) -> dict[str, Any]:
    (found,) = (document for document in documents("service.yaml") if document["kind"] == kind)
    return found


def pod() -> dict[str, Any]:
    return service("Deployment")["spec"]["template"]["spec"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["service.yaml"])
def test_kubernetes_knows_every_field(name: str, version: str):
    for document in documents(name):
        kubernetes_validate.validate(document, version, strict=True)


def test_a_field_that_it_does_not_know_is_noticed():
    deployment = service("Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["reedinessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSIONS[-1], strict=True)


def test_the_parts_of_the_service_mean_the_same_pods():
    labels = service("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert service("Deployment")["spec"]["selector"]["matchLabels"] == labels
    assert service("Service")["spec"]["selector"] == labels
    assert service("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert service("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels
    target = service("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", service("Deployment")["metadata"]["name"])
    assert pod()["serviceAccountName"] == service("ServiceAccount")["metadata"]["name"]
    # The autoscaler decides how many; a number here would fight it at each deployment.
    assert "replicas" not in service("Deployment")["spec"]


def test_a_budget_never_stands_in_the_way_of_a_drained_node():
    assert (
        service("PodDisruptionBudget")["spec"]["minAvailable"]
        < service("HorizontalPodAutoscaler")["spec"]["minReplicas"]
    )


def test_probes_ask_what_the_service_answers_at_its_port():
    (container,) = pod()["containers"]
    (port,) = container["ports"]
    assert re.search(rf'"--port", "{port["containerPort"]}"', (DEPLOY / "Dockerfile").read_text())
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": port["name"]}
    for probe in ("livenessProbe", "startupProbe"):
        # A service without a champion is alive: to restart it would bring none.
        assert container[probe]["httpGet"] == {"path": "/livez", "port": port["name"]}
    assert service("Service")["spec"]["ports"][0]["targetPort"] == port["name"]
    assert service("NetworkPolicy")["spec"]["ingress"][0]["ports"] == [{"port": port["name"]}]


def test_the_service_is_nobody_and_may_write_only_tmp():
    (container,) = pod()["containers"]
    security = pod()["securityContext"] | container["securityContext"]
    assert security["runAsNonRoot"]
    assert security["runAsUser"] == USER
    assert security["readOnlyRootFilesystem"]
    assert not security["allowPrivilegeEscalation"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    environment = {one["name"]: one for one in container["env"]}
    writable = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert writable == {"/tmp"}  # noqa: S108
    assert "secretKeyRef" in environment["FAKENEWS_API_KEY"]["valueFrom"]


def test_the_users_of_the_images_are_those_of_the_manifests():
    for name in ("Dockerfile", "Dockerfile.dagster"):
        assert f"USER {USER}:{USER}\n" in (DEPLOY / name).read_text()
    text = "".join(file.read_text() for file in KUBERNETES.glob("*.yaml"))
    assert set(re.findall(r"runAs(?:User|Group): (\d+)", text)) == {str(USER)}


def test_the_two_ray_nodes_are_pods_that_kubernetes_accepts():
    """The resource itself belongs to KubeRay, whose schema no package has; its pods are Kubernetes' own."""
    cluster = read("kubernetes/raycluster.yaml")
    assert (cluster["apiVersion"], cluster["kind"]) == ("ray.io/v1", "RayCluster")
    assert set(cluster["spec"]) == {"rayVersion", "authOptions", "headGroupSpec", "workerGroupSpecs"}
    assert cluster["spec"]["rayVersion"] == version("ray")
    (workers,) = cluster["spec"]["workerGroupSpecs"]
    assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]
    for group in (cluster["spec"]["headGroupSpec"], workers):
        template = group["template"]
        whole = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, **template}
        kubernetes_validate.validate(whole, VERSIONS[-1], strict=True)
        assert "volumes" not in template["spec"]


def test_ray_nodes_are_probed_at_ports_that_they_open():
    """The operator's own probes ask Ray's dashboard by wget; the image has neither."""
    spec = read("kubernetes/raycluster.yaml")["spec"]
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        (container,) = group["template"]["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for probe in ("livenessProbe", "readinessProbe"):
            assert container[probe]["tcpSocket"]["port"] in ports
        assert str(ports["node"]) == group["rayStartParams"]["node-manager-port"]


def test_nodes_that_train_together_find_each_other_and_are_configured_alike():
    settings, service, job = documents("training-nodes.yaml")
    for document in (settings, service, job):
        kubernetes_validate.validate(document, VERSIONS[-1], strict=True)
    run = yaml.safe_load(settings["data"]["run.yaml"])
    config = FinetunedBertSettings.model_validate(run["ops"]["finetuned_bert"]["config"])
    pod, name = job["spec"]["template"]["spec"], job["metadata"]["name"]
    (container,) = pod["containers"]
    environment = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert config.num_nodes == job["spec"]["completions"] == job["spec"]["parallelism"]
    assert job["spec"]["completionMode"] == "Indexed"
    # One process a node: Lightning would start further ones by this process' own command.
    assert (config.devices, config.strategy) == (1, "ddp")
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert pod["subdomain"] == service["metadata"]["name"]
    assert environment["MASTER_ADDR"] == f"{name}-0.{pod['subdomain']}"
    assert int(environment["MASTER_PORT"]) == service["spec"]["ports"][0]["port"]
    assert service["spec"]["selector"] == {"job-name": name}
