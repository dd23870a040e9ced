"""Shared plot style, and conversion of figures to PNG, SVG and Markdown.

Figures are made through Matplotlib's object interface on the Agg canvas: no window system, no `pyplot`
and hence no state shared between the steps of one process. Matplotlib itself is imported with the first
figure, so that modules that draw import quickly.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REAL_COLOUR: Final = "#0072B2"
FAKE_COLOUR: Final = "#D55E00"
ACCENT_COLOUR: Final = "#009E73"
NEUTRAL_COLOUR: Final = "#7F7F7F"
ALARM_COLOUR: Final = "#C0392B"
LIMIT_COLOUR: Final = "#B07A00"
"""Blue, vermillion and green of Okabe and Ito's palette ("Color Universal Design", 2008), which readers
with any form of colour blindness can tell apart, a grey for reference lines, a dark red for alarms, which words
or positions say as well, and an ochre for what is tolerated."""

CLASS_COLOURS: Final = {"real": REAL_COLOUR, "fake": FAKE_COLOUR, "unlabelled": NEUTRAL_COLOUR}

LegendLocation = Literal["best", "upper left", "upper center", "upper right", "lower left", "lower right"]

_INK = "#262626"
_GRID = "#E3E3E3"
_DOTS_PER_INCH = 110


def new_figure(
    width: float = 6.0, height: float = 4.0, *, rows: int = 1, columns: int = 1, heights: Sequence[float] = ()
) -> tuple[Figure, list[Axes]]:
    """Make a figure and its axes, row by row.

    Args:
        width: inches.
        height: inches.
        rows: rows of axes.
        columns: columns of axes.
        heights: relative height of each row; equal when empty.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    ratios = list(heights) if heights else None
    grid = figure.subplots(rows, columns, squeeze=False, height_ratios=ratios)
    axes: list[Axes] = list(grid.flat)
    for axis in axes:
        _style(axis)
    return figure, axes


def label_axes(axis: Axes, *, title: str = "", x: str = "", y: str = "") -> None:
    """Name what the axes show, in the shared type sizes."""
    axis.set_title(title, loc="left", fontsize=10.5, color=_INK, fontweight="bold")
    axis.set_xlabel(x, fontsize=9, color=_INK)
    axis.set_ylabel(y, fontsize=9, color=_INK)


def add_legend(axis: Axes, *, location: LegendLocation = "best") -> None:
    """Add a legend of the artists that carry a label, on a white ground."""
    axis.legend(loc=location, fontsize=8.5, edgecolor="none", framealpha=0.9, labelcolor=_INK)


def add_legend_below(figure: Figure) -> None:
    """Add one legend under all axes, for plots without a free corner."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=len(labels) if len(labels) <= 4 else 3,
        fontsize=8.5,
        frameon=False,
        labelcolor=_INK,
    )


def plain_label(name: str, longest: int = 32) -> str:
    """Shorten a name from the data for an axis, and keep its dollar signs from starting a formula."""
    short = name if len(name) <= longest else f"{name[: longest - 1]}…"
    return short.replace("$", r"\$")


def to_png(figure: Figure) -> bytes:
    """Draw a figure as PNG bytes; equal figures give equal bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    # Not `savefig`: it would lay the figure out once more beforehand, for the same bytes in a fifth more time.
    figure.set_dpi(_DOTS_PER_INCH)
    figure.set_facecolor("white")
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def to_svg(figure: Figure, name: str) -> str:
    """Draw a figure as an SVG element, to stand inside a page; equal figures give equal text.

    Its ground is that of the page, and its letters have the page's colour. The style of the page may set `--line`.

    Args:
        figure: to draw.
        name: text for readers who do not see it.
    """
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "fakenews", "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", facecolor="none", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    for colour, of_page in ((_INK, "currentColor"), (_GRID, f"var(--line, {_GRID.lower()})")):
        text = text.replace(colour.lower(), of_page)
    return text[text.index("<svg") :].replace("<svg ", f'<svg role="img" aria-label="{escape(name)}" ', 1)


def in_few_colours(png: bytes, colours: int = 16) -> bytes:
    """The same picture in a palette, which is all that a plot needs: a quarter of the bytes."""
    from PIL import Image

    small = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").quantize(colours, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()


def to_data_uri(png: bytes) -> str:
    """Wrap PNG bytes as a `data:` URI."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def to_markdown_image(png: bytes, alt: str) -> str:
    """Write a Markdown image that carries its own bytes, as Dagster's metadata pane shows it.

    Args:
        png: of `to_png`, which takes long enough to be called once per figure.
        alt: one line of text for readers who do not see the image; brackets are dropped, because they
            would end the Markdown.
    """
    safe_alt = " ".join(alt.replace("[", "").replace("]", "").split())
    return f"![{safe_alt}]({to_data_uri(png)})"


def _style(axis: Axes) -> None:
    axis.set_facecolor("none")
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(NEUTRAL_COLOUR)
    axis.tick_params(colors=_INK, labelsize=8.5, color=NEUTRAL_COLOUR)
    axis.grid(True, color=_GRID, linewidth=0.7)
    axis.set_axisbelow(True)
