"""Self-contained pages: one style, no scripts, no external addresses."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final

PALETTE: Final = Path(__file__).with_name("palette.css")
"""Colours, which the service's page has too."""
_STYLES: Final = (PALETTE, Path(__file__).with_name("page.css"))

_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""For readers who open the file from a disk."""


def document(title: str, body: str, style: Path) -> str:
    """A whole page.

    Args:
        title: text for the browser's tab.
        body: HTML.
        style: CSS of this page, after the common one.
    """
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(title)}</title>
<style>
{"".join(one.read_text(encoding="utf-8") for one in (*_STYLES, style))}</style>
</head>
<body>
{body}
</body>
</html>
"""


def scrolling(name: str, inside: str) -> str:
    """A box that scrolls sideways, also by keyboard.

    Args:
        name: text for screen readers.
        inside: HTML.
    """
    return f'<div class="wide" role="region" aria-label="{escape(name)}" tabindex="0">{inside}</div>'


def table(name: str, head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A table that scrolls; the first cell of a row is its heading.

    Args:
        name: text for screen readers.
        head: text of the headings.
        rows: HTML of the cells.
        numbers: columns that stand to the right.
    """

    def kind(column: int) -> str:
        return ' class="number"' if column in numbers else ""

    heads = "".join(f'<th scope="col"{kind(at)}>{escape(text)}</th>' for at, text in enumerate(head))
    lines = "".join(
        f'<tr><th scope="row">{first}</th>'
        + "".join(f"<td{kind(at)}>{cell}</td>" for at, cell in enumerate(cells, 1))
        + "</tr>"
        for first, *cells in rows
    )
    return scrolling(name, f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>")
