"""Manifests, rendered by Kustomize, by the schemas of Kubernetes; that they fit together and with images and settings."""

import os
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from bentos.fakenews.http import server
from bentos.fakenews.http.middleware import BYTES_PER_SECOND
from bentos.fakenews.model import runtime
from bentos.fakenews.settings import ServiceSettings
from tests.deploy.files import DEPLOY, kustomize, rendered, resource

KUBERNETES = DEPLOY / "kubernetes"
FOLDERS = sorted(
    file.parent.relative_to(KUBERNETES).as_posix()
    for file in KUBERNETES.rglob("kustomization.yaml")
    if yaml.safe_load(file.read_text())["kind"] == "Kustomization"
)
VERSIONS = ("1.31", kubernetes_validate.latest_version())

USER = 1034
"""Of both images; what is shared has to belong to one user."""
SERVICE = "fakenews-service"


def service(kind: str) -> dict[str, Any]:
    return resource("gke", kind, SERVICE)


def pod(deployment: str = SERVICE) -> dict[str, Any]:
    return resource("gke", "Deployment", deployment)["spec"]["template"]["spec"]


def container(deployment: str = SERVICE) -> dict[str, Any]:
    (found,) = pod(deployment)["containers"]
    return found


def variables() -> dict[str, str | None]:
    return {one["name"]: one.get("value") for one in container()["env"]}


def is_of_kubernetes(document: dict[str, Any]) -> bool:
    """Whether Kubernetes itself defines a resource, rather than an operator."""
    group = document["apiVersion"].rpartition("/")[0]
    return "." not in group or group in ("networking.k8s.io", "rbac.authorization.k8s.io", "storage.k8s.io")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", FOLDERS)
def test_kubernetes_knows_every_field(folder: str, version: str):
    for document in filter(is_of_kubernetes, rendered(folder)):
        kubernetes_validate.validate(document, version, strict=True)


