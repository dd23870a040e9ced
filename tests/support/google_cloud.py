"""As much of Google Cloud as a rollout asks for, on 127.0.0.1: Cloud Build, one service of Cloud Run, its metrics.

Requests are held against the descriptions of the APIs that Google's client carries.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.answering import answering

SERVICE: Final = "projects/p1/locations/r1/services/fakenews"
_JSON_TYPES: Final = {"string": str, "integer": int, "boolean": bool, "number": (int, float), "any": object}


@dataclass
class GoogleCloud:
    """What it was asked for, and what it is to answer."""

    url: str = ""
    builds: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of the requests for builds."""
    build_ends_as: str = "SUCCESS"
    revision_fails: str = ""
    """Why the next revision does not get ready."""
    answered: dict[str, tuple[int, int, float]] = field(default_factory=dict)
    """Requests, failed ones, and 95th percentile in ms, by revision."""
    refuses: tuple[str, int] | None = None
    """Part of a path, and the status that answers it."""
    service: dict[str, Any] = field(
        default_factory=lambda: {
            "name": SERVICE,
            "etag": "1",
            "generation": "1",
            "observedGeneration": "1",
            "template": {
                "containers": [
                    {"name": "service", "image": "r/service:old", "ports": [{"containerPort": 3000}]},
                ],
                "scaling": {"minInstanceCount": 1},
            },
            "latestReadyRevision": f"{SERVICE}/revisions/fakenews-00001-abc",
            "traffic": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
            "terminalCondition": {"state": "CONDITION_SUCCEEDED"},
        }
    )
    revisions: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Templates, by name."""
    filters: list[str] = field(default_factory=list)
    """Of the questions for metrics."""

    @property
    def traffic(self) -> dict[str, int]:
        """Percent by revision."""
        return {one.get("revision", "LATEST"): one["percent"] for one in self.service["traffic"]}

    def answer(self, method: str, path: str, query: Mapping[str, list[str]], body: Any) -> tuple[int, Any]:
        """Status and content."""
        if self.refuses and self.refuses[0] in path:
            return self.refuses[1], {"error": {"code": self.refuses[1], "message": "no such permission"}}
        if path.endswith("/builds"):
            return self._build(body)
        if "/builds/" in path:
            return 200, self._built(path.rpartition("/")[2])
        if path.endswith("/timeSeries"):
            return 200, self._series(query)
        assert path == f"/v2/{SERVICE}", path
        if method == "PATCH":
            return self._change(query["updateMask"][0].split(","), body)
        settled = {**self.service, "observedGeneration": self.service["generation"], "reconciling": False}
        shown, self.service = self.service, settled  # it takes a moment
        return 200, shown

    def _build(self, body: dict[str, Any]) -> tuple[int, Any]:
        if wrong := faults_of("cloudbuild.v1", "Build", body):
            return 400, {"error": {"code": 400, "message": "; ".join(wrong)}}
        used = set(re.findall(r"\$\{(_\w+)\}", json.dumps(body)))
        if used != body["substitutions"].keys():
            return 400, {"error": {"code": 400, "message": f"substitutions do not match: {used}"}}
        self.builds.append(body)
        build = {"id": f"{len(self.builds):08d}-0000", "logUrl": "https://console.example/log"}
        return 200, {"name": "operations/build/p1/x", "metadata": {"build": build}}

    def _built(self, build: str) -> dict[str, Any]:
        said = {"id": build, "status": self.build_ends_as, "logUrl": "https://console.example/log"}
        if self.build_ends_as != "SUCCESS":
            return said | {"statusDetail": "step 1 failed"}
        image = {"name": f"r1-docker.pkg.dev/p1/fakenews/service:{build}", "digest": f"sha256:{build}"}
        return said | {"results": {"images": [image]}}

    def _change(self, mask: list[str], body: dict[str, Any]) -> tuple[int, Any]:
        if wrong := faults_of("run.v2", "GoogleCloudRunV2Service", body):
            return 400, {"error": {"code": 400, "message": "; ".join(wrong)}}
        if body["etag"] != self.service["etag"]:
            return 409, {"error": {"code": 409, "message": "the service was changed meanwhile"}}
        assert set(mask) | {"etag"} == body.keys()
        changed = {name: body[name] for name in mask}
        assert sum(one.get("percent", 0) for one in changed["traffic"]) == 100
        number = str(int(self.service["generation"]) + 1)
        condition: dict[str, Any] = {"state": "CONDITION_SUCCEEDED"}
        if "template" in changed:
            name = changed["template"]["revision"]
            assert name not in self.revisions, "the name of a revision is used once"
            if self.revision_fails:
                condition = {"state": "CONDITION_FAILED", "message": self.revision_fails}
            else:
                self.revisions[name] = changed["template"]
                changed["latestReadyRevision"] = f"{SERVICE}/revisions/{name}"
        self.service |= changed | {
            "etag": number,
            "generation": number,
            "reconciling": True,
            "terminalCondition": condition,
        }
        return 200, {"name": "operations/x"}

    def _series(self, query: Mapping[str, list[str]]) -> dict[str, Any]:
        asked = query["filter"][0]
        self.filters.append(asked)
        (revision,) = re.findall(r'revision_name = "([^"]+)"', asked)
        if revision not in self.answered:
            return {}
        requests, failed, p95 = self.answered[revision]
        if "request_latencies" in asked:
            return {"timeSeries": [{"metric": {}, "points": [{"value": {"doubleValue": p95}}]}]}
        return {
            "timeSeries": [
                {
                    "metric": {"labels": {"response_code_class": kind}},
                    "points": [{"value": {"int64Value": str(count)}}],
                }
                for kind, count in (("2xx", requests - failed), ("5xx", failed))
            ]
        }


def faults_of(api: str, schema: str, value: Any) -> list[str]:
    """What is wrong with a body by the description of the API: unknown fields and other types."""
    document = json.loads(
        (files("googleapiclient.discovery_cache.documents") / f"{api}.json").read_text(encoding="utf-8")
    )
    return list(_wrong(document["schemas"], {"$ref": schema}, value, ""))


def _wrong(schemas: Mapping[str, Any], rule: Mapping[str, Any], value: Any, where: str) -> Iterator[str]:
    rule = schemas[rule["$ref"]] if "$ref" in rule else rule
    if rule["type"] == "array":
        for item in value:
            yield from _wrong(schemas, rule["items"], item, f"{where}[]")
    elif rule["type"] == "object":
        for name, part in value.items():
            known = rule.get("properties", {}).get(name) or rule.get("additionalProperties")
            if known is None:
                yield f"{where}.{name} is unknown"
            else:
                yield from _wrong(schemas, known, part, f"{where}.{name}")
    elif rule.get("format") == "int64" and isinstance(value, int):
        return  # the API's JSON takes numbers for them too
    elif not isinstance(value, _JSON_TYPES[rule["type"]]) or value not in rule.get("enum", [value]):
        yield f"{where} is {value!r}"


def _handler(cloud: GoogleCloud) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            status, content = cloud.answer(
                self.command, parts.path, parse_qs(parts.query), json.loads(sent) if sent else None
            )
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = _answer

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test output quiet."""

    return Handler


@contextmanager
def google_cloud() -> Iterator[GoogleCloud]:
    """A server for the length of the block."""
    cloud = GoogleCloud()
    with answering(_handler(cloud)) as cloud.url:
        yield cloud


@pytest.fixture
def cloud() -> Iterator[GoogleCloud]:
    with google_cloud() as found:
        yield found
