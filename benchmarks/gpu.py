"""Training and scoring on a GPU: rows per second against Hugging Face's Trainer and pipeline.

    python -m benchmarks.gpu [--quick] [--news FILE] [--encoder minilm] [--rounds 2]

Training: the project's fine-tuning against the `Trainer` with its best common settings, alternating, as `benchmarks.training`
does it. Scoring: `TorchClassifier` in bfloat16, as it is and compiled, against `pipeline` in bfloat16, on the same articles,
by length and batch. Beside both stands the machine's measured rate of matrix products. Without a GPU `--quick` runs the same
code on the processor, and nothing is written.

A model stored in half precision is trained so by the `Trainer`; give `--encoder` one in float32.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Final, cast

import numpy as np
import polars as pl
import torch
import typer
from rich.console import Console
from transformers import PreTrainedModel, pipeline

from benchmarks.common import default_news_path, describe_machine, load_news, write_results
from benchmarks.training import Task, compare, make_tasks
from fakenews_assets.models.classifier import Article
from fakenews_assets.models.encoders import load_encoder, resolve
from fakenews_assets.models.predictions import articles_of
from fakenews_assets.models.runtimes.torch import TorchClassifier
from fakenews_assets.models.settings import EncoderSpec, EncodingSettings
from fakenews_assets.models.tokenization import ArticleEncoder, load_tokenizer

console = Console()

Score = Callable[[Sequence[Article]], np.ndarray]

PIPELINE: Final = "Hugging Face pipeline"
COMPILED: Final = "compiled"
PROJECT: Final = "project"
_TURNS: Final = 3
_MATRIX: Final = 8192


def peak_flops(device: str, size: int = _MATRIX) -> float:
    """Floating-point operations per second of a bfloat16 matrix product of random numbers."""
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        torch.matmul(left, right)
    _wait(device)
    begin, turns = time.perf_counter(), 10
    for _ in range(turns):
        torch.matmul(left, right)
    _wait(device)
    return turns * 2 * size**3 / (time.perf_counter() - begin)


def training_flops_per_row(model: PreTrainedModel, tokens: float) -> float:
    """Least floating-point operations of a training step on one row: 6 for each weight of a matrix and token.

    Kaplan et al., "Scaling Laws for Neural Language Models", 2020, section 2.1; attention itself and embeddings are left out.
    """
    weights = sum(
        parameter.numel()
        for name, parameter in model.named_parameters()
        if parameter.ndim == 2 and "embeddings" not in name
    )
    return 6 * weights * tokens


def measure_training(task: Task, rounds: int, peak: float) -> dict[str, Any]:
    """Train in turns; also the share of the peak that the project reaches, by its rows as laid out."""
    found = compare(task, rounds, tuned=True)
    source = resolve(task.settings.encoder)
    encoder = ArticleEncoder(load_tokenizer(source), task.settings.encoding)
    table = encoder.encode(articles_of(task.train))
    flops = training_flops_per_row(load_encoder(source), float(encoder.lengths(table).mean()))
    rate = median(run.rows_per_second for run in found.project)
    return {
        "rows": len(task.train),
        "rows_per_second": rate,
        "peer_rows_per_second": median(run.rows_per_second for run in found.peer),
        "speedup": found.speedup,
        "macro_f1": [run.macro_f1 for run in found.project],
        "peer_macro_f1": [run.macro_f1 for run in found.peer],
        "share_of_peak": rate * flops / peak,
    }


def scorers(
    folder: Path, encoder: ArticleEncoder, batch: int, device: str, *, compiled: bool
) -> dict[str, Score]:
    """Ways to score articles, by name; each returns P(fake)."""
    tokens = encoder.settings.max_tokens
    model, peers_model = (load_encoder(folder, seed=0).bfloat16() for _ in range(2))
    model.to(device)  # pyright: ignore[reportArgumentType] - transformers' decorator

    def of(one: PreTrainedModel) -> Score:
        classifier = TorchClassifier(
            one, encoder, precision="bf16", batch_rows=batch, batch_tokens=batch * tokens
        )
        return lambda articles: classifier.predict(articles).probability

    peer = pipeline(
        "text-classification",
        model=peers_model,
        tokenizer=load_tokenizer(folder),
        device=device,
        batch_size=batch,
        top_k=None,
    )

    def ask_peer(articles: Sequence[Article]) -> np.ndarray:
        pairs = [{"text": one.title, "text_pair": one.text} for one in articles]
        answers: list[Any] = peer(pairs, truncation="only_second", max_length=tokens)  # pyright: ignore[reportAssignmentType]
        return np.array([{one["label"]: one["score"] for one in answer}["fake"] for answer in answers])

    ways = {PROJECT: of(model), PIPELINE: ask_peer}
    if compiled:
        ways[COMPILED] = of(cast(PreTrainedModel, torch.compile(model, dynamic=True)))
    return ways


def measure_scoring(
    folder: Path, articles: Sequence[Article], tokens: int, batch: int, device: str, *, compiled: bool
) -> dict[str, Any]:
    """Rows per second of each way, in turns whose order changes; and how far each is from float32."""
    encoder = ArticleEncoder(load_tokenizer(folder), EncodingSettings(max_tokens=tokens))
    ways = scorers(folder, encoder, batch, device, compiled=compiled)
    exact_model = load_encoder(folder, seed=0).to(device)  # pyright: ignore[reportArgumentType] - as above
    exact = TorchClassifier(exact_model, encoder).predict(articles[:256]).probability
    errors = {name: float(np.abs(score(articles[:256]) - exact).max()) for name, score in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(_TURNS):
        for name in list(ways) if turn % 2 == 0 else list(reversed(ways)):
            begin = time.perf_counter()
            ways[name](articles)  # the answers lie in main memory, so nothing is under way any more
            seconds[name].append(time.perf_counter() - begin)
    rates = {name: len(articles) / median(of) for name, of in seconds.items()}
    ratios = [peer / own for own, peer in zip(seconds[PROJECT], seconds[PIPELINE], strict=True)]
    console.print(
        f"{tokens} tokens, batch {batch}: "
        + ", ".join(f"{name} {rate:,.0f} rows/s" for name, rate in rates.items())
        + f"; {median(ratios):.1f} times the pipeline"
    )
    return {
        "tokens": tokens,
        "batch": batch,
        "rows_per_second": rates,
        "speedup": median(ratios),
        "largest_error": errors,
    }


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def main(
    news: Annotated[Path | None, typer.Option(help="News file in WELFake's columns.")] = None,
    encoder: Annotated[str, typer.Option(help="Encoder, as in the settings of `finetuned_bert`.")] = "minilm",
    rounds: Annotated[int, typer.Option(min=1, help="Trainings per task and contender.")] = 2,
    quick: Annotated[bool, typer.Option(help="Smoke run: few rows, nothing written.")] = False,
) -> None:
    """Measure and write results/gpu.json."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and not quick:
        raise SystemExit("torch sees no GPU here. `--quick` tries the code on the processor.")
    spec = EncoderSpec(name=encoder)
    splits = load_news(news or default_news_path())
    peak = peak_flops(device, 512 if quick else _MATRIX)
    console.print(f"bfloat16 matrix product: {peak / 1e12:.1f} TFLOP/s")
    titles, articles = (64, 64) if quick else (12_800, 4_800)
    training = {
        task.name: measure_training(
            replace(task, settings=task.settings.model_copy(update={"encoder": spec})), rounds, peak
        )
        for task in make_tasks(splits, titles, articles)
    }
    texts = articles_of(splits.train.filter(pl.col("text").str.len_chars() > 1500))
    scored = (texts * 20)[: 32 if quick else 4096]
    sizes = [(64, 16)] if quick else [(tokens, batch) for tokens in (128, 256) for batch in (32, 256)]
    scoring = [
        measure_scoring(
            resolve(spec), scored, tokens, batch, device, compiled=not quick and (tokens, batch) == sizes[-1]
        )
        for tokens, batch in sizes
    ]
    if not quick:
        write(training, scoring, peak)


