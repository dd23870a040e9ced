"""Verifies a bento: starts it and compares its answers with the model in this process."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import httpx

from fakenews_assets.common.progress import report
from fakenews_assets.models.classifier import Article
from fakenews_assets.registry.champion import Pointer
from fakenews_assets.registry.scorer import Scorer
from fakenews_assets.serving.bento import BentoFailed, BentoRecord, build, export_bento
from fakenews_resources.processes import ServerFailed, serving
from fakenews_resources.storage.backend import Backend

TOLERANCE: Final = 1e-6
"""Largest difference between two probabilities that are the same: both sides do the same arithmetic on the same
batches, and a float32 goes through JSON unharmed."""


@dataclass(frozen=True)
class Comparison:
    """A started bento beside the classifier in this process, on the same articles."""

    articles: int
    largest_difference: float
    other_labels: int
    """Articles whose label, or reason to abstain, differs."""
    seconds_to_ready: float

    @property
    def equal(self) -> bool:
        """Whether both give the same answers."""
        return self.other_labels == 0 and self.largest_difference <= TOLERANCE


def build_verified_bento(
    models: Backend, pointer: Pointer, articles: Sequence[Article], folder: Path
) -> tuple[BentoRecord, Comparison]:
    """Build a bento of the champion, start it, compare its answers with the model's, and write it as one archive.

    Args:
        models: holds the bundles.
        pointer: the champion.
        articles: what both predict.
        folder: receives the archive and its record.

    Raises:
        BentoFailed: BentoML refused, or the bento does not answer.
        BundleError: the champion's bundle is damaged.
    """
    with TemporaryDirectory() as work:  # not in the store: BentoML refuses to build below a hidden folder
        report(note="building")
        bento = build(models, pointer, Path(work))
        report(note="starting it, and comparing its answers")
        comparison = compare(bento.path, articles, Path(work) / "trial")
        return export_bento(bento, folder), comparison


def compare(bento: Path, articles: Sequence[Article], work: Path) -> Comparison:
    """Start a bento, and compare its answers with those of its bundle in this process.

    Args:
        bento: its folder.
        articles: what both predict.
        work: made; receives its log and output.

    Raises:
        BentoFailed: it does not start, does not answer, or answers with another model than it carries.
        BundleError: its bundle is damaged.
    """
    work.mkdir(parents=True)
    (bundle,) = (path for path in (bento / "src" / "models").iterdir() if path.is_dir())
    scorer = Scorer.open(bundle)  # first: a service never gets ready with a damaged one
    begin = time.monotonic()
    with running(bento, work) as url:
        seconds = time.monotonic() - begin
        with httpx.Client(base_url=url, timeout=120) as client:
            found = [_ask(client, article, bundle.name) for article in articles]
    difference, otherwise = 0.0, 0
    for answer, article in zip(found, articles, strict=True):
        expected = scorer.score([article]).predictions
        reason = expected.abstain_reason(0)
        label = None if reason else int(expected.predicted_label[0])
        otherwise += (answer["label"], answer["abstain_reason"]) != (label, reason)
        if answer["probability"] is not None:
            difference = max(difference, abs(answer["probability"] - float(expected.probability[0])))
    return Comparison(len(articles), difference, otherwise, seconds)


def _ask(client: httpx.Client, article: Article, model_id: str) -> dict[str, Any]:
    """The answer to one article by itself, so that the batches are the same as in this process."""
    answer = client.post("/predict", json={"title": article.title, "text": article.text})
    if answer.status_code != 200:
        raise BentoFailed(f"The bento answered {answer.status_code}: {answer.text[:500]}")
    said: dict[str, Any] = answer.json()
    if said["model_id"] != model_id:
        raise BentoFailed(f"The bento carries model {model_id} and answers with {said['model_id']}.")
    return said


@contextmanager
def running(bento: Path, work: Path) -> Iterator[str]:
    """Serve a bento on a free port; gives its address once it is ready.

    Raises:
        BentoFailed: it did not become ready; the message ends with what it printed.
    """
    # Nothing of this process's configuration: it has to stand on its own.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FAKENEWS_")}
    environment |= {
        "BENTOML_HOME": str(work),
        "FAKENEWS_LOG": str(work / "log"),
        "BENTOML_DO_NOT_TRACK": "True",
        "PYTHONDONTWRITEBYTECODE": "1",  # the bento is shipped as it was built
    }
    arguments = ["bentoml", "serve", str(bento), "--host", "127.0.0.1"]
    try:
        with serving(arguments, work, environment) as server:
            yield server.url
    except ServerFailed as error:
        raise BentoFailed(f"The bento did not start: {error}") from error
