"""Values of the small graphs that tests make."""

from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.io_manager import Storage


def filled(storage: Storage, content: str) -> Artifact:
    """A draft whose file `value` holds the content."""
    draft = storage.draft()
    (draft.path / "value").write_text(content)
    return draft