def write(training: dict[str, Any], scoring: list[dict[str, Any]], peak: float) -> None:
    """Write the figures."""
    of_articles, longest = training["articles"], scoring[-1]
    numbers = {
        "gpu_training_rows_per_second": of_articles["rows_per_second"],
        "gpu_training_speedup": of_articles["speedup"],
        "gpu_training_share_of_peak": of_articles["share_of_peak"],
        "gpu_scoring_rows_per_second": longest["rows_per_second"][PROJECT],
        "gpu_scoring_speedup": longest["speedup"],
    }
    card = torch.cuda.get_device_name()
    machine = describe_machine(["torch", "transformers", "lightning"])
    raw = {
        "machine": machine | {"gpu": card},
        "peak_tflops": peak / 1e12,
        "training": training,
        "scoring": scoring,
    }
    lines = [
        f"{card}, torch {machine['versions']['torch']}, transformers {machine['versions']['transformers']};"
        f" {peak / 1e12:.0f} TFLOP/s of bfloat16 matrix products. MiniLM, alternating turns, medians.",
        "",
        "| training | rows | project rows/s | Trainer's best common settings | ratio | share of the peak |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {name} | {one['rows']:,} | {one['rows_per_second']:,.0f} | {one['peer_rows_per_second']:,.0f}"
            f" | {one['speedup']:.2f} | {one['share_of_peak']:.1%} |"
            for name, one in training.items()
        ),
        "",
        "| scoring, tokens | batch | project rows/s | compiled | pipeline | ratio |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {one['tokens']} | {one['batch']} | {one['rows_per_second'][PROJECT]:,.0f}"
            f" | {_or_dash(one['rows_per_second'].get(COMPILED))} | {one['rows_per_second'][PIPELINE]:,.0f}"
            f" | {one['speedup']:.1f} |"
            for one in scoring
        ),
    ]
    write_results("gpu", numbers, raw, "GPU", lines)


def _or_dash(rate: float | None) -> str:
    return "" if rate is None else f"{rate:,.0f}"


if __name__ == "__main__":
    typer.run(main)
