"""Records that an asset stores as one JSON file."""

from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict


class StoredRecord(BaseModel):
    """A record with a file name of its own in the folder of its asset's value."""

    model_config = ConfigDict(frozen=True)

    file: ClassVar[str]

    def write(self, folder: Path) -> None:
        """Write the file."""
        (folder / self.file).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what `write` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            pydantic.ValidationError: it holds something else.
        """
        return cls.model_validate_json((folder / cls.file).read_bytes())
