"""Names of publishers, so that one publisher has one name in every batch, however a file writes it."""

import re
import unicodedata
from typing import Final

import polars as pl

from fakenews_assets.data.fields.missing import is_missing

_ADDRESS: Final = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//(?:[^/?#@\s]*@)?(\[[^\]\s]*\]|[^/?#@:\s]*)")
_BARE_HOST: Final = re.compile(
    r"(?:[^/?#@\s]*@)?((?:[^/?#@:.\s]+\.)+(?:[^\W\d_]{2,}|xn--[a-z0-9-]+)|\d{1,3}(?:\.\d{1,3}){3})"
    r"\.?(?::\d+)?(?:[/?#].*)?"
)
"""A host without a scheme: labels and a top-level domain, or an IPv4 address."""
_SUBDOMAIN: Final = re.compile(r"(?:(?:www\d?|m|mobile|amp)\.)+(?=[^.]+\.)")
"""Where publishers repeat their main site; `m.com` has none."""
_INVISIBLE: Final = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
"""Soft hyphens, zero-width characters and marks of direction, as copied pages contain them."""
_UNKNOWN: Final = ("unknown", "undefined", "unspecified", "not available")
_DOMAIN: Final = r"^(?:[^/?#@:.\s]+\.)+(?:\p{L}{2,}|xn--[a-z0-9-]+)$"
_PATH: Final = r"^(\s*(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#\s]*)[/?#].*$"


def normalise_source(source: str) -> str | None:
    """The canonical name of a publisher.

    An address or a host becomes its host: lower case, in ASCII (IDNA), without user, port, path, and leading `www.`,
    `m.`, `mobile.` or `amp.`. Any other name is lower case too, trimmed, with single blanks and without invisible
    characters. None: it holds no letter or digit, is a word for a missing value, or an address without a host.
    """
    name = " ".join(_INVISIBLE.sub("", unicodedata.normalize("NFKC", source)).split()).lower()
    address = _ADDRESS.match(name)
    if found := address or _BARE_HOST.fullmatch(name):
        name = _SUBDOMAIN.sub("", _ascii(found[1].rstrip(".")), count=1)
    is_name = any(map(str.isalnum, name)) and not name.startswith("/") and name not in _UNKNOWN
    return name if is_name and not is_missing(name) else None


def normalise_sources(sources: pl.Series) -> pl.Series:
    """`normalise_source` of each value; null stays null."""
    # The addresses of a million articles have few hosts.
    hosts = sources.str.replace(_PATH, "$1")
    distinct = hosts.drop_nulls().unique()
    names = pl.Series(map(normalise_source, distinct), dtype=pl.String)
    return hosts.replace_strict(distinct, names, default=None, return_dtype=pl.String)


def is_domain(names: pl.Expr) -> pl.Expr:
    """Whether names that `normalise_sources` returned are domains."""
    return names.str.contains(_DOMAIN)


def _ascii(host: str) -> str:
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:  # such as a label that is too long
        return host
