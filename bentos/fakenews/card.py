"""The champion's model card as a page."""

import hashlib
import re
from base64 import b64encode
from typing import Final

from fastapi.responses import HTMLResponse, Response

_STYLE: Final = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def card_page(html: str) -> Response:
    """Answer with a bundle's card. The content security policy allows only the card's own pictures and style."""
    hashes = "".join(
        f" 'sha256-{b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"
        for style in _STYLE.findall(html)
    )
    policy = (
        f"default-src 'none'; img-src data:; style-src{hashes}; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    )
    return HTMLResponse(html, headers={"Content-Security-Policy": policy})
