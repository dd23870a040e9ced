import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bentos.fakenews.settings import ServiceSettings
from fakenews_assets.definitions import defs
from tests.deploy import gcloud
from tests.deploy.environments import of_service, of_site
from tests.deploy.files import DEPLOY, faults, read
from tests.support.google_cloud import faults_of

BUILD = read("cloudbuild.yaml")
RUN = read("cloudrun.service.yaml")
PROVIDED = {"PROJECT_ID", "BUILD_ID"}
"""Substitutions that Cloud Build itself fills in."""


def step(name: str) -> dict[str, Any]:
    (found,) = (step for step in BUILD["steps"] if step["id"] == name)
    return found


def revision() -> dict[str, Any]:
    return RUN["spec"]["template"]


def container() -> dict[str, Any]:
    (found,) = revision()["spec"]["containers"]
    return found


# Cloud Build


def test_the_build_is_what_cloud_builds_schema_says():
    assert faults(BUILD, "cloudbuild") == []
    assert faults({**BUILD, "steps": [{"name": "x", "arg": []}]}, "cloudbuild")


def test_every_substitution_is_defined_and_used():
    text = (DEPLOY / "cloudbuild.yaml").read_text()
    used = set(re.findall(r"\$\{(\w+)\}", text))
    assert used == set(BUILD["substitutions"]) | PROVIDED
    # A plain `$name` in a script would be one too.
    assert not re.findall(r"\$[A-Za-z_(]", text)


def test_steps_wait_for_what_they_need():
    names = [step["id"] for step in BUILD["steps"]]
    for position, one in enumerate(BUILD["steps"]):
        assert set(one.get("waitFor", [])) <= {*names[:position], "-"}
    assert step("service")["waitFor"] == ["context"]
    # Cloud Run pulls the image, so it has to be pushed before the end of the build.
    assert step("deploy")["waitFor"] == ["push"]
    assert step("push")["args"][-1] == step("service")["args"][2]


def test_what_is_built_is_pushed_under_a_tag_of_its_own():
    built = {one["args"][one["args"].index("--tag") + 1] for one in (step("service"), step("dagster"))}
    assert built == set(BUILD["images"])
    assert all(image.endswith(":${BUILD_ID}") for image in built)
    assert not any(one["name"].endswith(":latest") or ":" not in one["name"] for one in BUILD["steps"])
    dockerfile = step("dagster")["args"][step("dagster")["args"].index("--file") + 1]
    assert (DEPLOY.parent / dockerfile).is_file()


