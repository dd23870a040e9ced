"""Values of the small graphs that tests make."""

from fakenews_resources.storage.io_manager import Storage
from fakenews_resources.storage.store import Artifact


def filled(storage: Storage, content: str) -> Artifact:
    """A draft whose file `value` holds the content."""
    draft = storage.draft()
    (draft.path / "value").write_text(content)
    return draft
