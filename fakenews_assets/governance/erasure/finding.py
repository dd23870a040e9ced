"""Finds an article: its rows in tables, its records in raw bytes, its title anywhere."""

import gzip
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl
from polars.exceptions import PolarsError

from fakenews_assets.data.receiving.raw_files import raw_files, read_mapping
from fakenews_assets.data.schema import article_id as id_of
from fakenews_assets.data.text.preparation import TextPreparation
from fakenews_assets.governance.audit.data import CLEAN, RAW
from fakenews_assets.governance.erasure.blanking import holds_text, log_tables, tables_of
from fakenews_assets.governance.erasure.log_lines import lines_about, log_segments
from fakenews_assets.governance.erasure.quoting import TEXTS, Wording, spellings
from fakenews_assets.governance.erasure.raw_rows import find_rows, find_torn_rows
from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_assets.registry.bundle import PREPARE_FILE
from fakenews_resources.storage.ledger import Erasure
from fakenews_resources.storage.store import Store

_GZIP_MAGIC: Final = b"\x1f\x8b"
_BLOCK: Final = 1 << 24
_SHOWN_CHARS: Final = 60


class UnknownArticle(LookupError):
    """Nothing contains the article; the message says what to do."""


@dataclass(frozen=True)
class Content:
    """Ids and content of an article, as far as it is still stored."""

    ids: frozenset[str]
    wording: Wording


def content_of(store: Store, service_log: Path, article_id: str, earlier: Sequence[Erasure]) -> Content:
    """Collect the ids, titles and texts of an article.

    The second id is that of the title without the text, by which the service may have been asked.

    Raises:
        UnknownArticle: no table has it, no line of the log, and no earlier erasure either.
    """
    ids = {article_id} | {one for entry in earlier for one in entry.article_ids}
    lines = [line for path in log_segments(service_log) for line in lines_about(path, article_id)]
    told = [{name: line.get(name) for name in TEXTS} for line in lines if line is not None]
    found = [pl.DataFrame(told, schema=dict.fromkeys(TEXTS, pl.String))]
    for path in (*(path for _, _, path in tables_of(store)), *(path for _, path in log_tables(service_log))):
        table = pl.scan_parquet(path)
        if {"article_id", *TEXTS} <= set(table.collect_schema()):
            found.append(table.filter(holds_text([article_id])).select(TEXTS).unique().collect())
    received = pl.concat(found).fill_null("").unique()
    cleaned = TextPreparation().apply(received)
    if received.is_empty() and not lines and not earlier:
        raise UnknownArticle(
            f"No table in {store.address}, and no log in {service_log}, has an article {article_id!r}. Take its id from"
            " clean_news, from the splits, or from the service's log."
        )
    titles, texts = (frozenset({*received[name], *cleaned[name]}) - {""} for name in TEXTS)
    ids |= {id_of(title, "") for title in cleaned["title"] if title}
    return Content(frozenset(ids), Wording(titles, texts))


def articles_titled(store: Store, service_log: Path, title: str) -> dict[str, str]:
    """The articles with this title, as received or as cleaned: their ids, with the beginning of their texts.

    Args:
        store: the graph's values.
        service_log: folder of the service's log.
        title: the whole title. Case and spaces around it do not matter.
    """
    asked = pl.DataFrame({"title": [title], "text": [""]})
    wanted = pl.concat([asked, TextPreparation().apply(asked)])["title"].str.strip_chars().str.to_lowercase()
    mine = pl.col("title").str.strip_chars().str.to_lowercase().is_in(wanted.filter(wanted != "").implode())
    log = PredictionLog(service_log)
    tables = [log.read(day, "predictions") for day in log.days()]
    tables += [pl.scan_parquet(path) for _, _, path in tables_of(store)]
    shown = ("article_id", pl.col("text").fill_null("").str.head(_SHOWN_CHARS))
    found = [
        table.filter(mine).select(shown).unique().collect()
        for table in tables
        if {"article_id", *TEXTS} <= set(table.collect_schema())
    ]
    return dict(pl.concat(found).iter_rows()) if found else {}


def rows_in_raw(store: Store, content: Content, earlier: Sequence[Erasure]) -> dict[str, dict[int, str]]:
    """Records of raw files that clean to the article, with their titles, by key.

    Only batches that are known to contain it are read. A truncated JSON line that may hold the article is a record
    without a title.

    Raises:
        UnreadableFile: such a file is damaged.
    """
    mine = pl.col("article_id").is_in(list(content.ids))
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
        files, mapping = raw_files(raw), read_mapping(raw)
        found[RAW + batch] = {}
        versions = store.versions(CLEAN + batch)
        prepared = {(store.folder(CLEAN + batch, one) / PREPARE_FILE).read_bytes() for one in versions}
        for settings in prepared:
            preparation = TextPreparation.model_validate_json(settings)
            rows = find_rows(files, mapping, preparation, content.ids)
            found[RAW + batch] |= rows
        titles = frozenset(found[RAW + batch].values()) - {""}
        known = {row for entry in earlier for row in entry.raw_rows.get(RAW + batch, ())}
        wording, first = content.wording | Wording(titles), 0
        for file, entry in zip(files, raw.meta["files"], strict=True):
            torn = find_torn_rows(file, wording, {row - first for row in known})
            found[RAW + batch] |= dict.fromkeys((first + row for row in torn), "")
            first += entry["rows"] or 0
    return {key: rows for key, rows in found.items() if rows}


def holders(root: Path, titles: Collection[str], but: Path | None = None) -> list[Path]:
    """Files below a folder that hold one of these titles, in order of path.

    Titles shorter than TELLING_CHARS are not looked for. Files below the folder `but` are skipped.
    """
    quoted = spellings(titles)
    files = (path for path in sorted(root.rglob("*")) if path.is_file()) if quoted else ()
    return [path for path in files if not (but and path.is_relative_to(but)) and _holds(path, quoted)]


def _holds(path: Path, quoted: Collection[str]) -> bool:
    if path.suffix == ".parquet":
        with suppress(PolarsError):  # it is damaged: what can be read of it is its bytes
            return _table_holds(path, quoted)
    return _bytes_hold(path, quoted)


def _table_holds(path: Path, quoted: Collection[str]) -> bool:
    columns = [name for name, kind in pl.read_parquet_schema(path).items() if kind == pl.String]
    if not columns:
        return False
    held = pl.any_horizontal(pl.col(*columns).str.contains_any(sorted(quoted)))
    return bool(pl.scan_parquet(path).select(held.any()).collect().item())


def _bytes_hold(path: Path, quoted: Collection[str]) -> bool:
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
