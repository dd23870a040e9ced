"""Which columns of a file make up an article, and the form of their values."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from fakenews_assets.data.fields.labels import are_sure, parse_labels, plain_labels
from fakenews_assets.data.fields.mapping import BatchMapping
from fakenews_assets.data.fields.missing import MISSING_VALUE
from fakenews_assets.data.readers.reading import open_table
from fakenews_assets.data.readers.table import UnreadableFile
from fakenews_assets.data.schema import RAW_SCHEMA

_SAYS_FAKE: Final = ("is_fake", "isfake", "fake")
_SAYS_REAL: Final = ("is_real", "isreal", "real", "is_true", "istrue")
"""Columns of labels in which yes and no are sure: they say that the article is fake, or that it is real."""
_YES: Final = ("1", "true", "yes", "y", "t")
_NO: Final = ("0", "false", "no", "n", "f")

COLUMNS: Final = {
    "title": ("title", "headline", "headlines", "news_title", "article_title", "news_headline"),
    "text": (
        "text", "content", "body", "article", "full_text", "fulltext", "article_text", "article_content", "article_body",
        "news_text", "news_content", "maintext",
    ),
    "label": ("label", "labels", "class", "target", "veracity", "verdict", *_SAYS_FAKE, *_SAYS_REAL),
    # A domain goes before a name, which may be a tag of the data set.
    "source": (
        "domain", "source_domain", "site_url", "source", "source.name", "publisher", "publisher.name", "site",
        "source_name", "site_name", "outlet", "publication",
    ),
    "url": ("url", "link", "article_url", "news_url"),
    "group": ("group", "leaning", "bias"),
    "published_at": (
        "published_at", "published", "date", "publishedat", "publish_date", "published_date", "date_published",
        "date_publish", "pub_date", "pubdate", "publication_date", "publish_time", "published_time", "published_on",
        "datetime", "date_time", "timestamp", "posted_at", "post_date", "posted", "created_at", "createdat", "created",
        "created_date", "date_created", "creation_date", "created_utc", "updated_at", "seendate", "seen_date", "first_seen",
        "crawled_at", "crawl_date", "date_crawled", "scraped_at", "scraped_date", "scrape_date", "date_scraped",
        "fetched_at", "retrieved_at", "collected_at", "date_download",
    ),
}  # fmt: skip
"""Each column of a raw table, and the names it may have in a file: the first one present counts. When an article was
published goes before when somebody saw it."""

_DATA: Final = r"^\d+$|.{41}"
"""A first line with such a field, a number or a long one, is perhaps no header."""
_NO_TITLES: Final = rf"^$|{_DATA}|(?:^|_)(?:id|ids|index|row|author|authors|subject|tags)$|^unnamed"
"""Names of columns that hold no headlines."""
_NO_PROSE: Final = r"^\s*(?:[\[{].*|\S*[\d/]\S*)?\s*$"
_PROBED: Final = 20
_HEADLINE_CHARS: Final = 250
_CONTRADICTING_SHARE: Final = 0.05
"""More rows in which two columns of labels contradict each other are no slips."""
_LABELS_IF_SURE: Final = ("type", "category")
"""Columns that hold labels in some files and topics in others: their words decide."""


@dataclass(frozen=True)
class ChosenColumns:
    """The columns of a file that make up articles.

    Attributes:
        used: name in the file of each column of `COLUMNS` that it has.
        ignored: names of its other columns.
    """

    used: dict[str, str]
    ignored: tuple[str, ...]


class NoTitle(UnreadableFile):
    """The file has no column of titles; `found` says which it has."""

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(f"{found}. {remedy}")
        self.found = found


@dataclass(frozen=True)
class RawChunk:
    """A run of records of one file.

    Attributes:
        rows: records that could be read, as `RAW_SCHEMA`.
        rejects: records that could not, as `QUARANTINE_SCHEMA`.
        columns: where the values come from; the same for all chunks of a file.
        lines: as `TableChunk.lines`.
        read_as: how the file is written, in words.
        file: its name, if the batch has several.
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame
    columns: ChosenColumns
    lines: int
    read_as: str
    file: str = ""


