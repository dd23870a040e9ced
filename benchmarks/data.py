"""Clean, cluster and split a million generated rows: seconds, peak memory, and growth from a tenth of them.

    python -m benchmarks.data [--rows 1000000]

Each size runs in a process of its own, so that its peak memory is its own. Generating the rows is not timed.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import Console

from benchmarks.common import describe_machine, write_results
from fakenews_assets.data.cleaning.cleaning import CleaningLimits, clean_batch
from fakenews_assets.data.dedup.near_duplicates import NearDuplicateSettings, find_links
from fakenews_assets.data.splits.clusters import assign_clusters, cluster_sizes
from fakenews_assets.data.splits.splitting import SplitSettings, split_articles
from fakenews_assets.data.text.preparation import TextPreparation
from fakenews_resources.news.sample import SampleSpec, write_sample

console = Console()


def measure(raw: Path) -> dict[str, Any]:
    """Take one raw file to its splits in this process."""
    seconds: dict[str, float] = {}
    clock = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal clock
        seconds[name], clock = time.perf_counter() - clock, time.perf_counter()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        summary = clean_batch([raw], "b", folder, preparation=TextPreparation(), limits=CleaningLimits())
        lap("clean")
        articles, splits = pl.scan_parquet(folder / "articles-*.parquet"), SplitSettings()
        clusters = assign_clusters(articles, find_links(articles, NearDuplicateSettings()), ["b"], splits)
        lap("cluster")
        for split, rows in split_articles(articles, clusters).splits.items():
            rows.sink_parquet(folder / f"{split}.parquet")
        lap("split")
    sizes = cluster_sizes(clusters, pl.Series([None] * len(clusters), dtype=pl.Int8))
    return {
        "rows": summary.rows_in,
        "seconds": seconds,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "clusters": sizes.clusters,
        "largest_cluster": sizes.largest,
        "rows_with_near_duplicates": sizes.clustered_rows,
    }


def measure_apart(raw: Path) -> dict[str, Any]:
    """The same in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.data", "--only", str(raw)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(
    rows: Annotated[int, typer.Option(min=10_000, help="Rows of the larger corpus.")] = 1_000_000,
    only: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Measure and write results/data.json."""
    if only is not None:
        sys.stdout.write(json.dumps(measure(only)))
        return
    runs = []
    for size in (rows // 10, rows):
        with tempfile.TemporaryDirectory() as folder:
            raw = Path(folder) / "sample.csv"
            with console.status(f"generating {size:,} rows"):
                write_sample(SampleSpec(rows=size), raw)
            with console.status(f"cleaning, clustering and splitting {size:,} rows"):
                run = measure_apart(raw)
        runs.append(run)
        console.print(f"{size:,} rows: {sum(run['seconds'].values()):.0f} s, {run['peak_gib']:.2f} GiB")
    small, large = runs
    total = sum(large["seconds"].values())
    growth = total / sum(small["seconds"].values())
    machine = describe_machine(["polars", "rensa", "numpy"])
    write_results(
        "data",
        {"rows": large["rows"], "seconds": total, "peak_gib": large["peak_gib"], "growth_10x": growth},
        {"runs": runs, "machine": machine},
        "Data preparation",
        [
            "Generated rows (title and about 60 words of text) from one CSV file to written splits.",
            "",
            "| rows | clean, s | cluster, s | split, s | total, s | peak, GiB |",
            "| ---: | ---: | ---: | ---: | ---: | ---: |",
            *(
                f"| {run['rows']:,} | "
                + " | ".join(f"{run['seconds'][step]:.1f}" for step in ("clean", "cluster", "split"))
                + f" | {sum(run['seconds'].values()):.1f} | {run['peak_gib']:.2f} |"
                for run in runs
            ),
            "",
            f"Ten times the rows take {growth:.1f} times as long (target: at most 12; a million rows in at most"
            f" 600 s and 6 GiB). {machine['processor']}, {machine['cores']} cores.",
        ],
    )


if __name__ == "__main__":
    typer.run(main)
