"""What a container runs with: the variables of its image, and over them those of the file that deploys it."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.files import DEPLOY, read

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
            documents = yaml.safe_load_all((DEPLOY / "kubernetes" / "service.yaml").read_text())
            (deployment,) = (one for one in documents if one["kind"] == "Deployment")
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
    return of_image(DEPLOY / "Dockerfile.dagster") | own


def _of_compose(service: str) -> dict[str, str]:
    given = read("compose.yaml")["services"][service]["environment"]
    return {name: re.sub(r"\$\{\w+:\?[^}]*\}", API_KEY, value) for name, value in given.items()}


def _of_pod(env: list[Mapping[str, Any]]) -> dict[str, str]:
    values = {one["name"]: one.get("value", API_KEY) for one in env}
    return {name: re.sub(r"__BUCKET__|PROJECT-fakenews", BUCKET, value) for name, value in values.items()}
