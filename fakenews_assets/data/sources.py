"""Names of publishers, so that one publisher has one name in every batch, however a file writes it."""

import re
import unicodedata
from typing import Final

import polars as pl

from fakenews_assets.data.missing import is_missing

_ADDRESS: Final = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//(?:[^/?#@\s]*@)?(\[[^\]\s]*\]|[^/?#@:\s]*)")
_BARE_HOST: Final = re.compile(
    r"(?:[^/?#@\s]*@)?((?:[^/?#@:.\s]+\.)+(?:[^\W\d_]{2,}|xn--[a-z0-9-]+)|\d{1,3}(?:\.\d{1,3}){3})"
    r"\.?(?::\d+)?(?:[/?#].*)?"
)
"""A host without a scheme: labels and a top-level domain, or an IPv4 address."""
_SUBDOMAIN: Final = re.compile(r"(?:(?:www\d?|m|amp)\.)+(?=[^.]+\.)")
"""Where publishers repeat their main site; `m.com` has none."""
_PATH: Final = r"^(\s*(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#\s]*)[/?#].*$"


def normalise_source(source: str) -> str | None:
    """The canonical name of a publisher.

    An address or a host becomes its host: lower case, in ASCII (IDNA), without user, port, path, and leading `www.`,
    `m.` or `amp.`. Any other name is lower case too, trimmed, with single blanks. None: it is empty, a word for a
    missing value, or an address without a host.
    """
    name = " ".join(unicodedata.normalize("NFKC", source).split()).lower()
    address = _ADDRESS.match(name)
    if found := address or _BARE_HOST.fullmatch(name):
        name = _SUBDOMAIN.sub("", _ascii(found[1].rstrip(".")), count=1)
    return None if is_missing(name) else name


def normalise_sources(sources: pl.Series) -> pl.Series:
    """`normalise_source` of each value; null stays null."""
    # The addresses of a million articles have few hosts.
    hosts = sources.str.replace(_PATH, "$1")
    distinct = hosts.drop_nulls().unique()
    names = pl.Series(map(normalise_source, distinct), dtype=pl.String)
    return hosts.replace_strict(distinct, names, default=None, return_dtype=pl.String)


def _ascii(host: str) -> str:
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:  # such as a label that is too long
        return host
