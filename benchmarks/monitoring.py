"""The drift detector on windows that have drifted and on windows that have not, beside Evidently's text drift; and a
report on fifty thousand answers.

    python -m benchmarks.monitoring [--quick] [--news FILE] [--storage .fakenews] [--only report]

Both detectors see the same windows. A window that has not drifted is drawn from articles of the reference's own kind
that neither training nor reference has seen. Of real news, windows of another time or source are drawn with the
reference's own share of fakes, so that it is the articles that differ and not the balance. The report is made by the
`fakenews` command in a process of its own, for the champion of a store. The quick run takes ten windows of each kind and
writes nothing.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
import polars as pl
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from sklearn.metrics import roc_auc_score

from benchmarks.common import (
    TITLE_RECIPE,
    NewsSplits,
    default_news_path,
    describe_machine,
    finetuned,
    load_news,
    write_results,
)
from benchmarks.compression import cached
from benchmarks.quality import report as report_training
from fakenews_assets.compression.quantization import make_variant
from fakenews_assets.compression.settings import QuantizationSettings
from fakenews_assets.models.classifier import Embedder
from fakenews_assets.models.predictions import articles_of, prediction_records
from fakenews_assets.models.runtimes.loading import load_classifier
from fakenews_assets.monitoring.drift.drift import feature_drifts
from fakenews_assets.monitoring.drift.features import article_features
from fakenews_assets.monitoring.drift.verdict import DriftVerdict
from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_assets.monitoring.log.records import log_line
from fakenews_assets.monitoring.settings import DriftSettings
from fakenews_assets.registry.champion import ChampionRegistry
from fakenews_assets.registry.scorer import Scorer
from fakenews_assets.training.settings import FinetuneSettings
from fakenews_resources.news.sample import SampleSpec, generate, write_sample
from fakenews_resources.request_ids import new_request_id
from fakenews_resources.storage.store import Store

WINDOWS: Final = {100: 20, 200: 20, 500: 100}
"""By the number of articles in a window, how many windows of each kind; the targets are for the last."""
PEER_WINDOWS: Final = 10
"""Of each kind, the first: what Evidently takes for a window is some ten times what the verdict takes."""
REFERENCE_ROWS: Final = 1_500
"""At most: Evidently's classifier takes its time, and both detectors get the same."""
LATER_ROWS: Final = 2_500
"""Articles of the later time that windows are drawn from."""
SETTINGS: Final = DriftSettings(permutations=400)
"""The defaults, but for fewer permutations."""
TRAINING_ROWS: Final = 4_000
"""Of real titles: enough for an encoder that has learnt the task, in a few minutes."""
CUT: Final = datetime(2017, 1, 1, tzinfo=UTC)
"""What is older trains and refers; what is newer is another time."""
REPORT_ROWS: Final = 50_000

Part = Literal["detector", "report"]

console = Console()


@dataclass(frozen=True)
class Pool:
    """Articles to draw windows from."""

    titles: list[str]
    fake: NDArray[np.bool_]
    features: pl.DataFrame
    embeddings: NDArray[np.float32]

    def draw(self, size: int, generator: np.random.Generator, fake_share: float | None = None) -> "Pool":
        """So many different articles, with a share of fakes if one is asked for."""
        if fake_share is None:
            rows = generator.choice(len(self.titles), size, replace=False)
        else:
            fakes = round(size * fake_share)
            rows = np.concatenate(
                [
                    generator.choice(np.flatnonzero(self.fake), fakes, replace=False),
                    generator.choice(np.flatnonzero(~self.fake), size - fakes, replace=False),
                ]
            )
        return Pool(
            [self.titles[row] for row in rows], self.fake[rows], self.features[rows], self.embeddings[rows]
        )


@dataclass(frozen=True)
class Scenario:
    """A reference, and where windows come from."""

    name: str
    reference: Pool
    same: Pool
    shifted: tuple[Pool, ...]
    balanced: bool


