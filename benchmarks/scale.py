"""Batch predictions of a million generated titles on a local Ray cluster of two nodes and in one process.

    python -m benchmarks.scale [--quick] [--rows 1000000] [--turns 2]

Both use the same two processors of this machine: the cluster as two workers with one thread each, the single process
with as many threads as there are processors. The rows are shared out among the turns, and in each the two follow each
other, every one in a process of its own with a clock of its own. Finished turns are kept: an interrupted run goes on
where it was. The model is all-MiniLM, fine-tuned for a moment on generated titles: it is timed, never scored.
The quick run uses a fiftieth of the rows and writes nothing.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Annotated, Any, Final, Literal

import polars as pl
import psutil
import typer
from rich.console import Console

from benchmarks.common import CACHE, RESULTS, ROOT, describe_machine, write_results
from fakenews_assets.data.schema import ARTICLE_SCHEMA, article_id
from fakenews_assets.data.text.preparation import TextPreparation
from fakenews_assets.models.calibration import CalibratedClassifier, Calibration, write_calibration
from fakenews_assets.models.classifier import Article
from fakenews_assets.registry.bundle import Bundle, Manifest
from fakenews_assets.registry.scorer import Scorer
from fakenews_assets.serving.batch import score_table
from fakenews_resources.engine.in_process import ShippedFolder
from fakenews_resources.engine.resource import Engine
from fakenews_resources.news.sample import SampleSpec, generate

Contender = Literal["in process", "ray"]
CONTENDERS: Final[tuple[Contender, ...]] = ("in process", "ray")

NODES: Final = 2
OBJECT_STORE: Final = 256 * 2**20
"""Bytes of each node's object store; what is in flight takes a few MB."""
WARM_UP_ROWS: Final = 4 * 4096
"""Scored before the clock starts: worker processes take seconds to begin."""
TRAINING_ROWS: Final = 3000
ARTICLE_WORDS: Final = 400
ARTICLE_ROWS: Final = 512
SAMPLE_EVERY: Final = 0.5

ARTICLES: Final = 100_000_000
CORES_PER_NODE: Final = 16
NODE_GIB: Final = 64

console = Console()


def model() -> Path:
    """A small int8 model with its papers, made once: `model/`, `calibration.json` and what is familiar to it."""
    from benchmarks.compression import cached
    from fakenews_assets.compression.quantization import make_variant
    from fakenews_assets.compression.settings import QuantizationSettings
    from fakenews_assets.models.out_of_distribution import OodSettings, fit_ood_detector
    from fakenews_assets.models.runtimes.loading import load_classifier
    from fakenews_assets.training.finetuning.finetuning import finetune
    from fakenews_assets.training.settings import FinetuneSettings

    settings = FinetuneSettings(inputs="title", epochs=1, evaluations_per_epoch=1)

    def make(folder: Path) -> None:
        rows = pl.concat(frame for frame in _articles(SampleSpec(rows=TRAINING_ROWS))).drop_nulls("label")
        train, val = rows.head(-600), rows.tail(600)
        finetune(train, val, settings, folder / "finetuned", folder / "work")
        make_variant(
            folder / "finetuned", "openvino-int8", train, val, QuantizationSettings(), folder / "model"
        )
        classifier = load_classifier(folder / "model")
        fit_ood_detector(classifier, train, val, OodSettings(), reads_text=False).save(folder)
        write_calibration(Calibration.identity(), folder)
        for done_with in ("finetuned", "work"):
            shutil.rmtree(folder / done_with)

    return cached("scale", f"{settings}{TRAINING_ROWS}", make)


def scorer_of(folder: ShippedFolder) -> Scorer:
    """The model as batch predictions use it."""
    name = "openvino-int8"
    manifest = Manifest(
        candidate=name,
        encoder="minilm",
        runtime="openvino",
        calibration=Calibration.identity(),
        data_versions={},
        git_commit=None,
        package_versions={},
    )
    classifier = CalibratedClassifier.load(folder.path / "model", folder.path, name)
    return Scorer(Bundle(folder.path, folder.path.name, manifest), TextPreparation(), classifier)


