"""A store whose values are made by hand, and the sensors that look at it."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from fakenews_assets.data.cleaning.label_flips import LabelFlipEvidence, Meaning
from fakenews_assets.data.cleaning.summary import CleaningSummary
from fakenews_assets.data.splits.splitting import ClusteringSettings, SplitSettings
from fakenews_assets.definitions import defs
from fakenews_assets.models.settings import BaselineTuning, EncoderSpec
from fakenews_assets.training.settings import FinetunedBertSettings
from fakenews_resources.storage.inventory import Inventory
from fakenews_resources.storage.io_manager import Storage
from fakenews_resources.storage.store import Store

CONFIGS: dict[str, dict[str, Any]] = {
    "article_clusters": ClusteringSettings(
        splits=SplitSettings(train=0.6, val=0.2, selection=0.1, test=0.1)
    ).model_dump(mode="json"),
    "baseline_model": BaselineTuning(inverse_regularization=(10.0,)).model_dump(mode="json"),
    "finetuned_bert": FinetunedBertSettings(
        encoder=EncoderSpec(name="tiny", max_tokens=64), max_tokens=32, epochs=2
    ).model_dump(mode="json"),
    "distilled_bert": {"epochs": 2},
}
"""What the values were made with; the defaults where nothing is said."""


def to_parquet(table: pl.DataFrame) -> bytes:
    buffer = BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()


class Graph:
    """Values that no run has made."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root)
        self.instance = dg.DagsterInstance.ephemeral()
        assets = defs.resolve_asset_graph()
        self.codes = {
            key.to_user_string(): assets.get(key).code_version for key in assets.get_all_asset_keys()
        }

    @property
    def inventory(self) -> Inventory:
        return Inventory(self.store, defs.get_repository_def(), self.instance)

    def make(
        self,
        key: str,
        *inputs: str,
        content: str = "",
        files: Mapping[str, str | bytes] | None = None,
        meta: Mapping[str, Any] | None = None,
        refused: Mapping[str, str] | None = None,
    ) -> str:
        """Returns: the version."""
        draft = self.store.draft()
        for name, data in (files or {"content": f"{key} {content}"}).items():
            (draft.path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
        draft.meta.update(meta or {})
        asset = key.split("/")[0]
        return self.store.commit(
            key,
            draft,
            code_version=self.codes[asset],
            config=CONFIGS.get(asset, {}),
            upstream={name: self.store.current(name).version for name in inputs},
            refused=refused,
        ).version

    def receive(
        self,
        batch: str,
        *,
        real: int = 0,
        fake: int = 0,
        unlabelled: int = 0,
        passed: bool = True,
        articles_of: str = "",
    ) -> str:
        """Register and store a cleaned batch, whose articles are its own or those of another one, from the first on.

        Returns:
            Its key and version.
        """
        self.instance.add_dynamic_partitions("news_batches", [batch])
        rows = real + fake + unlabelled
        summary = CleaningSummary(
            rows_in=rows,
            rows_out=rows,
            rejected={},
            boilerplate={},
            fake=fake,
            real=real,
            unlabelled=unlabelled,
            rated=0,
            missing_text=0,
            undated=0,
            repeated=0,
            evidence=LabelFlipEvidence(
                meaning=Meaning.UNDECIDED, fake=fake, real=real, auc=None, z=None, untied=None
            ),
        )
        labels = pl.Series([0] * real + [1] * fake + [None] * unlabelled, dtype=pl.Int8)
        articles = pl.DataFrame(
            {"article_id": [f"{articles_of or batch}-{row}" for row in range(rows)], "label": labels}
        )
        files = {
            "content": batch,
            "summary.json": summary.model_dump_json(),
            "articles-000.parquet": to_parquet(articles),
        }
        refused = {} if passed else {"duplicates": "too many rows repeat an earlier one"}
        version = self.make(f"clean_news/{batch}", files=files, refused=refused)
        return f"clean_news/{batch} {version}"

    def train(self, content: str = "") -> None:
        """Split all batches, and train the candidates on them."""
        batches = [f"clean_news/{name}" for name in sorted(self.inventory.partitions("clean_news"))]
        self.make("article_clusters", *batches, content=content)
        self.make("splits", *batches, "article_clusters", content=content)
        self.make("baseline_model", "splits", content=content)
        self.make("finetuned_bert", "splits", content=content)

    def judge(self, candidate: str, model: str, content: str = "") -> None:
        content += self.store.current(model).version
        self.make(f"evaluation/{candidate}", "splits", model, content=content)

    def select(self) -> None:
        """Judge the trained candidates, select one and compare them."""
        self.judge("baseline", "baseline_model")
        self.judge("finetuned", "finetuned_bert")
        self.make("selected_model", "splits", "evaluation/baseline", "evaluation/finetuned")
        self.compare()

    def compare(self) -> None:
        """Make the leaderboard of all that is judged."""
        judged = [f"evaluation/{name}" for name in self.store.partitions("evaluation")]
        champion = ["champion"] if self.store.exists("champion") else []
        self.make("leaderboard", "splits", *judged, *champion)

    def tick(self, sensor: dg.SensorDefinition) -> dg.RunRequest | str:
        """What the sensor asks for; else why it asks for nothing."""
        with dg.build_sensor_context(
            instance=self.instance,
            repository_def=defs.get_repository_def(),
            resources={"storage": Storage(root=str(self.store.root))},
        ) as context:
            found = sensor.evaluate_tick(context)
        if not found.run_requests:
            return found.skip_message or ""
        (request,) = found.run_requests
        return request

    def asked(self, sensor: dg.SensorDefinition) -> dg.RunRequest:
        found = self.tick(sensor)
        assert isinstance(found, dg.RunRequest), found
        return found

    def launch(
        self,
        job: str,
        request: dg.RunRequest | None = None,
        status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED,
    ) -> dg.DagsterRun:
        """Record a run as the daemon does for a request; its configuration has to suit the job."""
        request = request or dg.RunRequest()
        return self.instance.create_run_for_job(
            defs.resolve_job_def(job),
            run_config=request.run_config,
            tags={**request.tags, **({"dagster/run_key": request.run_key} if request.run_key else {})},
            status=status,
        )
