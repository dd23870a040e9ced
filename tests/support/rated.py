"""Two batches of unlabelled articles, of which ratings label one."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from fakenews_assets.data import assets as data
from fakenews_assets.data.admission import assets as admitting
from fakenews_assets.data.ratings import assets as ratings
from fakenews_assets.data.receiving import assets as receiving
from fakenews_resources.engine.resource import Engine
from fakenews_resources.news.resource import NewsSource
from fakenews_resources.storage.io_manager import ArtifactIOManager, Storage
from fakenews_resources.storage.store import Store

SOURCES = ("low.example", "high.example", "unknown.example")


class RatedCorpus:
    """The data assets on an instance and a store of their own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        storage = Storage(root=str(root / "store"))
        self.store: Store = storage.store
        self.instance = dg.DagsterInstance.ephemeral()
        self.instance.add_dynamic_partitions("news_batches", ["plain", "rated"])
        self.defs = dg.Definitions(
            assets=dg.load_assets_from_modules([receiving, data, ratings, admitting]),
            resources={
                "storage": storage,
                "io_manager": ArtifactIOManager(storage=storage),
                "engine": Engine(),
                "news_source": NewsSource(),
            },
        )

    def run(self, asset: str, batch: str | None = None, **config: Any) -> None:
        """Materialize one asset."""
        result = dg.materialize(
            [one for one in self.defs.assets or () if isinstance(one, dg.AssetsDefinition)],
            selection=[asset],
            partition_key=batch,
            instance=self.instance,
            resources=self.defs.resources,
            run_config={"ops": {asset: {"config": config}}} if config else None,
        )
        assert result.success

    def rate(self, *rows: str) -> None:
        """Store a table of ratings."""
        file = self.root / "ratings.csv"
        file.write_text("\n".join(["domain,rating", *rows]))
        self.run("source_ratings", uri=str(file))

    def receive(self, batch: str) -> None:
        """Store a batch of two articles from each source."""
        file = self.root / f"{batch}.csv"
        articles = [f"{batch} article {n} of {source},{source}" for source in SOURCES for n in range(2)]
        file.write_text("\n".join(["title,source", *articles]))
        self.run("raw_news", batch, uri=str(file))


@pytest.fixture
def rated(tmp_path: Path) -> RatedCorpus:
    """`low.example` is rated 0.2, `high.example` 0.9; the batch `rated` is labelled so, the batch `plain` is not."""
    corpus = RatedCorpus(tmp_path)
    corpus.rate("low.example,0.2", "high.example,0.9")
    corpus.run("publisher_labels", "rated")
    for batch in ("rated", "plain"):
        corpus.receive(batch)
        corpus.run("clean_news", batch)
    return corpus
