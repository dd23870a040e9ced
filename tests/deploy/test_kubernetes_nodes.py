"""Ray nodes, and nodes that train together, are pods that Kubernetes accepts and that find each other."""

from importlib.metadata import version
from pathlib import Path

import kubernetes_validate
import yaml

from fakenews_assets.training.settings import FinetunedBertSettings
from tests.deploy.files import resource


def test_the_two_ray_nodes_are_pods_that_kubernetes_accepts():
    """The resource itself belongs to KubeRay, whose schema no package has; its pods are Kubernetes' own."""
    cluster = resource("ray", "RayCluster")
    assert cluster["apiVersion"] == "ray.io/v1"
    assert set(cluster["spec"]) == {"rayVersion", "authOptions", "headGroupSpec", "workerGroupSpecs"}
    assert cluster["spec"]["rayVersion"] == version("ray")
    (workers,) = cluster["spec"]["workerGroupSpecs"]
    assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]
    for group in (cluster["spec"]["headGroupSpec"], workers):
        template = group["template"]
        whole = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, **template}
        kubernetes_validate.validate(whole, kubernetes_validate.latest_version(), strict=True)
        assert "volumes" not in template["spec"]


def test_ray_nodes_are_probed_at_ports_that_they_open():
    """The operator's own probes ask Ray's dashboard by wget; the image has neither."""
    spec = resource("ray", "RayCluster")["spec"]
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        (node,) = group["template"]["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in node["ports"]}
        for probe in ("livenessProbe", "readinessProbe"):
            assert node[probe]["tcpSocket"]["port"] in ports
        assert str(ports["node"]) == group["rayStartParams"]["node-manager-port"]


def test_nodes_that_train_together_find_each_other_and_are_configured_alike():
    job, service = resource("gke-gpu", "Job"), resource("gke-gpu", "Service")
    run = yaml.safe_load(resource("gke-gpu", "ConfigMap", "fakenews-training-run")["data"]["run.yaml"])
    config = FinetunedBertSettings.model_validate(run["ops"]["finetuned_bert"]["config"])
    pod, name = job["spec"]["template"]["spec"], job["metadata"]["name"]
    (node,) = pod["containers"]
    environment = {entry["name"]: entry.get("value") for entry in node["env"]}
    assert config.num_nodes == job["spec"]["completions"] == job["spec"]["parallelism"]
    assert job["spec"]["completionMode"] == "Indexed"
    # One process a node: Lightning would start further ones by this process' own command.
    assert (config.devices, config.strategy) == (1, "ddp")
    assert node["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert pod["subdomain"] == service["metadata"]["name"]
    assert environment["MASTER_ADDR"] == f"{name}-0.{pod['subdomain']}"
    assert int(environment["MASTER_PORT"] or 0) == service["spec"]["ports"][0]["port"]
    assert service["spec"]["selector"] == {"job-name": name}


def test_what_an_unfinished_training_needs_lies_on_the_claim_of_all_its_nodes():
    claim = resource("gke", "PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    template = resource("gke-gpu", "Job")["spec"]["template"]
    (node,) = template["spec"]["containers"]
    volumes = {one["name"]: one for one in template["spec"]["volumes"]}
    work = next(
        Path(one["mountPath"])
        for one in node["volumeMounts"]
        if volumes[one["name"]].get("persistentVolumeClaim") == {"claimName": claim["metadata"]["name"]}
    )
    cache = next(one["value"] for one in node["env"] if one["name"] == "FAKENEWS_CACHE")
    assert Path(cache).is_relative_to(work)
    assert node["securityContext"]["readOnlyRootFilesystem"]
    assert template["metadata"]["annotations"] == {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
