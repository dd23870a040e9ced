"""The project's fine-tuning against Hugging Face's `Trainer` with its defaults.

    python -m benchmarks.training [--quick] [--news FILE] [--rounds 3]

Both train the same encoder on the same rows for the same number of steps, at the same learning rate and batch
size, from the same tokens; rounds alternate in one process, and each round has a seed of its own. The peer
keeps its defaults: float32, random batches, each padded to its longest row. Two tasks: titles, and articles
(title with text, cut at 256 tokens). Speed counts training steps only; macro-F1 is that of the final weights
on test rows, predicted by the same code.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Annotated, Any, Final, cast

import polars as pl
import torch
import typer
from rich.console import Console
from torch.utils.data import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from benchmarks.common import (
    NewsSplits,
    default_news_path,
    describe_machine,
    load_news,
    macro_f1,
    write_results,
)
from fakenews_assets.common.hardware import supports_bf16
from fakenews_assets.models.encoders import quiet_transformers, resolve
from fakenews_assets.models.runtimes.torch import TorchClassifier
from fakenews_assets.models.settings import EncodingSettings
from fakenews_assets.models.tokenization import ArticleEncoder, load_tokenizer
from fakenews_assets.training.finetuning.finetuning import finetune
from fakenews_assets.training.settings import FinetuneSettings

PEER: Final = "Hugging Face Trainer"

console = Console()


@dataclass(frozen=True)
class Task:
    """One kind of input, and the rows of it."""

    name: str
    settings: FinetuneSettings
    train: pl.DataFrame
    val: pl.DataFrame
    test: pl.DataFrame


@dataclass(frozen=True)
class Outcome:
    """One training by one of the two."""

    steps: int
    rows_per_second: float
    macro_f1: float


@dataclass(frozen=True)
class Comparison:
    """All rounds of one task."""

    project: list[Outcome] = field(default_factory=list)
    peer: list[Outcome] = field(default_factory=list)

    @property
    def speedup(self) -> float:
        """Median over the rounds of the project's rows per second over the peer's."""
        return median(
            ours.rows_per_second / theirs.rows_per_second
            for ours, theirs in zip(self.project, self.peer, strict=True)
        )

    @property
    def gap(self) -> float:
        """Mean test macro-F1 of the project minus the peer's, in points: negative means worse."""
        return 100 * (mean(run.macro_f1 for run in self.project) - mean(run.macro_f1 for run in self.peer))


class Stopwatch(TrainerCallback):
    """Times the peer's training loop without its construction."""

    started = 0.0
    seconds = 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Start."""
        self.started = time.perf_counter()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Stop."""
        self.seconds = time.perf_counter() - self.started


class Rows(Dataset[dict[str, Any]]):
    """Rows tokenised beforehand, as the Trainer's collator takes them."""

    def __init__(self, frame: pl.DataFrame, encoder: ArticleEncoder) -> None:
        texts = frame["text"].to_list() if encoder.settings.inputs == "title_and_text" else None
        tokens = encoder.tokenizer(
            frame["title"].to_list(), texts, truncation=True, max_length=encoder.settings.max_tokens
        )
        labels = frame["label"].to_list()
        self.rows = [
            {name: tokens[name][row] for name in tokens} | {"labels": labels[row]}
            for row in range(len(labels))
        ]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.rows[index]


def run_project(task: Task, seed: int) -> Outcome:
    """Train once with `finetune`, as the asset does."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "model"
        settings = task.settings.model_copy(update={"seed": seed})
        result = finetune(task.train, task.val, settings, output, Path(folder) / "work")
        return Outcome(
            result.steps, result.rows_per_second, macro_f1(TorchClassifier.load(output), task.test)
        )


def run_peer(task: Task, seed: int, **arguments: Any) -> Outcome:
    """Train once with the Trainer, as its documentation shows, or with further arguments of it."""
    source = resolve(task.settings.encoder)
    encoding = EncodingSettings(inputs=task.settings.inputs, max_tokens=task.settings.max_tokens)
    encoder = ArticleEncoder(load_tokenizer(source), encoding)
    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as folder, quiet_transformers():
        model = cast(
            PreTrainedModel, AutoModelForSequenceClassification.from_pretrained(source, num_labels=2)
        )
        stopwatch = Stopwatch()
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                output_dir=folder,
                per_device_train_batch_size=task.settings.batch_size,
                num_train_epochs=task.settings.epochs,
                learning_rate=task.settings.learning_rate,
                seed=seed,
                use_cpu=not torch.cuda.is_available(),
                save_strategy="no",
                report_to=[],
                disable_tqdm=True,
                **arguments,
            ),
            train_dataset=Rows(task.train, encoder),
            data_collator=DataCollatorWithPadding(encoder.tokenizer),
            callbacks=[stopwatch],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    rows = len(task.train) * task.settings.epochs
    score = macro_f1(TorchClassifier(model, encoder), task.test)
    return Outcome(trainer.state.global_step, rows / stopwatch.seconds, score)


def run_tuned_peer(task: Task, seed: int) -> Outcome:
    """Train once with the Trainer's best common settings: bfloat16, rows grouped by length, fused AdamW."""
    return run_peer(
        task,
        seed,
        bf16=supports_bf16(),
        train_sampling_strategy="group_by_length",
        optim="adamw_torch_fused",
    )


