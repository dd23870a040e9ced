"""One function over many pieces of work: what row-parallel code is written against, wherever it runs."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeVar

Piece = TypeVar("Piece")
Result = TypeVar("Result")


class OrderedMap(Protocol):
    """Applies a function to pieces of work and gives the results in the order of the pieces."""

    def __call__(
        self, worker: Callable[[], Callable[[Piece], Result]], pieces: Iterable[Piece], /
    ) -> Iterator[Result]:
        """Start what is consumed: pieces are drawn, and results held, a bounded number at a time.

        Args:
            worker: called once in every process that works; makes what is applied to a piece, a loaded model say. It
                travels to that process, as pieces and results do: files go along as a `ShippedFolder`.
            pieces: drawn in the calling process.

        Raises:
            Exception: whatever `worker` or what it made raised, as it was raised.
        """
        ...


def in_process(
    worker: Callable[[], Callable[[Piece], Result]], pieces: Iterable[Piece], /
) -> Iterator[Result]:
    """The ordered map of the calling process: a piece is drawn when its result is asked for."""
    yield from map(worker(), pieces)


class ShippedFolder:
    """A folder that travels by its content, so that machines need not share a file system.

    Pickled, it holds its files; unpickled, it lies in a temporary place under the same name, for as long as the
    object lives.
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
