"""Reads dates as files write them: a day in words or figures, a time, a zone, or a number.

The time and the zone are read by Polars. What is left of a value is its day; a column has few different days, so
each is read once, by dateutil.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, Self

import polars as pl
from dateutil import parser
from pydantic import BaseModel, ConfigDict
from typing_extensions import override

_TIME: Final = (
    r"(?i)(?:\bat\s+|T)?\b?(?<hour>[0-9]{1,2}):(?<minute>[0-9]{2})(?::(?<second>[0-9]{2})(?:[.,](?<fraction>[0-9]{1,6})[0-9]*)?)?"
    r"(?:\s*(?<half>[ap])\.?m\b\.?)?"
    r"(?:\s*(?:(?:GMT|UTC)?(?<sign>[+-])(?<hours>[0-9]{2}):?(?<minutes>[0-9]{2})?|(?<zone>[a-z]{1,4}\b)))?(?:\s*\([^)]*\))?"
)
"""A time of day, with what may follow it: a.m. or p.m., an offset or a zone, and a remark in parentheses."""

_ZONES: Final = {"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7,
                 "cet": 1, "cest": 2, "bst": 1}  # fmt: skip
"""Hours from UTC of the zones that RFC 2822 and European papers name. Another name counts as UTC."""

# Other digits than ASCII's, which \d matches too, are read by neither Polars nor dateutil alike.
_NUMBER: Final = r"^[0-9]+(?:\.[0-9]*)?$"
_IN_FIGURES: Final = r"^(?<first>[0-9]{1,2})[/.-](?<second>[0-9]{1,2})[/.-](?:[0-9]{4}|[0-9]{2})$"
_FOREIGN_DIGIT: Final = r"[\p{N}--[0-9]]"
_COMPACT: Final = r"^\s*([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})"
"""A time of ISO 8601 without hyphens and colons."""
_YEARS: Final = (1600, 2200)
"""Another year is a mistake or of another calendar, such as 2560 for 2017 in Thailand, or 1396 in Iran."""
_LONGEST_DAY: Final = 40
"""Characters; a longer one is no day, and is not tried."""

_EXCEL_DAY_0: Final = datetime(1899, 12, 30)
_EXCEL_DAYS: Final = (20_000, 80_000)  # 1954 to 2119
_EPOCHS: Final = {9: 1e6, 10: 1e6, 12: 1e3, 13: 1e3, 15: 1.0, 16: 1.0, 18: 1e-3, 19: 1e-3}
"""Microseconds of one unit, by the digits of a time since 1970: seconds, milli-, micro- and nanoseconds."""
_MICROSECONDS: Final = {"hour": 3_600_000_000, "minute": 60_000_000, "second": 1_000_000}


class DayOrder(BaseModel):
    """How many dates such as 31/12/2017 a column has, by what they say about its order of day and month."""

    model_config = ConfigDict(frozen=True)

    day_first: int = 0
    month_first: int = 0
    either: int = 0
    """Both numbers are 12 or less: the others decide, and without any the month comes first, except between stops."""
    stops: int = 0
    """Of `either`, written with stops, as in German."""

    @classmethod
    def of(cls, values: pl.Series) -> Self:
        """Count the values of a column."""
        distinct = values.drop_nulls().value_counts(name="rows")
        day = pl.col("day").str.extract_groups(_IN_FIGURES).struct
        first, second = (day.field(name).cast(pl.Int8) for name in ("first", "second"))
        either = (first <= 12) & (second <= 12) & (first != second)
        counts = _days(distinct[values.name]).with_columns(distinct["rows"])
        kinds = {
            "day_first": (first > 12) & (second <= 12),
            "month_first": (first <= 12) & (second > 12),
            "either": either,
            "stops": either & pl.col("day").str.contains(".", literal=True),
        }
        found = counts.select(pl.col("rows").filter(kind).sum().alias(name) for name, kind in kinds.items())
        return cls.model_validate(found.row(0, named=True))

    @classmethod
    def total(cls, parts: Iterable[Self]) -> Self:
        """The sum over the parts of a column."""
        rows = [tuple(part.model_dump().values()) for part in parts]
        return cls(**dict(zip(cls.model_fields, map(sum, zip(*rows, strict=True)), strict=False)))

    @property
    def is_day_first(self) -> bool:
        """Whether dates that can be read either way have the day first."""
        if self.day_first or self.month_first:
            return self.day_first > self.month_first
        return 2 * self.stops > self.either


def parse_dates(values: pl.Series, *, day_first: bool = False) -> pl.Series:
    """Read dates as times in UTC. The default zone is UTC, the default time of day midnight.

    Understood are ISO 8601, RFC 2822, days in English words or in figures, seconds to nanoseconds since 1970, and
    Excel's days. A month or a year is its first day. Null: the value is empty, impossible, without a year, before 1600 or after
    2200, in other digits than 0 to 9, or no date.

    Args:
        values: (n,) text.
        day_first: whether 03/04/2017 is in April. A value that can be read in one way only is read so.
    """
    distinct = values.drop_nulls().unique()
    return values.replace_strict(
        distinct, _parsed(distinct, day_first), default=None, return_dtype=pl.Datetime("us", "UTC")
    )


def _parsed(values: pl.Series, day_first: bool) -> pl.Series:
    rows = _days(values.str.strip_chars().str.replace(_COMPACT, "${1}-${2}-${3}T${4}:${5}:${6}"))
    days = rows["day"].unique().drop_nulls()
    read = pl.Series([_day(day, day_first) for day in days], dtype=pl.Datetime("us"))
    rows = rows.with_columns(rows["day"].replace_strict(days, read, default=None, return_dtype=read.dtype))
    written = pl.col("day") + _time_of_day()
    moment = pl.coalesce(_from_number(), written)
    plausible = pl.when(moment.dt.year().is_between(*_YEARS)).then(moment)
    return rows.select(plausible.dt.replace_time_zone("UTC")).to_series()


def _days(values: pl.Series) -> pl.DataFrame:
    """Columns `value`, `time` (its groups) and `day` (what is left without the time)."""
    value = pl.col("value")
    day = value.str.replace(_TIME, " ").str.replace_all(r"\s+", " ").str.strip_chars(" ,;")
    plausible = (
        (day.str.len_chars() <= _LONGEST_DAY)
        & day.str.contains("[0-9]")
        & ~day.str.contains(_NUMBER)
        & ~value.str.contains(_FOREIGN_DIGIT)
    )
    return values.to_frame("value").select(
        value, time=value.str.extract_groups(_TIME), day=pl.when(plausible).then(day)
    )


def _time_of_day() -> pl.Expr:
    """The time of day as a distance from midnight in UTC; null: there is no such time."""
    field = pl.col("time").struct.field
    hour, minute, second = (field(name).cast(pl.Int64).fill_null(0) for name in _MICROSECONDS)
    half = field("half").str.to_lowercase()
    afternoon = pl.when(half == "p").then(hour % 12 + 12).when(half == "a").then(hour % 12).otherwise(hour)
    valid = (hour <= pl.when(half.is_null()).then(23).otherwise(12)) & (minute <= 59) & (second <= 60)
    fraction = field("fraction").str.pad_end(6, "0").cast(pl.Int64).fill_null(0)
    offset = field("hours").cast(pl.Int64) * 60 + field("minutes").cast(pl.Int64).fill_null(0)
    signed = pl.when(field("sign") == "-").then(-offset).otherwise(offset)
    named = field("zone").str.to_lowercase().replace_strict(_ZONES, default=0, return_dtype=pl.Int64) * 60
    since_midnight = sum(
        (part * size for part, size in zip((afternoon, minute, second), _MICROSECONDS.values(), strict=True)),
        start=fraction - pl.coalesce(signed, named, 0) * _MICROSECONDS["minute"],
    )
    return pl.when(valid).then(since_midnight).cast(pl.Duration("us"))


def _from_number() -> pl.Expr:
    """A value that is a number: a time since 1970, a day of Excel's, or the digits of a day; else null."""
    value = pl.col("value")
    digits = value.str.extract(r"^([0-9]+)")
    number = pl.when(value.str.contains(_NUMBER)).then(value).cast(pl.Float64, strict=False)
    unit = digits.str.len_chars().replace_strict(_EPOCHS, default=None, return_dtype=pl.Float64)
    since_excel = pl.lit(_EXCEL_DAY_0) + (number * 86_400e6).round().cast(pl.Int64).cast(pl.Duration("us"))
    plain = pl.when(number.is_not_null()).then(digits)
    return pl.coalesce(
        plain.str.replace(r"^((?:19|20)[0-9]{2})$", "${1}0101").str.to_datetime(
            "%Y%m%d", strict=False, time_unit="us"
        ),
        plain.str.to_datetime("%Y%m%d%H%M%S", strict=False, time_unit="us"),
        pl.when(number.is_between(*_EXCEL_DAYS)).then(since_excel),
        (number * unit).round().cast(pl.Int64, strict=False).cast(pl.Datetime("us")),
    )


class _English(parser.parserinfo):
    @override
    def convertyear(self, year: int, century_specified: bool = False) -> int:
        """The year of two digits as POSIX has it; dateutil's own answer depends on the present year."""
        return year if century_specified or year >= 100 else year + (1900 if year >= 69 else 2000)


_PARSERS: Final = {day_first: parser.parser(_English(dayfirst=day_first)) for day_first in (False, True)}
_DEFAULTS: Final = (datetime(2000, 1, 1), datetime(2001, 1, 1))


def _day(text: str, day_first: bool) -> datetime | None:
    # dateutil would take 2017-01-02 for a day in February if the day came first elsewhere.
    chosen = _PARSERS[day_first and not text[:4].isdigit()]
    try:
        # What a value lacks comes from the default: two of different years tell whether it names a year.
        one, other = (chosen.parse(text, default=default, ignoretz=True) for default in _DEFAULTS)
    except (ValueError, OverflowError):  # dateutil's ParserError is a ValueError
        return None
    return one if one == other else None
