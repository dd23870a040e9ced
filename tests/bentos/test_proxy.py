"""Behind a reverse proxy: path prefix, redirects, addresses, connections that are kept."""

import asyncio
import re
from collections.abc import Iterator
from unittest.mock import Mock
from urllib.parse import urljoin

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from bentos.fakenews.http.server import Protocol
from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from tests.support.champions import make_champion
from tests.support.proxies import reverse_proxy
from tests.support.servers import Server, serve

PREFIX = "/tools/news"
PUBLIC = "https://desk.example/tools/news"


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("inside")
    (folder / "models").mkdir()
    make_champion(folder / "models")
    environment = {
        "FAKENEWS_ROOT_PATH": PREFIX,
        "FAKENEWS_PUBLIC_URL": PUBLIC,
        "FAKENEWS_ACCESS_LOG": "true",
    }
    with serve(folder, folder / "models", environment) as server:
        yield server


@pytest.fixture(scope="module", params=[True, False], ids=["stripped", "kept"])
def outside(inside: Server, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A client of a proxy that removes the prefix, and of one that passes it on."""
    with (
        reverse_proxy(inside.url, PREFIX, strip=request.param) as address,
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        yield client


@pytest.mark.parametrize("page", ["/", "/docs", "/model/card"])
def test_every_link_of_a_page_leads_somewhere(outside: httpx.Client, page: str) -> None:
    answer = outside.get(page)
    assert answer.status_code == 200
    links = set(re.findall(r'(?:href|src)="([^"#]+)"', answer.text))
    assert not [link for link in links if link.startswith("/")]
    for link in links - {"data:,"}:
        if not link.startswith(("http", "data:")):
            assert httpx.get(urljoin(str(answer.url), link)).status_code == 200, link


def test_the_api_is_described_where_it_is(outside: httpx.Client) -> None:
    found = outside.get("/openapi.json")
    (server,) = found.json()["servers"]
    assert urljoin(str(found.url), server["url"]) == str(outside.base_url)


def test_the_card_shows_code_for_the_public_address(outside: httpx.Client) -> None:
    assert f"curl {PUBLIC}/predict" in outside.get("/model/card").text


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/openapi.json", "/model", "/model/card", "/page", "/nothing"]
)
def test_no_answer_follows_what_a_request_says_of_its_host(inside: Server, path: str) -> None:
    evil = dict.fromkeys(("Host", "X-Forwarded-Host", "X-Forwarded-Server"), "evil.example")
    evil |= {"X-Forwarded-Prefix": "/evil.example", "Forwarded": "host=evil.example"}
    answer = httpx.get(inside.url + path, headers=evil)
    assert "evil.example" not in answer.text + str(answer.headers)


def test_the_prefix_alone_leads_to_the_page(inside: Server) -> None:
    answer = httpx.get(f"{inside.url}{PREFIX}?from=mail", follow_redirects=True)
    assert (answer.status_code, str(answer.url)) == (200, f"{inside.url}{PREFIX}/?from=mail")


def test_a_redirect_stays_outside(outside: httpx.Client) -> None:
    answer = outside.get("/docs/?theme=dark")
    assert answer.status_code == 307
    followed = outside.get("/docs/?theme=dark", follow_redirects=True)
    assert str(followed.url) == f"{str(outside.base_url).rstrip('/')}/docs?theme=dark"
    assert followed.status_code == 200


@pytest.mark.parametrize("path", ["/page", "/predict/", "/livez/", "/docs/"])
def test_a_redirect_does_not_follow_the_host(inside: Server, path: str) -> None:
    answer = httpx.get(inside.url + path, headers={"Host": "evil.example"})
    assert answer.status_code == 307
    assert answer.headers["x-request-id"]
    assert "//" not in answer.headers["location"]


def test_logs_know_the_client_and_the_operation(outside: httpx.Client, inside: Server) -> None:
    body = outside.post("/predict", json={"title": "a headline"}).json()
    (row,) = PredictionLog(inside.log).find(body["request_id"], 1).iter_rows(named=True)
    assert row["endpoint"] == "/predict"
    (line,) = inside.access_lines(request_id=body["request_id"])
    assert (line["path"], line["address"]) == ("/predict", "203.0.113.9")


@pytest.mark.parametrize("path", ["/livez", "/readyz", f"{PREFIX}/livez"])
def test_probes_reach_the_service_with_and_without_the_prefix(inside: Server, path: str) -> None:
    assert httpx.get(inside.url + path).status_code == 200


@pytest.mark.parametrize("path", [f"{PREFIX}paper/predict", f"{PREFIX}/{PREFIX}/model"])
def test_other_paths_are_not_found(inside: Server, path: str) -> None:
    assert httpx.get(inside.url + path).status_code == 404


async def _keep_alive() -> float:
    config = uvicorn.Config(lambda: None, timeout_keep_alive=5)
    config.load()
    protocol = Protocol(config, ServerState(), {})
    protocol.connection_made(Mock(**{"get_extra_info.return_value": None}))
    return protocol.timeout_keep_alive


def test_a_connection_outlives_the_balancer() -> None:
    assert asyncio.run(_keep_alive()) > 60
