"""Commands of `gcloud`, by the table of its commands and options that it brings for the completion of a shell."""

import runpy
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any


@cache
def table() -> Mapping[str, Any] | None:
    """Commands and options, nested; None where `gcloud` is not installed."""
    program = shutil.which("gcloud")
    if program is None:
        return None
    file = Path(program).resolve().parents[1] / "data" / "cli" / "gcloud_completions.py"
    return runpy.run_path(str(file))["STATIC_COMPLETION_CLI_TREE"] if file.exists() else None


def fault(words: Sequence[str]) -> str | None:
    """What is wrong with the words after `gcloud`; None too where nobody knows."""
    at = table()
    if at is None:
        return None
    known = set(at["flags"])
    command: list[str] = []
    for word in words:
        if word.startswith("--"):
            if word.partition("=")[0] not in known:
                return f"gcloud {' '.join(command)} has no {word}"
        elif at["commands"]:
            if word not in at["commands"]:
                return f"gcloud {' '.join(command)} has no {word}"
            at = at["commands"][word]
            known |= set(at["flags"])
            command.append(word)
    return f"gcloud {' '.join(command)} is no command" if at["commands"] else None