def read_raw(path: Path, mapping: BatchMapping | None = None, chunk_rows: int = 20_000) -> Iterator[RawChunk]:
    """Read the columns of a file that make up articles, chunk by chunk.

    Columns are found by name, whatever their case, as `choose_columns` says. Values arrive as text and as found,
    except that a value is null when it is empty or a word for a missing value, such as "nan" or "NULL".

    Args:
        path: the file; it is only read.
        mapping: what was given for its batch.
        chunk_rows: most records in one chunk: those of articles take seconds to clean, so that progress shows. A chunk
            also ends at 64 Mi characters.

    Yields:
        Chunks in file order. `row` counts the records of the file from 1, rejects included, so every
        number appears once in either table. Blank lines are not records.

    Raises:
        UnreadableFile: on reaching the fault, which may be after the first chunks: keep nothing of
            the file unless the iteration ends.
    """
    mapping = mapping or BatchMapping()
    columns: ChosenColumns | None = None
    try:
        with open_table(path, header=mapping.header) as table:
            for chunk in table.chunks(chunk_rows):
                columns = columns or choose_columns(table.names, chunk.values, mapping)
                values = chunk.values.select(
                    pl.nth(table.names.index(name)).alias(field) for field, name in columns.used.items()
                )
                rows = tidy(chunk.places.hstack(values), mapping.title_words)
                if sure := meanings_in(columns.used.get("label", "")):
                    sure = {word: meaning for word, meaning in sure.items() if word not in mapping.labels}
                    plain = plain_labels(rows["label"]).replace_strict(
                        list(sure), list(sure.values()), default=None
                    )
                    rows = rows.with_columns(label=pl.coalesce(plain, "label"))
                yield RawChunk(rows, chunk.rejects, columns, chunk.lines, str(table.dialect))
    except UnreadableFile as error:
        raise UnreadableFile(f"{path.name}: {error}") from error


def plain_name(name: str) -> str:
    """A column name in lower case, with an underscore for blanks and hyphens."""
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def meanings_in(name: str) -> dict[str, str]:
    """What yes and no mean in a column of labels whose name says so, such as `is_real`; else nothing."""
    for names, yes, no in ((_SAYS_FAKE, "fake", "real"), (_SAYS_REAL, "real", "fake")):
        if plain_name(name) in names:
            return {**dict.fromkeys(_YES, yes), **dict.fromkeys(_NO, no)}
    return {}


def choose_columns(names: Sequence[str], values: pl.DataFrame, mapping: BatchMapping) -> ChosenColumns:
    """Choose the columns of a raw table among those of a file: the given ones, then those with a name of `COLUMNS`.

    Args:
        names: as the file has them.
        values: its first records, in the same order.
        mapping: what was given.

    Raises:
        UnreadableFile: there is no title and none can be made, a given column is missing, or a column stands there twice.
    """
    plain = [plain_name(name) for name in names]
    used: dict[str, str] = {}
    for field, name in mapping.columns.items():
        if not name:
            continue
        if plain_name(name) not in plain:
            raise UnreadableFile(
                f"no column {name!r} for `{field}`; {_listed(names)}. Name one of them: --column {field}=NAME (`columns` of"
                " raw_news in the UI)"
            )
        used[field] = names[plain.index(plain_name(name))]
    free = [one for one, name in zip(plain, names, strict=True) if name not in used.values()]
    for field, aliases in COLUMNS.items():
        if field not in mapping.columns and (alias := next((one for one in aliases if one in free), None)):
            used[field] = names[plain.index(alias)]
    if "label" in used and "label" not in mapping.columns and not mapping.labels and values.width:
        _check_labels_agree(names, used["label"], values)
    if "label" not in used and "label" not in mapping.columns:
        for alias in _LABELS_IF_SURE:
            if alias in free and are_sure(plain_labels(values.to_series(plain.index(alias)))):
                used.setdefault("label", names[plain.index(alias)])
    for name in used.values():
        if (count := plain.count(plain_name(name))) > 1:
            raise UnreadableFile(f"the header names `{plain_name(name)}` {count} times: keep one of them")
    if "title" not in used and not (mapping.title_words and "text" in used):
        raise NoTitle(f"no `title` column; {_listed(names)}", _title_remedy(names, used, values))
    return ChosenColumns(used, tuple(name for name in names if name and name not in used.values()))


