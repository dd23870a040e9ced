"""`fakenews ingest`: one batch registered, received and cleaned, and with `--train` a champion made of it."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import typer
from rich.markup import escape
from rich.table import Table

from fakenews_assets.automation.limits import RetrainSettings, new_rows
from fakenews_assets.cli.errors import CommandFailed
from fakenews_assets.cli.running import GraphRunner
from fakenews_assets.data.claims import Claims
from fakenews_assets.data.partitions import corpus_batches, received_batches, registered_batches, some_of
from fakenews_assets.data.quarantine import kinds_of_rejects
from fakenews_assets.data.receiving import repeats
from fakenews_resources.landing import batch_name_of
from fakenews_resources.news.base import BadAddress
from fakenews_resources.news.registry import local_path
from fakenews_resources.storage.store import Artifact, hash_file


def ingest(address: str, batch: str, *, source: str, rule: Mapping[str, float] | None, train: bool) -> None:
    """Ingest a batch and print what became of its rows, and what comes next.

    Args:
        address: a file, or an address of a news source.
        batch: its name; empty for one made of the address.
        source: publisher of rows that name none; empty: unknown.
        rule: thresholds that label articles by their publisher's rating, as in `LabelRule`; None: no such labels.
        train: go on to a champion.

    Raises:
        CommandFailed: there is no such file, another batch holds its bytes, there are no ratings, a step failed, or a
            blocking check refused the batch.
        typer.BadParameter: the batch cannot have this name.
    """
    address = typed(address)
    file = _local_file(address)
    name = batch or batch_name(address)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@+=-]{0,99}", name):
        raise typer.BadParameter(
            "use letters, digits and . _ @ + = - only, 100 at most", param_hint="--batch"
        )
    with GraphRunner() as runner:
        if rule and not runner.store.exists("source_ratings"):
            raise CommandFailed("There are no ratings yet. Store a table of them first: fakenews rate FILE")
        if file:
            _require_new_bytes(runner, name, file)
        with _registered(runner, name):
            if rule:
                runner.ingest(name, address, source, rule)
            if train:
                runner.lifecycle(name, address, source=source)
            elif not rule:
                runner.ingest(name, address, source)
        _show_summary(runner, name, rated=bool(rule))
        if not train:
            _show_next(runner)


def typed(address: str) -> str:
    """An address that a person has typed: a relative path starts at the working directory.

    Raises:
        CommandFailed: it is no address.
    """
    try:
        path = local_path(address)
    except BadAddress as error:
        raise CommandFailed(str(error)) from error
    if path is None:
        return address
    return str(path if address.startswith("file:") else Path(address).expanduser().absolute())


def _local_file(address: str) -> Path | None:
    """The file at an address; None: it is no local one. Raises CommandFailed if there is no such file."""
    path = local_path(address)
    if path is None or path.is_file():
        return path
    if path.is_dir():
        raise CommandFailed(f"{path} is a folder. Name one file; each becomes a batch.")
    raise CommandFailed(f"No file at {path}. Check the path.")


def batch_name(address: str) -> str:
    """A name for what `address` holds: for a file, its stem and the start of its SHA-256, so that a changed
    file gets another name; for any other address, its scheme or host and the date."""
    path = Path(address)
    if path.is_file():
        return batch_name_of(path.name, hash_file(path).sha256)
    stem = address.split(":")[0] if "://" not in address else address.rsplit("/", 1)[-1].split(".")[0]
    return f"{stem}-{datetime.now(UTC):%Y%m%d}"


def _require_new_bytes(runner: GraphRunner, name: str, file: Path) -> None:
    received = received_batches(runner.store, runner.instance)
    first = None if name in received else Claims(runner.store).of(hash_file(file).sha256)
    if first and first.batch in received:
        raise CommandFailed(repeats(str(file), first.batch))


@contextmanager
def _registered(runner: GraphRunner, name: str) -> Iterator[None]:
    """The batch as a partition. One that was not received leaves none, and one that was refused is said to be stored."""
    known = name in registered_batches(runner.instance)
    runner.add_batch(name)
    try:
        yield
    except CommandFailed as error:
        received = runner.store.exists(f"raw_news/{name}")
        if not received or name in corpus_batches(runner.store, runner.instance):
            raise
        raise CommandFailed(
            f"{error}\nBatch {name} is stored, but it is not part of the corpus. Mend the file and ingest it again,"
            f" then delete this batch: fakenews retire-batch {name} --reason REASON"
        ) from error
    finally:
        if not known and not runner.store.exists(f"raw_news/{name}"):
            runner.instance.delete_dynamic_partition("news_batches", name)


def _show_summary(runner: GraphRunner, batch: str, *, rated: bool) -> None:
    stored = runner.store.current(f"clean_news/{batch}")
    summary = stored.read_json("summary.json")
    counts = {
        "rows in": summary["rows_in"],
        "rejected": summary["rows_in"] - summary["rows_out"],
        "admitted": summary["rows_out"],
        **{label: summary[label] for label in ("real", "fake", "unlabelled")},
        **({"labelled by rating": summary["rated"]} if summary["rated"] else {}),
    }
    table = Table("batch", *counts, title="Ingested", title_justify="left")
    table.add_row(batch, *(f"{count:,}" for count in counts.values()))
    runner.console.print(table)
    for file in runner.store.current(f"raw_news/{batch}").meta["files"]:
        said = f"Read {file['file']} as {file['read_as']}."
        runner.console.print(escape(said), soft_wrap=True, highlight=False)
    if rated and not summary["rated"]:
        runner.console.print(
            "No article was labelled by rating: each has a label in the file, or its publisher has no rating beyond the"
            f" thresholds. Publishers of the batch: {escape(_some_publishers(stored))}.",
            soft_wrap=True,
        )
    if summary["rejected"]:
        where = f"{runner.store.where(stored)}/quarantine.parquet"
        runner.console.print(f"Rejected rows are in {escape(where)}:", soft_wrap=True)
        for kind, count in kinds_of_rejects(stored.scan("quarantine").collect()):
            runner.console.print(f"  {count:,} {escape(kind)}", soft_wrap=True, highlight=False)


def _some_publishers(clean: Artifact) -> str:
    names = clean.scan("articles").select(pl.col("source").drop_nulls().unique().sort()).collect()["source"]
    return some_of(names.to_list()) or "none is known"


def _show_next(runner: GraphRunner) -> None:
    fresh = new_rows(runner.store, corpus_batches(runner.store, runner.instance)).rows
    settings = RetrainSettings()
    runner.console.print(
        f"The corpus has {fresh:,} labelled articles that no model was trained on. Next: the same command with --train."
        f" While `make ui` runs, a retraining starts by itself at {settings.min_new_rows:,} of them, or at"
        f" {settings.min_new_rows_on_trigger:,} after drift.",
        highlight=False,
        soft_wrap=True,
    )
