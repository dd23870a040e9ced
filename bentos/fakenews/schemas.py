"""Request and response schemas, with their limits."""

from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from fakenews_assets.models.classifier import AbstainReason, Article, Predictions

MAX_TITLE: Final = 1_000
"""Characters of a title. The longest of WELFake's has 456."""
MAX_TEXT: Final = 200_000
"""Characters of a text. No encoder here reads that far; the longest of WELFake's has 143,035."""
MAX_ROWS: Final = 1_000
"""Most articles of one JSON request; send more as a CSV file."""
MAX_ROW: Final = 10_000_000
"""Largest number of an article in its request."""

MAX_ARTICLE_BYTES: Final = 12 * (MAX_TITLE + MAX_TEXT) + 1024
"""Bytes of an article in JSON at most, where every character stands as two escapes."""
_MOST_NAMES: Final = 32

EXAMPLE_TITLE: Final = "Senate passes budget bill after late-night vote"
_REQUEST_ID: Final = "0192f0c1-7c2a-7d3e-9b1f-5a4c3d2e1f00"
_MODEL_ID: Final = "3f0f6c1b2f7b7c0d9e8a5b4c3d2e1f00112233445566778899aabbccddeeff00"

Title = Annotated[
    str, StringConstraints(max_length=MAX_TITLE, pattern=r"\S"), Field(description="Headline, as written.")
]
Text = Annotated[
    str, StringConstraints(max_length=MAX_TEXT), Field(description="Body of the article, if there is one.")
]


class _Asked(BaseModel):
    """A body whose names are all known. Of very many unknown ones each would be an error of its own."""

    @model_validator(mode="before")
    @classmethod
    def _few_names(cls, value: Any) -> Any:
        if isinstance(value, dict) and len(value) > _MOST_NAMES:
            raise PydanticCustomError(
                "too_many_names", "There are more than {most} names", {"most": _MOST_NAMES}
            )
        return value


class ArticleIn(_Asked):
    """An article."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"title": EXAMPLE_TITLE, "text": ""}]}
    )

    title: Title
    text: Text | None = None

    def as_asked(self) -> Article:
        """The article for the model, which prepares it itself."""
        return Article(self.title, self.text or "")


class BatchIn(_Asked):
    """Several articles."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"articles": [{"title": EXAMPLE_TITLE}, {"title": "You won't believe what they hid"}]}
            ]
        },
    )

    # The first faulty article is named alone: to describe a thousand of them takes longer than to answer a thousand.
    articles: Annotated[list[ArticleIn], FailFast()] = Field(min_length=1, max_length=MAX_ROWS)


class Verdict(BaseModel):
    """The model's verdict on one article."""

    label: Literal[0, 1] | None = Field(description="0 real, 1 fake; null when the model abstains.")
    verdict: Literal["real", "fake", "unsure"] = Field(
        description="The label in words, or `unsure` when the model abstains."
    )
    probability: Annotated[float, Field(ge=0, le=1)] | None = Field(
        description="Calibrated probability of fake; null when the article is out of distribution."
    )
    abstained: bool = Field(description="Whether the model abstains.")
    abstain_reason: AbstainReason | None = Field(
        description="`uncertain`: at this probability the model is wrong too often. `out_of_distribution`: "
        "the article is unlike the training articles, so that a probability would mean nothing. "
        "null: the model answers."
    )
    truncated: bool = Field(
        description="Whether the article is longer than what the model reads of it, which is its beginning."
    )


def verdict_fields(predictions: Predictions, row: int) -> dict[str, Any]:
    """The fields of `Verdict` for one row of the predictions."""
    label, reason = int(predictions.predicted_label[row]), predictions.abstain_reason(row)
    return {
        "label": None if reason else label,
        "verdict": "unsure" if reason else ("real", "fake")[label],
        # Out of distribution a number would be taken for an answer.
        "probability": None if reason == "out_of_distribution" else float(predictions.probability[row]),
        "abstained": reason is not None,
        "abstain_reason": reason,
        "truncated": predictions.is_truncated(row),
    }


class Answer(BaseModel):
    """Fields of every answer."""

    request_id: str = Field(
        description="Id of the request in the prediction log. `POST /feedback` takes it.",
        examples=[_REQUEST_ID],
    )
    model_id: str = Field(description="Sha of the model bundle that answered.", examples=[_MODEL_ID])


class PredictionOut(Verdict, Answer):
    """The verdict on one article."""


class LoggedAnswer(PredictionOut):
    """An answer as the prediction log holds it."""

    row: int = Field(description="Which article of the request, counted from 1.")
    time: datetime = Field(description="When it was answered.")
    title: str | None = Field(
        description="As asked; null where the log holds no texts (`FAKENEWS_LOG_CONTENT`) or the article was erased."
    )
    text: str | None = Field(description="As asked; null like `title`, and where there was none.")