def embedded(folder: Path, articles: pl.DataFrame) -> Pool:
    """What a model makes of articles.

    Args:
        folder: the model.
        articles: columns `title`, `text` and `label`, prepared.
    """
    classifier = load_classifier(folder)
    assert isinstance(classifier, Embedder)
    asked = articles_of(articles)
    scored = articles.with_columns(probability=pl.Series(classifier.predict(asked).probability))
    return Pool(
        articles["title"].to_list(),
        (articles["label"] == 1).fill_null(False).to_numpy(),
        article_features(scored, with_text=False),
        classifier.embed(asked),
    )


def model(news: NewsSplits, settings: FinetuneSettings) -> Path:
    """A fine-tuned encoder in the format that is served, int8."""
    _, source = finetuned(news, settings, report_training)
    return cached(
        "monitored",
        str(source),
        lambda folder: make_variant(
            source, "openvino-int8", news.train, news.val, QuantizationSettings(), folder
        ),
    )


def eras() -> Scenario:
    """Generated articles: the reference is of era 0, and so are windows that have not drifted."""
    with tempfile.TemporaryDirectory() as name:
        raw = Path(name) / "sample.csv"

        def articles(rows: int, seed: int, era: int) -> NewsSplits:
            write_sample(SampleSpec(rows=rows, seed=seed, era=era), raw)
            return load_news(raw)

        known = articles(6_000, 7, 0)
        folder = model(known, TITLE_RECIPE.model_copy(update={"epochs": 2}))
        others = [articles(3_000, 1_000 + era, era) for era in range(4)]
    pools = [embedded(folder, pl.concat([one.train, one.val, one.test])) for one in others]
    return Scenario("generated: other eras", embedded(folder, known.test), pools[0], tuple(pools[1:]), False)


def real_news(path: Path) -> Iterator[Scenario]:
    """Real titles: the reference is of one source and older than the cut."""
    whole = load_news(path)
    raw = pl.read_csv(path, infer_schema_length=0).rename({"": "serial"})
    known_of = pl.read_csv(path.with_name("news_sample_sources.csv.gz"), infer_schema_length=0)
    day = pl.col("date").str.strip_chars()
    parsed = pl.coalesce(
        day.str.to_date("%B %d, %Y", strict=False), day.str.to_date("%b %d, %Y", strict=False)
    )
    origin = known_of.select("serial", outlet="source", day=parsed)
    # The raw title names an article here: it is unique in this file, and cleaning keeps the rows' order.
    from fakenews_assets.data.text.preparation import TextPreparation

    prepared = TextPreparation().apply(raw.select("title", pl.lit("").alias("text")))
    named = raw.select("serial").with_columns(prepared["title"]).join(origin, on="serial").unique("title")

    def part(articles: pl.DataFrame) -> pl.DataFrame:
        return articles.join(named.drop("serial"), on="title", how="inner", maintain_order="left")

    train, val, test = (part(one) for one in (whole.train, whole.val, whole.test))
    old = (pl.col("outlet") == "isot") & (pl.col("day") < CUT.date())
    learnt = NewsSplits(train.filter(old).head(TRAINING_ROWS), val.filter(old).head(1_500), test.filter(old))
    folder = model(learnt, TITLE_RECIPE.model_copy(update={"epochs": 2}))
    unseen = pl.concat(
        [train.filter(old).tail(-TRAINING_ROWS), val.filter(old).tail(-1_500), test.filter(old)]
    )
    unseen = unseen.sample(fraction=1, shuffle=True, seed=0)
    half = unseen.height // 2
    reference, same = (
        embedded(folder, unseen.head(min(half, REFERENCE_ROWS))),
        embedded(folder, unseen.tail(half)),
    )
    every = pl.concat([train, val, test])
    newer = every.filter((pl.col("outlet") == "isot") & (pl.col("day") >= CUT.date()))
    late = embedded(folder, newer.sample(LATER_ROWS, shuffle=True, seed=0))
    other = embedded(folder, every.filter(pl.col("outlet") != "isot"))
    console.print(
        f"real titles: {learnt.train.height} train, reference {len(reference.titles)}, same {len(same.titles)},"
        f" later {len(late.titles)}, other sources {len(other.titles)}"
    )
    yield Scenario("real: a later time", reference, same, (late,), True)
    yield Scenario("real: other sources", reference, same, (other,), True)