def write_titles(rows: int, seed: int, folder: Path) -> None:
    """Parts as `clean_news` writes them, of titles without texts."""
    for number, frame in enumerate(_articles(SampleSpec(rows=rows, seed=seed))):
        frame.with_columns(
            text=pl.lit(""),
            article_id=pl.Series([article_id(title, "") for title in frame["title"]], dtype=pl.String),
        ).select(ARTICLE_SCHEMA.names()).write_parquet(folder / f"articles-{number:04d}.parquet")


def _articles(spec: SampleSpec) -> Iterator[pl.DataFrame]:
    preparation = TextPreparation()
    for raw in generate(spec):
        prepared = preparation.apply(raw.select("title", "text", "label", "source"))
        yield prepared.filter(pl.col("title") != "").with_columns(
            article_id=pl.lit(""),
            label=pl.col("label").replace_strict({"0": 0, "1": 1}, default=None, return_dtype=pl.Int8),
            group=pl.lit(None, pl.String),
            published_at=pl.lit(None, ARTICLE_SCHEMA["published_at"]),
            batch=pl.lit("scale"),
        )


@contextmanager
def engine_of(contender: Contender) -> Iterator[Engine]:
    """The engine under test; on Ray, a cluster of nodes with one processor each."""
    if contender == "in process":
        yield Engine()
        return
    from ray.cluster_utils import Cluster

    node: dict[str, Any] = {"num_cpus": 1, "object_store_memory": OBJECT_STORE}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    for _ in range(NODES - 1):
        cluster.add_node(**node)
    cluster.wait_for_nodes()
    assert cluster.address
    try:
        yield Engine(address=str(cluster.address))
    finally:
        from fakenews_resources.engine.ray import disconnect

        disconnect()
        cluster.shutdown()


def score(contender: Contender, folder: Path, parts: Path, target: Path) -> dict[str, float]:
    """Score the parts in this process or from it. Loading the model is timed, starting worker processes is not."""
    files = sorted(parts.glob("articles-*.parquet"))
    scorer = partial(scorer_of, ShippedFolder(folder))
    with engine_of(contender) as engine:
        warm_up = target / "warm-up"
        warm_up.mkdir(parents=True)
        pl.scan_parquet(files).head(WARM_UP_ROWS).sink_parquet(warm_up / "articles.parquet")
        score_table(scorer, [warm_up / "articles.parquet"], warm_up, over=engine.map)
        shutil.rmtree(warm_up)
        begin, own = perf_counter(), process_time()
        summary = score_table(scorer, files, target, over=engine.map)
        return {
            "rows": summary.rows,
            "seconds": perf_counter() - begin,
            "own_cpu_seconds": process_time() - own,
        }


def article_cost(folder: Path) -> float:
    """Seconds per article of some 400 words, cut to 256 tokens, over seconds per title; in this process."""
    from benchmarks.compression import with_texts
    from fakenews_assets.models.runtimes.encoder import EncoderClassifier
    from fakenews_assets.models.runtimes.loading import load_classifier

    spec = SampleSpec(rows=4 * ARTICLE_ROWS, text_words=ARTICLE_WORDS)
    rows = pl.concat(_articles(spec)).filter(pl.col("text") != "").head(ARTICLE_ROWS)
    titles = [Article(title) for title in rows["title"]]
    articles = [Article(title, text) for title, text in rows.select("title", "text").iter_rows()]
    reader, listener = load_classifier(folder / "model"), load_classifier(folder / "model")
    assert isinstance(reader, EncoderClassifier)
    seconds = []
    for classifier, asked in ((listener, titles), (with_texts(reader), articles)):
        classifier.predict(asked)
        begin = perf_counter()
        classifier.predict(asked)
        seconds.append(perf_counter() - begin)
    return seconds[1] / seconds[0]


def turn(contender: Contender, folder: Path, parts: Path, target: Path) -> dict[str, float]:
    """One contender's turn in a fresh process, with the memory of that process and all below it."""
    shutil.rmtree(target, ignore_errors=True)
    command = [sys.executable, "-m", "benchmarks.scale", "--only", contender]
    command += ["--folders", json.dumps([str(folder), str(parts), str(target)])]
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    peak = 0.0

    def watch() -> None:
        nonlocal peak
        while process.poll() is None:
            peak = max(peak, _memory_gib(process.pid))
            ended.wait(SAMPLE_EVERY)

    ended = threading.Event()
    watcher = threading.Thread(target=watch)
    watcher.start()
    said, _ = process.communicate()
    ended.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{contender} ended with {process.returncode}; its messages stand above.")
    return {**json.loads(said.splitlines()[-1]), "peak_gib": peak}


