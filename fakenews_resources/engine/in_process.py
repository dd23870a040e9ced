"""The interface of row-parallel work, and its implementation in the calling process."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeVar

Piece = TypeVar("Piece")
Result = TypeVar("Result")


class OrderedMap(Protocol):
    """Applies a function to pieces of work and yields the results in the order of the pieces."""

    def __call__(
        self, worker: Callable[[], Callable[[Piece], Result]], pieces: Iterable[Piece], /
    ) -> Iterator[Result]:
        """Map lazily: the number of drawn pieces and of held results is bounded.

        Args:
            worker: called once in every worker process; returns the function that is applied to each piece, such as a
                loaded model. It is pickled, like pieces and results; send files as a `ShippedFolder`.
            pieces: drawn in the calling process.

        Raises:
            Exception: whatever the worker or its function raised, unchanged.
        """
        ...


def in_process(
    worker: Callable[[], Callable[[Piece], Result]], pieces: Iterable[Piece], /
) -> Iterator[Result]:
    """Map in the calling process. A piece is drawn when its result is requested."""
    yield from map(worker(), pieces)


class ShippedFolder:
    """A folder that is pickled with its content, so that machines need not share a file system.

    Unpickling writes the files to a temporary folder of the same name, which exists as long as the object does.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._home: TemporaryDirectory[str] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        files = {
            path.relative_to(self.path).as_posix(): path.read_bytes()
            for path in sorted(self.path.rglob("*"))
            if path.is_file()
        }
        return _unpacked, (self.path.name, files)


def _unpacked(name: str, files: dict[str, bytes]) -> ShippedFolder:
    home = TemporaryDirectory(prefix="fakenews-")
    folder = ShippedFolder(Path(home.name) / name)
    folder._home = home
    for relative, content in files.items():
        target = folder.path / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder
