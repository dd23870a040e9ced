"""One publisher has one name, however files write it."""

import polars as pl
import pytest

from fakenews_assets.data.cleaning.parsing import parse_rows
from fakenews_assets.data.fields.columns import choose_columns, tidy
from fakenews_assets.data.fields.mapping import BatchMapping
from fakenews_assets.data.fields.sources import normalise_source, normalise_sources


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("https://user:secret@WWW.Times.example:8080/2020/a?b#c", "times.example"),
        ("//m.times.example/a", "times.example"),
        ("times.example/world", "times.example"),
        ("amp.times.example.", "times.example"),
        ("mobile.times.example/a", "times.example"),
        ("mobile.com", "mobile.com"),
        ("\ufefftimes.example\u200b", "times.example"),
        ("Meridian\u200b Wire", "meridian wire"),
        ("editor@times.example", "times.example"),
        ("news.times.example", "news.times.example"),
        ("m.com", "m.com"),
        ("82.221.129.208:80", "82.221.129.208"),
        ("http://localhost:8000/", "localhost"),
        ("http://[::1]:80/a", "[::1]"),
        ("https://Bücher.example/a", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("пример.рф", "xn--e1afmkfd.xn--p1ai"),
        ("  Meridian \n Wire ", "meridian wire"),
        ("MERIDIAN WIRE", "meridian wire"),
        ("St. Louis Post", "st. louis post"),
        ("A.P.", "a.p."),
        ("https://", None),
        ("NaN", None),
        (" ", None),
        ("\u200b", None),
        ("-", None),
        ("--", None),
        ("?", None),
        ("Unknown", None),
        ("n/a", None),
        ("/2026/11/story", None),
    ],
)
def test_a_publisher_has_one_name(written: str, name: str | None) -> None:
    assert normalise_source(written) == name
    assert name is None or normalise_source(name) == name
    assert normalise_sources(pl.Series([written, None, written])).to_list() == [name, None, name]


@pytest.mark.parametrize(
    ("source", "url", "publisher"),
    [
        ("times.example", "https://other.example/a", "times.example"),
        ("Times", "https://times.example/a", "times.example"),  # a tag of the data set, or a name
        ("Times", "/2026/a", "times"),
        ("Times", None, "times"),
        (None, "Meridian Wire", "meridian wire"),
        ("-", "unknown", "given.example"),
    ],
)
def test_a_domain_names_the_publisher_before_a_word_does(
    source: str | None, url: str | None, publisher: str
) -> None:
    columns = {"row": 1, "line": 2, "title": "A title", "source": source, "url": url}
    rows = tidy(pl.DataFrame(columns, schema_overrides={"source": pl.String, "url": pl.String}))
    mapping = BatchMapping(source="given.example")
    assert parse_rows(rows, mapping, None)["source"].to_list() == [publisher]


def test_the_column_of_the_domain_goes_before_that_of_a_name() -> None:
    names = ["title", "source", "domain"]
    values = pl.DataFrame([["A title", "kaggle", "times.example"]], names, orient="row")
    assert choose_columns(names, values, BatchMapping()).used["source"] == "domain"
