"""Simulations of the statistics: do promises, gates, alarms and intervals hold as often as they say?

    python -m benchmarks.methods

Populations are drawn, so that the truth is known: real and fake articles have forecasts that differ by a normal
distribution's shift, or calls that are right with a fixed probability. The statistics are the project's own functions.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from benchmarks.common import describe_machine, write_results
from fakenews_assets.evaluation.evaluating import Evaluation
from fakenews_assets.models.bootstrap import bootstrap_intervals
from fakenews_assets.models.calibration import apply_calibration
from fakenews_assets.models.calibration_fit import CalibrationSettings, fit_calibration
from fakenews_assets.models.metrics import Metrics
from fakenews_assets.models.predictions import LABELLED_PREDICTION_SCHEMA
from fakenews_assets.monitoring.drift.drift import without_near_duplicates
from fakenews_assets.monitoring.drift.features import article_features
from fakenews_assets.monitoring.drift.two_sample import column_distances
from fakenews_assets.monitoring.performance import judge_performance
from fakenews_assets.monitoring.settings import DriftSettings, PerformanceSettings
from fakenews_assets.selection.gate import Contender, gate
from fakenews_assets.selection.settings import SelectionPolicy
from fakenews_assets.selection.timing import SpeedRatio
from fakenews_resources.news.sample import SampleSpec, generate

DRAWS: Final = 300
_COPIES: Final = 24
_RETRAININGS: Final = 50
_LIVES: Final = 200
_WINDOWS: Final = 200
_REPORTED_ROWS: Final = 20_000
"""Of the split that is only reported: so many that the drift is seen through the noise of the score itself."""
NEW_ROWS: Final = 200_000
"""Rows that stand for all articles to come."""

console = Console()

_Labels = NDArray[np.int8]
_Forecasts = NDArray[np.float64]


def draw_forecasts(
    generator: np.random.Generator, rows: int, separation: float, fakes: float = 0.45
) -> tuple[_Labels, _Forecasts]:
    """Labels and forecasts; a separation of 1.3 is an accuracy of 90 %, of 1.9 one of 97 %."""
    labels = generator.random(rows) < fakes
    odds = 2 * separation * generator.normal(np.where(labels, separation, -separation))
    return labels.astype(np.int8), 1 / (1 + np.exp(-odds))


def abstention(rows: int, separation: float, target: float) -> dict[str, Any]:
    """How often both promised precisions hold on new rows, and the share of them that is answered."""
    generator = np.random.default_rng(0)
    labels, forecasts = draw_forecasts(generator, NEW_ROWS, separation)
    settings = CalibrationSettings(target_precision=target, resamples=100)
    held, answered, promised = [], [], []
    for _ in range(DRAWS):
        fitted = fit_calibration(*draw_forecasts(generator, rows, separation), settings)
        _, called, abstained = apply_calibration(fitted, forecasts)
        kept = [
            (labels[(called == label) & ~abstained] == label).mean() >= (promise or 0)
            for label, promise in ((0, fitted.promised_real), (1, fitted.promised_fake))
        ]
        held.append(all(kept))
        answered.append(1 - abstained.mean())
        promised.append(min(fitted.promised_real or 0, fitted.promised_fake or 0))
    return {
        "rows": rows,
        "separation": separation,
        "target": target,
        "holds": float(np.mean(held)),
        "answered": float(np.mean(answered)),
        "promised": float(np.mean(promised)),
    }


def predictions(generator: np.random.Generator, rows: int, accuracy: float) -> pl.DataFrame:
    """Predictions on the same labels each time, right with this probability."""
    labels = (np.arange(rows) % 2).astype(np.int8)
    called = np.where(generator.random(rows) < accuracy, labels, 1 - labels)
    return pl.DataFrame(
        {
            "article_id": [f"{row:032x}" for row in range(rows)],
            "true_label": labels,
            "probability": np.where(called == 1, 0.9, 0.1),
            "predicted_label": called,
            "abstained": [False] * rows,
            "out_of_distribution": [False] * rows,
        },
        schema=LABELLED_PREDICTION_SCHEMA,
    )


def unseen_articles(publishers: int) -> pl.DataFrame:
    """Articles of publishers of either label; most wrote few of them."""
    written = np.round(5 * np.random.default_rng(0).lognormal(0, 1, publishers)).astype(int) + 1
    publisher = np.repeat(np.arange(publishers), written)
    table = pl.DataFrame({"source": publisher.astype(str), "label": (publisher % 2).astype(np.int8)})
    return table.with_columns(
        batch=pl.lit("b"), text=pl.lit("text"), article_id=pl.arange(pl.len()).cast(pl.String)
    )


def forecasts_for_publishers(generator: np.random.Generator, articles: pl.DataFrame) -> pl.DataFrame:
    """Forecasts of a model for which every publisher is as hard as it happens to be; ROC AUC about 0.8."""
    hardness = generator.normal(0, 0.7, articles["source"].n_unique())
    of_publisher = hardness[articles["source"].cast(pl.Int64).to_numpy()]
    odds = 1.7 * articles["label"].to_numpy() + of_publisher + generator.normal(size=articles.height)
    return articles.select("article_id", probability=1 / (1 + np.exp(-odds)))


def promotions(rows: int, gain: float, publishers: int = 0) -> dict[str, Any]:
    """How often a challenger is promoted that is `gain` more accurate, and as fast but for the noise of timing.

    With `publishers` it is judged on so many unseen ones as well, on which it is no better than the champion.
    """
    generator = np.random.default_rng(0)
    policy = SelectionPolicy(resamples=300)
    unseen = unseen_articles(publishers) if publishers else None
    promoted = []
    for _ in range(DRAWS):
        ratios = np.sort(generator.lognormal(0, 0.15, 9))
        speed = SpeedRatio(ratio=ratios[4], low=ratios[1], high=ratios[7], turns=9)
        challenger, champion = (
            Contender(
                name,
                {"model": name},
                {"model": name},
                predictions(generator, rows, accuracy),
                unseen=pl.DataFrame() if unseen is None else forecasts_for_publishers(generator, unseen),
            )
            for name, accuracy in (("challenger", 0.95 + gain), ("champion", 0.95))
        )
        promoted.append(gate(challenger, champion, policy, unseen=unseen, speed=speed).promote)
    return {
        "rows": rows,
        "gain_points": 100 * gain,
        "unseen_publishers": publishers,
        "promoted": float(np.mean(promoted)),
    }


def drift_of_the_reported_score(rows: int) -> dict[str, Any]:
    """What fifty equal retrainings add to the score of the champion: on the split that decides, and on the one that is reported."""
    generator = np.random.default_rng(0)
    policy = SelectionPolicy(resamples=200)
    decided, reported, promoted = [], [], []

    def retrained(name: str) -> tuple[Contender, float]:
        score = generator.binomial(_REPORTED_ROWS, 0.95) / _REPORTED_ROWS
        return Contender(name, {"model": name}, {"model": name}, predictions(generator, rows, 0.95)), score

    for _ in range(_LIVES):
        (champion, score), changes = retrained("0"), 0
        for number in range(1, _RETRAININGS + 1):
            challenger, of_challenger = retrained(str(number))
            if gate(challenger, champion, policy).promote:
                champion, score, changes = challenger, of_challenger, changes + 1
        right = champion.predictions["predicted_label"] == champion.predictions["true_label"]
        decided.append(100 * (float(right.mean()) - 0.95))  # pyright: ignore[reportArgumentType]
        reported.append(100 * (score - 0.95))
        promoted.append(changes)
    return {
        "rows": rows,
        "selection_points": float(np.mean(decided)),
        "test_points": float(np.mean(reported)),
        "test_points_se": float(np.std(reported) / np.sqrt(_LIVES)),
        "promotions": float(np.mean(promoted)),
    }


def false_drops(fakes: float, labels: int) -> dict[str, Any]:
    """How often an unchanged model is said to have dropped, on a window with another share of fakes."""
    generator = np.random.default_rng(0)

    def answers(rows: int, share: float) -> pl.DataFrame:
        label = (generator.random(rows) < share).astype(np.int8)
        right = generator.random(rows) < np.where(label == 1, 0.9, 0.93)
        called = np.where(right, label, 1 - label)
        return pl.DataFrame(
            {
                "true_label": label,
                "probability": 0.1 + 0.8 * called,
                "predicted_label": called,
                "origin": "feedback",
                "model_id": "m",
            }
        )

    cried = []
    for _ in range(DRAWS):
        test = answers(900, 0.5)
        metrics = Metrics.of(test["true_label"], test["probability"])
        evaluated = Evaluation.model_construct(metrics=metrics, note=None)
        settings = PerformanceSettings(resamples=300)
        cried.append(judge_performance(answers(labels, fakes), "m", "c", evaluated, settings).dropped is True)
    return {"fakes": fakes, "labels": labels, "cried": float(np.mean(cried))}


def drift_alarms(copies: float) -> dict[str, Any]:
    """How often a window of the same world alarms where this share of it are copies of few stories, with and without them."""
    generator = np.random.default_rng(0)
    # Without the sample's faulty rows, which cleaning rejects.
    news = pl.concat(generate(SampleSpec(rows=8000, seed=2))).filter(
        pl.col("title").str.len_chars().is_between(30, 300)
    )
    news = news.unique("title", maintain_order=True)
    pool = news.select(
        "title",
        pl.lit("").alias("text"),
        article_id=pl.arange(pl.len()).cast(pl.String),
        probability=pl.lit(0.5),
    )
    reference = article_features(without_near_duplicates(pool.head(1000)), with_text=False).to_numpy()

    def alarms(window: pl.DataFrame, seed: int) -> bool:
        asked = article_features(window, with_text=False).to_numpy()
        # The report gives the numbers half of its level, and the embedding the other half.
        level = DriftSettings().level / 2
        found = column_distances(reference, asked, permutations=399, level=level, seed=seed)
        return bool((found.values > np.maximum(found.chance, DriftSettings().min_distance)).any())

    as_sent, as_judged = [], []
    for seed in track(range(_WINDOWS), "windows with copies", console=console, transient=True):
        # A handful of stories, whose copies differ in one word; the share of all rows varies about `copies`.
        share = generator.uniform(0.75, 1.25) * copies
        own = pool[1000 + generator.choice(pool.height - 1000, round(300 * (1 - share)), replace=False)]
        stories = own.head(round(300 * share / _COPIES))
        copied = [
            stories.with_columns(pl.col("title") + f" update{n}", article_id=pl.col("article_id") + f"-{n}")
            for n in range(_COPIES)
        ]
        window = pl.concat([own, *copied])
        as_sent.append(alarms(window, seed))
        as_judged.append(alarms(without_near_duplicates(window), seed))
    return {
        "copies": copies,
        "as_sent": float(np.mean(as_sent)),
        "as_judged": float(np.mean(as_judged)),
    }


def coverage(rows: int, accuracy: float) -> dict[str, Any]:
    """How often the 95 % intervals of accuracy and macro-F1 hold the true value."""
    covered = np.zeros(2)
    for seed in range(DRAWS):
        table = predictions(np.random.default_rng(seed), rows, accuracy)
        found = bootstrap_intervals(
            table["true_label"],
            table["probability"],
            metrics=("accuracy", "macro_f1"),
            resamples=500,
            seed=seed,
        )
        # Both classes are as frequent and as often right, so the two metrics have one true value.
        covered += [one is not None and one.low <= accuracy <= one.high for one in found.values()]
    return {"rows": rows, "accuracy": accuracy, "covered": (covered / DRAWS).tolist()}


def main() -> None:
    """Simulate and write results/methods.json."""
    simulations: dict[str, tuple[Callable[..., dict[str, Any]], list[tuple[float, ...]]]] = {
        "abstention": (
            abstention,
            [(1000, 1.3, 0.98), (1000, 1.9, 0.98), (4000, 1.3, 0.98), (4000, 1.9, 0.98)],
        ),
        "promotions": (
            promotions,
            [
                *[(860, 0.0), (860, -0.005), (860, 0.03), (6000, 0.0), (6000, -0.005), (6000, 0.01)],
                *[(860, 0.0, 20), (860, 0.0, 80)],
            ],
        ),
        "drift_of_the_reported_score": (drift_of_the_reported_score, [(860,), (6000,)]),
        "false_drops": (false_drops, [(0.1, 400), (0.5, 400), (0.1, 1500)]),
        "drift_alarms": (drift_alarms, [(0.4,)]),
        "coverage": (coverage, [(50, 0.8), (50, 0.9), (50, 0.95), (50, 0.98), (400, 0.95)]),
    }
    raw: dict[str, Any] = {}
    for name, (simulate, cases) in simulations.items():
        raw[name] = [simulate(*case) for case in track(cases, name, console=console, transient=True)]
        console.print(name, raw[name])
    small = [one for one in raw["coverage"] if one["rows"] == 50]
    numbers = {
        "abstention_holds_rate": min(one["holds"] for one in raw["abstention"]),
        "abstention_answered": min(one["answered"] for one in raw["abstention"]),
        "gate_null_promotion_rate": max(
            one["promoted"] for one in raw["promotions"] if one["gain_points"] <= 0
        ),
        "gate_drift_pt": max(abs(one["test_points"]) for one in raw["drift_of_the_reported_score"]),
        "performance_false_drops": max(one["cried"] for one in raw["false_drops"]),
        "drift_false_alarms_duplicates": raw["drift_alarms"][0]["as_judged"],
        "interval_coverage_50": float(np.mean([one["covered"] for one in small])),
    }
    lines = [
        f"Worst case of each simulation ({', '.join(simulations)}: `benchmarks/methods.py`), with what is drawn anew in"
        " each of its draws.",
        "",
        "| question | draws | drawn anew | measured | target |",
        "| --- | ---: | --- | ---: | ---: |",
        f"| Both promised precisions hold on new rows | {DRAWS} | validation rows | {numbers['abstention_holds_rate']:.1%}"
        " of draws | 90 % |",
        f"| with so many rows answered | {DRAWS} | validation rows | {numbers['abstention_answered']:.0%} | 60 % |",
        f"| An equal or slightly worse challenger is promoted | {DRAWS} | answers of both models, how hard each unseen"
        f" publisher is, timings | {numbers['gate_null_promotion_rate']:.1%} | at most 5 % |",
        f"| What {_RETRAININGS} equal retrainings add to the reported score | {_LIVES} | answers of every model |"
        f" {numbers['gate_drift_pt']:.2f} points | at most 0.1 |",
        f"| and to the score that decides | {_LIVES} | answers of every model |"
        f" {max(one['selection_points'] for one in raw['drift_of_the_reported_score']):.2f} points | |",
        f"| An unchanged model is said to have dropped | {DRAWS} | test rows, labelled rows |"
        f" {numbers['performance_false_drops']:.1%} | at most 5 % |",
        f"| A window of 40 % near-duplicates alarms | {_WINDOWS} | articles of the window |"
        f" {numbers['drift_false_alarms_duplicates']:.0%} | at most 5 % |",
        f"| with near-duplicates left in | {_WINDOWS} | articles of the window | {raw['drift_alarms'][0]['as_sent']:.0%} | |",
        f"| A 95 % interval at 50 rows holds the truth (mean of four accuracies) | {DRAWS} | rows |"
        f" {numbers['interval_coverage_50']:.1%} | 93 % |",
        "",
        "| challenger's gain in accuracy | selection rows | unseen publishers | promoted |",
        "| ---: | ---: | ---: | ---: |",
        *(
            f"| {one['gain_points']:+.1f} points | {one['rows']:,} | {one['unseen_publishers']} |"
            f" {one['promoted']:.0%} |"
            for one in raw["promotions"]
        ),
    ]
    raw["machine"] = describe_machine(["numpy", "scipy", "polars"])
    write_results("methods", numbers, raw, "Statistics", lines)


if __name__ == "__main__":
    main()
