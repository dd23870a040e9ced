"""Articles of the corpus that the page shows: examples to try, and training articles with a similar headline.

Both come from the store, never from the bundle, so that an erasure reaches them and no image carries articles whose
licence forbids it. An operator has to allow them (`FAKENEWS_SHOW_CORPUS`).
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Literal, NoReturn, TypeVar

from fastapi import FastAPI, Request
from polars.exceptions import PolarsError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from bentos.fakenews.corpus.examples import candidates, choose
from bentos.fakenews.corpus.similar import TrainingArticles
from bentos.fakenews.corpus.split_files import SplitFiles, State
from bentos.fakenews.model.runtime import Runtime
from bentos.fakenews.routes.asking import runtime_of
from bentos.fakenews.schemas import ArticleIn, Problem, Verdict, verdict_fields
from bentos.fakenews.settings import ServiceSettings
from fakenews_assets.models.classifier import Article, Predictions
from fakenews_resources.storage.backend import StoreError
from fakenews_resources.storage.store import Store, ValueMissing

T = TypeVar("T")


class CorpusArticle(BaseModel):
    """An article of the corpus."""

    title: str
    label: Literal[0, 1] = Field(description="0 real, 1 fake: as the corpus labels it.")
    source: str | None = Field(description="Its publisher, if known.")
    published: date | None = Field(description="Day of publication, if known.")


class ExampleOut(CorpusArticle):
    """A test article, and what the model answers."""

    text: str
    verdict: Verdict


class ExamplesOut(BaseModel):
    """Articles to try."""

    model_id: str
    examples: list[ExampleOut]


class SimilarArticle(CorpusArticle):
    """A training article with a similar headline."""

    batch: str
    shared: list[str] = Field(
        description="Words of its headline that the other one has too, up to their endings."
    )


class SimilarOut(BaseModel):
    """Training articles with a similar headline."""

    model_id: str
    articles: list[SimilarArticle] = Field(description="The most similar first (BM25), at most five.")


def add_corpus(app: FastAPI, settings: ServiceSettings) -> None:
    """Serve articles of the corpus, if the settings allow it."""
    corpus = _Corpus(settings)
    hidden: dict[int | str, dict[str, Any]] = {
        404: {"model": Problem, "description": "The service shows no articles of the corpus."}
    }

    @app.get("/examples", summary="Test articles to try", responses=hidden)
    async def examples(request: Request) -> ExamplesOut:
        return await corpus.examples(runtime_of(request))

    @app.post("/similar", summary="Training articles with a similar headline", responses=hidden)
    async def similar(article: ArticleIn, request: Request) -> SimilarOut:
        return await corpus.similar(runtime_of(request), article.title)


class _Corpus:
    def __init__(self, settings: ServiceSettings) -> None:
        self._store = Store(settings.storage) if settings.show_corpus else None
        self._training = TrainingArticles(self._store) if self._store else None
        self._test = SplitFiles(self._store, "test") if self._store else None
        self._examples: tuple[str, State, ExamplesOut] | None = None
        self._one = asyncio.Lock()
        """One look-up at a time: they take no more than one processor, and one thread."""

    async def similar(self, runtime: Runtime, title: str) -> SimilarOut:
        model = runtime.champion().described
        training = self._training or _refuse()
        async with self._one:
            found = await _of_the_store(lambda: training.like(title, model.data_versions["splits"]))
        articles = [
            SimilarArticle(
                title=one.title, label=_label(one.label), source=one.source, published=one.published, batch=one.batch,
                shared=list(one.shared),
            )
            for one in found
        ]  # fmt: skip
        return SimilarOut(model_id=model.model_id, articles=articles)

    async def examples(self, runtime: Runtime) -> ExamplesOut:
        champion = runtime.champion()
        model = champion.described
        test = self._test or _refuse()

        async def predict(articles: Sequence[Article]) -> Predictions:
            found: list[Predictions] = []
            await runtime.batcher.run_between(
                lambda: found.append(champion.scorer.score(articles).predictions)
            )
            return found[0]

        async with self._one:
            state = await _of_the_store(lambda: test.state(model.data_versions["splits"]))
            if self._examples is None or self._examples[:2] != (model.model_id, state):
                table = await _of_the_store(lambda: candidates([file for file, *_ in state]))
                chosen = [
                    ExampleOut(
                        title=one.title, text=one.text, label=_label(one.label), source=one.source,
                        published=one.published, verdict=Verdict(**verdict_fields(one.predictions, 0)),
                    )
                    for one in await choose(table, predict)
                ]  # fmt: skip
                answer = ExamplesOut(model_id=model.model_id, examples=chosen)
                self._examples = model.model_id, state, answer
            return self._examples[2]


def _refuse() -> NoReturn:
    raise HTTPException(404, "This service shows no articles of the corpus (FAKENEWS_SHOW_CORPUS).")


async def _of_the_store(read: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(read)
    except ValueMissing as error:
        raise HTTPException(
            404, f"The articles that the model was trained on are not at hand: {error}"
        ) from error
    except (StoreError, OSError, PolarsError) as error:
        raise HTTPException(503, "The articles of the corpus cannot be read now. Ask again later.") from error


def _label(label: int) -> Literal[0, 1]:
    return 1 if label else 0
