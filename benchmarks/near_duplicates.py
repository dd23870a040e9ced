"""Near-duplicate links, clusters and splits on generated rows: speed, memory, recall; rensa against datasketch.

    python -m benchmarks.near_duplicates scale --rows 100000 --rows 1000000
    python -m benchmarks.near_duplicates peers --rows 20000
    python -m benchmarks.near_duplicates sample [--path news_sample.csv.gz]

`scale` runs each size in a process of its own and prints its growth against the size before. `peers` times
both libraries in one process, alternating, on the same shingles. `sample` shows what the defaults make of
real headlines.
"""

import json
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Final

import numpy as np
import polars as pl
import typer
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from fakenews_assets.data.clustering import assign_clusters, cluster_sizes
from fakenews_assets.data.near_duplicates import Links, NearDuplicateConfig, find_links, normalised_words
from fakenews_assets.data.schema import ARTICLE_SCHEMA
from fakenews_assets.data.splitting import SplitConfig, split, verify_sides

app = typer.Typer(no_args_is_help=True, add_completion=False)

DEFAULT_SAMPLE: Final = Path(__file__).parents[1] / "../shared/data/news_sample.csv.gz"
PLANTED: Final = 0.05
"""Share of rows that copy the title of an earlier row with one word replaced."""
_TITLE_WORDS: Final = 10
_TEXT_WORDS: Final = 60
_TEMPLATES: Final = 300
_FIXED_WORDS: Final = 5
"""Words of a title that its template fixes: two titles of one template have a Jaccard of 0.33 or more."""


def generate(rows: int, path: Path, seed: int = 0, batches: int = 10) -> NDArray[np.int64]:
    """Write generated articles as Parquet.

    Returns:
        (rows,) number of the row whose title a planted row copies, -1 for all others.
    """
    rng = np.random.default_rng(seed)
    vocabulary = np.array([f"w{number:x}" for number in range(50_000)])

    def zipf(shape: tuple[int, ...]) -> NDArray[np.int64]:
        return (len(vocabulary) ** rng.random(shape)).astype(np.int64) - 1

    titles = rng.integers(0, len(vocabulary), (rows, _TITLE_WORDS))
    templates = rng.integers(0, len(vocabulary), (_TEMPLATES, _FIXED_WORDS))
    titles[:, :_FIXED_WORDS] = templates[rng.integers(0, _TEMPLATES, rows)]
    texts = zipf((rows, _TEXT_WORDS))
    planted = rng.random(rows) < PLANTED
    planted[0] = False
    origin = np.where(planted, (rng.random(rows) * np.arange(rows)).astype(np.int64), -1)
    origin[planted & (origin >= 0) & planted[origin]] = -1
    copies = np.flatnonzero(origin >= 0)
    titles[copies] = titles[origin[copies]]
    titles[copies, rng.integers(0, _TITLE_WORDS, len(copies))] = rng.integers(0, len(vocabulary), len(copies))

    parts = []
    for start in range(0, rows, 50_000):
        stop = min(rows, start + 50_000)
        numbers = np.arange(start, stop)
        frame = pl.DataFrame(
            {
                "article_id": [f"{value:016x}{number:016x}" for number, value in enumerate(rng.integers(0, 2**62, stop - start), start)],
                "title": [" ".join(words) for words in vocabulary[titles[start:stop]]],
                "text": [" ".join(words) for words in vocabulary[texts[start:stop]]],
                "label": numbers % 2,
                "source": "generated",
                "published_at": None,
                "batch": [f"batch-{number * batches // rows:04d}" for number in numbers],
            },
            schema_overrides=dict(ARTICLE_SCHEMA),
        )
        part = path / f"part-{start:09d}.parquet"
        frame.select(ARTICLE_SCHEMA.names()).write_parquet(part)
        parts.append(part)
    return origin
