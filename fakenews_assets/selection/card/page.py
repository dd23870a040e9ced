"""Renders the model card as a self-contained page: no scripts, no external addresses, no markup from the data."""

import re
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from fakenews_assets.common.plotting import in_few_colours, to_data_uri
from fakenews_assets.selection.card.model_card import LIMITS

_STYLE: Final = Path(__file__).with_name("page.css")

_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""For readers who open the file from a disk; the service sends a stricter one."""

_FOREIGN: Final = ("html_block", "html_inline", "link", "image", "autolink", "reference")
"""Markdown that a card does not need, and that a source's name or a title could inject."""

_NUMBER: Final = re.compile(r"[+-]?[\d,]*\.?\d+( ?(%|ms|MB|articles/s))?|[+-]?\d[\d.]* to [+-]?\d[\d.]*")


def to_html(card: str, pictures: Mapping[str, bytes]) -> str:
    """Render a card; equal input gives an equal page.

    Args:
        card: Markdown, as `model_card` writes it. Markup in it is shown as text.
        pictures: PNG bytes by caption, in the order wanted; they stand after the scores.
    """
    # The heading is a line of its own, which nothing out of the data can be.
    before, heading, after = card.partition(f"\n\n{LIMITS}\n\n")
    if not heading:
        raise ValueError(f"The card has no section {LIMITS!r}; pass what model_card wrote.")
    renderer = _Renderer()
    scores = renderer.render(before)
    rest = renderer.render(heading + after)
    title = escape(before.splitlines()[0].removeprefix("# "))
    contents = "".join(
        f'<li><a href="#{anchor}">{escape(text)}</a></li>' for anchor, text in renderer.headings
    )
    figures = "".join(_figure(caption, png) for caption, png in pictures.items())
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{title}</title>
<style>
{_STYLE.read_text(encoding="utf-8")}</style>
</head>
<body>
<nav aria-label="Sections"><ol>{contents}</ol></nav>
<main>
{scores}<section class="pictures" aria-label="Pictures">{figures}</section>
{rest}</main>
</body>
</html>
"""


def _figure(caption: str, png: bytes) -> str:
    text, source = escape(caption), to_data_uri(in_few_colours(png, 64))
    return f'<figure><img src="{source}" alt="{text}"><figcaption>{text}</figcaption></figure>'


class _Renderer:
    """Markdown to HTML: sections that can be linked to, tables that scroll, numbers that line up."""

    def __init__(self) -> None:
        self.headings: list[tuple[str, str]] = []
        """Anchor and text of each section, in their order."""
        self._markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable(_FOREIGN)
        self._markdown.add_render_rule("table_open", _open_table)
        self._markdown.add_render_rule("table_close", _close_table)

    def render(self, text: str) -> str:
        tokens = self._markdown.parse(text)
        heads: list[Token] = []
        column = 0
        for opened, inside in pairwise(tokens):
            if opened.type == "heading_open" and opened.tag == "h2":
                anchor = f"section-{len(self.headings) + 1}"
                opened.attrSet("id", anchor)
                self.headings.append((anchor, inside.content))
            elif opened.type == "table_open":
                heads = []
            elif opened.type == "th_open":
                heads.append(opened)
            elif opened.type == "tr_open":
                column = 0
            elif opened.type == "td_open":
                if _NUMBER.fullmatch(inside.content):
                    opened.attrSet("class", "number")
                    heads[column].attrSet("class", "number")
                column += 1
        return self._markdown.renderer.render(tokens, self._markdown.options, {})


def _open_table(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, environment: Any
) -> str:
    return f'<div class="wide" tabindex="0">{renderer.renderToken(tokens, index, options, environment)}'


def _close_table(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, environment: Any
) -> str:
    return f"{renderer.renderToken(tokens, index, options, environment)}</div>\n"