def judge(scenario: Scenario, size: int, windows: int, seed: int) -> dict[str, Any]:
    """Rates of both detectors over windows of one size, and how well their scores tell the two kinds apart."""
    generator = np.random.default_rng(seed)
    reference = scenario.reference
    share = float(reference.fake.mean()) if scenario.balanced else None
    found: dict[str, list[tuple[bool, float, bool]]] = {"own": [], "evidently": []}
    for number in track(range(2 * windows), f"{scenario.name}, {size}", console=console, transient=True):
        drifted = number % 2 == 1
        pool = scenario.shifted[number // 2 % len(scenario.shifted)] if drifted else scenario.same
        window = pool.draw(size, generator, share)
        features, _ = feature_drifts(
            reference.features,
            window.features,
            reference.embeddings,
            window.embeddings,
            SETTINGS.model_copy(update={"seed": number}),
        )
        alarm, score = any(one.drifted for one in features), max(one.score for one in features)
        found["own"].append((alarm, score, drifted))
        if number < 2 * PEER_WINDOWS:
            found["evidently"].append((*evidently_text_drift(reference.titles, window.titles), drifted))
    rates = {}
    for name, verdicts in found.items():
        truth = np.array([one[2] for one in verdicts])
        alarms = np.array([one[0] for one in verdicts])
        rates[name] = {
            "false_alarm_rate": float(alarms[~truth].mean()),
            "detection_rate": float(alarms[truth].mean()),
            "auc": float(roc_auc_score(truth, [one[1] for one in verdicts])),
        }
    return {"scenario": scenario.name, "size": size, "windows": windows, **rates}


def evidently_text_drift(reference: list[str], window: list[str]) -> tuple[bool, float]:
    """What Evidently's drift preset says of a text column by default: whether it has drifted, and its score."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    columns = DataDefinition(text_columns=["title"])
    asked, known = (
        Dataset.from_pandas(pl.DataFrame({"title": titles}).to_pandas(), data_definition=columns)
        for titles in (window, reference)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Of the preset, the part that looks at the column: the whole would train its classifier twice.
        result = json.loads(Report([ValueDrift(column="title")], include_tests=True).run(asked, known).json())
    score = next(one["value"] for one in result["metrics"] if one["metric_name"].startswith("ValueDrift"))
    test = next(one for one in result["tests"] if "title" in one["name"])
    return test["status"] == "FAIL", float(score)


def measure_report(storage: Path, rows: int) -> dict[str, Any]:
    """Make a report on so many answers of a store's champion: seconds, peak memory, sizes of the pages."""
    pointer = ChampionRegistry(Store(storage).bundles).champion()
    if pointer is None:
        raise SystemExit(f"{storage} has no champion: run `make demo` first, or name another --storage.")
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        shutil.copy(Path(__file__).parents[1] / "dagster.yaml", project)
        shutil.copytree(storage, project / ".fakenews", ignore=shutil.ignore_patterns("service_log", ".work"))
        store = Store(project / ".fakenews")
        write_log(store, pointer.bundle, rows)
        environment = os.environ | {"DAGSTER_HOME": name, "FAKENEWS_STORAGE": ".fakenews"}
        environment.pop("FAKENEWS_LOG", None)
        begin = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", "from fakenews_assets.cli import app; app()", "report"],
            cwd=project,
            env=environment,
            check=True,
        )
        seconds = time.perf_counter() - begin
        day = max(store.partitions("drift_report"))
        report = store.current(f"drift_report/{day}")
        verdict = DriftVerdict.read(report.path)
        return {
            "rows": verdict.rows,
            "seconds": seconds,
            "peak_gib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20,
            "page_megabytes": {page.stem: page.stat().st_size / 1e6 for page in report.path.glob("*.html")},
            "verdict": verdict.summary,
        }