def test_a_field_that_it_does_not_know_is_noticed():
    deployment = yaml.safe_load(yaml.safe_dump(service("Deployment")))
    deployment["spec"]["template"]["spec"]["containers"][0]["reedinessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSIONS[-1], strict=True)


def test_a_folder_is_an_overlay_or_part_of_one():
    overlays = {
        name: yaml.safe_load((KUBERNETES / name / "kustomization.yaml").read_text()) for name in FOLDERS
    }
    used = {
        (KUBERNETES / name / part).resolve()
        for name, file in overlays.items()
        for part in file.get("resources", []) + file.get("components", [])
    }
    alone = {"external-secrets", "gke", "gke-gpu", "keys", "ray"}
    folders = {file.parent for file in KUBERNETES.rglob("kustomization.yaml")}
    assert {folder.name for folder in folders - used} == alone


def test_names_of_a_site_stand_in_one_file():
    """The two others are not made by Kustomize, or not part of an overlay."""
    blank = re.compile(r"(?<![\w$])(?:PROJECT|REGION|TAG)(?!\w)")
    found = {
        file.relative_to(KUBERNETES).as_posix()
        for file in KUBERNETES.rglob("*.yaml")
        if any(blank.search(line.split("#")[0]) for line in file.read_text().splitlines())
    }
    assert found == {"site/kustomization.yaml", "values.yaml", "external-secrets/api-key.yaml"}
    pods = [one for folder in ("gke", "gke-gpu", "ray") for one in rendered(folder)]
    images = set(re.findall(r"image: (\S+)", yaml.safe_dump_all(pods)))
    assert images == {f"REGION-docker.pkg.dev/PROJECT/fakenews/{name}:TAG" for name in ("dagster", "service")}


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
    assert service("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert service("HorizontalPodAutoscaler")["spec"]["minReplicas"] > 1


def test_probes_ask_what_the_service_answers_at_its_port():
    (port,) = container()["ports"]
    assert re.search(rf'"--port", "{port["containerPort"]}"', (DEPLOY / "Dockerfile").read_text())
    assert container()["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": port["name"]}
    for probe in ("livenessProbe", "startupProbe"):
        # A service without a champion is alive: to restart it would bring none.
        assert container()[probe]["httpGet"] == {"path": "/livez", "port": port["name"]}
    assert service("Service")["spec"]["ports"][0]["targetPort"] == port["name"]
    # A bucket that does not answer holds up the start for so long, and the process takes some seconds before.
    startup = container()["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 1.5 * runtime._START_SECONDS


def test_a_rollout_takes_no_replica_before_the_next_one_is_ready():
    assert service("Deployment")["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_a_replica_that_ends_finishes_the_longest_request_of_json(monkeypatch: pytest.MonkeyPatch):
    for name, value in variables().items():
        if name.startswith("FAKENEWS_") and value:
            monkeypatch.setenv(name, value)
    own = ServiceSettings()
    receiving = own.body_seconds + own.max_json_bytes / BYTES_PER_SECOND
    taking = own.body_seconds
    assert own.shutdown_seconds >= receiving + own.max_backlog_seconds + taking
    (_, sleep) = container()["lifecycle"]["preStop"]["exec"]["command"]
    sending = own.log_send_seconds
    whole = float(sleep) + own.shutdown_seconds + server._LAST_SECONDS + sending
    assert pod()["terminationGracePeriodSeconds"] >= whole
    # Endpoints are removed when it is told to end, which a readiness probe would take longer to notice.
    assert float(sleep) >= 3 * container()["readinessProbe"]["periodSeconds"]


def test_pods_are_nobody_and_may_write_only_what_is_mounted():
    for name, writable in ((SERVICE, {"/tmp"}), ("fakenews-monitor", {"/tmp", "/var/lib/fakenews"})):  # noqa: S108
        own = container(name)
        security = pod(name)["securityContext"] | own["securityContext"]
        assert security["runAsNonRoot"]
        assert security["runAsUser"] == USER
        assert security["readOnlyRootFilesystem"]
        assert not security["allowPrivilegeEscalation"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        empty = {one["name"] for one in pod(name)["volumes"] if "emptyDir" in one}
        mounts = {one["mountPath"] for one in own["volumeMounts"] if one["name"] in empty}
        assert mounts == writable
    key = next(one for one in container()["env"] if one["name"] == "FAKENEWS_API_KEY")
    assert "secretKeyRef" in key["valueFrom"]


def test_the_users_of_the_images_are_those_of_the_manifests():
    for name in ("Dockerfile", "Dockerfile.dagster"):
        assert f"USER {USER}:{USER}\n" in (DEPLOY / name).read_text()
    text = "".join(file.read_text() for file in KUBERNETES.rglob("*.yaml"))
    assert set(re.findall(r'(?:runAs(?:User|Group)|fsGroup)"?: (\d+)', text)) == {str(USER)}


def test_probes_clients_and_prometheus_get_in_and_the_log_gets_out():
    policy = service("NetworkPolicy")["spec"]
    (entrance,) = policy["ingress"]
    (port,) = container()["ports"]
    assert entrance["ports"] == [{"port": port["name"]}]
    namespaces = [one.get("namespaceSelector", {}).get("matchLabels") for one in entrance["from"]]
    assert {"kubernetes.io/metadata.name": "monitoring"} in namespaces
    # https://docs.cloud.google.com/load-balancing/docs/health-check-concepts#ip-ranges
    blocks = {one["ipBlock"]["cidr"] for one in entrance["from"] if "ipBlock" in one}
    assert blocks == {"35.191.0.0/16", "130.211.0.0/22"}
    assert resource("service", "NetworkPolicy", SERVICE)["spec"]["ingress"][0]["from"] == [
        one for one in entrance["from"] if "ipBlock" not in one
    ]
    out = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    assert out == {53, 443, 80, 988}


def test_the_gateway_ends_tls_and_keeps_metrics_inside():
    listeners = {one["name"]: one for one in resource("gke", "Gateway")["spec"]["listeners"]}
    assert listeners["https"]["tls"]["mode"] == "Terminate"
    (secret,) = listeners["https"]["tls"]["certificateRefs"]
    assert f"create secret tls {secret['name']} " in (DEPLOY / "README.md").read_text()
    route = resource("gke", "HTTPRoute", "fakenews")["spec"]
    assert route["parentRefs"] == [{"name": "fakenews", "sectionName": "https"}]
    assert route["hostnames"] == [listeners["https"]["hostname"]]
    metrics, rest = route["rules"]
    assert metrics["matches"] == [{"path": {"type": "Exact", "value": "/metrics"}}]
    assert "backendRefs" not in metrics
    own = service("Service")
    assert rest["backendRefs"] == [{"name": SERVICE, "port": own["spec"]["ports"][0]["port"]}]
    plain = resource("gke", "HTTPRoute", "fakenews-to-https")["spec"]
    assert plain["parentRefs"][0]["sectionName"] == "http"
    assert "backendRefs" not in plain["rules"][0]


def test_googles_load_balancer_waits_for_the_longest_answer_and_asks_the_readiness():
    (port,) = container()["ports"]
    health = resource("gke", "HealthCheckPolicy")["spec"]
    assert health["default"]["config"]["httpHealthCheck"] == {
        "port": port["containerPort"],
        "requestPath": container()["readinessProbe"]["httpGet"]["path"],
    }
    backend = resource("gke", "GCPBackendPolicy")["spec"]
    for policy in (health, backend):
        assert policy["targetRef"] == {"group": "", "kind": "Service", "name": SERVICE}
    own = ServiceSettings()
    assert backend["default"]["timeoutSec"] >= own.body_seconds + own.max_csv_bytes / BYTES_PER_SECOND
    draining = backend["default"]["connectionDraining"]["drainingTimeoutSec"]
    assert draining >= float(variables()["FAKENEWS_SHUTDOWN_SECONDS"] or 0)
    # Else a connection would be closed here while the load balancer sends a request on it.
    assert int(variables()["FAKENEWS_KEEP_ALIVE_SECONDS"] or 0) > 600


def overlay(folder: Path, component: str) -> dict[str, dict[str, Any]]:
    """The service with one more component, by kind, in an overlay of one's own, as for another cluster."""
    service, *components = (
        os.path.relpath(KUBERNETES / name, folder) for name in ("service", "site", component)
    )
    made = {"resources": [service], "components": components}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(made))
    return {one["kind"]: one for one in kustomize(folder)}


def test_the_secret_of_the_example_is_the_one_that_the_service_reads(tmp_path: Path):
    made = overlay(tmp_path, "external-secrets")
    store, secret = made["SecretStore"], made["ExternalSecret"]
    assert secret["spec"]["secretStoreRef"] == {"kind": "SecretStore", "name": store["metadata"]["name"]}
    (one,) = secret["spec"]["data"]
    given = next(one for one in container()["env"] if one["name"] == "FAKENEWS_API_KEY")["valueFrom"]
    assert given["secretKeyRef"] == {"name": secret["spec"]["target"]["name"], "key": one["secretKey"]}
    assert f"secrets add-iam-policy-binding {one['remoteRef']['key']} " in (DEPLOY / "iam.sh").read_text()
    account = store["spec"]["provider"]["gcpsm"]["auth"]["workloadIdentity"]["serviceAccountRef"]
    assert account == {"name": made["ServiceAccount"]["metadata"]["name"]}


def test_several_keys_are_a_file_of_a_secret_beside_the_one_key(tmp_path: Path):
    deployment = overlay(tmp_path, "keys")["Deployment"]
    kubernetes_validate.validate(deployment, VERSIONS[-1], strict=True)
    spec = deployment["spec"]["template"]["spec"]
    (own,) = spec["containers"]
    names = [one["name"] for one in own["env"]]
    assert set(names) == {*variables(), "FAKENEWS_API_KEYS_FILE"}
    file = Path(own["env"][names.index("FAKENEWS_API_KEYS_FILE")]["value"])
    # The whole folder: a file that is mounted alone stays as it was when its secret changes.
    (mount,) = (one for one in own["volumeMounts"] if one["mountPath"] == str(file.parent))
    assert "subPath" not in mount
    (volume,) = (one for one in spec["volumes"] if one["name"] == mount["name"])
    made = (
        f"create secret generic {volume['secret']['secretName']} --namespace dagster --from-file {file.name}="
    )
    assert made in (DEPLOY / "README.md").read_text()