def _check_labels_agree(names: Sequence[str], chosen: str, values: pl.DataFrame) -> None:
    """Raise UnreadableFile if another column, whose name says what its labels mean, contradicts the chosen one."""

    def labels_of(name: str) -> pl.Series:
        plain = plain_labels(values.to_series(names.index(name)))
        return parse_labels(plain, meanings_in(name))["label"]

    mine = labels_of(chosen)
    for name in names:
        if name != chosen and meanings_in(name):
            other = labels_of(name)
            contradicting = int((mine != other).sum())
            if contradicting > _CONTRADICTING_SHARE * int((mine == other).count()):
                option = " or ".join(f"--column label={shlex.quote(one)}" for one in (chosen, name))
                raise UnreadableFile(
                    f"{chosen!r} and {name!r} contradict each other in {contradicting:,} of its first {len(mine):,} rows. Say"
                    f" which one holds the labels: {option} (`columns` of raw_news in the UI)"
                )


def _title_remedy(names: Sequence[str], used: dict[str, str], values: pl.DataFrame) -> str:
    candidates = [
        name
        for at, name in enumerate(names)
        if name not in used.values()
        and not re.search(_NO_TITLES, plain_name(name))
        and not (values.width and _is_no_prose(values.to_series(at)))
    ]
    likely = [name for name in candidates if plain_name(name) in ("statement", "claim", "news", "tweet")]
    name = next(iter([*likely, *([used["text"]] if "text" in used else []), *candidates]), "NAME")
    words = ""
    if "text" in used:
        words = ", or make titles of the first words of the text: --title-words 12 (`title_words`)"
    elif name in names and values.width and _is_long(values.to_series(names.index(name))):
        text = shlex.quote(f"text={name}")
        words = f", or, since it looks like the text, make titles of its first words: --column {text} --title-words 12"
    row = _header_below(values)
    if row:
        words += f". If the header is row {row}, delete what stands above it"
    if any(re.search(_DATA, one) for one in names):
        return (
            "If the first line is no header, name the columns: --header NAME,NAME,... (`header` of raw_news in the UI), one of"
            f" them `title`. Else say which one holds the headlines: --column title=NAME (`columns`){words}"
        )
    option = shlex.quote(f"title={name}")
    return f"Say which one holds the headlines: --column {option} (`columns` of raw_news in the UI){words}"


def _header_below(values: pl.DataFrame) -> int:
    """The first row that holds a name of titles, in lines counted from that of the names; 0: there is none."""
    for at, row in enumerate(values.head(_PROBED).iter_rows(), 2):
        if any(plain_name(cell or "") in COLUMNS["title"] for cell in row):
            return at
    return 0


def _is_long(values: pl.Series) -> bool:
    """Whether most of the first values are longer than headlines."""
    long = values.drop_nulls().head(_PROBED).str.len_chars() > _HEADLINE_CHARS
    return 2 * long.sum() > len(long)


def _is_no_prose(values: pl.Series) -> bool:
    """Whether the first values are numbers, ids, dates, addresses or lists."""
    seen = values.drop_nulls().head(_PROBED)
    return bool(len(seen) and seen.str.contains(_NO_PROSE).all())


def _listed(names: Sequence[str]) -> str:
    listed = ", ".join(repr(name[:50]) for name in names[:20]) or "none"
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"columns found: {listed}{more}"


def tidy(values: pl.DataFrame, title_words: int = 0) -> pl.DataFrame:
    """Give text columns the form of `RAW_SCHEMA`: absent columns and missing values null.

    Args:
        values: `row`, `line` and the columns that the file has.
        title_words: first words of the text that make a title where there is none.
    """
    absent = [pl.lit(None, pl.String).alias(name) for name in COLUMNS if name not in values.columns]
    given = (pl.when(_is_given(pl.col(name))).then(name).alias(name) for name in COLUMNS)
    rows = values.with_columns(absent).with_columns(given)
    if title_words:
        words = pl.col("text").str.extract(rf"^\s*(\S+(?:\s+\S+){{0,{title_words - 1}}})")
        rows = rows.with_columns(title=pl.coalesce("title", words))
    return rows.select(RAW_SCHEMA.names())


def _is_given(value: pl.Expr) -> pl.Expr:
    return (value != "") & ~value.str.contains(MISSING_VALUE)
