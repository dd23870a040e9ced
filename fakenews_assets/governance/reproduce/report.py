"""Prints a reproduction on the terminal."""

import re
from collections import Counter
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fakenews_assets.governance.reproduce.reproduction import Line, Reproduction

_VERSION: Final = re.compile(r"[0-9a-f]{32,}")
_STYLES: Final = {"equal": "green", "within": "green", "different": "yellow", "not comparable": "yellow"}


def to_terminal(reproduction: Reproduction) -> RenderableType:
    """Every line, the notes and, last, the verdict."""
    table = Table(title=f"Bundle {reproduction.bundle[:16]}, made again", title_justify="left")
    for head in ("", "recorded", "made again", "verdict", "remark"):
        table.add_column(head, overflow="fold")
    kind = ""
    for line in reproduction.lines:
        if line.what != kind:
            kind = line.what
            table.add_section()
            table.add_row(Text(kind, style="bold"))
        style = "bold red" if line.fails else _STYLES.get(line.verdict, "")
        cells = (line.name, _short(line.recorded), _short(line.found))
        table.add_row(*map(Text, cells), Text(line.verdict, style=style), Text(line.note))
    notes = [Text(note, style="yellow") for note in reproduction.notes]
    style = "bold green" if reproduction.reproduced else "bold red"
    return Group(table, *notes, Text(verdict(reproduction), style=style))


def verdict(reproduction: Reproduction) -> str:
    """One sentence or two."""
    lines = reproduction.lines
    metrics = Counter(line.verdict for line in lines if line.what == "metric")
    told = ", ".join(f"{count} {name}" for name, count in metrics.items())
    models = {line.verdict for line in lines if line.what == "model"}
    weights = "the same weights" if models == {"equal"} else "other weights"
    if reproduction.reproduced:
        return f"Reproduced in {reproduction.seconds:,.0f} s: equal data, {weights}; metrics: {told}."
    failed = "; ".join(_fault(line) for line in lines if line.fails)
    return f"Not reproduced: {failed}. {weights.capitalize()}; metrics: {told}."


def _fault(line: Line) -> str:
    return f"{line.what} {line.name} {line.verdict} ({line.note or line.found})"


def _short(value: str) -> str:
    """Of a version, the beginning is enough: the verdict says whether all of it is equal."""
    return _VERSION.sub(lambda found: f"{found[0][:8]}…", value)
