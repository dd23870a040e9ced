"""Receives news from a local file."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from fakenews_resources.news.base import (
    BadAddress,
    Changed,
    NotFound,
    Progress,
    Received,
    Refused,
    file_name,
    received,
)
from fakenews_resources.project import project_path

_COPY_BYTES = 2**20


def receive_file(address: str, into: Path, *, progress: Progress | None = None) -> Received:
    """Copy a local file, which is only read.

    Args:
        address: a path or a `file://` URL. Relative paths start at the project's folder.
        into: folder for the copy.
        progress: called as bytes arrive.

    Raises:
        NotFound: if there is no such file.
        BadAddress: if it is no regular file, or lies where the copy would go.
        Refused: if it cannot be read.
        Changed: if someone writes to it meanwhile.
    """
    source = path_of(address)
    target = into / file_name(source.as_uri())
    aside = target.with_name(target.name + ".partial")
    try:
        before = source.stat()
        if not source.is_file():
            raise BadAddress(f"{source} is not a file: name one file, not a folder or a device")
        if target.exists() and target.samefile(source):
            raise BadAddress(f"{source} lies in the folder it would be copied to: move it elsewhere first")
        into.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as reading, aside.open("wb") as writing:
            while block := reading.read(_COPY_BYTES):
                writing.write(block)
                if progress:
                    progress(writing.tell(), before.st_size)
        after = source.stat()
    except FileNotFoundError as error:
        raise NotFound(f"no file at {source}: check the path") from error
    except PermissionError as error:
        raise Refused(f"{source} cannot be copied ({error.strerror}): grant read access") from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        aside.unlink()
        raise Changed(f"{source} changed while it was copied: wait until it is written, then run again")
    aside.replace(target)
    return received(target, source.as_uri())


def path_of(address: str) -> Path:
    """The path of a `file:` address, or of a path with `~`. Raises BadAddress for another host."""
    if not address.startswith("file:"):
        return project_path(address)
    parts = urlsplit(address)
    if parts.netloc not in ("", "localhost"):
        raise BadAddress(
            f"{address} names the host {parts.netloc!r}: write file:///, with three slashes, and the path"
        )
    return Path(unquote(parts.path)).absolute()
