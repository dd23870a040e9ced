"""The head of the model card: what a reader wants to know first, and how to ask the model."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from fakenews_assets.common import markdown
from fakenews_assets.evaluation.evaluating import Evaluation
from fakenews_assets.models.bootstrap import Interval
from fakenews_assets.registry.bundle import CARD_BUNDLE, CARD_URL
from fakenews_assets.selection.card.corpus import Corpus

_TITLE: Final = "Council approves the budget for next year"
_TEXT: Final = "The council voted on Tuesday for the budget that its committee had proposed."


@dataclass(frozen=True)
class About:
    """Facts about a model that neither its manifest nor its evaluation holds."""

    trained: date
    owner: str
    licence: str


def header(about: About, evaluation: Evaluation, corpus: Corpus) -> list[str]:
    """Facts and three numbers, in Markdown."""
    used = sum(batch.rows_in - batch.rejected for batch in corpus.batches)
    shown = ", ".join(markdown.cell(batch.origin) for batch in corpus.batches[:3])
    more = f" and {len(corpus.batches) - 3} more" if len(corpus.batches) > 3 else ""
    facts = {
        "Id": CARD_BUNDLE,
        "Trained": f"{about.trained:%-d %B %Y}",
        "Owner": markdown.cell(about.owner),
        "Licence": markdown.cell(about.licence),
        "Data": f"{used:,} articles from {shown}{more}",
    }
    return [
        markdown.bullets(f"**{name}:** {value}" for name, value in facts.items()),
        markdown.table(*_numbers(evaluation)),
    ]


def _numbers(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """How good it is on new publishers and on known ones, and how often it answers."""
    unseen, macro_f1 = evaluation.unseen, evaluation.metrics.macro_f1
    right = "" if evaluation.answered is None else f"{evaluation.answered.accuracy:.1%} of them right"
    columns = [
        (
            "ROC AUC, unseen publishers",
            "not measured" if unseen is None else f"{unseen.roc_auc:.3f}",
            "" if unseen is None else _span(unseen.roc_auc_interval),
        ),
        (
            "macro-F1, known publishers",
            "undefined" if macro_f1 is None else f"{macro_f1:.3f}",
            _span(evaluation.intervals.get("macro_f1")),
        ),
        ("articles answered", f"{1 - evaluation.abstained / evaluation.rows:.1%}", right),
    ]
    heads, values, details = (list(line) for line in zip(*columns, strict=True))
    return heads, [values, details]


def _span(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"


def usage() -> list[str]:
    """Code that asks the service, in Markdown."""
    return [
        "Where the service demands a key, send it as the header `X-API-Key`.",
        f"""\
```sh
curl -s {CARD_URL}/predict \\
  -H 'Content-Type: application/json' \\
  -d '{{
    "title": "{_TITLE}",
    "text": "{_TEXT}"
  }}'
```""",
        f"""\
```python
import httpx

article = {{
    "title": "{_TITLE}",
    "text": "{_TEXT}",
}}
answer = httpx.post("{CARD_URL}/predict", json=article).raise_for_status().json()
print(answer["verdict"], answer["probability"], answer["request_id"])
```""",
    ]
