"""As much of a Weights & Biases server as its client asks of one, on 127.0.0.1; it misbehaves as it is told to."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Final, Literal

import pytest

from tests.support.answering import answering

Mood = Literal["well", "broken", "silent", "absent", "unauthorized"]


@dataclass
class WandbServer:
    """What it was sent, and how it is."""

    url: str = ""
    mood: Mood = "well"
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What was said of each run at its start, by its id: the variables of `upsertBucket`."""
    files: dict[str, bytes] = field(default_factory=dict)
    """Uploaded files of runs and artifacts, by name."""
    finished: dict[str, int] = field(default_factory=dict)
    """Exit codes of runs that have ended."""
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    """Variables of every `createArtifact`."""
    links: list[dict[str, Any]] = field(default_factory=list)
    """Variables of every `linkArtifact`."""
    released: threading.Event = field(default_factory=threading.Event)
    _history: dict[str, dict[int, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """Names of the questions, in order."""

    def be(self, mood: Mood) -> None:
        """From now on answer with 500 (`broken`), with 401, never (`silent`), or not even listen (`absent`)."""
        self.mood = mood
        if mood == "absent":
            self.url = "http://127.0.0.1:9"  # the port of `discard`, which nobody serves any more

    def history(self, run: str) -> list[dict[str, Any]]:
        """The rows of a run's history, in order."""
        return [json.loads(line) for _, line in sorted(self._history.get(run, {}).items())]

    def stream(self, run: str, sent: dict[str, Any]) -> None:
        """Take what a run streams: lines with their places, and its end."""
        lines = sent.get("files", {}).get("wandb-history.jsonl", {"offset": 0, "content": []})
        for at, line in enumerate(lines["content"], lines["offset"]):
            self._history.setdefault(run, {})[at] = line
        if sent.get("complete"):
            self.finished[run] = sent["exitcode"]

    def answer(self, query: str, given: dict[str, Any]) -> dict[str, Any]:
        """The data that answers a query of GraphQL."""
        found = re.search(r"(?:query|mutation)\s+(\w+)", query)
        name = found[1] if found else ""
        self.asked.append(name)
        if name == "RunResumeStatus":
            known = given["name"] in self.runs
            return {"model": {"bucket": self._left_off(given["name"]) if known else None}}
        if "upsertBucket" in query:
            self.runs.setdefault(given["name"], given)
            project = {
                "id": "p",
                "name": given["project"],
                "entity": {"id": "e", "name": given["entity"] or "me"},
            }
            bucket = {"id": "b", "name": given["name"], "displayName": "", "project": project}
            return {"upsertBucket": {"bucket": bucket | {"historyLineCount": 0}, "inserted": True}}
        if "createRunFiles" in query:
            files = [{"name": one, "uploadUrl": f"{self.url}/upload/{one}"} for one in given["files"]]
            return {"createRunFiles": {"runID": given["run"], "uploadHeaders": [], "files": files}}
        if "viewer" in query:
            return {"viewer": {"id": "v", "entity": "me", "username": "me", "teams": {"edges": []}}}
        if "serverInfo" in query:
            return {"serverInfo": {"features": []}}
        return self._of_artifacts(query, given)

    def _left_off(self, run: str) -> dict[str, Any]:
        """Where a run is to go on."""
        lines = self._history.get(run, {})
        tail = [lines[max(lines)]] if lines else []
        return {
            "name": run,
            "summaryMetrics": "{}",
            "config": "{}",
            "tags": [],
            "historyLineCount": len(lines),
            "eventsLineCount": 0,
            "logLineCount": 0,
            "historyTail": json.dumps(tail),
            "eventsTail": "[]",
            "wandbConfig": '{"t": 1}',
        }

    def _of_artifacts(self, query: str, given: dict[str, Any]) -> dict[str, Any]:
        asked = given.get("input", given)
        if "createArtifact(" in query:
            self.artifacts.append(asked)
            return {"createArtifact": {"artifact": self._artifact() | {"state": "PENDING"}}}
        if "createArtifactManifest(" in query or "updateArtifactManifest(" in query:
            name = (
                "createArtifactManifest" if "createArtifactManifest(" in query else "updateArtifactManifest"
            )
            return {name: {"artifactManifest": {"id": "m", "file": self._upload("wandb_manifest.json")}}}
        if "createArtifactFiles(" in query:
            edges = [{"node": self._upload(one["name"])} for one in asked["artifactFiles"]]
            return {"createArtifactFiles": {"files": {"edges": edges}}}
        if "commitArtifact(" in query:
            return {"commitArtifact": {"artifact": self._artifact()}}
        if "linkArtifact(" in query:
            self.links.append(asked)
            return {"result": {"versionIndex": 0, "artifactMembership": None}}
        if "artifactCollectionMembership(" in query:
            return {"project": {"artifactCollectionMembership": self._membership(given)}}
        if "artifact(id:" in query:
            return {"artifact": self._artifact()}
        if "organization" in query:
            return {
                "entity": {"organization": {"name": "org", "orgEntity": {"name": "org_entity"}}, "user": None}
            }
        if "artifact(name:" in query:
            return {"project": {"artifact": None}}
        return {}

    def _upload(self, name: str) -> dict[str, Any]:
        return {
            "id": name,
            "name": name,
            "displayName": name,
            "storagePath": name,
            "uploadUrl": f"{self.url}/upload/{name}",
            "uploadHeaders": [],
            "uploadMultipartUrls": None,
            "artifact": {"id": "YXJ0"},
        }

    def _membership(self, given: dict[str, Any]) -> dict[str, Any]:
        project = {
            "id": "p",
            "internalId": "p",
            "name": given["project"],
            "entity": {"name": given["entity"]},
        }
        portfolio = {"__typename": "ArtifactPortfolio", "id": "f", "name": given["name"].split(":")[0]}
        return {
            "__typename": "ArtifactCollectionMembership",
            "id": "g",
            "versionIndex": 0,
            "createdAt": "2026-01-01T00:00:00",
            "aliases": [],
            "artifactCollection": portfolio | {"project": project},
            "artifact": self._artifact(),
        }

    def _artifact(self) -> dict[str, Any]:
        created = self.artifacts[-1]
        project = {"id": "p", "internalId": "p", "name": created["projectName"], "entity": {"name": "me"}}
        sequence = {"__typename": "ArtifactSequence", "id": "s", "name": created["artifactCollectionName"]}
        return {
            "__typename": "Artifact",
            "id": "YXJ0",
            "artifactSequence": sequence | {"project": project, "latestArtifact": None},
            "versionIndex": 0,
            "artifactType": {"name": created["artifactTypeName"]},
            "description": None,
            "metadata": created["metadata"],
            "ttlDurationSeconds": -2,
            "ttlIsInherited": False,
            "tags": [],
            "historyStep": None,
            "state": "COMMITTED",
            "size": 1,
            "digest": created["digest"],
            "commitHash": "c",
            "fileCount": 1,
            "createdAt": "2026-01-01T00:00:00",
            "updatedAt": None,
            "aliases": [],
            "currentManifest": {"file": {"directUrl": f"{self.url}/upload/wandb_manifest.json"}},
        }


class _Handler(BaseHTTPRequestHandler):
    server_of: WandbServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server = self.server_of
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if server.mood == "silent":
            server.released.wait()
            self.close_connection = True
            return
        if server.mood == "broken":
            self._send(500, {})
        elif server.mood == "unauthorized":
            self._send(401, {"errors": [{"message": "user is not logged in"}]})
        elif self.path == "/graphql":
            asked = json.loads(body)
            self._send(200, {"data": server.answer(asked["query"], asked.get("variables") or {})})
        elif self.path.endswith("/file_stream"):
            server.stream(self.path.split("/")[-2], json.loads(body))
            self._send(200, {})
        elif self.command == "GET":
            self._send(200, json.loads(server.files[self.path.removeprefix("/upload/")]))
        else:
            server.files[self.path.removeprefix("/upload/")] = body
            self._send(200, {})

    do_GET = do_PUT = do_POST

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test output quiet."""


@contextmanager
def serving() -> Iterator[WandbServer]:
    """A server for the length of the block."""
    server = WandbServer()
    with answering(type("OwnHandler", (_Handler,), {"server_of": server})) as server.url:
        yield server
        server.released.set()


KEY: Final = "0123456789" * 4


@pytest.fixture
def own_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home and a working directory where nothing may appear, and a client of wandb's own."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_HTTP_TIMEOUT", "WANDB_SILENT"):
        monkeypatch.setenv(name, "")  # so that it is put back afterwards
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    yield home
    import wandb

    wandb.teardown()
    assert list(home.iterdir()) == []


@pytest.fixture
def wandb_server() -> Iterator[WandbServer]:
    with serving() as server:
        yield server
