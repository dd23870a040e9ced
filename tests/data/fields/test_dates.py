"""Dates: each form is read, the order of day and month is the column's, and what is no date is undated."""

from datetime import UTC, datetime

import polars as pl
import pytest

from fakenews_assets.data.fields.dates import DayOrder, parse_dates


def parsed(*values: str | None, day_first: bool = False) -> list[datetime | None]:
    return parse_dates(pl.Series(values, dtype=pl.String), day_first=day_first).to_list()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2017-03-04", "2017-03-04T00:00:00"),
        ("2017-03-04 05:06:07", "2017-03-04T05:06:07"),
        ("2017-03-04T05:06:07+02:00", "2017-03-04T03:06:07"),
        ("2017-3-4 5:6:7", "2017-03-04T05:06:07"),
        ("2017-3-4 5:06:07", "2017-03-04T05:06:07"),
        ("2017-03-04T05:06", "2017-03-04T05:06:00"),
        (" 2017-03-04T05:06:07.25 ", "2017-03-04T05:06:07.250000"),
        ("2017-03-04 05:06:07.123456789", "2017-03-04T05:06:07.123456"),
        ("2017-03-04t05:06:07,5z", "2017-03-04T05:06:07.500000"),
        ("2017-03-04 05:06:07 -0330", "2017-03-04T08:36:07"),
        ("2017-03-04T05:06:07.5+02", "2017-03-04T03:06:07.500000"),
        ("2017-03-04 05:06:07 UTC", "2017-03-04T05:06:07"),
        ("Sat, 04 Mar 2017 05:06:07 EST", "2017-03-04T10:06:07"),
        ("Sat, 04 Mar 2017 05:06:07 +0000 (UTC)", "2017-03-04T05:06:07"),
        ("Sat Mar 04 05:06:07 +0000 2017", "2017-03-04T05:06:07"),
        ("Sat Mar 04 2017 05:06:07 GMT+0100 (Central European Time)", "2017-03-04T04:06:07"),
        ("March 4, 2017 ", "2017-03-04T00:00:00"),
        ("31 December 2017", "2017-12-31T00:00:00"),
        ("4th March 2017", "2017-03-04T00:00:00"),
        ("Mar 4, 2017 at 5:06 PM", "2017-03-04T17:06:00"),
        ("Mar 4, 2017 12:06 a.m.", "2017-03-04T00:06:00"),
        ("4-Mar-17", "2017-03-04T00:00:00"),
        ("4-Mar-71", "1971-03-04T00:00:00"),
        ("2017/03/04", "2017-03-04T00:00:00"),
        ("20170304", "2017-03-04T00:00:00"),
        ("20170304050607", "2017-03-04T05:06:07"),
        ("1488603967", "2017-03-04T05:06:07"),
        ("1488603967.5", "2017-03-04T05:06:07.500000"),
        ("1488603967000", "2017-03-04T05:06:07"),
        ("1488603967000000", "2017-03-04T05:06:07"),
        ("1488603967000000000", "2017-03-04T05:06:07"),
        ("42798.25", "2017-03-04T06:00:00"),
        ("20170304T050607Z", "2017-03-04T05:06:07"),
        ("20170304T050607.5+0200", "2017-03-04T03:06:07.500000"),
        ("1880-01-01", "1880-01-01T00:00:00"),
        ("2560-03-04", None),
        ("4/3/2560", None),
        ("2560", None),
        ("1396-12-13", None),
        ("0001-01-01T00:00:00", None),
        ("2017-13-04", None),
        ("2017-02-30", None),
        ("0000-00-00", None),
        ("2017-03-04T25:06:07", None),
        ("2017-03-04T05:06:07.5+02:00 or so", None),
        ("March 2017", "2017-03-01T00:00:00"),
        ("2017-03", "2017-03-01T00:00:00"),
        ("2017", "2017-01-01T00:00:00"),
        ("March 4", None),
        ("17", None),
        ("Sunday", None),
        ("๐๑/๐๒/2560", None),
        ("1/๒/2017", None),
        ("٣١/١٢/٢٠١٧", None),
        ("２０１７-０３-０４", None),
        ("2017-03-04 ๐๕:06", None),
        ("March ², 2017", None),
        ("१४८८६०३९६७", None),
        ("10:11", None),
        ("yesterday", None),
        ("-1", None),
        ("", None),
        (None, None),
    ],
)
def test_forms(written: str | None, expected: str | None) -> None:
    moment = datetime.fromisoformat(expected).replace(tzinfo=UTC) if expected else None
    assert parsed(written) == [moment]


def test_the_order_of_day_and_month_is_that_of_the_column() -> None:
    dates = ["03/04/2017", "2017-03-04", "12/31/2017"]
    month_first, day_first = parsed(*dates), parsed(*dates, day_first=True)
    assert [date.month if date else None for date in month_first] == [3, 3, 12]
    assert [date.month if date else None for date in day_first] == [4, 3, 12]


@pytest.mark.parametrize(
    ("column", "day_first"),
    [
        (["03/04/2017", "31/12/2017 10:11"], True),
        (["03/04/2017", "12/31/2017"], False),
        (["03.04.2017", "05.06.2017"], True),
        (["03/04/2017", "05/06/17"], False),
        (["2017-03-14", "March 4, 2017", "17"], False),
        (["13/01/2017", "01/13/2017", "14/01/2017"], True),
    ],
)
def test_what_decides_the_order(column: list[str], day_first: bool) -> None:
    parts = [DayOrder.of(pl.Series([date])) for date in column]
    assert DayOrder.total(parts) == DayOrder.of(pl.Series(column))
    assert DayOrder.total(parts).is_day_first is day_first
