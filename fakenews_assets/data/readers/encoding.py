"""Finds the encoding of a text, one for the whole of the file."""

import codecs
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final

import polars as pl

from fakenews_assets.data.readers.table import UnreadableFile

_BLOCK: Final = 2**18
_ESCAPES: Final = 20
_LINE: Final = 2**20
_SAMPLE_BYTES: Final = 2**14
_WIDE_BYTES: Final = 16
_ZERO_OR_ONE: Final = b"0" + b"1" * 255
_MIXED_SHARE: Final = 0.02
"""Lines of another encoding that happen to be UTF-8 are rarer than this, among those that are not plain ASCII."""
_FOREIGN_BYTES: Final = 64
"""Fewer bytes beyond ASCII may be damage."""
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8 with BOM"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
"""In this order: the mark of UTF-32 begins with that of UTF-16."""

_NAMES: Final = {
    "cp1252": "Windows-1252", "cp1250": "Windows-1250", "cp1251": "Windows-1251", "cp1253": "Windows-1253",
    "cp1254": "Windows-1254", "cp1255": "Windows-1255", "cp1256": "Windows-1256", "cp1257": "Windows-1257",
    "cp1258": "Windows-1258", "mac_roman": "Mac Roman", "cp437": "DOS 437", "cp850": "DOS 850", "koi8_r": "KOI8-R",
    "cp866": "DOS 866", "mac_cyrillic": "Mac Cyrillic", "iso8859_2": "ISO 8859-2", "iso8859_5": "ISO 8859-5",
    "iso8859_6": "ISO 8859-6", "tis_620": "TIS-620",
    "gb18030": "GB 18030", "big5": "Big5", "shift_jis": "Shift JIS", "euc_kr": "EUC-KR", "euc_jp": "EUC-JP",
}  # fmt: skip
_SEVERAL_BYTES: Final = ("gb18030", "big5", "shift_jis", "euc_kr", "euc_jp")

_MISPLACED: Final = re.compile(
    "(?<=[a-z])[À-ÖØ-ÞŠŽŸ]|(?<=[a-z])[‚ƒ„†‡ˆ‰‹›˜¡¢¤¥¦§¨ª«¬¯°±²³´µ¶¸¹º»¼½¾¿×÷](?=[a-z])|[ðþýÐÞÝ]"
)
"""What Windows-1252 makes of the letters of other tables: capitals and signs within words, letters of Iceland."""
_MISPLACED_SHARE: Final = 0.1
_NEVER_TOGETHER: Final = {"øì": 0.05, "øù": 0.05, "õû": 0.05, "šžè": 0.5}
"""What Windows-1252 makes of letters of Windows-1250 (ř ě, ř ů, ő ű, š ž č), and their least share of the letters beyond
ASCII: no western language has them together, but English quotes names of all languages."""


@dataclass(frozen=True)
class Encoding:
    """How the bytes of a text are decoded.

    Attributes:
        codec: Python's name of it.
        name: what people call it.
        errors: Python's handler of bytes that the codec cannot decode; none of them loses a row.
        escapes: where some blocks of the file begin that have a backslash before a quote.
    """

    codec: str
    name: str
    errors: str = "replace"
    escapes: tuple[int, ...] = ()

    @property
    def wide(self) -> bool:
        """Whether a character takes up several bytes even in ASCII."""
        return self.codec.startswith(("utf-16", "utf-32"))


def find_encoding(file: BinaryIO) -> Encoding:
    """Find the encoding that fits a file from its beginning to its end.

    Raises:
        UnreadableFile: its encoding cannot be told, or it mixes some that cannot be told apart.
    """
    file.seek(0)
    head = file.read(_SAMPLE_BYTES)
    marked = next(((codec, name) for mark, codec, name in _MARKS if head.startswith(mark)), None)
    if marked and marked[0] != "utf-8-sig":
        return Encoding(*marked)
    if codec := _wide(head):
        return Encoding(codec, codec.upper())
    is_utf8, escapes = _scan(file)
    if marked:
        return Encoding(*marked, escapes=escapes)
    if is_utf8:
        return Encoding("utf-8", "UTF-8", escapes=escapes)
    good, bad, sample = _count(file)
    mixed = good >= _MIXED_SHARE * (good + bad)
    codec = _guess(sample) or ("cp1252" if mixed else None)
    if codec is None:
        raise UnreadableFile(
            "its encoding cannot be told, and it is not UTF-8: save it as UTF-8, or convert it (iconv -f ENCODING -t UTF-8"
            " THIS_FILE > NEW_FILE)"
        )
    name = _NAMES.get(codec, codec)
    if not mixed:
        return Encoding(codec, name, escapes=escapes)
    if codec in _SEVERAL_BYTES:
        raise UnreadableFile(
            f"{good:,} lines are UTF-8 and {bad:,} probably {name}: save all of them in one encoding, best UTF-8"
        )
    handler = f"or_{codec}"
    codecs.register_error(handler, _decoding_others_as(codec))
    return Encoding("utf-8", f"UTF-8 and {name}", handler, escapes)


