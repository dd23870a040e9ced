"""What the demo ends with."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from fakenews_assets.cli.data import demo
from fakenews_assets.models.classifier import Article, Predictions
from fakenews_assets.registry.scorer import Scorer, Scores

README = Path(__file__).parents[3] / "README.md"


def test_the_demo_asks_its_champion_what_the_readme_asks_the_service() -> None:
    (request,) = re.findall(r"curl \S*/predict .*?-d '(.*?)'", README.read_text(), re.DOTALL)
    assert Article(**json.loads(request)) == demo.EXAMPLE


def test_what_comes_next_is_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(README.parent)
    assert "make serve" in demo.next_steps()
    # As in the image: Dagster's folder holds its file, and nothing else of the project is there.
    (tmp_path / "dagster.yaml").touch()
    monkeypatch.chdir(tmp_path)
    steps = demo.next_steps()
    assert "make " not in steps
    compose = yaml.safe_load((README.parent / "deploy" / "compose.yaml").read_text())["services"]
    (ports,) = zip(*(compose[name]["ports"] for name in ("service", "webserver", "monitor")), strict=True)
    assert re.findall(r"http://(\S+)", steps) == [port.rpartition(":")[0] for port in ports]


@pytest.mark.parametrize(
    ("probability", "abstained", "said"),
    [
        (0.954, False, "fake (P(fake) = 0.95)"),
        (0.05, False, "real (P(fake) = 0.05)"),
        (0.9, True, "unsure (P(fake) = 0.90)"),
    ],
)
def test_the_answer_is_the_verdict_that_the_service_gives(
    probability: float, abstained: bool, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    predictions = Predictions.from_probability(np.array([probability, 0.4]))
    predictions.abstained[:] = [abstained, True]

    class Stub:
        def score(self, articles: list[Article]) -> Scores:
            assert articles == [Article("A title", "A text."), Article("A title")]
            return Scores(predictions, ["id", "other"])

    monkeypatch.setattr(Scorer, "open", lambda folder: Stub() if folder == tmp_path else None)
    assert demo.answer(tmp_path, Article("A title", "A text.")) == (
        f'Its answer to the article "A title": {said}. To that title without the text: unsure (P(fake) = 0.40).'
    )
