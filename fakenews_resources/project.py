"""Finds the project's folder, at which relative paths start."""

import os
from pathlib import Path
from typing import Final

DAGSTER_FOLDER: Final = ".dagster"
"""Folder below the project's that is DAGSTER_HOME: it links to `dagster.yaml`, and Dagster keeps its state there."""

PROJECT_MARK: Final = "dagster.yaml"
"""File by which a folder is known to be a project's."""


def find_project() -> Path | None:
    """The nearest folder that holds `dagster.yaml`, from the working directory upwards, else from DAGSTER_HOME upwards."""
    home = os.environ.get("DAGSTER_HOME")
    for start in (Path.cwd(), *([Path(home)] if home else [])):
        for folder in (start, *start.parents):
            if (folder / PROJECT_MARK).is_file():
                return (folder / PROJECT_MARK).resolve().parent
    return None


def project_path(path: str | Path) -> Path:
    """An absolute path. A relative one starts at the project's folder, or at the working directory if there is none."""
    return ((find_project() or Path.cwd()) / Path(path).expanduser()).absolute()
