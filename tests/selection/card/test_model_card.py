import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from fakenews_assets.data.corpus import DATA_NOTE
from fakenews_assets.models.calibration import Calibration
from fakenews_assets.models.out_of_distribution import OodLimits
from fakenews_assets.registry.bundle import CARD_BUNDLE, Manifest
from fakenews_assets.registry.champion import ChampionRegistry
from fakenews_assets.selection.candidates import Candidate
from fakenews_assets.selection.card.corpus import BatchFacts, Corpus, SourceFacts, SplitFacts
from fakenews_assets.selection.card.header import About
from fakenews_assets.selection.card.model_card import model_card
from fakenews_assets.selection.policy import Choice, choose
from fakenews_assets.selection.settings import SelectionPolicy
from fakenews_resources.storage.store import Store

NUMBER = r"\d\.\d{4}"
PATTERN = rf"""# Model card: finetuned

> \*\*Scores on the generated sample corpus .*\*\*

- \*\*Id:\*\* the name of the folder that holds this card
- \*\*Trained:\*\* 5 November 2026
- \*\*Owner:\*\* desk\\\|team
- \*\*Licence:\*\* CC0
- \*\*Data:\*\* 1,019 articles from news\\\|2\.csv, sample:rows=9

\| ROC AUC, unseen publishers \| macro-F1, known publishers \| articles answered \|
\| --- .*
\| not measured \| 0\.950 \| 100\.0% \|
\|  \| 0\.\d{{3}} to 0\.\d{{3}} \|  \|

## Limits

- The labels say who published an article, not whether its claims were checked\.(?s:.*)
## What it is

A classifier of English news articles, .* fine-tuned from `minilm`\. It runs on `torch` and takes 80\.0 MB, .*

## What it is for

It is meant for:

(?s:.*)
It is not meant for:

- removing, hiding or labelling articles that nobody has read;
(?s:.*)
## What it answers

.* divided by 1\.700\. The decision threshold is 0\.450\.

## When it abstains

\*\*When it is uncertain:\*\* it abstains between 0\.300 and 0\.700\. .* 80\.0% of the articles\. .* at least 99\.0% of the answers real and 98\.0% of the answers fake are right, with 95% confidence\. .*

It does not detect out-of-distribution articles\.

It answered 100\.0% of the test articles\.

## Use it

(?s:.*)
curl -s http://127\.0\.0\.1:3001/predict(?s:.*)
import httpx
(?s:.*)
## Data

\| batch \| from \| received \| rows \| rejected \| real \| fake \| unlabelled \|
\| --- .*
\| one \| news\\\|2\.csv \| 2026-11-20 \| 1,100 \| 90 \| 500 \| 505 \| 5 \|
\| two \| sample:rows=9 \| 2026-11-21 \| 9 \| 0 \| 9 \| 0 \| 0 \|

The 1 largest of 12 sources, .* The source of 30 articles is unknown\.

\| source \| real \| fake \|
\| --- \| --- \| --- \|
\| tribune \| 300 \| 10 \|

## Splits

Near-duplicates are in one split, .*

\| split \| articles \| real \| fake \| near-duplicate clusters \| published \|
\| --- .*
\| train \| 805 \| 400 \| 405 \| 790 \| 2016-01-02 to 2017-03-04 \|
\| test \| 200 \| 100 \| 100 \| 200 \| not known \|

## Scores of finetuned

### Unseen publishers

Not measured: too few publishers are known\. .*

### Publishers that it was trained on

2,000 test articles\.

(?s:.*)\| macro-F1 \| {NUMBER} \| {NUMBER} to {NUMBER} \|(?s:.*)
### Slices
(?s:.*)\| source \| tribune \| 2,000 \|(?s:.*)
### Speed and size
(?s:.*)
## How it was chosen

The fastest of the candidates that are at most 0\.5 points of macro-F1 below the best, `finetuned`; .*; at most 200 MB\. All figures here are of the selection split\.

\| candidate \| ROC AUC, unseen publishers \| macro-F1 \| points lost \| interval \| articles/s \| ms for one \| MB \| verdict \|
\| --- .*
\| finetuned \|  \| 0\.9500 \| 0\.00 \|  \| 100 \| 10\.00 \| 80\.0 \| \*\*chosen\*\*: the fastest .* \|
\| odd\\\|name \|  \| 0\.8500 \| 10\.00 \| \d+\.\d\d to 1\d\.\d\d \| 900 \| .* \| refused: loses 10\.00 points .* \|

## How to reproduce it

Check out commit `c0ffee`, .* `fakenews reproduce SHA` .*

\| value \| version \|
\| --- \| --- \|
\| raw_news/one \| `a{{32}}` \|
\| splits \| `b{{32}}` \|

Settings of each asset:

```json
{{
  "finetuned_bert": {{
    "encoder": {{
      "name": "minilm"
    }},
    "epochs": 3
  }}
}}
```

\| package \| version \|
\| --- \| --- \|
\| torch \| `2\.13\.0` \|
\| transformers \| `5\.23\.0` \|
"""

SECTIONS = """\
Limits
What it is
What it is for
What it answers
When it abstains
Use it
Data
Splits
Scores of baseline
How it was chosen
How to reproduce it"""

# By head of a column: what stands in it, where a name or a sentence could not.
COLUMNS = {
    "received": r"\d{4}-\d\d-\d\d",
    "fake": r"[\d,]+|\d+%|\d\.\d{3}( \(no answer\))?|",  # a count, a share, or what a behavioural test got
    "rows|rejected|real|unlabelled|articles|near-duplicate clusters|articles/s": r"[\d,]+|\d+%|",
    "published": r"\d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d",
    "accuracy|macro-F1|precision|recall|F1": r"\d\.\d{4}|undefined|",
    "95% interval|interval": r"[+-]?\d+\.\d+%? to [+-]?\d+\.\d+%?|too few( publishers)?|",
    "points lost|ms for one|MB": r"\d+\.\d+",
    "version": r"`[^`\s]+`",
}

