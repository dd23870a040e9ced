"""Files of news, written and read back whole."""

from pathlib import Path

import polars as pl

from fakenews_assets.data.fields.columns import RawChunk, read_raw
from fakenews_assets.data.schema import QUARANTINE_SCHEMA, RAW_SCHEMA


def read(path: Path, content: bytes | str, chunk_rows: int = 100_000) -> RawChunk:
    """Write the content, read it back, and join the chunks."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_whole(path, chunk_rows)


def read_whole(path: Path, chunk_rows: int = 100_000) -> RawChunk:
    chunks = list(read_raw(path, chunk_rows=chunk_rows))
    assert all(chunk.rows.height + chunk.rejects.height <= chunk_rows for chunk in chunks)
    whole = RawChunk(
        pl.concat(c.rows for c in chunks),
        pl.concat(c.rejects for c in chunks),
        chunks[0].columns,
        sum(c.lines for c in chunks),
        chunks[0].read_as,
    )
    assert whole.rows.schema == RAW_SCHEMA
    assert whole.rejects.schema == QUARANTINE_SCHEMA
    numbers = sorted(whole.rows["row"].to_list() + whole.rejects["row"].to_list())
    assert numbers == list(range(1, len(numbers) + 1)), "each record is in one of the tables, once"
    return whole


def titles(chunk: RawChunk) -> list[str | None]:
    return chunk.rows["title"].to_list()
