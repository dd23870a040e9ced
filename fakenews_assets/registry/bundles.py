"""Finds bundles where they are kept: all, one by the beginning of its sha, and the record of when one was made."""

import re
from pathlib import Path
from typing import Final

from fakenews_assets.registry.bundle import BundleMissing, BundleRecord
from fakenews_resources.storage.backend import Backend, as_backend

_SHA_DIGITS: Final = 64
_BUNDLE: Final = re.compile(r"[0-9a-f]{64}(\.json)?")
_SHA_BEGINNING: Final = re.compile(r"[0-9a-f]{8,64}")


def read_record(models: Backend | Path, sha: str) -> BundleRecord:
    """When a bundle was made, and by which run. Raises FileNotFoundError if there is none of that name."""
    document = as_backend(models).read(f"{sha}.json")
    if document is None:
        raise FileNotFoundError(f"There is no record {sha}.json beside the bundles.")
    return BundleRecord.model_validate_json(document.data)


def bundles_in(models: Backend) -> list[str]:
    """Shas of all bundles, in order, those that were only partly written or removed included."""
    return sorted({name[:_SHA_DIGITS] for name in models.children() if _BUNDLE.fullmatch(name)})


def find_bundle(models: Backend, beginning: str) -> str:
    """The sha of the one bundle whose sha begins like this.

    Raises:
        BundleMissing: there is none, there are several, or these are no eight digits.
    """
    is_sha = is_sha_beginning(beginning)
    found = [sha for sha in bundles_in(models) if is_sha and sha.startswith(beginning)]
    if len(found) != 1:
        raise BundleMissing(
            f"{len(found) or 'No'} bundles in {models.address} begin with {beginning}. Give at least eight digits of a"
            " sha, and more where several begin alike."
        )
    return found[0]


def is_sha_beginning(text: str) -> bool:
    """Whether a text can name a bundle: its sha, or the first eight digits or more."""
    return _SHA_BEGINNING.fullmatch(text) is not None