def _memory_gib(pid: int) -> float:
    """Proportional set size of a process and all below it: pages that they share count once."""
    total = 0
    try:
        top = psutil.Process(pid)
        processes = [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    for process in processes:
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):  # ended since
            continue
    return total / 2**30


def different_rows(one: Path, other: Path) -> int:
    """Rows of two folders of predictions that are not the same in every column; compared file by file."""
    names = sorted(path.name for path in one.glob("*.parquet"))
    if names != sorted(path.name for path in other.glob("*.parquet")):
        raise SystemExit(f"{one} and {other} hold different files: remove both and measure again.")
    count = 0
    for name in names:
        a, b = pl.read_parquet(one / name), pl.read_parquet(other / name)
        if not a.equals(b):
            # As a whole where the numbers of rows differ.
            same = (
                pl.select(pl.all_horizontal(a[c].eq_missing(b[c]) for c in a.columns)).to_series().sum()
                if len(a) == len(b)
                else 0
            )
            count += max(len(a), len(b)) - int(same)
    return count


def compare(work: Path, rows: int, turns: int) -> dict[str, Any]:
    """Both contenders, turn by turn; turns that an earlier call finished are read."""
    folder = model()
    found: dict[str, Any] = {"in process": [], "ray": [], "different_rows": 0}
    for number in range(turns):
        share, record = rows // turns, work / f"turn-{number}.json"
        if not record.is_file():
            parts = work / f"titles-{number}"
            shutil.rmtree(parts, ignore_errors=True)
            parts.mkdir(parents=True)
            with console.status(f"generating {share:,} titles"):
                write_titles(share, 7 + number, parts)
            results: dict[str, Any] = {}
            # Who is first alternates.
            for contender in CONTENDERS[:: 1 if number % 2 == 0 else -1]:
                results[contender] = turn(contender, folder, parts, work / contender.replace(" ", "-"))
                rate = results[contender]["rows"] / results[contender]["seconds"]
                console.print(
                    f"turn {number + 1}, {contender}: {rate:,.0f} rows/s, {results[contender]['peak_gib']:.2f} GiB"
                )
            results["different_rows"] = different_rows(work / "in-process", work / "ray")
            shutil.rmtree(parts)
            record.write_text(json.dumps(results))
        results = json.loads(record.read_text())
        for contender in CONTENDERS:
            found[contender].append(results[contender])
        found["different_rows"] += results["different_rows"]
    found["article_cost"] = article_cost(folder)
    return found


def rate(turns: Sequence[Mapping[str, float]], per: str = "seconds") -> float:
    """Rows per second over all turns."""
    return sum(one["rows"] for one in turns) / sum(one[per] for one in turns)


def main(
    rows: Annotated[int, typer.Option(min=1000, help="Titles in all.")] = 1_000_000,
    turns: Annotated[int, typer.Option(min=1, help="Shares that the rows are scored in.")] = 2,
    quick: Annotated[bool, typer.Option(help="Smoke run: a fiftieth of the rows, nothing written.")] = False,
    only: Annotated[str | None, typer.Option(hidden=True)] = None,
    folders: Annotated[str, typer.Option(hidden=True)] = "[]",
) -> None:
    """Measure and write results/scale.json."""
    if only is not None:
        contender: Contender = "ray" if only == "ray" else "in process"
        sys.stdout.write(json.dumps(score(contender, *map(Path, json.loads(folders)))) + "\n")
        return
    if quick:
        rows //= 50
    work = CACHE / f"scale-{rows}-{turns}"
    raw = compare(work, rows, turns)
    numbers = {
        "ray_rows_per_s": rate(raw["ray"]),
        "in_process_rows_per_s": rate(raw["in process"]),
        "outputs_equal": float(raw["different_rows"] == 0),
    }
    for name, value in numbers.items():
        console.print(f"{name}: {value:,.1f}")
    raw |= {"estimate": estimate(raw), "machine": describe_machine(["ray", "openvino", "polars"])}
    lines = _lines(numbers, raw)
    console.print("\n".join(lines), markup=False)
    if not quick:
        write_results("scale", numbers, raw, "Scale", lines)
    shutil.rmtree(work)


