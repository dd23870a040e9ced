"""Keys of the store, such as `clean_news/<batch>`, and the folders that they name."""

from typing import Final
from urllib.parse import quote

from fakenews_resources.storage.backend import StoreError

_LONGEST_PART: Final = 200
"""Characters of a quoted part of a key: file systems take 255 bytes, and hashes and suffixes are added."""


def is_usable_name(name: str) -> bool:
    """Whether a name, such as a partition's, can be one part of a key."""
    return bool(name) and not name.startswith(".") and "/" not in name and len(_quoted(name)) <= _LONGEST_PART


def folder_of(key: str) -> str:
    """The folder of a key, relative to the store. Raises StoreError for an unusable key."""
    parts = key.split("/")
    if not all(map(is_usable_name, parts)):
        raise StoreError(
            f"{key!r} is not a usable key: a part is empty, starts with a dot, or is longer than {_LONGEST_PART} characters."
        )
    return "/".join(map(_quoted, parts))


def _quoted(name: str) -> str:
    return quote(name, safe="@+=")
