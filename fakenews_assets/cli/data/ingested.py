"""What `fakenews ingest` and `fakenews admit` say of a batch: its rows, its columns, and what comes next."""

from collections.abc import Mapping
from typing import Any

import polars as pl
from rich.markup import escape
from rich.table import Table

from fakenews_assets.automation.limits import RetrainSettings, new_rows
from fakenews_assets.cli.running import GraphRunner
from fakenews_assets.data.cleaning.quarantine import kinds_of_rejects
from fakenews_assets.data.corpus import CleanBatch, summaries
from fakenews_assets.data.partitions import corpus_batches, some_of
from fakenews_assets.data.receiving.receiving import columns_read
from fakenews_resources.storage.artifact import Artifact


def show_batch(runner: GraphRunner, batch: str, *, rated: bool = False) -> None:
    """Print what became of the rows of an accepted batch, how they were read, and what checks warn of.

    Args:
        runner: reads the store.
        batch: its name.
        rated: whether ratings were to label it.
    """
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
    if repeated := _in_earlier_batches(runner, batch, stored):
        _say(
            runner,
            f"{repeated:,} of {summary['rows_out']:,} articles are in earlier batches too; a model is trained on each once.",
        )
    manifest = runner.store.current(f"raw_news/{batch}").meta
    for file in manifest["files"]:
        _say(runner, f"Read {file['file']} as {file['read_as']}.")
    _say(runner, columns_of(manifest, summary))
    if rated and not summary["rated"]:
        _say(
            runner,
            "No article was labelled by rating: each has a label in the file, or its publisher has no rating beyond the"
            f" thresholds. Publishers of the batch: {_some_publishers(stored)}.",
        )
    if summary["rejected"]:
        _say(runner, f"Rejected rows are in {runner.store.where(stored)}/quarantine.parquet:")
        for kind, count in kinds_of_rejects(stored.scan("quarantine").collect()):
            _say(runner, f"  {count:,} {kind}")
    for outcome in CleanBatch(batch, stored).outcomes:
        if outcome.warns:
            runner.console.print(
                f"[yellow]Warning:[/] {escape(f'{outcome.name}: {outcome.description}')}",
                highlight=False,
                soft_wrap=True,
            )


def _in_earlier_batches(runner: GraphRunner, batch: str, clean: Artifact) -> int:
    """How many articles of a batch are in batches that were received before; 0 in a bucket, whose batches would all be
    fetched for it."""
    if runner.store.address.startswith("gs://"):
        return 0
    others = corpus_batches(runner.store, runner.instance) - {batch}
    found = runner.store.current_of(f"clean_news/{name}" for name in sorted(others)).values()
    earlier = [one.scan("articles") for one in found if one.meta["received_at"] < clean.meta["received_at"]]
    if not earlier:
        return 0
    known = pl.concat([articles.select("article_id") for articles in earlier])
    return clean.scan("articles").join(known, on="article_id", how="semi").select(pl.len()).collect().item()


def columns_of(manifest: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """A sentence about the columns of a batch, and about what its rows lack.

    Args:
        manifest: of `raw_news`.
        summary: of its cleaning.
    """
    used, ignored = columns_read(manifest)
    parts = [f"Columns: {used}; ignored: {ignored}."]
    parts.append(
        f"{summary['missing_text']:,} texts are empty, {summary['unlabelled']:,} rows unlabelled, {summary['undated']:,}"
        " undated."
    )
    numbers = {word: meaning for word, meaning in summary["words"].items() if word in ("0", "1")}
    if numbers and not manifest["recognised"]["labels"]:
        read = ", ".join(f"{word} = {meaning}" for word, meaning in sorted(numbers.items()))
        parts.append(f"Labels are read as {read}.")
    if unread := summary["unread_dates"]:
        parts.append(
            f"{unread:,} values of the column of dates are no date that can be read, such as"
            f" {summary['unread_date']!r}."
        )
    if summary["unlabelled"] == summary["rows_out"]:
        if any("label" in file["columns"] for file in manifest["files"]) and not summary["words"]:
            parts.append(
                "The column of labels holds no value; the formulas of a spreadsheet have some once the program that"
                " calculates them has saved it."
            )
        parts.append(
            "To label them, name the column of labels (--column label=NAME), or give all rows of a file one label"
            " (--label real)."
        )
    dates = manifest["dates"]
    if dates["either"]:
        order = "day/month" if manifest["day_first"] else "month/day"
        parts.append(f"Dates such as 03/04/2017 are read as {order}.")
    return " ".join(parts)


def _some_publishers(clean: Artifact) -> str:
    names = clean.scan("articles").select(pl.col("source").drop_nulls().unique().sort()).collect()["source"]
    return some_of(names.to_list()) or "none is known"


def untrainable(runner: GraphRunner) -> str:
    """Why no model can be trained on the corpus, and what to do; empty: one can."""
    current = runner.store.current_versions(
        f"clean_news/{name}" for name in sorted(corpus_batches(runner.store, runner.instance))
    )
    counted = summaries(runner.store, current).values()
    real, fake = sum(one.real for one in counted), sum(one.fake for one in counted)
    if real and fake:
        return ""
    remedy = (
        "Ingest articles of the other class too, or both together: fakenews ingest REAL_FILE FAKE_FILE --label real --label"
        " fake."
        if real or fake
        else "Name the column of labels (--column label=NAME), or give all rows of a file one label (--label real)."
    )
    return f"A training needs articles of both classes, and the corpus has {real:,} real and {fake:,} fake ones. {remedy}"


def show_next(runner: GraphRunner) -> None:
    """Print how many articles wait for a training, and when one starts."""
    if why := untrainable(runner):
        _say(runner, why)
        return
    fresh = new_rows(runner.store, corpus_batches(runner.store, runner.instance)).rows
    settings = RetrainSettings()
    _say(
        runner,
        f"The corpus has {fresh:,} labelled articles that no model was trained on, repeats counted. Next: the same command with --train."
        f" While `make ui` runs, a retraining starts by itself at {settings.min_new_rows:,} of them, or at"
        f" {settings.min_new_rows_on_trigger:,} after drift, each counted once.",
    )


def _say(runner: GraphRunner, text: str) -> None:
    runner.console.print(escape(text), highlight=False, soft_wrap=True)
