"""Work on many pieces, one result each: the interface of whatever runs it, and how it runs in this process."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

Piece = TypeVar("Piece")
Result = TypeVar("Result")


class Mapper(Protocol):
    """Applies a function to pieces, wherever."""

    def map(
        self, setup: Callable[[], Callable[[Piece], Result]], pieces: Iterable[Piece]
    ) -> Iterator[Result]:
        """Work on pieces one by one, in bounded memory.

        Args:
            setup: called once in each process that works; what it returns is applied to the pieces. So a model is
                loaded once. May travel to another machine: files go with it as a `PortableFolder`.
            pieces: taken as they are needed, a few ahead of the results.

        Yields:
            What became of each piece, in their order.

        Raises:
            Exception: what `setup` or its function raises.
        """
        ...


class InProcess:
    """Works in this process, on one piece after the other."""

    def map(
        self, setup: Callable[[], Callable[[Piece], Result]], pieces: Iterable[Piece]
    ) -> Iterator[Result]:
        """As `Mapper.map`."""
        return map(setup(), pieces)


class PortableFolder:
    """A folder of files that is there on every machine: pickled, it is its content, so no file system need be shared.

    All of it is in memory while it travels; meant for one model.
    """

    def __init__(self, folder: Path) -> None:
        self._name = folder.name
        self._folder: Path | None = folder
        self._files: dict[str, bytes] = {}

    @cached_property
    def path(self) -> Path:
        """The folder itself; elsewhere a copy of the same name, which lasts as long as this object."""
        if self._folder is not None:
            return self._folder
        self._copy = tempfile.TemporaryDirectory(prefix="fakenews-")
        folder = Path(self._copy.name) / self._name
        for name, content in self._files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        self._files.clear()
        return folder

    def __getstate__(self) -> dict[str, Any]:
        folder = self.path
        files = {
            file.relative_to(folder).as_posix(): file.read_bytes()
            for file in folder.rglob("*")
            if file.is_file()
        }
        return {"_name": self._name, "_folder": None, "_files": files}
