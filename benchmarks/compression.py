"""Smaller and faster variants against their source and against the seed system's way, on real titles.

    python -m benchmarks.compression [--quick] [--news FILE] [--seeds 3]

Quality: per seed a fine-tuned encoder, its int8 export, and its three-layer student, on the same test rows.
Speed: the same batches go through all contenders in turn, in one process. The models of a BERT-base's size have
random weights: they are timed, never scored. The quick run uses a tenth of the rows and one seed.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from statistics import mean, median
from time import perf_counter, sleep
from typing import Annotated, Any, Final

import numpy as np
import polars as pl
import torch
import typer
from rich.console import Console
from sklearn.metrics import f1_score
from transformers import BertConfig, BertForSequenceClassification

from benchmarks.common import (
    CACHE,
    SEED_WAY_TOKENS,
    TITLE_RECIPE,
    NewsSplits,
    default_news_path,
    describe_machine,
    finetuned,
    load_news,
    write_results,
)
from benchmarks.gemm import Peak, flops, measure_peaks
from benchmarks.quality import report
from fakenews_assets.compression.distillation import distill
from fakenews_assets.compression.quantization import make_variant
from fakenews_assets.compression.settings import DistillationSettings, Format, QuantizationSettings
from fakenews_assets.evaluation.evaluating import EvaluationConfig, evaluate
from fakenews_assets.models.calibration import CalibratedClassifier
from fakenews_assets.models.calibration_fit import CalibrationSettings, fit_calibration
from fakenews_assets.models.predictions import articles_of, predict_table
from fakenews_assets.models.runtimes.encoder import EncoderClassifier, EncoderInputs
from fakenews_assets.models.runtimes.loading import load_classifier
from fakenews_assets.models.settings import EncodingSettings
from fakenews_assets.models.tokenization import ArticleEncoder
from fakenews_assets.selection.candidates import Candidate
from fakenews_assets.selection.policy import Choice, SelectionPolicy, choose
from fakenews_assets.training.settings import FinetuneSettings

REST: Final = 0.3
"""Seconds before each timing."""
TITLES, ARTICLES = (32, 256), (16, 256)
"""Rows of a batch, and longest input in tokens."""

console = Console()


def cached(name: str, identity: str, make: Callable[[Path], object]) -> Path:
    """A folder that is made once."""
    folder = CACHE / f"{name}-{sha256(identity.encode()).hexdigest()[:16]}"
    if not (folder / ".done").is_file():
        make(folder)
        (folder / ".done").touch()
    return folder


def variant_of(source: Path, name: Format, news: NewsSplits) -> Path:
    """An exported variant of a model in the cache."""
    identity = f"{source}{(source / 'model.safetensors').stat().st_mtime_ns}{QuantizationSettings()}"
    return cached(
        name,
        identity,
        lambda folder: make_variant(source, name, news.train, news.val, QuantizationSettings(), folder),
    )


def student_of(teacher: Path, news: NewsSplits, settings: DistillationSettings) -> Path:
    """The three-layer student of a teacher in the cache."""
    identity = f"{teacher}{(teacher / 'model.safetensors').stat().st_mtime_ns}{settings}"

    def make(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        work = folder.with_suffix(".work")
        distill("distilled-3l", teacher, news.train, news.val, settings, folder, work, report)

    return cached("distilled-3l", identity, make)


def bert_base(folder: Path, tokenizer_of: Path) -> Path:
    """A classifier of BERT-base's size with random weights."""
    encoder = ArticleEncoder.load(tokenizer_of)
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(encoder.tokenizer))  # two labels are its default
    BertForSequenceClassification(config).save_pretrained(folder)
    encoder.save(folder)
    return folder


def with_texts(classifier: EncoderClassifier) -> EncoderClassifier:
    """The same model, reading articles: for timing only."""
    settings = EncodingSettings(inputs="title_and_text", max_tokens=ARTICLES[1])
    classifier.encoder = classifier.encoder.with_settings(settings)
    return classifier


def batches_of(encoder: ArticleEncoder, rows: pl.DataFrame, size: int, count: int) -> list[EncoderInputs]:
    """Real rows in their order, laid out and padded as the runtimes get them."""
    table = encoder.encode(articles_of(rows.head(size * count)))
    return [encoder.batch(table, np.arange(first, first + size)) for first in range(0, size * count, size)]


