"""Requests that cost their sender little must cost the service little too: all others wait meanwhile."""

import asyncio

import httpx
import pytest

from bentos.fakenews import metrics
from bentos.fakenews.metrics import Exposition


@pytest.mark.parametrize("path", ["/predict", "/predict_csv"])
def test_a_content_type_of_thousands_of_parameters_is_not_parsed(client: httpx.Client, path: str):
    kind = ("multipart/form-data" if path == "/predict_csv" else "application/json") + "; a=b" * 10_000
    refused = client.post(path, content=b"{}", headers={"Content-Type": kind})
    assert refused.status_code == 415
    assert "at most 1,024 bytes" in refused.json()["error"]["message"]


def test_of_faulty_articles_the_first_is_named(client: httpx.Client):
    articles = [{"title": "A headline"}, *({"title": ""} for _ in range(900))]
    refused = client.post("/predict_batch", json={"articles": articles})
    assert refused.status_code == 422
    assert refused.json()["error"]["message"] == "articles.1.title: must not be empty"


def test_who_asks_for_metrics_while_they_are_made_shares_the_next(monkeypatch: pytest.MonkeyPatch):
    asked, made = 0, 0

    def make() -> bytes:
        nonlocal made
        made += 1
        return str(asked).encode()

    monkeypatch.setattr(metrics, "generate_latest", make)

    async def ask(exposition: Exposition) -> None:
        nonlocal asked
        for _ in range(5):
            asked += 1
            since = asked
            assert int(await exposition.latest()) >= since  # never older than the call

    async def main() -> None:
        exposition = Exposition()
        await asyncio.gather(*(ask(exposition) for _ in range(20)))

    asyncio.run(main())
    assert made < 15