class RowVerdict(Verdict):
    """The verdict on one of several articles."""

    row: int = Field(description="Which article of the request, counted from 1. `POST /feedback` takes it.")


class BatchOut(Answer):
    """The verdicts on several articles."""

    predictions: list[RowVerdict] = Field(description="In the order of the request.")


class Word(BaseModel):
    """A word and its weight in the verdict."""

    field: Literal["title", "text"]
    word: str
    start: int = Field(ge=0, description="First character, counted in Unicode code points of the field.")
    end: int = Field(ge=0, description="The character after the last one.")
    weight: float = Field(
        description="Probability of fake with the word minus that without it. Above 0, the word is evidence for fake."
    )


class ExplanationOut(PredictionOut):
    """A verdict and the weights of the words."""

    words: list[Word] = Field(description="In reading order; none when the article is out of distribution.")
    words_truncated: bool = Field(
        description="Whether the model read words beyond the limit, which have no weight here."
    )


def _integral(value: object) -> object:
    """1 of 1.0, which JSON Schema calls an integer; anything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class FeedbackIn(_Asked):
    """The true label of an answered article."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"request_id": _REQUEST_ID, "label": 1}]}
    )

    request_id: str = Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
    label: Annotated[int, BeforeValidator(_integral), Field(strict=True, ge=0, le=1)] | None = Field(
        description="0 real, 1 fake; null takes back what was said before."
    )
    row: Annotated[int, BeforeValidator(_integral), Field(strict=True)] = Field(
        default=1, ge=1, le=MAX_ROW, description="Which article of the request, counted from 1."
    )
    source: str | None = Field(
        default=None, max_length=200, description="Source of the label, such as a person."
    )


class FeedbackOut(BaseModel):
    """Confirmation of a true label."""

    request_id: str
    row: int


class VerdictReliability(BaseModel):
    """How often one kind of verdict is right."""

    promised: float | None = Field(
        description="Least share that is right on new articles by publishers like those of the training split; null: nothing"
        " is promised."
    )
    unseen: float | None = Field(
        description="Share that was right on test articles by publishers that are not in the training split; null: unknown."
    )


class Reliability(BaseModel):
    """How often verdicts are right."""

    real: VerdictReliability
    fake: VerdictReliability
    confidence: float | None = Field(description="Probability that both promises hold.")
    unseen_publishers: int = Field(description="Publishers behind `unseen`.")


class TrainingBatch(BaseModel):
    """A batch of the corpus."""

    name: str
    origin: str = Field(description="Name of its file, or the address of a generated one.")
    articles: int


class TrainedOn(BaseModel):
    """The articles behind a model."""

    real: int = Field(description="Real articles of the training split.")
    fake: int = Field(description="Fake articles of the training split.")
    first: date | None = Field(
        description="Earliest day of publication in the training split, if any is known."
    )
    last: date | None = Field(description="Latest day of publication in the training split.")
    batches: list[TrainingBatch] = Field(description="Of the whole corpus, in order of arrival.")
    sources: list[str] = Field(description="The largest publishers of the corpus, the largest first.")
    sources_known: int = Field(description="Publishers of the corpus.")


class ModelOut(BaseModel):
    """The champion, its data versions and its evaluation."""

    model_id: str
    candidate: str
    encoder: str | None
    runtime: str
    promoted_at: datetime | None = Field(description="Time of its promotion.")
    git_commit: str | None
    data_versions: dict[str, str] = Field(
        description="Version of every value that it was made from, by store key."
    )
    threshold: float = Field(description="Decision threshold on P(fake).")
    abstain_between: list[float] = Field(
        min_length=2,
        max_length=2,
        description="Abstention band: the model abstains strictly between the two.",
    )
    reads_text: bool = Field(description="Whether the model reads the text, beside the title.")
    evaluation: dict[str, Any] = Field(
        description="Scores on the test split: `rows`, and point estimates by metric."
    )
    reliability: Reliability
    note: str | None = Field(description="Warning to show beside every score.")
    trained_on: TrainedOn
    model_card: str = Field(description="Markdown.")
    shows_corpus: bool = Field(description="Whether `GET /examples` and `POST /similar` answer.")
    log_content: Literal["hash", "text"] = Field(
        description="What the prediction log keeps of an article: its text, or its hash alone."
    )


class Fault(BaseModel):
    """An error."""

    code: str = Field(description="Error code for programs.", examples=["too_large"])
    message: str = Field(description="Message for people: what is wrong, and what to do.")


class Problem(BaseModel):
    """Body of every error response."""

    error: Fault
    request_id: str
