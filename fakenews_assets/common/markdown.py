"""Tables in Markdown."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; cells are written as they are."""
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *rows])


def cell(text: str) -> str:
    """Any text as one cell: a single line, with its bars escaped."""
    return " ".join(text.split()).replace("|", "\\|")


def bullets(items: Iterable[str], none: str = "none") -> str:
    """A bulleted list; `none` where there are no items."""
    return "\n".join(f"- {item}" for item in items) or none