def test_the_script_refuses_to_go_on_without_what_it_needs(tmp_path: Path):
    script = step("context")["args"][1].replace("${_CONTEXT}", "")
    ended = subprocess.run(
        ["bash", "-euc", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "_CONTEXT" in ended.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_deployed_file_has_no_blank_left(tmp_path: Path):
    """The very script of the build, with a `gcloud` that keeps what it is given."""
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "cloudrun.service.yaml").write_text((DEPLOY / "cloudrun.service.yaml").read_text())
    filled = {"_REPOSITORY": "repository", "BUILD_ID": "b1", "PROJECT_ID": "p1", "_BUCKET": "p1-fakenews"}
    filled |= {"_REGION": "r1"}
    script = re.sub(r"\$\{(\w+)\}", lambda name: filled[name[1]], step("deploy")["args"][1])
    calls = recorded(["bash", "-euc", script], tmp_path)
    assert calls == [["run", "services", "replace", "service.yaml", "--region", "r1"]]
    deployed = (tmp_path / "service.yaml").read_text()
    assert "__" not in deployed.split("spec:", 1)[1]
    assert "image: repository/service:b1" in deployed
    assert "value: gs://p1-fakenews/store\n" in deployed
    assert "serviceAccountName: fakenews-service@p1.iam.gserviceaccount.com" in deployed


# Cloud Run


def test_the_service_is_what_cloud_runs_api_describes():
    assert faults_of("run.v1", "Service", RUN) == []
    assert faults_of("run.v1", "Service", {**RUN, "spec": {"trafic": []}}) == [".spec.trafic is unknown"]


def test_cloud_run_sends_as_much_as_fills_the_batches():
    assert revision()["spec"]["containerConcurrency"] == 2 * ServiceSettings().max_batch_rows


def test_one_instance_is_always_there():
    annotations = revision()["metadata"]["annotations"]
    assert annotations["autoscaling.knative.dev/minScale"] == "1"
    assert int(annotations["autoscaling.knative.dev/maxScale"]) > 1
    assert annotations["run.googleapis.com/startup-cpu-boost"] == "true"
    # Between requests the log is sent.
    assert annotations["run.googleapis.com/cpu-throttling"] == "false"


def test_cloud_run_asks_the_probes_at_the_port_of_the_image():
    (port,) = container()["ports"]
    assert f'"--port", "{port["containerPort"]}"' in (DEPLOY / "Dockerfile").read_text()
    assert container()["startupProbe"]["httpGet"] == {"path": "/readyz", "port": port["containerPort"]}
    assert container()["livenessProbe"]["httpGet"] == {"path": "/livez", "port": port["containerPort"]}


def test_the_service_takes_every_variable_of_cloud_run(monkeypatch: pytest.MonkeyPatch):
    variables = {one["name"]: one for one in container()["env"]}
    assert "secretKeyRef" in variables["FAKENEWS_API_KEY"]["valueFrom"]
    given = {name: value for name, value in of_service("cloudrun").items() if name.startswith("FAKENEWS_")}
    settings = given.keys() - {"FAKENEWS_CACHE"}
    assert {name.removeprefix("FAKENEWS_").lower() for name in settings} <= set(ServiceSettings.model_fields)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    read = ServiceSettings()
    # Cloud Run refuses requests of more than 32 MiB.
    assert max(read.max_csv_bytes, read.max_json_bytes) < 32 * 2**20


# Accounts

_GCLOUD = """\
#!/bin/bash
if [ -z "$CLUSTER" ] && [[ "$*" == *.svc.id.goog* ]]; then
    echo "INVALID_ARGUMENT: Identity Pool does not exist (p1.svc.id.goog)" >&2
    exit 1
fi
{ printf "%q " "$@"; echo; } >> "$CALLS"
"""


def recorded(command: list[str], folder: Path, *, cluster: bool = False) -> list[list[str]]:
    """Run a command with a `gcloud` that writes down its arguments and succeeds.

    Each is a command that Google's own knows, where it is installed. As Google's, it knows no member of the project's identity pool before there was a cluster.
    """
    fake = folder / "bin" / "gcloud"
    fake.parent.mkdir()
    fake.write_text(_GCLOUD)
    fake.chmod(0o755)
    calls = folder / "calls"
    environment = os.environ | {"PATH": f"{fake.parent}:{os.environ['PATH']}", "CALLS": str(calls)}
    environment["CLUSTER"] = "yes" if cluster else ""
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    made = [shlex.split(line) for line in calls.read_text().splitlines()]
    assert [fault for call in made if (fault := gcloud.fault(call))] == []
    return made


def option(call: list[str], name: str) -> str:
    return call[call.index(name) + 1]


Grant = tuple[str, str, str, str]
"""To whom, which role, on what kind of thing, and for which of its contents."""


def grants(folder: Path, *asked: str) -> list[Grant]:
    """What `iam.sh` grants; with `kubernetes`, in a project that has a cluster."""
    command = ["bash", str(DEPLOY / "iam.sh"), "p1", "r1", *asked]
    calls = recorded(command, folder, cluster="kubernetes" in asked)
    granted = [call for call in calls if "add-iam-policy-binding" in call]
    found: list[Grant] = []
    for call in granted:
        condition = option(call, "--condition") if "--condition" in call else "None"
        below = re.search(r"/objects/([a-z_/-]+/)'", condition)
        member = option(call, "--member").removeprefix("serviceAccount:").split("@")[0]
        found.append((member, option(call, "--role"), " ".join(call[:2]), below[1] if below else ""))
    return found


def test_each_account_may_do_its_work_and_no_more(tmp_path: Path):
    assert sorted(grants(tmp_path)) == [
        ("fakenews-build", "roles/artifactregistry.writer", "artifacts repositories", ""),
        ("fakenews-build", "roles/iam.serviceAccountUser", "iam service-accounts", ""),
        ("fakenews-build", "roles/logging.logWriter", "projects add-iam-policy-binding", ""),
        ("fakenews-build", "roles/run.developer", "projects add-iam-policy-binding", ""),
        ("fakenews-build", "roles/storage.legacyBucketReader", "storage buckets", ""),
        ("fakenews-build", "roles/storage.objectViewer", "storage buckets", "build/"),
        ("fakenews-build", "roles/storage.objectViewer", "storage buckets", "store/container_context/"),
        ("fakenews-dagster", "roles/storage.legacyBucketReader", "storage buckets", ""),
        ("fakenews-dagster", "roles/storage.objectUser", "storage buckets", "compute-logs/"),
        ("fakenews-dagster", "roles/storage.objectUser", "storage buckets", "store/"),
        ("fakenews-dagster", "roles/storage.objectViewer", "storage buckets", "landing/"),
        ("fakenews-service", "roles/secretmanager.secretAccessor", "secrets add-iam-policy-binding", ""),
        ("fakenews-service", "roles/storage.legacyBucketReader", "storage buckets", ""),
        ("fakenews-service", "roles/storage.objectCreator", "storage buckets", "store/service_log/"),
        ("fakenews-service", "roles/storage.objectViewer", "storage buckets", "store/models/"),
        ("fakenews-service", "roles/storage.objectViewer", "storage buckets", "store/service_log/"),
    ]


def test_pods_act_as_the_accounts_once_there_is_a_cluster(tmp_path: Path):
    (tmp_path / "without").mkdir()
    (tmp_path / "with").mkdir()
    by_pods = set(grants(tmp_path / "with", "kubernetes")) - set(grants(tmp_path / "without"))
    assert by_pods == {
        (f"p1.svc.id.goog[dagster/{one}]", "roles/iam.workloadIdentityUser", "iam service-accounts", "")
        for one in ("dagster", "fakenews-service")
    }


def test_dagster_may_ship_champions_where_that_is_asked_for(tmp_path: Path):
    (tmp_path / "without").mkdir()
    (tmp_path / "with").mkdir()
    more = set(grants(tmp_path / "with", "rollout")) - set(grants(tmp_path / "without"))
    assert more == {
        ("fakenews-dagster", role, kind, "")
        for role, kind in (
            ("roles/iam.serviceAccountUser", "iam service-accounts"),
            ("roles/artifactregistry.reader", "artifacts repositories"),
            ("roles/run.developer", "run services"),
            ("roles/cloudbuild.builds.editor", "projects add-iam-policy-binding"),
            ("roles/monitoring.viewer", "projects add-iam-policy-binding"),
        )
    }


@pytest.mark.parametrize("arguments", [[], ["p1"], ["p1", "r1", "cluster"]])
def test_the_accounts_script_says_how_it_is_used(arguments: list[str]):
    ended = subprocess.run(
        ["bash", str(DEPLOY / "iam.sh"), *arguments], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "usage: iam.sh PROJECT REGION [kubernetes] [rollout]" in ended.stderr


def test_prefixes_and_names_are_those_of_the_other_files():
    values = read("kubernetes/values.yaml")
    text = (DEPLOY / "iam.sh").read_text()
    logs = values["computeLogManager"]["config"]["gcsComputeLogManager"]
    assert read("dagster.gcp.yaml")["compute_logs"]["config"]["prefix"] == logs["prefix"]
    assert f"roles/storage.objectUser {logs['prefix']}\n" in text
    account = values["serviceAccount"]["annotations"]["iam.gke.io/gcp-service-account"]
    assert account == "fakenews-dagster@PROJECT.iam.gserviceaccount.com"
    assert f"fakenews-dagster:{values['global']['serviceAccountName']}" in text
    assert "fakenews-build@" in BUILD["serviceAccount"]
    secret = next(one for one in container()["env"] if one["name"] == "FAKENEWS_API_KEY")["valueFrom"][
        "secretKeyRef"
    ]
    assert f"gcloud secrets add-iam-policy-binding {secret['name']} " in text


# Vertex AI


def test_the_training_job_names_an_asset_and_options_that_exist():
    job = read("vertex-training.yaml")
    assert faults_of("aiplatform.v1", "GoogleCloudAiplatformV1CustomJobSpec", job) == []
    (pool,) = job["workerPoolSpecs"]
    spec = pool["containerSpec"]
    assert spec["command"] == ["dagster", "asset", "materialize"]
    options = dict(zip(spec["args"][::2], spec["args"][1::2], strict=True))
    assert set(options) == {"--module-name", "--select"}
    assert options["--module-name"] == "fakenews_assets.definitions"
    assert options["--select"] in {
        key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()
    }
    given = {one["name"]: one["value"] for one in spec["env"]}
    assert given["FAKENEWS_STORAGE"] == of_site()["FAKENEWS_STORAGE"]
