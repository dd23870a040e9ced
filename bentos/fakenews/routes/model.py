"""The champion: what the service says of it, and its model card as a page."""

import hashlib
import re
from base64 import b64encode
from functools import lru_cache
from html import escape
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response

from bentos.fakenews.routes.asking import runtime_of
from bentos.fakenews.schemas import ModelOut
from fakenews_assets.registry.bundle import CARD_BUNDLE, CARD_URL

_BACK: Final = '<nav aria-label="Service"><a href="../">Back to the page</a></nav>'
_STYLE: Final = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def add_model(app: FastAPI) -> None:
    """Answer `/model` and `/model/card`."""

    @app.get("/model", summary="The champion", response_model=ModelOut)
    async def model(request: Request) -> Response:
        # FastAPI would check it once more on its way out.
        described = runtime_of(request).champion().described
        return Response(described.model_dump_json(), media_type="application/json")

    @app.get(
        "/model/card",
        summary="The model card as a page",
        response_class=Response,
        responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
    )
    async def card(request: Request) -> Response:
        champion = runtime_of(request).champion()
        page, policy = _card_page(champion.card, champion.described.model_id, _address(request))
        return HTMLResponse(page, headers={"Content-Security-Policy": policy})


def _address(request: Request) -> str:
    """The service's address, for its callers. Its host is never that of the request, which anybody can choose."""
    if configured := runtime_of(request).settings.public_url:
        return configured
    _, port = request.scope["server"]
    return f"{request.url.scheme}://127.0.0.1:{port}{request.base_url.path}"


@lru_cache(maxsize=2)
def _card_page(html: str, bundle: str, url: str) -> tuple[bytes, str]:
    """A bundle's card and its content security policy, which allows only the card's own pictures and style.

    Args:
        html: the card's page.
        bundle: sha of the bundle.
        url: of the service, for the code in the card.
    """
    html = html.replace(CARD_BUNDLE, bundle).replace(CARD_URL, escape(url.rstrip("/")))
    html = html.replace("<body>", f"<body>\n{_BACK}", 1)
    hashes = "".join(
        f" 'sha256-{b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"
        for style in _STYLE.findall(html)
    )
    policy = (
        f"default-src 'none'; img-src data:; style-src{hashes}; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    )
    return html.encode(), policy
