"""Near-duplicate links, clusters and splits: time, memory and recall; rensa against datasketch.

    python -m benchmarks.near_duplicates scale --rows 100000 --rows 1000000
    python -m benchmarks.near_duplicates peers --rows 20000
    python -m benchmarks.near_duplicates sample [--path news_sample.csv.gz]

`scale` runs each size in a process of its own, on generated articles. `peers` times both libraries in one
process, alternating, on the same titles and the same banding. `sample` shows what the defaults make of real
headlines. Each prints one JSON object.
"""

import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Final, cast

import numpy as np
import polars as pl
import typer
from numpy.typing import NDArray

from fakenews_assets.data.dedup.minhash import Signatures, SimilarSets
from fakenews_assets.data.dedup.near_duplicates import NearDuplicateSettings, find_links, normalised_words
from fakenews_assets.data.dedup.shingles import hash_shingles
from fakenews_assets.data.schema import ARTICLE_SCHEMA, article_id
from fakenews_assets.data.splits.clusters import assign_clusters, cluster_sizes
from fakenews_assets.data.splits.splitting import SPLITS, SplitSettings, split_articles
from fakenews_assets.data.splits.verification import split_table, verify_shares

app = typer.Typer(no_args_is_help=True, add_completion=False)

DEFAULT_SAMPLE: Final = Path(__file__).parents[1] / "../shared/data/news_sample.csv.gz"
BATCHES: Final = 10
PLANTED: Final = 0.05
"""Share of rows that copy the title of an earlier row with one word replaced."""
_TITLE_WORDS: Final = 10
_TEXT_WORDS: Final = 60
_TEMPLATES: Final = 300
_FIXED_WORDS: Final = 5
"""Words of a title that its template fixes: two titles of one template have a Jaccard of 0.33 or more."""


def generate(rows: int, folder: Path, seed: int = 0) -> NDArray[np.int64]:
    """Write generated articles as Parquet files.

    Returns:
        (rows,) number of the row whose title a row copies with one word replaced, -1 for most rows.
    """
    rng = np.random.default_rng(seed)
    vocabulary = np.array([f"w{number:x}" for number in range(50_000)])
    titles = rng.integers(0, len(vocabulary), (rows, _TITLE_WORDS))
    templates = rng.integers(0, len(vocabulary), (_TEMPLATES, _FIXED_WORDS))
    titles[:, :_FIXED_WORDS] = templates[rng.integers(0, _TEMPLATES, rows)]
    origin = np.where(rng.random(rows) < PLANTED, (rng.random(rows) * np.arange(rows)).astype(np.int64), -1)
    origin[(origin >= 0) & (origin[origin] >= 0)] = -1  # no copies of copies
    copies = np.flatnonzero(origin >= 0)
    titles[copies] = titles[origin[copies]]
    titles[copies, rng.integers(0, _TITLE_WORDS, len(copies))] = rng.integers(0, len(vocabulary), len(copies))

    for start in range(0, rows, 50_000):
        stop = min(rows, start + 50_000)
        texts = len(vocabulary) ** rng.random((stop - start, _TEXT_WORDS))  # log-uniform: like Zipf's law
        numbers = range(start, stop)
        pl.DataFrame(
            {
                "title": [" ".join(words) for words in vocabulary[titles[start:stop]]],
                "text": [" ".join(words) for words in vocabulary[texts.astype(np.int64) - 1]],
                "label": [number % 2 for number in numbers],
                "source": "generated",
                "group": None,
                "published_at": None,
                "batch": [f"batch-{number * BATCHES // rows}" for number in numbers],
            }
        ).with_columns(
            pl.struct("title", "text")
            .map_elements(lambda row: article_id(row["title"], row["text"]), return_dtype=pl.String)
            .alias("article_id")
        ).select(pl.col(name).cast(dtype) for name, dtype in ARTICLE_SCHEMA.items()).write_parquet(
            folder / f"part-{start:09d}.parquet"
        )
    return origin


@app.command()
def scale(
    rows: Annotated[list[int], typer.Option(help="Sizes to run, smallest first.")] = [100_000, 1_000_000],  # noqa: B006
) -> None:
    """Time and peak memory of links, clusters and splits, and how they grow."""
    runs = []
    for size in rows:
        with tempfile.TemporaryDirectory() as folder:
            origin = generate(size, Path(folder))
            with multiprocessing.get_context("spawn").Pool(1) as process:
                runs.append(process.apply(_measure, (folder, origin)))
    growth = [later["seconds"] / earlier["seconds"] for earlier, later in pairwise(runs)]
    typer.echo(json.dumps({"runs": runs, "growth": growth}, indent=2))