def time_in_turns(contenders: Mapping[str, Callable[[], object]], turns: int) -> dict[str, list[float]]:
    """Seconds of each contender in each turn; one turn before is not counted.

    Each starts from rest: worker threads of the one before may spin for a while, and not at its own cost.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(turns + 1):
        for name, run in contenders.items():
            sleep(REST)
            begin = perf_counter()
            run()
            if turn:
                seconds[name].append(perf_counter() - begin)
    return seconds


def ratio(seconds: Mapping[str, list[float]], fast: str, slow: str) -> float:
    """Median over the turns of slow over fast."""
    return median(b / a for a, b in zip(seconds[fast], seconds[slow], strict=True))


def time_models(
    models: Mapping[str, Path], rows: pl.DataFrame, shape: tuple[int, int], turns: int
) -> dict[str, Any]:
    """Forward passes of several models over the same batches of real rows.

    Returns:
        `seconds` per turn and model, `tokens` per turn with padding, `batches` per turn.
    """
    loaded = {name: load_classifier(folder, name) for name, folder in models.items()}
    encoders: dict[str, EncoderClassifier] = {}
    for name, classifier in loaded.items():
        assert isinstance(classifier, EncoderClassifier)
        encoders[name] = with_texts(classifier) if shape == ARTICLES else classifier
    first = next(iter(encoders.values()))
    batches = batches_of(first.encoder, rows, shape[0], 4)

    def run(classifier: EncoderClassifier) -> Callable[[], object]:
        return lambda: list(classifier.run(iter(batches), "logits"))

    seconds = time_in_turns({name: run(classifier) for name, classifier in encoders.items()}, turns)
    shapes = [batch["input_ids"].shape for batch in batches]
    return {"seconds": seconds, "shapes": shapes}


def seed_way(folder: Path, titles: list[str]) -> Callable[[], object]:
    """As the replaced system scored titles: BERT-base in float32, every title padded or cut to 25 tokens, 32 a batch."""
    tokenizer = ArticleEncoder.load(folder).tokenizer
    model = BertForSequenceClassification.from_pretrained(folder).eval()

    def run() -> None:
        with torch.inference_mode():
            for first in range(0, len(titles), 32):
                inputs = tokenizer(
                    titles[first : first + 32],
                    padding="max_length",
                    truncation=True,
                    max_length=SEED_WAY_TOKENS,
                    return_tensors="pt",
                )
                model(**inputs).logits.softmax(-1)

    return run


def measure_quality(
    news: NewsSplits, seeds: int, settings: FinetuneSettings, recipe: DistillationSettings
) -> list[dict[str, Any]]:
    """Train per seed, and score source, int8 and student on the test rows."""
    runs = []
    for seed in range(seeds):
        _, teacher = finetuned(news, settings.model_copy(update={"seed": seed}), report)
        student = student_of(teacher, news, recipe.model_copy(update={"seed": seed}))
        folders = {
            "finetuned": teacher,
            "finetuned-openvino-int8": variant_of(teacher, "openvino-int8", news),
            "distilled-3l": student,
            "distilled-3l-openvino-int8": variant_of(student, "openvino-int8", news),
        }
        models = {name: load_classifier(folder, name) for name, folder in folders.items()}
        decisions = {
            name: model.predict(articles_of(news.test)).predicted_label for name, model in models.items()
        }
        truth = news.test["label"].to_numpy()
        scores = {name: float(f1_score(truth, found, average="macro")) for name, found in decisions.items()}
        agree = float((decisions["finetuned"] == decisions["finetuned-openvino-int8"]).mean())
        console.print(f"seed {seed}: {scores}, int8 agrees on {agree:.4f}")
        runs.append(
            {
                "seed": seed,
                "macro_f1": scores,
                "agreement": agree,
                "folders": {k: str(v) for k, v in folders.items()},
            }
        )
    return runs


def main(
    news: Annotated[Path | None, typer.Option(help="News file in WELFake's columns.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Fine-tuned encoders.")] = 3,
    turns: Annotated[int, typer.Option(min=1, help="Turns of each timing.")] = 15,
    quick: Annotated[
        bool, typer.Option(help="Smoke run: a tenth of the rows, one seed, nothing written.")
    ] = False,
) -> None:
    """Measure and write results/compression.json."""
    splits = load_news(news or default_news_path())
    settings, recipe = TITLE_RECIPE, DistillationSettings()
    if quick:
        splits = NewsSplits(*(frame.gather_every(10) for frame in (splits.train, splits.val, splits.test)))
        seeds, turns = 1, 3
        settings = settings.model_copy(update={"epochs": 1})
        recipe = DistillationSettings(epochs=1)
    runs = measure_quality(splits, seeds, settings, recipe)
    points = {name: [run["macro_f1"][name] for run in runs] for name in runs[0]["macro_f1"]}
    folders = {name: Path(folder) for name, folder in runs[0]["folders"].items()}

    titles, articles = splits.test, splits.test.filter(pl.col("text").str.len_chars() > 2000)
    peers = {
        "torch fp32": folders["finetuned"],
        "onnx int8": variant_of(folders["finetuned"], "onnx-int8", splits),
        "openvino int8": folders["finetuned-openvino-int8"],
    }
    on_titles = time_models(
        {
            **peers,
            "distilled-3l int8": folders["distilled-3l-openvino-int8"],
            "openvino bf16": variant_of(folders["finetuned"], "openvino-bf16", splits),
        },
        titles,
        TITLES,
        turns,
    )
    on_articles = time_models(peers, articles, ARTICLES, max(3, turns // 3))
    base = cached("bert-base", "1", lambda folder: bert_base(folder, folders["finetuned"]))
    base_models = {"torch fp32": base, "openvino int8": variant_of(base, "openvino-int8", splits)}
    base_on_titles = time_models(base_models, titles, TITLES, max(3, turns // 3))

    choice = select(splits, folders)
    chosen = choice.winner
    console.print(f"selected: {chosen}")
    selected = load_classifier(folders[chosen], chosen)
    rows = titles.head(640)
    against_seed = time_in_turns(
        {
            "seed way": seed_way(base, rows["title"].to_list()),
            "selected": lambda: selected.predict(articles_of(rows)),
        },
        max(3, turns // 5),
    )
    peaks = measure_peaks()
    fractions = _fractions(peers, on_titles, on_articles, peaks)

    numbers = {
        "ov_int8_vs_torch_titles": ratio(on_titles["seconds"], "openvino int8", "torch fp32"),
        "ov_int8_vs_ort_int8_titles": ratio(on_titles["seconds"], "openvino int8", "onnx int8"),
        "ov_int8_vs_torch_articles": ratio(on_articles["seconds"], "openvino int8", "torch fp32"),
        "bert_base_ov_int8_vs_torch_titles": ratio(base_on_titles["seconds"], "openvino int8", "torch fp32"),
        "selected_vs_seed_way": ratio(against_seed, "selected", "seed way"),
        "int8_macro_f1_gap_pt": 100 * (mean(points["finetuned-openvino-int8"]) - mean(points["finetuned"])),
        "int8_agreement": mean(run["agreement"] for run in runs),
        "distilled_3l_speedup": ratio(on_titles["seconds"], "distilled-3l int8", "openvino int8"),
        "distilled_3l_macro_f1_gap_pt": 100 * (mean(points["distilled-3l"]) - mean(points["finetuned"])),
        "gemm_peak_fraction": fractions["openvino int8, articles"],
    }
    for name, value in numbers.items():
        console.print(f"{name}: {value:.4f}")
    console.print(f"peaks (GFLOP/s): {peaks}; fractions reached: {fractions}")
    if quick:
        return
    machine = describe_machine(["torch", "transformers", "openvino", "nncf", "onnxruntime"])
    raw = {
        "machine": machine, "runs": [{key: run[key] for key in ("seed", "macro_f1", "agreement")} for run in runs], "titles": on_titles, "articles": on_articles,
        "bert_base_titles": base_on_titles, "seed_way": against_seed, "selection": choice.model_dump(mode="json"),
        "peaks_gflops": vars(peaks), "peak_fractions": fractions,
    }  # fmt: skip
    write_results(
        "compression", numbers, raw, "Compression", _lines(numbers, points, chosen, peaks, fractions, machine)
    )


def select(news: NewsSplits, folders: Mapping[str, Path]) -> Choice:
    """Judge the candidates as `evaluation` does and let the policy's defaults choose, as `selected_model` does."""
    candidates = []
    for name, folder in folders.items():
        classifier = load_classifier(folder, name)
        validation = predict_table(classifier, news.val)
        calibration = fit_calibration(
            validation["true_label"].to_numpy(), validation["probability"].to_numpy(), CalibrationSettings()
        )
        evaluation, predictions = evaluate(
            CalibratedClassifier(classifier, calibration),
            news.test,
            EvaluationConfig(threshold=calibration.threshold, resamples=200),
            folder,
            calibration=calibration,
        )
        candidates.append(Candidate(name, evaluation, predictions))
    return choose(candidates, SelectionPolicy(), news.test["cluster_id"])


