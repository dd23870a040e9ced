"""Where an article stands: its text in the tables, its records in the bytes as received, its title anywhere."""

import gzip
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from fakenews_assets.audit.data import CLEAN, RAW
from fakenews_assets.data.preparation import TextPreparation
from fakenews_assets.data.schema import article_id as id_of
from fakenews_assets.monitoring.prediction_log import PredictionLog
from fakenews_assets.retention.blanking import holds_text, tables_of
from fakenews_assets.retention.quoting import spellings
from fakenews_assets.retention.raw_rows import find_rows
from fakenews_assets.selection.bundle import PREPARE_FILE
from fakenews_resources.store import Store
from fakenews_resources.tombstones import Erasure

_GZIP_MAGIC: Final = b"\x1f\x8b"
_BLOCK: Final = 1 << 24


class UnknownArticle(LookupError):
    """Nothing holds the article; the message says what to do."""


def content_of(
    store: Store, service_log: Path, article_id: str, earlier: Sequence[Erasure]
) -> tuple[set[str], set[str]]:
    """The ids under which an article's text may stand, and its titles as far as a table still has them.

    The second id is that of the title without the text, by which the service may have been asked.

    Raises:
        UnknownArticle: no table has it, and no earlier erasure either.
    """
    ids = {article_id} | {one for entry in earlier for one in entry.article_ids}
    titles: set[str] = set()
    tables = [pl.scan_parquet(path) for _, _, path in tables_of(store)]
    log = PredictionLog(service_log)
    for table in [*tables, *(log.read(day, "predictions") for day in log.days())]:
        if {"article_id", "title", "text"} <= set(table.collect_schema()):
            held = table.filter(holds_text([article_id])).select("title", "text").head(1).collect()
            titles |= set(TextPreparation().apply(held)["title"])
    if not titles and not earlier:
        raise UnknownArticle(
            f"No table in {store.address}, and no log in {service_log}, has an article {article_id!r}. Take its id from"
            " clean_news, from the splits, or from the service's log."
        )
    return ids | {id_of(title, "") for title in titles}, titles


def rows_in_raw(
    store: Store, article_ids: Collection[str], earlier: Sequence[Erasure]
) -> dict[str, dict[int, str]]:
    """Records of raw files that clean to the article, with their titles, by key.

    Only the batches that it is known to stand in are read.

    Raises:
        UnreadableFile: such a file is damaged.
    """
    mine = pl.col("article_id").is_in(list(article_ids))
    batches = {key.removeprefix(RAW) for entry in earlier for key in entry.raw_rows}
    batches |= {
        key.removeprefix(CLEAN)
        for key, _, path in tables_of(store)
        if key.startswith(CLEAN)
        and path.name.startswith("articles-")
        and pl.scan_parquet(path).select(mine.any()).collect().item()
    }
    found: dict[str, dict[int, str]] = {}
    for batch in sorted(batches):
        if not store.exists(RAW + batch):
            continue
        raw = store.current(RAW + batch)
        versions = store.versions(CLEAN + batch)
        prepared = {(store.folder(CLEAN + batch, one) / PREPARE_FILE).read_bytes() for one in versions}
        for settings in prepared:
            preparation = TextPreparation.model_validate_json(settings)
            rows = find_rows(raw.path / raw.meta["file"], preparation, article_ids)
            found.setdefault(RAW + batch, {}).update(rows)
    return {key: rows for key, rows in found.items() if rows}


def holders(root: Path, titles: Collection[str]) -> list[Path]:
    """Files below a folder that hold one of these titles, in order of path.

    Titles shorter than TELLING_CHARS are not looked for.
    """
    quoted = spellings(titles)
    files = (path for path in sorted(root.rglob("*")) if path.is_file()) if quoted else ()
    return [path for path in files if _holds(path, quoted)]


def _holds(path: Path, quoted: Collection[str]) -> bool:
    if path.suffix == ".parquet":
        columns = [name for name, kind in pl.read_parquet_schema(path).items() if kind == pl.String]
        if not columns:
            return False
        held = pl.any_horizontal(pl.col(*columns).str.contains_any(sorted(quoted)))
        return bool(pl.scan_parquet(path).select(held.any()).collect().item())
    spelt = {form.encode() for form in quoted}
    longest = max(map(len, spelt))
    with path.open("rb") as file:
        zipped = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        stream = gzip.GzipFile(fileobj=file) if zipped else file
        rest = b""
        try:
            while block := stream.read(_BLOCK):
                window = rest + block
                if any(form in window for form in spelt):
                    return True
                rest = window[-longest:]
        except (OSError, EOFError):  # not gzip after all, or cut short: nothing more can be read of it
            return False
    return False
