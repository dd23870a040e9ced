"""Addresses as people type them, and names for the batches that they hold."""

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from fakenews_assets.cli.errors import CommandFailed
from fakenews_assets.data.receiving.receiving import digest_of
from fakenews_assets.data.receiving.recipe_folders import recipes_for
from fakenews_assets.data.recipes.recipe import recipes
from fakenews_resources.landing import batch_name_of
from fakenews_resources.news.base import BadAddress
from fakenews_resources.news.registry import local_path
from fakenews_resources.storage.hashing import hash_file


def typed(address: str) -> str:
    """An address that a person has typed: a relative path starts at the working directory.

    Raises:
        CommandFailed: it is no address.
    """
    scheme, colon, folder = address.partition(":")
    if colon and folder and not folder.startswith("//") and scheme.lower() in recipes():
        return f"{scheme}:{Path(folder).expanduser().absolute()}"
    try:
        path = local_path(address)
    except BadAddress as error:
        raise CommandFailed(str(error)) from error
    if path is None:
        return address
    return str(path if address.startswith("file:") else Path(address).expanduser().absolute())


def local_files(addresses: Sequence[str]) -> list[Path]:
    """The files at some addresses; none: not all of them are local. Raises CommandFailed if one does not exist."""
    files: list[Path] = []
    for address in addresses:
        path = local_path(address)
        if path is None:
            continue
        if path.is_dir():
            fitting = recipes_for(path)
            recipe = (
                f"It has the files of a published data set: fakenews ingest {shlex.quote(f'{fitting[0]}:{path}')}"
                if fitting
                else f"For a published data set, put its recipe before the folder: {', '.join(sorted(recipes()))}, each with a"
                " colon"
            )
            raise CommandFailed(f"{path} is a folder. Name its files; several make one batch. {recipe}.")
        if not path.is_file():
            raise CommandFailed(f"No file at {path}. {_advice(path.name)}")
        if path in files:
            raise CommandFailed(f"{path} is named twice. Name each file once.")
        files.append(path)
    return files if len(files) == len(addresses) else []


def _advice(name: str) -> str:
    """What to do about a file that is not there."""
    recipe, colon, _ = name.partition(":")
    if not colon:
        return "Check the path."
    if recipe.lower() in recipes():
        return f"Name the folder of {recipe}: {recipe}:FOLDER."
    return f"Check the path. Or is {recipe} a recipe? Known are {', '.join(sorted(recipes()))}."


def sha256_of(files: Sequence[Path]) -> str:
    """The digest of a batch of these files."""
    return digest_of([hash_file(file).sha256 for file in files])


def batch_name(address: str, files: Sequence[Path] = (), sha256: str = "") -> str:
    """A name for what an address holds: for files, the stem of the first and the start of their digest, so that changed
    files get another name; for any other address, its scheme or host and the date.

    Args:
        address: as `typed` returns it.
        files: those at the address, if it is local.
        sha256: the digest of these.
    """
    if files:
        stem = address.split(":")[0] if ":" in address and not Path(address).exists() else files[0].name
        return batch_name_of(stem, sha256)
    stem = address if "://" in address else address.split(":")[0]
    return batch_name_of(stem.rsplit("/", 1)[-1], f"{datetime.now(UTC):%Y%m%d}")