CORPUS = Corpus(
    batches=(
        BatchFacts("one", "news|2.csv", date(2026, 11, 20), 1100, 90, 500, 505, 5),
        BatchFacts("two", "sample:rows=9", date(2026, 11, 21), 9, 0, 9, 0, 0),
    ),
    splits=(
        SplitFacts("train", 400, 405, 790, date(2016, 1, 2), date(2017, 3, 4)),
        SplitFacts("test", 100, 100, 200, None, None),
    ),
    sources=(SourceFacts("tribune", 300, 10),),
    sources_known=12,
    unsourced=30,
)

ABOUT = About(date(2026, 11, 5), "desk|team", "CC0")

Selected = tuple[Candidate, Choice]


@pytest.fixture
def selected(make_candidate: Callable[..., Candidate]) -> Selected:
    winner = make_candidate("finetuned", range(100))
    poor = make_candidate("odd|name", range(300), rows_per_second=900)
    return winner, choose([winner, poor], SelectionPolicy(resamples=200, max_megabytes=200))


def test_the_card_has_every_section_with_its_numbers(selected: Selected, manifest: Manifest):
    winner, choice = selected
    card = model_card(manifest, winner.evaluation, choice, CORPUS, DATA_NOTE, ABOUT)

    assert re.fullmatch(PATTERN, card), card
    assert card == model_card(manifest, winner.evaluation, choice, CORPUS, DATA_NOTE, ABOUT)


def test_a_note_stands_there_once_and_only_if_there_is_one(selected: Selected, manifest: Manifest):
    winner, choice = selected
    noted = winner.evaluation.model_copy(update={"note": DATA_NOTE})

    assert model_card(manifest, noted, choice, CORPUS, DATA_NOTE, ABOUT).count("plumbing") == 1
    assert "plumbing" not in model_card(manifest, winner.evaluation, choice, CORPUS, None, ABOUT)


def test_a_plain_model_is_called_plain(selected: Selected, manifest: Manifest):
    winner, choice = selected
    plain = manifest.model_copy(
        update={"encoder": None, "git_commit": None, "calibration": Calibration.identity()}
    )
    unsourced = Corpus(CORPUS.batches, CORPUS.splits, (), 0, 1005)

    card = model_card(plain, winner.evaluation, choice, unsourced, None, ABOUT)

    assert "trained from scratch" in card
    assert "The probability is the model's own." in card
    assert "It always answers" in card
    assert "The sources of the articles are unknown." in card
    assert "commit `unknown`" in card


def test_what_is_out_of_distribution_is_said_to_get_no_answer(selected: Selected, manifest: Manifest):
    winner, choice = selected
    limits = OodLimits(
        reads_text=False,
        char_surprise=9.5,
        embedding_distance=1.5,
        refused_share=0.005,
        refused_on_validation=0.004,
        train_rows=4000,
        validation_rows=900,
    )
    looking = winner.evaluation.model_copy(
        update={
            "ood_limits": limits,
            "out_of_distribution": 30,
            "abstained": 130,
            "answered": winner.evaluation.metrics,
        }
    )
    card = model_card(manifest, looking, choice, CORPUS, None, ABOUT)
    assert "On the test split these were 30 (1.50%)." in card
    assert "It answered 93.5% of the test articles; 95.0% of the answers were right." in card


def test_a_card_of_another_candidate_is_refused(
    selected: Selected, manifest: Manifest, make_candidate: Callable[..., Candidate]
):
    winner, choice = selected
    other = make_candidate("other", range(50))

    with pytest.raises(ValueError, match="evaluation of other, but finetuned was selected"):
        model_card(manifest, other.evaluation, choice, CORPUS, None, ABOUT)
    with pytest.raises(ValueError, match="manifest is of other"):
        model_card(
            manifest.model_copy(update={"candidate": "other"}), winner.evaluation, choice, CORPUS, None, ABOUT
        )


def test_the_card_of_a_generated_corpus_is_whole(trained: Path):
    models = Store(trained / ".fakenews").bundles.root
    pointer = ChampionRegistry(models).champion()
    assert pointer is not None
    card = (models / pointer.bundle / "model_card.md").read_text(encoding="utf-8")

    assert card.startswith(f"# Model card: baseline\n\n> **{DATA_NOTE}**\n\n- **Id:** {CARD_BUNDLE}\n")
    assert re.fullmatch(SECTIONS, "\n".join(re.findall(r"^## (.*)$", card, re.MULTILINE))), card
    assert not re.search(r"\b(None|nan|inf)\b", card)
    checked = [cell for head, cell in cells(card) if (kind := kind_of(head)) and check(kind, head, cell)]
    assert len(checked) > 150
    assert "| b1 | sample:rows=2500," in card
    assert str(trained) not in card


def check(pattern: str, head: str, cell: str) -> bool:
    assert re.fullmatch(pattern, cell), f"{head}: {cell!r}"
    return True


def kind_of(head: str) -> str:
    return next((kind for names, kind in COLUMNS.items() if head in names.split("|")), "")


def cells(card: str) -> list[tuple[str, str]]:
    """Head of the column and content of every cell of every table."""
    found = []
    for table in re.findall(r"(?:^\|.*\|\n)+", card, re.MULTILINE):
        head, _, *rows = [re.split(r" (?<!\\)\| ", line[2:-2]) for line in table.splitlines()]
        found += [pair for row in rows for pair in zip(head, row, strict=True)]
    return found
