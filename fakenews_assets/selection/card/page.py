"""Renders the model card as a self-contained page: no scripts, no external addresses, no markup from the data."""

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from fakenews_assets.common.html import document
from fakenews_assets.common.plotting import in_few_colours, to_data_uri

_STYLE: Final = Path(__file__).with_name("page.css")

_PLACES: Final = {
    "Unseen publishers": "Unseen publishers",
    "Confusion": "Publishers that it was trained on",
    "Curves": "Publishers that it was trained on",
    "Scores": "Publishers that it was trained on",
    "Reliability": "Calibration",
    "Risk coverage": "Risk and coverage",
    "Slices": "Slices",
    "Leaderboard": "How it was chosen",
}
"""Heading of the section that each picture stands in, by caption. Without that section it stands at the end."""

_FOREIGN: Final = ("html_block", "html_inline", "link", "image", "autolink", "reference")
"""Markdown that a card does not need, and that a source's name or a title could inject."""

_NUMBER: Final = re.compile(r"[+-]?[\d,]*\.?\d+( ?(%|ms|MB|articles/s))?|[+-]?\d[\d.]* to [+-]?\d[\d.]*")


_LONG: Final = 60
"""Characters of a cell that needs width."""


def to_html(card: str, pictures: Mapping[str, bytes]) -> str:
    """Render a card; equal input gives an equal page.

    Args:
        card: Markdown, as `model_card` writes it. Markup in it is shown as text.
        pictures: PNG bytes by caption, in the order wanted; each stands beside the tables of its section.
    """
    renderer = _Renderer()
    left = dict(pictures)
    parts = []
    for heading, inside in renderer.sections(card):
        mine = [caption for caption in left if _PLACES.get(caption) == heading]
        figures = "".join(_figure(caption, left.pop(caption)) for caption in mine)
        parts.append(_section(inside, figures) if heading else f"<header>{inside}</header>")
    if left:
        figures = "".join(_figure(caption, png) for caption, png in left.items())
        parts.append(f'<div class="pictures">{figures}</div>')
    contents = "".join(
        f'<li><a href="#{anchor}">{escape(text)}</a></li>' for anchor, text in renderer.headings
    )
    body = f'<nav aria-label="Sections"><ol>{contents}</ol></nav>\n<main>\n{"".join(parts)}</main>'
    return document(card.splitlines()[0].removeprefix("# "), body, _STYLE)


def _section(inside: str, figures: str) -> str:
    if not figures:
        return f"<section>{inside}</section>\n"
    heading, closing, text = inside.partition(">\n")
    return (
        f"<section>{heading}{closing}"
        f'<div class="beside"><div>{text}</div><div class="pictures">{figures}</div></div></section>\n'
    )


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
        self._markdown.add_render_rule("fence", _code)

    def sections(self, text: str) -> Iterator[tuple[str, str]]:
        """HTML by heading, down to the third level; what stands before the first has none."""
        tokens = self._markdown.parse(text)
        self._annotate(tokens)
        starts = [
            at
            for at, token in enumerate(tokens)
            if token.type == "heading_open" and token.tag in ("h2", "h3")
        ]
        for start, end in pairwise([0, *starts, len(tokens)]):
            heading = tokens[start + 1].content if start else ""
            yield heading, self._markdown.renderer.render(tokens[start:end], self._markdown.options, {})

    def _annotate(self, tokens: Sequence[Token]) -> None:
        heads: list[Token] = []
        heading, column, boxes = "", 0, 0
        for token, after in zip_longest(tokens, tokens[1:]):
            inside = after.content if after else ""
            if token.type == "heading_open":
                heading = inside
                if token.tag == "h2":
                    anchor = f"section-{len(self.headings) + 1}"
                    token.attrSet("id", anchor)
                    self.headings.append((anchor, heading))
            elif token.type in ("table_open", "fence"):
                # Numbered, because no two regions of a page may have one name.
                boxes += 1
                token.meta["name"] = f"{heading}, box {boxes}"
                heads = []
            elif token.type == "th_open":
                token.attrSet("scope", "col")
                heads.append(token)
            elif token.type == "tr_open":
                column = 0
            elif token.type == "td_open":
                if _NUMBER.fullmatch(inside):
                    token.attrSet("class", "number")
                    heads[column].attrSet("class", "number")
                elif len(inside) > _LONG:
                    token.attrSet("class", "long")
                column += 1


def _region(token: Token, kind: str) -> str:
    return f'{kind} role="region" aria-label="{escape(token.meta["name"])}" tabindex="0"'


def _open_table(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, environment: Any
) -> str:
    opened = renderer.renderToken(tokens, index, options, environment)
    return f'<{_region(tokens[index], "div")} class="wide">{opened}'


def _close_table(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, environment: Any
) -> str:
    return f"{renderer.renderToken(tokens, index, options, environment)}</div>\n"


def _code(
    _renderer: RendererHTML, tokens: Sequence[Token], index: int, _options: Any, _environment: Any
) -> str:
    return f"<{_region(tokens[index], 'pre')}><code>{escape(tokens[index].content)}</code></pre>\n"
