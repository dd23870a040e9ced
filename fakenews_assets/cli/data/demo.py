"""`fakenews demo`: the whole graph on the generated sample, and one table of what came out."""

from pathlib import Path
from typing import Final

import dagster as dg
import polars as pl
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from fakenews_assets.automation.jobs import CORPUS, FIRST_CANDIDATES
from fakenews_assets.cli.running import GraphRunner
from fakenews_assets.compression.partitions import CHOSEN, DEFAULT_CANDIDATES
from fakenews_assets.data.splits.splitting import SPLITS
from fakenews_assets.evaluation.partitions import CANDIDATES
from fakenews_assets.models.classifier import Article
from fakenews_assets.registry.champion import ChampionRegistry
from fakenews_assets.registry.scorer import Scorer
from fakenews_resources.project import find_project
from fakenews_resources.storage.artifact import Artifact

BATCH = "sample"

EXAMPLE: Final = Article(
    title="Library hours in Leeds: 240 residents affected this month",
    text="The library service spent $4.2 million on library hours, insiders whisper. They call it library hours, you"
    " should call it what it is: a shocking cover-up, and nobody is talking about it.",
)
"""The article that the README asks the service about. Its title alone is a plain one."""

_QUICK: Final = {
    "finetuned_bert": {"max_tokens": 64, "epochs": 2, "learning_rate": 2e-4, "patience": 2},
    "distilled_bert": {"epochs": 1, "learning_rate": 4e-4},
    "quantized_bert": {"calibration_rows": 50, "validation_rows": 150},
    # 2 % of the sample's labels are wrong, and a few hundred validation articles support no high promise.
    "evaluation": {"masked_rows": 60, "behaviour_cases": 20, "ood_rows": 300, "target_precision": 0.8},
}
"""Less work than by default: enough to see what each step does. Fewer training steps need a higher learning rate."""

NEXT_ON_A_LAPTOP: Final = """\
  make serve                                 ask the champion: page and API on http://127.0.0.1:3001
  make ui                                    look at it: lineage, metadata, plots
  make monitor                               traffic, drift and quality, once `fakenews report` has run
  .venv/bin/fakenews ingest FILE.csv         add your own articles (columns title, text, label)
  .venv/bin/fakenews ingest FILE.csv --train train and evaluate on them"""
NEXT_IN_A_CONTAINER: Final = """\
  The service takes the champion over by itself, and a file in the landing folder becomes a batch.
  With compose, all of it is on this machine:
  http://127.0.0.1:3001                      ask the champion: page and API, with the key FAKENEWS_API_KEY
  http://127.0.0.1:3000                      look at it: lineage, metadata, plots
  http://127.0.0.1:3002                      traffic, drift and quality, once `fakenews report` has run
  fakenews audit                             trace the champion back to the raw data"""


def run_demo(rows: int) -> None:
    """Run or complete the graph on `rows` generated articles, then show the closing table."""
    with GraphRunner() as runner:
        runner.add_batch(BATCH)
        runner.lifecycle(BATCH, f"sample:rows={rows}", _QUICK)
        _show_results(runner)


def _show_results(runner: GraphRunner) -> None:
    store, console = runner.store, runner.console
    summary = store.current(f"clean_news/{BATCH}").read_json("summary.json")
    splits = store.current("splits")
    table = Table(title="What came out", title_justify="left", show_header=False)
    table.add_row("rows in", f"{summary['rows_in']:,}")
    table.add_row("rows rejected", f"{summary['rows_in'] - summary['rows_out']:,}")
    table.add_row(" / ".join(SPLITS), " / ".join(f"{splits.meta['rows'][split]:,}" for split in SPLITS))
    unseen = splits.meta["unseen_rows"]
    table.add_row("of them of unseen publishers", f"{unseen['selection']:,} / {unseen['test']:,}")
    found = [
        probe["name"]
        for probe in store.current("shortcut_probes").read_json("probes.json")["probes"]
        if probe["flagged"]
    ]
    table.add_row("shortcuts in the corpus", ", ".join(found).replace("_", " ") or "none found")
    table.add_section()
    for key, seconds in _seconds_per_step(runner).items():
        table.add_row(key, f"{seconds:,.1f} s")
    console.print(table)
    _show_leaderboard(runner)
    console.print(f"[yellow]{escape(splits.meta['data_note'])}[/]", soft_wrap=True)
    console.print(f"\nNext:\n{next_steps()}", highlight=False, soft_wrap=True)


def next_steps() -> str:
    """What can be done after a demo, where this process runs: in the project's folder, or in a container of its image."""
    project = find_project()
    return NEXT_ON_A_LAPTOP if project and (project / "Makefile").is_file() else NEXT_IN_A_CONTAINER


def _show_leaderboard(runner: GraphRunner) -> None:
    board = pl.read_parquet(runner.store.current("leaderboard").path / "leaderboard.parquet")
    champion = ChampionRegistry(runner.store.bundles).champion()
    # Heads of two lines: the table fits into 80 columns.
    table = Table(title="Leaderboard", title_justify="left", box=SIMPLE_HEAD, show_edge=False)
    table.add_column("candidate", no_wrap=True)
    for head in ("unseen\nAUC", "macro-\nF1", "ms for\none", "articles\n/s", "MB"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in board.iter_rows(named=True):
        table.add_row(
            row["candidate"],
            "" if row["unseen_roc_auc"] is None else f"{row['unseen_roc_auc']:.3f}",
            f"{row['macro_f1']:.3f}",
            f"{row['latency_p50_ms']:.1f}",
            f"{row['rows_per_second']:,.0f}",
            f"{row['megabytes']:.1f}",
            style="bold green" if row["is_champion"] else "",
        )
    runner.console.print(table)
    if champion is not None:
        runner.console.print(
            f"Champion (in green): bundle {champion.bundle[:16]} ({escape(champion.reason)}).\n{answer(runner.store.bundle(champion.bundle), EXAMPLE)}",
            highlight=False,
            soft_wrap=True,
        )


def answer(bundle: Path, article: Article) -> str:
    """What a bundle's model says about an article, and about its title alone."""
    found = Scorer.open(bundle).score([article, Article(article.title)]).predictions
    whole, title = (
        f"{'unsure' if abstained else ('real', 'fake')[label]} (P(fake) = {probability:.2f})"
        for abstained, label, probability in zip(
            found.abstained, found.predicted_label, found.probability, strict=True
        )
    )
    return f'Its answer to the article "{article.title}": {whole}. To that title without the text: {title}.'


def _seconds_per_step(runner: GraphRunner) -> dict[str, float]:
    """How long each stored value took to make, in this run or in the earlier one that made it."""
    variants = [name for name in DEFAULT_CANDIDATES if name in CHOSEN]
    keys = [
        *(f"{asset}/{BATCH}" for asset in ("raw_news", "clean_news")),
        *CORPUS,
        *FIRST_CANDIDATES,
        *(CANDIDATES[variant] for variant in variants),
        *(f"evaluation/{name}" for name in ("baseline", "finetuned", *variants)),
        *("leaderboard", "selected_model"),
    ]
    return {
        key: seconds
        for key in keys
        if (seconds := _step_seconds(runner.instance, runner.store.current(key))) is not None
    }


def _step_seconds(instance: dg.DagsterInstance, value: Artifact) -> float | None:
    assert value.record is not None
    step = value.record.key.split("/")[0]
    for stats in instance.get_run_step_stats(value.record.run_id or "", [step]):
        if stats.start_time and stats.end_time:
            return stats.end_time - stats.start_time
    return None
