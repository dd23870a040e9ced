"""`fakenews rate`: publishers' ratings received, and the batches labelled again that follow from them."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from fakenews_assets.cli.running import GraphRunner
from fakenews_assets.data.ratings.reading import REPORT_FILE, RatingsReport, RatingsSettings
from fakenews_resources.storage.inventory import Inventory

_RATINGS = "source_ratings"


def rate(address: str, source_column: str, rating_column: str) -> None:
    """Store a table of ratings, print what became of its rows, and label the rated batches again.

    Args:
        address: a file or folder, or an address of a news source.
        source_column: see `RatingsSettings`.
        rating_column: see `RatingsSettings`.

    Raises:
        CommandFailed: the table is refused, or a batch with its new labels.
    """
    uri = str(Path(address).resolve()) if Path(address).exists() else address
    settings = RatingsSettings(uri=uri, source_column=source_column, rating_column=rating_column)
    with GraphRunner() as runner:
        runner.run("rate_publishers", None, {_RATINGS: settings.model_dump()}, again=[_RATINGS])
        report = runner.store.current(_RATINGS).read_json(REPORT_FILE)
        _show(runner.console, RatingsReport.model_validate(report))
        for batch in _outdated(runner.inventory):
            made = [f"publisher_labels/{batch}", f"clean_news/{batch}"]
            records = [runner.store.current(key).record for key in made if runner.store.exists(key)]
            config = {record.key.partition("/")[0]: record.config for record in records if record}
            runner.run("label_batch", batch, config)


def _outdated(inventory: Inventory) -> list[str]:
    """The batches that other ratings have labelled."""
    store = inventory.store
    ratings = store.current(_RATINGS).version
    records = (
        (batch, store.current(f"publisher_labels/{batch}").record)
        for batch in inventory.partitions("publisher_labels")
    )
    return sorted(batch for batch, record in records if record and record.upstream[_RATINGS] != ratings)


def _show(console: Console, report: RatingsReport) -> None:
    table = Table("rows", "publishers", "repeated", *report.unusable, title="Ratings", title_justify="left")
    counts = (report.rows, report.publishers, report.repeated, *report.unusable.values())
    table.add_row(*(f"{count:,}" for count in counts))
    console.print(table)
    if report.contradicted:
        console.print(
            f"Several different ratings, of which the mean counts: {', '.join(report.contradicted[:10])}."
        )