def _measure(folder: str, origin: NDArray[np.int64]) -> dict[str, Any]:
    articles = pl.scan_parquet(Path(folder) / "*.parquet")
    config = SplitSettings()
    out = Path(folder) / "splits"
    out.mkdir()
    marks = [time.perf_counter()]
    links = find_links(articles, NearDuplicateSettings())
    marks.append(time.perf_counter())
    clusters = assign_clusters(articles, links, [f"batch-{number}" for number in range(BATCHES)], config)
    marks.append(time.perf_counter())
    splits = split_articles(articles, clusters).splits
    for split in SPLITS:
        splits[split].sink_parquet(out / f"{split}.parquet")
    marks.append(time.perf_counter())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    labels = articles.select("label").collect()["label"]
    copies = np.flatnonzero(origin >= 0)
    # A copy that bridges two splits has no cluster: it was found, and left out for it.
    names = clusters["cluster_id"].to_numpy()
    found = (names[copies] == names[origin[copies]]) | (clusters["excluded"].is_not_null().to_numpy()[copies])
    written = {split: pl.scan_parquet(out / f"{split}.parquet") for split in SPLITS}
    shares = verify_shares(split_table(written), config)
    return {
        "rows": len(labels),
        "seconds": marks[-1] - marks[0],
        "seconds_links": marks[1] - marks[0],
        "seconds_clusters": marks[2] - marks[1],
        "seconds_splits": marks[3] - marks[2],
        "peak_gib": peak,
        "planted": len(copies),
        "planted_recall": float(found.mean()),
        "largest_cluster": cluster_sizes(clusters, labels).largest,
        "excluded": cluster_sizes(clusters, labels).excluded,
        "share_deviation_points": shares.deviation_points,
        "share_z_score": shares.z_score,
    }


@app.command()
def peers(
    rows: Annotated[int, typer.Option(help="Titles to compare.")] = 20_000,
    rounds: Annotated[int, typer.Option(help="Alternating rounds; the median counts.")] = 3,
) -> None:
    """This project's pairs (rensa) against datasketch's MinHashLSH, on equal banding."""
    with tempfile.TemporaryDirectory() as folder:
        origin = generate(rows, Path(folder))
        words = (
            pl.scan_parquet(Path(folder) / "*.parquet").select(normalised_words("title")).collect()["title"]
        )
    contenders: dict[str, Callable[[pl.Series], set[tuple[int, int]]]] = {
        "rensa": _rensa_pairs,
        "datasketch": _datasketch_pairs,
    }
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    recall: dict[str, float] = {}
    planted = {(row, copied) for row, copied in enumerate(origin.tolist()) if copied >= 0}
    for _ in range(rounds):
        for name, find in contenders.items():
            start = time.perf_counter()
            pairs = find(words)
            seconds[name].append(time.perf_counter() - start)
            recall[name] = len(planted & pairs) / len(planted)
    typer.echo(
        json.dumps(
            {
                "rows": rows,
                "seconds": {name: median(values) for name, values in seconds.items()},
                "planted_pair_recall": recall,
                "rensa_vs_datasketch": median(seconds["datasketch"]) / median(seconds["rensa"]),
            },
            indent=2,
        )
    )


def _rensa_pairs(words: pl.Series) -> set[tuple[int, int]]:
    config = NearDuplicateSettings()
    signatures = Signatures(config.bands, config.rows_per_band, config.seed)
    sets = SimilarSets()
    for start in range(0, len(words), 4096):
        shingles = hash_shingles(words[start : start + 4096], 1, config.max_words)
        sets.add(signatures.sign(shingles, config.min_title_words))
    return set(map(tuple, sets.pairs(config.title_threshold, np.arange(len(words))).tolist()))


def _datasketch_pairs(words: pl.Series) -> set[tuple[int, int]]:
    from datasketch import MinHash, MinHashLSH

    config = NearDuplicateSettings()
    columns = config.bands * config.rows_per_band
    index = MinHashLSH(num_perm=columns, params=(config.bands, config.rows_per_band))
    pairs: set[tuple[int, int]] = set()
    tokens = [[word.encode() for word in title.split(" ")] for title in words]
    signatures = list(MinHash.generator(tokens, num_perm=columns, seed=config.seed))
    for row, signature in enumerate(signatures):
        # datasketch types a key as any Hashable; the keys here are row numbers.
        for earlier in cast(list[int], index.query(signature)):
            if signature.jaccard(signatures[earlier]) >= config.title_threshold:
                pairs.add((row, earlier))
        index.insert(row, signature)
    return pairs


@app.command()
def sample(
    path: Annotated[
        Path, typer.Option(envvar="FAKENEWS_BENCH_NEWS", help="Labelled news in WELFake's columns.")
    ] = DEFAULT_SAMPLE,
    threshold: Annotated[list[float], typer.Option(help="Title thresholds to compare.")] = [0.6, 0.7, 0.8],  # noqa: B006
) -> None:
    """Clusters among real headlines, for several title thresholds."""
    articles = (
        pl.read_csv(path)
        .select(pl.col("title").str.strip_chars(), pl.col("text").fill_null(""), "label", batch=pl.lit("b1"))
        .with_columns(
            pl.struct("title", "text")
            .map_elements(lambda row: article_id(row["title"], row["text"]), return_dtype=pl.String)
            .alias("article_id")
        )
    )
    report = []
    for value in threshold:
        links = find_links(articles, NearDuplicateSettings(title_threshold=value))
        clusters = assign_clusters(articles, links, ["b1"], SplitSettings())
        largest = clusters["cluster_id"].mode().sort()[0]
        report.append(
            {
                "title_threshold": value,
                **vars(cluster_sizes(clusters, articles["label"])),
                "from_largest": articles.filter(clusters["cluster_id"] == largest)["title"][:3].to_list(),
            }
        )
    typer.echo(json.dumps(report, indent=2))


if __name__ == "__main__":
    app()
