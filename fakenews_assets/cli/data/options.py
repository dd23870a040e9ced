"""Options of `fakenews ingest` that say how a batch is read."""

import csv
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

import typer

from fakenews_assets.data.fields.labels import as_line, as_pairs
from fakenews_assets.data.fields.mapping import FIELDS

OPTIONS: Final = {
    "header": "--header",
    "columns": "--column",
    "labels": "--labels",
    "file_labels": "--label",
    "title_words": "--title-words",
    "source": "--source",
}
"""The options of the settings of `BatchMapping`."""


def columns_given(options: Sequence[str]) -> dict[str, str]:
    """Read `text=content`, one pair per option. Raises typer.BadParameter."""
    given = dict(
        _pair(option, "--column", "FIELD=NAME, such as text=content") for option in options if option
    )
    for field, name in given.items():
        if field not in FIELDS and name in FIELDS:
            raise typer.BadParameter(f"the field comes first: write {name}={field}", param_hint="--column")
    return given


def labels_given(options: Sequence[str]) -> dict[str, str]:
    """Read `true=real,false=fake`; a word with a comma stands in quotes. Raises typer.BadParameter."""
    pairs = [part for option in options for part in _parts(option)]
    return dict(_pair(pair, "--labels", "WORD=MEANING, such as true=real,false=fake") for pair in pairs)


def header_given(option: str) -> tuple[str, ...]:
    """Read `id,title,label`; a name with a comma stands in quotes."""
    return tuple(part.strip() for part in _parts(option))


def labels_of_files(options: Sequence[str], files: int) -> tuple[str, ...]:
    """The label of each file. Raises typer.BadParameter if there are not as many labels as files."""
    if not any(options):
        return ()
    if len(options) != files:
        raise typer.BadParameter(
            f"give one per file, in their order (files: {files}, labels: {len(options)})",
            param_hint="--label",
        )
    return tuple(option.strip().lower() for option in options)


def emptied(**options: Sequence[str] | int | None) -> tuple[str, ...]:
    """Names of the settings whose options were given, but empty."""
    given = {name: value for name, value in options.items() if value is not None and value != []}
    return tuple(
        name for name, value in given.items() if not (any(value) if isinstance(value, list) else value)
    )


def as_options(mapping: Mapping[str, Any]) -> list[str]:
    """The options that give these settings of `BatchMapping`, quoted for the shell."""
    options = [
        *([("--header", as_line(mapping["header"]))] if "header" in mapping else []),
        *(("--column", f"{field}={name}") for field, name in mapping.get("columns", {}).items()),
        *([("--labels", as_pairs(mapping["labels"]))] if "labels" in mapping else []),
        *(("--label", label) for label in mapping.get("file_labels", ())),
        *([("--title-words", str(mapping["title_words"]))] if "title_words" in mapping else []),
        *([("--source", mapping["source"])] if "source" in mapping else []),
    ]
    order = {"True": ["--day-first"], "False": ["--month-first"]}.get(str(mapping.get("day_first")), [])
    return [*map(shlex.join, options), *order]


def _parts(option: str) -> list[str]:
    """The parts of one line of CSV that are not blank."""
    return [part for line in csv.reader([option], skipinitialspace=True) for part in line if part.strip()]


def _pair(text: str, option: str, form: str) -> tuple[str, str]:
    name, equals, value = text.rpartition("=")
    if not equals or not name.strip():
        raise typer.BadParameter(f"{text!r}: write {form}", param_hint=option)
    return name.strip(), value.strip().strip('"')
