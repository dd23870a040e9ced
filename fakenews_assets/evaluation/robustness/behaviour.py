"""Behavioural tests: changes of an article that must not change the decision, or must change it in one direction.

Ribeiro et al., "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList", ACL 2020. The tests run on the
whole path as served: text preparation, model, calibration, abstention.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.common.progress import report
from fakenews_assets.data.splits.splitting import sample_rows
from fakenews_assets.data.text.names import Names
from fakenews_assets.data.text.preparation import TextPreparation
from fakenews_assets.evaluation.robustness.behaviour_cases import Case, Material, cases_of
from fakenews_assets.evaluation.robustness.settings import BEHAVIOURS, BehaviourName, Demand
from fakenews_assets.models.classifier import Article, Classifier, Predictions
from fakenews_assets.models.predictions import articles_of
from fakenews_assets.registry.scorer import prepared

_TOLERANCE: Final = 0.02
"""Of a probability: less is no direction."""
_REPORTED: Final = 5
_SHOWN_CHARACTERS: Final = 160


class FailingCase(BaseModel):
    """A failed case."""

    model_config = ConfigDict(frozen=True)

    before: str | None = Field(description="Title, with the beginning of the text if that changed.")
    after: str
    probability_before: float | None
    probability: float
    abstained: bool = Field(description="Whether the model abstains on the changed article.")


class BehaviourResult(BaseModel):
    """Result of one test."""

    model_config = ConfigDict(frozen=True)

    name: BehaviourName
    cases: int = Field(description="0 where no article allows the change.")
    passed: int
    least: float | None = Field(description="Share that must pass; None: no requirement.")
    failures: tuple[FailingCase, ...] = Field(description="The first failing cases.")

    @property
    def pass_rate(self) -> float | None:
        """Share of the cases that passed; None without a case."""
        return self.passed / self.cases if self.cases else None

    @property
    def fails(self) -> bool:
        """Fewer cases passed than must."""
        return self.pass_rate is not None and self.least is not None and self.pass_rate < self.least


def run_behaviour_tests(
    classifier: Classifier,
    preparation: TextPreparation,
    test: pl.DataFrame,
    names: Names,
    *,
    cases: int,
    reads_words: int | None,
    seed: int = 0,
) -> tuple[BehaviourResult, ...]:
    """Run every test of `BEHAVIOURS`, in that order.

    Args:
        classifier: as served, so with its calibration.
        preparation: as served.
        test: columns `article_id`, `title` and `text` of test rows.
        names: of the training rows.
        cases: most test rows to make cases from.
        reads_words: most words of a body that the model reads; None: it reads all.
        seed: random seed.
    """
    articles = articles_of(sample_rows(test, cases).head(cases))
    material = Material(articles, names, reads_words, seed)
    made: dict[BehaviourName, list[Case]] = {name: cases_of(name, material) for name in BEHAVIOURS}
    answers = _Answers(classifier, preparation, [case for some in made.values() for case in some])
    return tuple(_result(name, some, answers) for name, some in made.items())


class _Answers:
    """The answers to all articles of all cases. Articles that are prepared alike are asked about once."""

    def __init__(self, classifier: Classifier, preparation: TextPreparation, cases: Sequence[Case]) -> None:
        written = list({article: None for case in cases for article in (case.before, case.after) if article})
        ready = prepared(preparation, written)
        asked = list(dict.fromkeys(ready))
        place = {article: at for at, article in enumerate(asked)}
        report(0, len(asked), "articles", "testing behaviour")
        self.predictions = classifier.predict(asked)
        self.row = {article: place[one] for article, one in zip(written, ready, strict=True)}

    def to(self, articles: Sequence[Article]) -> Predictions:
        return self.predictions.part(np.array([self.row[article] for article in articles], dtype=np.int64))


def _result(name: BehaviourName, cases: list[Case], answers: _Answers) -> BehaviourResult:
    test = BEHAVIOURS[name]
    after = answers.to([case.after for case in cases])
    before = answers.to([case.before or case.after for case in cases])
    passed = np.isfinite(after.probability) & _as_demanded(test.demand, cases, before, after)
    failures = tuple(
        _failing(
            cases[at], float(before.probability[at]), float(after.probability[at]), bool(after.abstained[at])
        )
        for at in np.flatnonzero(~passed)[:_REPORTED]
    )
    return BehaviourResult(
        name=name, cases=len(cases), passed=int(passed.sum()), least=test.least, failures=failures
    )


def _as_demanded(
    demand: Demand, cases: list[Case], before: Predictions, after: Predictions
) -> NDArray[np.bool_]:
    if demand == "as labelled":
        return after.predicted_label == np.array([case.label for case in cases])
    if demand == "same decision":
        return after.predicted_label == before.predicted_label
    if demand == "same answer":
        return (after.probability == before.probability) & (after.abstained == before.abstained)
    if demand == "not lower":
        return after.probability >= before.probability - _TOLERANCE
    if demand == "not higher":
        return after.probability <= before.probability + _TOLERANCE
    return after.abstained


def _failing(case: Case, before: float, after: float, abstained: bool) -> FailingCase:
    with_text = case.before is not None and case.before.text != case.after.text
    return FailingCase(
        before=_shown(case.before, with_text) if case.before else None,
        after=_shown(case.after, with_text),
        probability_before=before if case.before else None,
        probability=after,
        abstained=abstained,
    )


def _shown(article: Article, with_text: bool) -> str:
    line = f"{article.title} / {article.text or '(no text)'}" if with_text else article.title
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[: _SHOWN_CHARACTERS - 1]}…"
