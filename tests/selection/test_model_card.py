import re
from collections.abc import Callable
from pathlib import Path

import pytest

from fakenews_assets.data.corpus import DATA_NOTE
from fakenews_assets.evaluation.calibration import Calibration
from fakenews_assets.selection.bundle import Manifest, missing_parts
from fakenews_assets.selection.candidates import Candidate
from fakenews_assets.selection.model_card import model_card, write_model_card
from fakenews_assets.selection.policy import Choice, choose
from fakenews_assets.selection.settings import SelectionPolicy

NUMBER = r"\d\.\d{4}"
PATTERN = rf"""# Model card: finetuned

> \*\*Scores on the generated sample corpus .*\*\*

## What it is

A classifier of English news articles, .* fine-tuned from `minilm`\. It runs on `torch` and takes 80\.0 MB, .*

## What it answers

.* divided by 1\.700\. From 0\.450 on .* Between 0\.300 and 0\.700 the model gives no answer .*

## Data

Scored on 2,000 test articles, of which 50% are labelled fake\. .*

\| value \| version \|
\| --- \| --- \|
\| raw_news/one \| `a{{32}}` \|
\| splits \| `b{{32}}` \|

## finetuned on 2,000 test articles

(?s:.*)\| macro-F1 \| {NUMBER} \| {NUMBER} to {NUMBER} \|(?s:.*)
### Slices
(?s:.*)\| source \| tribune \| 2,000 \|(?s:.*)
### Speed and size
(?s:.*)
## Limits

- The labels say who published an article, not whether its claims were checked\.(?s:.*)
## How it was chosen

The fastest of the candidates that are at most 0\.5 points of macro-F1 below the best, `finetuned`; .*; at most 200 MB\.

\| candidate \| macro-F1 \| points lost \| interval \| articles/s \| ms for one \| MB \| verdict \|
\| --- .*
\| finetuned \| 0\.9500 \| 0\.00 \|  \| 100 \| 10\.00 \| 80\.0 \| \*\*chosen\*\*: the fastest .* \|
\| odd\\\|name \| 0\.8500 \| 10\.00 \| \d+\.\d\d to 1\d\.\d\d \| 900 \| .* \| refused: loses 10\.00 points .* \|

## How to reproduce it

Check out commit `c0ffee`, .*

```json
{{
  "finetuned_bert": {{
    "epochs": 3
  }}
}}
```

\| package \| version \|
\| --- \| --- \|
\| torch \| `2\.13\.0` \|
\| transformers \| `5\.23\.0` \|
"""

Selected = tuple[Candidate, Choice]


@pytest.fixture
def selected(make_candidate: Callable[..., Candidate]) -> Selected:
    winner = make_candidate("finetuned", range(100))
    poor = make_candidate("odd|name", range(300), rows_per_second=900)
    return winner, choose([winner, poor], SelectionPolicy(resamples=200, max_megabytes=200))


def test_the_card_has_every_section_with_its_numbers(selected: Selected, manifest: Manifest):
    winner, choice = selected
    card = model_card(manifest, winner.evaluation, choice, DATA_NOTE)

    assert re.fullmatch(PATTERN, card), card
    assert card == model_card(manifest, winner.evaluation, choice, DATA_NOTE)


def test_a_note_stands_there_once_and_only_if_there_is_one(selected: Selected, manifest: Manifest):
    winner, choice = selected
    noted = winner.evaluation.model_copy(update={"note": DATA_NOTE})

    assert model_card(manifest, noted, choice, DATA_NOTE).count("plumbing") == 1
    assert "plumbing" not in model_card(manifest, winner.evaluation, choice, None)


def test_a_plain_model_is_called_plain(selected: Selected, manifest: Manifest):
    winner, choice = selected
    plain = manifest.model_copy(
        update={"encoder": None, "git_commit": None, "calibration": Calibration.identity()}
    )

    card = model_card(plain, winner.evaluation, choice, None)

    assert "trained from scratch" in card
    assert "The probability is the model's own." in card
    assert "It always answers." in card
    assert "commit `unknown`" in card


def test_a_card_is_written_where_a_bundle_needs_it(tmp_path: Path):
    write_model_card("# Card: “finetuned”\n", tmp_path)

    assert "model_card.md" not in missing_parts(tmp_path)
    assert (tmp_path / "model_card.md").read_text(encoding="utf-8") == "# Card: “finetuned”\n"


def test_a_card_of_another_candidate_is_refused(
    selected: Selected, manifest: Manifest, make_candidate: Callable[..., Candidate]
):
    winner, choice = selected
    other = make_candidate("other", range(50))

    with pytest.raises(ValueError, match="evaluation of other, but finetuned was selected"):
        model_card(manifest, other.evaluation, choice, None)
    with pytest.raises(ValueError, match="manifest is of other"):
        model_card(manifest.model_copy(update={"candidate": "other"}), winner.evaluation, choice, None)
