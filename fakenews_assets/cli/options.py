"""Options of `fakenews ingest` whose values are pairs."""

from collections.abc import Sequence

import typer


def columns_given(options: Sequence[str]) -> dict[str, str]:
    """Read `text=content`, one pair per option. Raises typer.BadParameter."""
    return dict(_pair(option, "--column", "FIELD=NAME, such as text=content") for option in options)


def labels_given(options: Sequence[str]) -> dict[str, str]:
    """Read `true=real,false=fake`. Raises typer.BadParameter."""
    pairs = [part for option in options for part in option.split(",") if part.strip()]
    return dict(_pair(pair, "--labels", "WORD=MEANING, such as true=real,false=fake") for pair in pairs)


def labels_of_files(options: Sequence[str], files: int) -> tuple[str, ...]:
    """The label of each file. Raises typer.BadParameter if there are not as many labels as files."""
    if options and len(options) != files:
        raise typer.BadParameter(
            f"give it once for each of the {files} files, in their order", param_hint="--label"
        )
    return tuple(option.strip().lower() for option in options)


def _pair(text: str, option: str, form: str) -> tuple[str, str]:
    name, equals, value = text.rpartition("=")
    if not equals or not name.strip():
        raise typer.BadParameter(f"{text!r}: write {form}", param_hint=option)
    return name.strip().strip('"'), value.strip().strip('"')