def compare(task: Task, rounds: int, *, tuned: bool = False) -> Comparison:
    """Train alternately, the order turning with every round; the peer with its defaults, or tuned."""
    comparison = Comparison()
    contenders: list[tuple[str, Callable[[Task, int], Outcome], list[Outcome]]] = [
        ("project", run_project, comparison.project),
        (PEER, run_tuned_peer if tuned else run_peer, comparison.peer),
    ]
    for seed in range(rounds):
        for name, run, outcomes in contenders if seed % 2 == 0 else reversed(contenders):
            outcome = run(task, seed)
            outcomes.append(outcome)
            console.print(
                f"{task.name}, round {seed + 1}, {name}: {outcome.rows_per_second:.1f} rows/s,"
                f" {outcome.steps} steps, test macro-F1 {outcome.macro_f1:.4f}"
            )
    return comparison


def make_tasks(news: NewsSplits, title_rows: int, article_rows: int) -> list[Task]:
    """Cut the rows of both tasks; the peer has no validation, so the project's is as small as it can be."""
    settings = FinetuneSettings(epochs=1, evaluations_per_epoch=1, drop_text=0.0)
    tasks = []
    for name, inputs, rows in (("titles", "title", title_rows), ("articles", "title_and_text", article_rows)):
        kept = pl.lit(True) if inputs == "title" else pl.col("text") != ""
        tasks.append(
            Task(
                name,
                settings.model_copy(update={"inputs": inputs}),
                news.train.filter(kept).sample(rows, seed=0),
                news.val.filter(kept).head(64),
                news.test.filter(kept),
            )
        )
    return tasks


def main(
    news: Annotated[Path | None, typer.Option(help="News file in WELFake's columns.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Trainings per task and contender.")] = 3,
    title_rows: Annotated[int, typer.Option(help="Titles per training.")] = 6400,
    article_rows: Annotated[int, typer.Option(help="Articles per training.")] = 640,
    quick: Annotated[bool, typer.Option(help="Smoke run: one round, few rows, nothing written.")] = False,
) -> None:
    """Measure and write results/training.json."""
    if quick:
        rounds, title_rows, article_rows = 1, 640, 64
    tasks = make_tasks(load_news(news or default_news_path()), title_rows, article_rows)
    titles, articles = (compare(task, rounds) for task in tasks)
    numbers = {
        "titles_speedup": titles.speedup,
        "articles_speedup": articles.speedup,
        "macro_f1_gap_pt": titles.gap,
    }
    console.print(
        f"titles {titles.speedup:.2f}x (target 2.5), articles {articles.speedup:.2f}x (target 1.3),"
        f" macro-F1 {titles.gap:+.2f} points on titles (target: within 0.5), {articles.gap:+.2f} on articles"
    )
    if quick:
        return
    machine = describe_machine(["torch", "transformers", "lightning", "accelerate"])
    raw = {
        "machine": machine,
        "rounds": rounds,
        "rows": {task.name: len(task.train) for task in tasks},
        "articles_macro_f1_gap_pt": articles.gap,
        "settings": tasks[0].settings.model_dump(mode="json"),
        "runs": {
            task.name: {
                "project": [vars(run) for run in comparison.project],
                "peer": [vars(run) for run in comparison.peer],
            }
            for task, comparison in zip(tasks, (titles, articles), strict=True)
        },
    }
    table = [
        f"| {task.name} | {len(task.train):,} | {median(run.rows_per_second for run in comparison.project):.1f}"
        f" | {median(run.rows_per_second for run in comparison.peer):.1f} | {comparison.speedup:.2f}x"
        f" | {mean(run.macro_f1 for run in comparison.project):.4f}"
        f" | {mean(run.macro_f1 for run in comparison.peer):.4f} |"
        for task, comparison in zip(tasks, (titles, articles), strict=True)
    ]
    write_results(
        "training",
        numbers,
        raw,
        "Training",
        [
            f"Against {PEER} {machine['versions']['transformers']} with its defaults; same rows, encoder, steps,"
            f" batch size and learning rate; {rounds} alternating rounds, medians of rows/s, means of test macro-F1.",
            "",
            "| task | rows | project rows/s | peer rows/s | ratio | project macro-F1 | peer macro-F1 |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
            *table,
            "",
            f"{machine['processor']}, {machine['cores']} cores, torch {machine['versions']['torch']}.",
        ],
    )


if __name__ == "__main__":
    typer.run(main)