def write_log(store: Store, model_id: str, rows: int) -> None:
    """A service's log of today with answers about different generated articles."""
    scorer = Scorer.open(store.bundle(model_id))
    log = PredictionLog(store.root / "service_log")
    left = rows
    seen: set[str] = set()
    for frame in generate(SampleSpec(rows=2 * rows, seed=77), chunk_rows=5_000):
        usable = frame.drop_nulls("title").filter(pl.col("title").str.contains(r"\S"))
        articles = articles_of(usable.with_columns(pl.col("text").fill_null("")))
        scores = scorer.score(articles)
        predictions = prediction_records(scores.article_ids, scores.predictions)
        records = []
        for article, prediction in zip(articles, predictions, strict=True):
            if prediction["article_id"] in seen or len(records) == left:
                continue
            seen.add(prediction["article_id"])
            records.append(
                log_line(
                    article,
                    prediction,
                    time=datetime.now(UTC),
                    request_id=new_request_id(),
                    row=0,
                    endpoint="/predict_batch",
                    model_id=model_id,
                    latency_ms=10.0,
                    with_text=True,
                )
            )
        log.append("predictions", records)
        left -= len(records)
        if not left:
            break
    log.close()


def main(
    news: Annotated[Path | None, typer.Option(help="News file in WELFake's columns.")] = None,
    storage: Annotated[Path, typer.Option(help="Store whose champion is reported on.")] = Path(".fakenews"),
    only: Annotated[Part | None, typer.Option(help="One part; nothing is written.")] = None,
    quick: Annotated[bool, typer.Option(help="Ten windows of each kind; nothing is written.")] = False,
) -> None:
    """Measure and write results/monitoring.json."""
    judged = []
    if only != "report":
        for scenario in (eras(), *real_news(news or default_news_path())):
            for size, windows in WINDOWS.items():
                judged.append(judge(scenario, size, 10 if quick else windows, seed=size))
                console.print(judged[-1])
    if only != "detector":
        report = measure_report(storage, REPORT_ROWS // 10 if quick else REPORT_ROWS)
        console.print(report)
        if not (quick or only):
            write(report, judged)


def write(report: Mapping[str, Any], judged: list[dict[str, Any]]) -> None:
    """Store what was measured."""
    size = max(WINDOWS)
    full = [one for one in judged if one["size"] == size]
    numbers = {
        "false_alarm_rate": max(one["own"]["false_alarm_rate"] for one in full),
        "detection_rate": min(one["own"]["detection_rate"] for one in full),
        "report_50k_seconds": report["seconds"],
        "report_50k_peak_gib": report["peak_gib"],
    }
    machine = describe_machine(["evidently", "numpy", "scipy", "openvino"])
    largest = max(report["page_megabytes"].values())
    lines = [
        f"Windows that have not drifted, and as many that have; worst of the scenarios at {size} articles: false alarms {numbers['false_alarm_rate']:.0%} (target: at most 5 %), detection"
        f" {numbers['detection_rate']:.0%} (target: at least 95 %). AUC: how well the score tells the two kinds of"
        " window apart. Evidently: what its drift preset does with a text column by default, on the first"
        f" {PEER_WINDOWS} windows of each kind.",
        "",
        "| kind | articles | windows | false alarms | detected | AUC | Evidently: false alarms | detected | AUC |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {one['scenario']} | {one['size']} | {one['windows']} + {one['windows']} | "
            + " | ".join(
                f"{one[who]['false_alarm_rate']:.0%} | {one[who]['detection_rate']:.0%} | {one[who]['auc']:.3f}"
                for who in ("own", "evidently")
            )
            + " |"
            for one in judged
        ),
        "",
        f"A day's report on {report['rows']:,} answers: {report['seconds']:.0f} s with the start of the command (target:"
        f" 180), {report['peak_gib']:.2f} GiB (target: 3), largest page {largest:.1f} MB (target: 10)."
        f" {machine['processor']}, {machine['cores']} cores.",
    ]
    write_results(
        "monitoring",
        numbers,
        {"windows": judged, "report": dict(report), "machine": machine},
        "Monitoring",
        lines,
    )


if __name__ == "__main__":
    typer.run(main)
