"""Counts how many strings and other values a JSON body holds, before it is parsed."""

from typing import Final

_BLANKS: Final = b" \t\r\n"


class JsonSize:
    """Counts what makes a body slow to read, while it arrives.

    Eight megabytes of text are read in 40 ms, of numbers in 0.4 s and of empty lists in 0.9 s, and nothing else is answered
    meanwhile. Bytes that are no JSON are counted as if they were.
    """

    quotes = 0
    """At the ends of strings: two of each."""
    structure = 0
    """Bytes outside of strings, without blanks."""

    def __init__(self) -> None:
        self._begun = b""
        self._in_string = False

    def add(self, piece: bytes) -> None:
        """Count the next bytes of the body."""
        piece = self._begun + piece
        # What a backslash escapes may come with the next piece.
        self._begun = b"\\" * ((len(piece) - len(piece.rstrip(b"\\"))) % 2)
        parts = piece.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        self.structure += sum(len(part.translate(None, _BLANKS)) for part in parts[self._in_string :: 2])
        self.quotes += len(parts) - 1
        self._in_string ^= (len(parts) - 1) % 2 == 1