def _fractions(
    peers: Mapping[str, Path], titles: Mapping[str, Any], articles: Mapping[str, Any], peaks: Peak
) -> dict[str, float]:
    """Arithmetic done per second over the measured peak of the same kind of number."""
    config = BertConfig.from_pretrained(peers["torch fp32"])
    peak_of = {
        "torch fp32": peaks.fp32,
        "onnx int8": peaks.int8,
        "openvino int8": peaks.int8,
        "openvino bf16": peaks.bf16,
    }
    found = {}
    for name, timing in (("titles", titles), ("articles", articles)):
        work = sum(flops(config, rows, tokens) for rows, tokens in timing["shapes"])
        for model, seconds in timing["seconds"].items():
            if model in peak_of:
                found[f"{model}, {name}"] = work / median(seconds) / 1e9 / peak_of[model]
    return found


def _lines(
    numbers: Mapping[str, float], points: Mapping[str, list[float]], chosen: str, peaks: Peak,
    fractions: Mapping[str, float], machine: Mapping[str, Any],
) -> list[str]:  # fmt: skip
    seeds = len(points["finetuned"])
    targets = {
        "ov_int8_vs_torch_titles": (">= 3.2", "OpenVINO int8 against torch fp32, same weights, 32 titles"),
        "ov_int8_vs_ort_int8_titles": (">= 1.7", "OpenVINO int8 against ONNX Runtime int8, 32 titles"),
        "ov_int8_vs_torch_articles": (
            ">= 3.8",
            "OpenVINO int8 against torch fp32, 16 articles of 256 tokens",
        ),
        "bert_base_ov_int8_vs_torch_titles": (
            ">= 4.3",
            "the same on a BERT-base's size, random weights, 32 titles",
        ),
        "selected_vs_seed_way": (
            ">= 40",
            f"selected variant ({chosen}) against BERT-base fp32 padded to 25 tokens",
        ),
        "int8_macro_f1_gap_pt": (">= -0.5", "macro-F1 of int8 minus that of its source, points"),
        "int8_agreement": (">= 0.985", "decisions of int8 equal to its source's"),
        "distilled_3l_speedup": (">= 1.8", "distilled-3l against its teacher, both OpenVINO int8"),
        "distilled_3l_macro_f1_gap_pt": (">= -1.0", "macro-F1 of distilled-3l minus its teacher's, points"),
    }
    return [
        f"{seeds} seeds; timings are medians of ratios of alternating turns over the same batches of real rows.",
        "",
        "| what | measured | target |",
        "| --- | ---: | ---: |",
        *(f"| {text} | {numbers[key]:.3f} | {target} |" for key, (target, text) in targets.items()),
        "",
        "| candidate | test macro-F1, mean over seeds |",
        "| --- | ---: |",
        *(f"| {name} | {mean(scores):.4f} |" for name, scores in points.items()),
        "",
        f"Largest matrix products measured: {peaks.int8:,.0f} int8, {peaks.bf16:,.0f} bf16, {peaks.fp32:,.0f} fp32"
        " (10^9 operations/s). Share of them that the models reach:"
        f" {', '.join(f'{name} {share:.0%}' for name, share in fractions.items())}.",
        "",
        f"{machine['processor']}, {machine['cores']} cores.",
    ]


if __name__ == "__main__":
    typer.run(main)
