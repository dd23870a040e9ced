"""The routes for predictions and explanations."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from pydantic import BaseModel

from bentos.fakenews.model.runtime import Answered
from bentos.fakenews.routes.asking import ask
from bentos.fakenews.routes.explaining import occlusions
from bentos.fakenews.schemas import (
    ArticleIn,
    BatchIn,
    BatchOut,
    ExplanationOut,
    PredictionOut,
    RowVerdict,
    Word,
    verdict_fields,
)
from fakenews_assets.models.classifier import Article


def add_predictions(app: FastAPI) -> None:
    """Answer `/predict`, `/predict_batch` and `/explain`."""

    @app.post("/predict", summary="Classify one article", response_model=PredictionOut)
    async def predict(article: ArticleIn, request: Request) -> Response:
        answered = await ask(request, [article.as_asked()])
        return _json(PredictionOut(**verdict_fields(answered.predictions, 0), **_signed(request, answered)))

    @app.post("/predict_batch", summary="Classify several articles", response_model=BatchOut)
    async def predict_batch(batch: BatchIn, request: Request) -> Response:
        answered = await ask(request, [one.as_asked() for one in batch.articles])
        verdicts = [
            RowVerdict(row=at + 1, **verdict_fields(answered.predictions, at))
            for at in range(len(batch.articles))
        ]
        return _json(BatchOut(predictions=verdicts, **_signed(request, answered)))

    @app.post("/explain", summary="Classify one article and weigh its words", response_model=ExplanationOut)
    async def explain(article: ArticleIn, request: Request) -> Response:
        asked = article.as_asked()
        answered = await ask(request, [asked])
        words, truncated = [], False
        if not answered.predictions.out_of_distribution[0]:
            words, truncated = await _weigh_words(request, asked, answered)
        return _json(
            ExplanationOut(
                **verdict_fields(answered.predictions, 0),
                **_signed(request, answered),
                words=words,
                words_truncated=truncated,
            )
        )


async def _weigh_words(request: Request, article: Article, answered: Answered) -> tuple[list[Word], bool]:
    """The weights of an article's words, by the model that has answered; and whether it read more words."""
    model = answered.model
    found, truncated = occlusions(article, with_text=model.reads_text, words_read=model.words_read)
    without = await ask(request, [one.without for one in found], of=model)
    probability = float(answered.predictions.probability[0])
    words = [
        Word(field=one.field, word=one.word, start=one.start, end=one.end, weight=probability - other)
        for one, other in zip(found, without.predictions.probability.tolist(), strict=True)
    ]
    return words, truncated


def _signed(request: Request, answered: Answered) -> dict[str, Any]:
    return {"request_id": request.state.request_id, "model_id": answered.model_id}


def _json(answer: BaseModel) -> Response:
    # Built by hand here, so FastAPI need not check it once more on its way out.
    return Response(answer.model_dump_json(), media_type="application/json")
