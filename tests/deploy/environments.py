"""What a container runs with: the variables of its image, and over them those of the file that deploys it."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.deploy.files import DEPLOY, read, resource

BUCKET = "news"
"""Stands where the files leave the bucket's name blank."""
API_KEY = "k" * 24
"""Stands where the files name a secret."""

SERVICES = ("compose", "cloudrun", "kubernetes")
"""Files that deploy the prediction service."""


def of_image(dockerfile: Path) -> dict[str, str]:
    """Variables that a Dockerfile sets by ENV."""
    text = dockerfile.read_text().replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    pairs = [word.partition("=") for words in lines if words[:1] == ["ENV"] for word in words[1:]]
    return {name: value for name, _, value in pairs}


def of_service(name: str) -> dict[str, str]:
    """Everything that the prediction service is given, where it is deployed by one of `SERVICES`."""
    match name:
        case "compose":
            image, own = "Dockerfile.dagster", _of_compose("service")
        case "cloudrun":
            (container,) = read("cloudrun.service.yaml")["spec"]["template"]["spec"]["containers"]
            image, own = "Dockerfile", _of_pod(container["env"])
        case _:
            deployment = resource("gke", "Deployment", "fakenews-service")
            (container,) = deployment["spec"]["template"]["spec"]["containers"]
            image, own = "Dockerfile", _of_pod(container["env"])
    return of_image(DEPLOY / image) | own


def of_graph(name: str) -> dict[str, str]:
    """Everything that the graph is given which reads the log of that service."""
    if name == "compose":
        own = _of_compose("code")
    else:
        (code,) = read("kubernetes/values.yaml")["dagster-user-deployments"]["deployments"]
        own = _of_pod(code["env"])
        for one in code["envConfigMaps"]:
            if one["name"] == "fakenews-settings":
                own |= {name: _filled(value) for name, value in of_site().items()}
    return of_image(DEPLOY / "Dockerfile.dagster") | own


def of_site() -> dict[str, str]:
    """The settings that graph and service share on Kubernetes."""
    return resource("gke", "ConfigMap", "fakenews-settings")["data"]


def _of_compose(service: str) -> dict[str, str]:
    given = read("compose.yaml")["services"][service]["environment"]
    return {name: re.sub(r"\$\{\w+:\?[^}]*\}", API_KEY, value) for name, value in given.items()}


def _of_pod(env: list[Mapping[str, Any]]) -> dict[str, str]:
    return {one["name"]: _filled(_value(one)) for one in env}


def _value(one: Mapping[str, Any]) -> str:
    setting = one.get("valueFrom", {}).get("configMapKeyRef")
    return of_site()[setting["key"]] if setting else one.get("value", API_KEY)


def _filled(value: str) -> str:
    return re.sub(r"__BUCKET__|PROJECT-fakenews", BUCKET, value)
