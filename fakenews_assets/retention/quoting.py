"""A title, however a file may spell it."""

import html
import json
from collections.abc import Collection
from typing import Final

TELLING_CHARS: Final = 16
"""A shorter title says too little to be looked for by its letters."""


def spellings(titles: Collection[str]) -> set[str]:
    """The titles that say enough: as they are, and as JSON, CSV and HTML write them."""
    return {
        form
        for title in titles
        if len(title) >= TELLING_CHARS
        for form in (
            title,
            json.dumps(title)[1:-1],
            json.dumps(title, ensure_ascii=False)[1:-1],
            title.replace('"', '""'),
            html.escape(title),
        )
    }
