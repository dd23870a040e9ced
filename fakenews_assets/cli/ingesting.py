"""`fakenews ingest`: one batch registered, received and cleaned, and with `--train` a champion made of it."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.table import Table

from fakenews_assets.cli.errors import CommandFailed
from fakenews_assets.cli.running import GraphRunner
from fakenews_resources.landing import batch_name_of
from fakenews_resources.storage.store import hash_file


def ingest(address: str, batch: str, *, source: str, rule: Mapping[str, float] | None, train: bool) -> None:
    """Ingest a batch and print its numbers of rows.

    Args:
        address: a file, or an address of a news source.
        batch: its name; empty for one made of the address.
        source: publisher of rows that name none; empty: unknown.
        rule: thresholds that label articles by their publisher's rating, as in `LabelRule`; None: no such labels.
        train: go on to a champion.

    Raises:
        CommandFailed: there are no ratings, a step failed, or a blocking check refused the batch.
        typer.BadParameter: the batch cannot have this name.
    """
    address = str(Path(address).resolve()) if Path(address).is_file() else address
    name = batch or batch_name(address)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@+=-]{0,99}", name):
        raise typer.BadParameter(
            "use letters, digits and . _ @ + = - only, 100 at most", param_hint="--batch"
        )
    with GraphRunner() as runner:
        if rule and not runner.store.exists("source_ratings"):
            raise CommandFailed("There are no ratings yet. Store a table of them first: fakenews rate FILE")
        runner.add_batch(name)
        if rule:
            runner.ingest(name, address, source, rule)
        if train:
            runner.lifecycle(name, address, source=source)
        elif not rule:
            runner.ingest(name, address, source)
        _show_summary(runner, name)


def batch_name(address: str) -> str:
    """A name for what `address` holds: for a file, its stem and the start of its SHA-256, so that a changed
    file gets another name; for any other address, its scheme or host and the date."""
    path = Path(address)
    if path.is_file():
        return batch_name_of(path.name, hash_file(path).sha256)
    stem = address.split(":")[0] if "://" not in address else address.rsplit("/", 1)[-1].split(".")[0]
    return f"{stem}-{datetime.now(UTC):%Y%m%d}"


def _show_summary(runner: GraphRunner, batch: str) -> None:
    summary = runner.store.current(f"clean_news/{batch}").read_json("summary.json")
    counts = {
        "rows in": summary["rows_in"],
        "rejected": summary["rows_in"] - summary["rows_out"],
        **{label: summary[label] for label in ("real", "fake", "unlabelled")},
        **({"labelled by rating": summary["rated"]} if summary["rated"] else {}),
    }
    table = Table("batch", *counts, title="Ingested", title_justify="left")
    table.add_row(batch, *(f"{count:,}" for count in counts.values()))
    runner.console.print(table)
