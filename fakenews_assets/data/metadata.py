"""What the UI shows of a cleaned batch."""

from collections.abc import Mapping
from typing import Any

from fakenews_assets.common.metadata import counts, row_count
from fakenews_assets.data.cleaning.summary import CleaningSummary
from fakenews_assets.data.receiving.receiving import columns_read


def columns_metadata(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Which columns were used, which were not, and what a person has said about them."""
    used, ignored = columns_read(manifest)
    return {
        "columns_used": used,
        "columns_ignored": ignored,
        "mapping": {name: value for name, value in manifest["mapping"].items() if name != "header"},
        "dates_read_as": "day/month" if manifest["day_first"] else "month/day",
    }


def summary_metadata(summary: CleaningSummary) -> dict[str, Any]:
    """What became of the rows of a batch."""
    return {
        "rows_in": summary.rows_in,
        **row_count(summary.rows_out),
        "rows_rejected": summary.rows_in - summary.rows_out,
        "rejected": counts(summary.rejected),
        "boilerplate_removed": counts(summary.boilerplate),
        "labels": counts({"real": summary.real, "fake": summary.fake, "unlabelled": summary.unlabelled}),
        "labelled_by_rating": summary.rated,
        "missing_text": summary.missing_text,
        "undated": summary.undated,
        "repeated": summary.repeated,
    }
