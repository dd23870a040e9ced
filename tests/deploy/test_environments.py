"""The image's variables and the manifest's, together, make a log that reaches the storage."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from bentos.fakenews.settings import ServiceSettings
from fakenews_resources.processes import Server, end, serving
from fakenews_resources.storage.backend import Backend
from fakenews_resources.storage.io_manager import storage_from_environment
from fakenews_resources.storage.store import LOG_FOLDER, Store
from tests.deploy.environments import API_KEY, BUCKET, SERVICES, of_graph, of_image, of_service
from tests.deploy.files import DEPLOY, REPOSITORY
from tests.support.buckets import Gate, objects
from tests.support.buckets import gate as gate
from tests.support.champions import make_champion

IMAGES = ("Dockerfile", "Dockerfile.dagster")
WRITABLE = {
    "compose": ("/tmp", "/var/lib/fakenews"),  # noqa: S108
    "cloudrun": ("/tmp",),  # noqa: S108
    "kubernetes": ("/tmp",),  # noqa: S108
}
"""Where a deployed service may write: its mounts, or what is in memory."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_champion(folder)
    return folder


def settings(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> ServiceSettings:
    """Of a process that has exactly these variables."""
    only(monkeypatch, environment)
    return ServiceSettings()


def only(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name in os.environ:
        if name.startswith("FAKENEWS_"):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        if name.startswith("FAKENEWS_"):
            monkeypatch.setenv(name, value)


@pytest.fixture
def no_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that is not asked: names of buckets are enough here."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.usefixtures("no_bucket")
def test_the_service_writes_its_log_where_the_graph_reads_it(name: str, monkeypatch: pytest.MonkeyPatch):
    service = settings(monkeypatch, of_service(name))
    written = service.log_backend()
    assert written.address == Store(service.storage).backend.below(LOG_FOLDER).address
    assert written.is_bucket == (name != "compose")
    only(monkeypatch, of_graph(name))
    graph = storage_from_environment()
    assert graph.log_backend(graph.store).address == written.address


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.usefixtures("no_bucket")
def test_the_service_writes_only_where_it_may(name: str, monkeypatch: pytest.MonkeyPatch):
    environment = of_service(name)
    log = settings(monkeypatch, environment).log_backend()
    for path in (log.spool, log.root, Path(environment["BENTOML_HOME"])):
        assert any(path.is_relative_to(folder) for folder in WRITABLE[name]), path


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.usefixtures("no_bucket")
@pytest.mark.parametrize("storage", [None, f"gs://{BUCKET}/store"])
def test_an_image_alone_keeps_the_log_on_its_volume(
    name: str, storage: str | None, monkeypatch: pytest.MonkeyPatch
):
    """`docker run` without a variable, or with a bucket and nothing else."""
    environment = of_image(DEPLOY / name) | ({"FAKENEWS_STORAGE": storage} if storage else {})
    log = settings(monkeypatch, environment).log_backend()
    text = (DEPLOY / name).read_text()
    (volume,) = re.findall(r"^VOLUME (\S+)$", text, re.MULTILINE)
    assert re.search(rf"chown .*fakenews:fakenews .*{volume}\b", text)
    assert log.is_bucket == bool(storage)
    assert own_folder(log).is_relative_to(volume)


def own_folder(log: Backend) -> Path:
    """The local folder that a service appends its log to."""
    return log.spool if log.is_bucket else log.root


@pytest.mark.parametrize("name", ["cloudrun", "kubernetes"])
def test_an_answer_is_in_the_bucket_after_a_while_and_after_the_end(
    name: str, gate: Gate, models: Path, tmp_path: Path
):
    """The service with all that its image and its manifest give it.

    The container's paths lie below a folder. Where the champion is packed into the image, a folder of bundles stands for
    it; else it is in the bucket.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FAKENEWS_")}
    for key, value in of_service(name).items():
        environment[key] = str(tmp_path / value[1:]) if value.startswith("/") else value
    if "FAKENEWS_FOLLOW_STORAGE" in environment:
        bundles = Store(environment["FAKENEWS_STORAGE"]).bundles
        for file in (path for path in models.rglob("*") if path.is_file()):
            bundles.put(file, file.relative_to(models).as_posix())
    else:
        environment["FAKENEWS_MODELS"] = str(models)
    arguments = ["bentoml", "serve", "bentos.fakenews.service:FakeNews", "--host", "127.0.0.1"]
    with serving(arguments, REPOSITORY, environment, grace=0) as server:
        if name == "cloudrun":  # sends every ten seconds; the other one every thirty, for which nobody waits
            first = ask(server)
            wait_for(lambda: first in sent(gate), 60)
        last = ask(server)
        end(server.process, grace=60)
    assert last in sent(gate)


def ask(server: Server) -> str:
    """Ask for a verdict; gives the request's id."""
    answer = httpx.post(
        f"{server.url}/predict", json={"title": "Senate passes budget"}, headers={"X-API-Key": API_KEY}
    )
    return answer.raise_for_status().json()["request_id"]


def sent(gate: Gate) -> str:
    """All lines of the log that are in the bucket."""
    prefix = f"store/{LOG_FOLDER}/"
    return "".join(data.decode() for name, data in objects(gate).items() if name.startswith(prefix))


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(0.1)