def estimate(raw: Mapping[str, Any]) -> dict[str, float]:
    """What `ARTICLES` would take, from the measured figures.

    Returns:
        Rows per second of one core, and of a node; node-hours of titles and of articles; the cores that one gatherer
        feeds; and from results/data.json the memory and hours of clustering in one process, if it was measured.
    """
    core = rate(raw["ray"]) / NODES
    node = core * CORES_PER_NODE
    titles = ARTICLES / node / 3600
    found = {
        "rows_per_s_and_core": core,
        "rows_per_s_and_node": node,
        "node_hours_titles": titles,
        "node_hours_articles": titles * raw["article_cost"],
        "cores_per_gatherer": rate(raw["ray"], "own_cpu_seconds") / core,
    }
    data = RESULTS / "data.json"
    if data.is_file():
        small, large = json.loads(data.read_text())["raw"]["runs"][-2:]
        times = ARTICLES / large["rows"]
        per_row = (large["peak_gib"] - small["peak_gib"]) / (large["rows"] - small["rows"])
        found["clustering_gib"] = large["peak_gib"] + per_row * (ARTICLES - large["rows"])
        found["clustering_hours"] = large["seconds"]["cluster"] * times / 3600
        found["cleaning_core_hours"] = large["seconds"]["clean"] * times / 3600
    return found


def _lines(numbers: Mapping[str, float], raw: Mapping[str, Any]) -> list[str]:
    paper, machine = raw["estimate"], raw["machine"]
    total = sum(one["rows"] for one in raw["ray"])
    names = {"in process": "one process", "ray": f"Ray, {NODES} nodes of one processor"}
    equal = (
        "equal in every column" if numbers["outputs_equal"] else f"**{raw['different_rows']:,} rows differ**"
    )
    bend = []
    if "clustering_gib" in paper:
        bend = [
            "",
            f"**Where the graph would bend first: `article_clusters`.** Rows are hashed on all nodes, but compared in one"
            f" process, which holds every signature: by the [data benchmark](#data-preparation), at its growth per row,"
            f" {paper['clustering_gib']:,.0f} GiB and {paper['clustering_hours']:.1f} hours for {ARTICLES:,} rows, where a"
            f" node has {NODE_GIB} GiB. Next is the run's own process, which reads and writes all rows of an asset: its share"
            f" of the work is enough for {paper['cores_per_gatherer']:,.0f} such cores, and more need several partitions at a"
            f" time, each its own run. The store's single writer comes last: one commit a partition.",
        ]
    return [
        f"Batch predictions of {total:,} generated titles by a small encoder in int8 (OpenVINO), with texts prepared,"
        f" calibration and out-of-distribution limits as in `batch_predictions`. Both use the same {machine['cores']} processors: one"
        f" process with {machine['cores']} threads, or {NODES} Ray nodes with one worker of one thread each; turns"
        f" alternate ({len(raw['ray'])}). Answers: {equal}.",
        "",
        "| where | rows/s | peak memory of all processes, GiB |",
        "| --- | ---: | ---: |",
        *(
            f"| {names[contender]} | {rate(raw[contender]):,.0f} | {max(one['peak_gib'] for one in raw[contender]):.2f} |"
            for contender in CONTENDERS
        ),
        "",
        "The model's loading is timed, the start of worker processes is not. Memory is proportional set size, sampled twice"
        " a second; Ray's counts its own processes and object stores.",
        "",
        f"**{ARTICLES:,} articles, on paper.** A core of this kind scores {paper['rows_per_s_and_core']:,.0f} titles/s, a node of"
        f" {CORES_PER_NODE} of them {paper['rows_per_s_and_node']:,.0f} if all are as fast as the two measured here:"
        f" **{paper['node_hours_titles']:.1f} node-hours** for titles. An article of {ARTICLE_WORDS} words, cut to 256 tokens,"
        f" takes {raw['article_cost']:.1f} times as long: **{paper['node_hours_articles']:.1f} node-hours**. Not in it:"
        f" starting nodes, failures, and cores that share caches and memory with fifteen others.",
        *bend,
        "",
        f"{machine['processor']}, {machine['cores']} cores.",
    ]


if __name__ == "__main__":
    typer.run(main)
