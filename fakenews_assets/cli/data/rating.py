"""`fakenews rate`: publishers' ratings received, and the batches labelled again that follow from them."""

from rich.console import Console
from rich.table import Table

from fakenews_assets.cli.data.addresses import typed
from fakenews_assets.cli.errors import CommandFailed
from fakenews_assets.cli.running import GraphRunner
from fakenews_assets.data.ratings.reading import REPORT_FILE, RatingsReport, RatingsSettings
from fakenews_resources.storage.inventory import Inventory

_RATINGS = "source_ratings"


def rate(address: str, source_column: str, rating_column: str, max_unusable_share: float) -> None:
    """Store a table of ratings, print what became of its rows, and label the rated batches again.

    Args:
        address: a file or folder, or an address of a news source.
        source_column: see `RatingsSettings`.
        rating_column: see `RatingsSettings`.
        max_unusable_share: see `RatingsSettings`.

    Raises:
        CommandFailed: the table is refused, or a batch with its new labels.
    """
    settings = RatingsSettings(
        uri=typed(address),
        source_column=source_column,
        rating_column=rating_column,
        max_unusable_share=max_unusable_share,
    )
    with GraphRunner() as runner:
        runner.run("rate_publishers", None, {_RATINGS: settings.model_dump()}, again=[_RATINGS])
        report = runner.store.current(_RATINGS).read_json(REPORT_FILE)
        _show(runner.console, RatingsReport.model_validate(report))
        failed = []
        for batch in _outdated(runner.inventory):
            try:
                _label(runner, batch)
            except CommandFailed as error:
                failed.append(f"Batch {batch} keeps its earlier labels. {error}")
        if failed:
            raise CommandFailed("\n".join(failed))


def _label(runner: GraphRunner, batch: str) -> None:
    made = [f"publisher_labels/{batch}", f"clean_news/{batch}"]
    records = [runner.store.current(key).record for key in made if runner.store.exists(key)]
    runner.console.print(f"Batch {batch}", highlight=False, markup=False)
    config = {record.key.partition("/")[0]: record.config for record in records if record}
    runner.run("label_batch", batch, config)


def _outdated(inventory: Inventory) -> list[str]:
    """The batches that other ratings have labelled, or that were not cleaned since they were labelled again."""
    store = inventory.store
    ratings = store.current(_RATINGS).version

    def is_outdated(batch: str) -> bool:
        labels = store.current(f"publisher_labels/{batch}")
        assert labels.record is not None
        if labels.record.upstream[_RATINGS] != ratings or not store.exists(f"clean_news/{batch}"):
            return True
        cleaned = store.current(f"clean_news/{batch}").record
        return cleaned is not None and cleaned.upstream.get(labels.record.key) != labels.version

    return sorted(batch for batch in inventory.partitions("publisher_labels") if is_outdated(batch))


def _show(console: Console, report: RatingsReport) -> None:
    table = Table("rows", "publishers", "repeated", *report.unusable, title="Ratings", title_justify="left")
    counts = (report.rows, report.publishers, report.repeated, *report.unusable.values())
    table.add_row(*(f"{count:,}" for count in counts))
    console.print(table)
    console.print(
        "Read: publishers from column `{}`, ratings from `{}`.".format(*report.columns), markup=False
    )
    if report.contradicted:
        console.print(
            f"Several different ratings, of which the mean counts: {', '.join(report.contradicted[:10])}."
        )