def _wide(head: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark, by the zeros beside ASCII in the first name."""
    begin = head[:_WIDE_BYTES]
    for width, codec in ((4, "utf-32"), (2, "utf-16")):
        units = {
            begin[at : at + width].translate(_ZERO_OR_ONE)
            for at in range(0, len(begin) // width * width, width)
        }
        for order, unit in (("le", b"1".ljust(width, b"0")), ("be", b"1".rjust(width, b"0"))):
            if units == {unit}:
                return f"{codec}-{order}"
    return None


def _scan(file: BinaryIO) -> tuple[bool, tuple[int, ...]]:
    """Whether a file is UTF-8, and where some of its blocks begin that have a backslash before a quote."""
    file.seek(0)
    is_utf8, begun, escapes, at = True, b"", [], 0
    while block := file.read(_BLOCK):
        if is_utf8 and (begun or not block.isascii()):
            text = begun + block if begun else block
            end = _end_of_characters(text)
            begun = text[end:]
            is_utf8 = _is_utf8(text[:end] if begun else text)
        if b"\\" in block and len(escapes) < _ESCAPES and b'\\"' in block:
            escapes.append(at)
        at += len(block)
    return is_utf8 and not begun, tuple(escapes)


def _end_of_characters(text: bytes) -> int:
    """Where a character of UTF-8 begins that the end of a text cuts; the end itself, if it cuts none."""
    for back, byte in enumerate(reversed(text[-3:]), 1):
        if byte < 0x80:
            break
        if byte >= 0xC0:  # of two bytes, of three from 0xE0 on, of four from 0xF0 on
            length = 2 + (byte >= 0xE0) + (byte >= 0xF0)
            return len(text) - (back if length > back else 0)
    return len(text)


def _is_utf8(text: bytes) -> bool:
    # Polars only looks; Python would decode, in twice the time.
    try:
        pl.Series([text], dtype=pl.Binary).cast(pl.String)
    except pl.exceptions.ComputeError:
        return False
    return True


def _count(file: BinaryIO) -> tuple[int, int, bytes]:
    """Lines that are UTF-8 and not ASCII alone, lines that are not UTF-8, and a sample of these."""
    file.seek(0)
    good = bad = 0
    sample = bytearray()
    while line := file.readline(_LINE):
        if line.isascii():
            continue
        try:
            line.decode()
            good += 1
        except UnicodeDecodeError:
            bad += 1
            sample += line[: _SAMPLE_BYTES - len(sample)]
    return good, bad, bytes(sample)


def _guess(sample: bytes) -> str | None:
    """The codec of a text that is not UTF-8. None: no codec makes words of it, and it is more than damaged bytes."""
    if _is_western(sample):
        return "cp1250" if _is_central_european(sample) else "cp1252"
    from charset_normalizer import from_bytes  # slow to import, and seldom needed

    best = from_bytes(sample, cp_isolation=list(_NAMES)).best()
    if best:
        return best.encoding
    foreign = sum(byte >= 0x80 for byte in sample)
    damaged = foreign < _FOREIGN_BYTES or 3 * foreign < len(re.findall(rb"[a-zA-Z]", sample))
    return "cp1252" if damaged else None


def _is_western(sample: bytes) -> bool:
    """Whether a text makes sense as Windows-1252, by far the commonest: most letters are ASCII, and hardly any sign is
    where none belongs."""
    try:
        text = sample.decode("cp1252")
    except UnicodeDecodeError:
        return False
    other = re.sub(r"[\x00-\x7f]", "", text)
    letters = sum(map(str.isalpha, other))
    return 3 * letters < sum(map(str.isalpha, text)) and len(
        _MISPLACED.findall(text)
    ) < _MISPLACED_SHARE * len(other)


def _is_central_european(sample: bytes) -> bool:
    """Whether a text that makes sense as Windows-1252 has letters that no western language has together."""
    letters = [sign for sign in sample.decode("cp1252").lower() if sign > "\x7f" and sign.isalpha()]
    times = Counter(letters)
    return any(
        min(times[one] for one in group) > 2 and sum(times[one] for one in group) >= share * len(letters)
        for group, share in _NEVER_TOGETHER.items()
    )


def _decoding_others_as(codec: str) -> Callable[[UnicodeError], tuple[str, int]]:
    def decode(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeDecodeError)
        return error.object[error.start : error.end].decode(codec, "replace"), error.end

    return decode
