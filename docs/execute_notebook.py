"""Execute docs/explore.ipynb on the store that FAKENEWS_STORAGE names: `make notebook`."""

import os
from pathlib import Path
from typing import Final

import nbformat
from nbclient import NotebookClient

from fakenews_resources.storage.address import backend_of

NOTEBOOK: Final = Path(__file__).with_name("explore.ipynb")


def execute(address: str) -> nbformat.NotebookNode:
    """The notebook with what its cells show of a store.

    Raises:
        CellExecutionError: a cell failed.
    """
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook,
        record_timing=False,
        startup_timeout=300,  # a busy machine takes long to import
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},  # the working directory, as in Jupyter
        extra_arguments=["--log-level=ERROR"],
    )
    environment = {
        "FAKENEWS_STORAGE": backend_of(address).address,
        "PYTHONWARNINGS": "ignore:IProgress not found",  # tqdm would like to have ipywidgets
    }
    client.execute(env=os.environ | environment)
    notebook.metadata["language_info"] = {"name": "python"}  # without the version that ran
    return notebook


if __name__ == "__main__":
    nbformat.write(execute(os.environ.get("FAKENEWS_STORAGE", ".fakenews")), NOTEBOOK)
