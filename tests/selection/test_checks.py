import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from fakenews_assets.evaluation.evaluating import Evaluation
from fakenews_assets.evaluation.metrics.agreement import Agreement, ask_again
from fakenews_assets.evaluation.metrics.comparison import PairedDifference
from fakenews_assets.evaluation.reports.reporting import read_evaluation, to_markdown
from fakenews_assets.evaluation.robustness.behaviour import BehaviourResult, FailingCase
from fakenews_assets.evaluation.robustness.masking import MaskedScore
from fakenews_assets.evaluation.robustness.settings import BEHAVIOURS, PERTURBATIONS
from fakenews_assets.evaluation.unseen.parity import Parity
from fakenews_assets.models.classifier import Article, Predictions
from fakenews_assets.selection.checks import (
    behaves,
    bundle_is_complete,
    bundle_repeats_predictions,
    parity_between_groups,
    selection_check_specs,
    stands,
    variant_is_faster,
)
from fakenews_assets.selection.settings import SelectionPolicy
from fakenews_assets.selection.timing import Speeds
from fakenews_resources.storage.store import Store


@pytest.fixture
def old(make_candidate: Callable) -> Evaluation:
    """As evaluations were before any of this was measured."""
    return make_candidate("finetuned").evaluation


def typos(passed: int) -> BehaviourResult:
    failure = FailingCase(
        before="A *good* title",
        after="A *ogod* title",
        probability_before=0.1,
        probability=0.8,
        abstained=True,
    )
    return BehaviourResult(
        name="typos", cases=100, passed=passed, least=0.9, failures=(failure,) if passed < 100 else ()
    )


def hidden(low: float, high: float) -> MaskedScore:
    gap = PairedDifference(difference=(low + high) / 2, low=low, high=high)
    return MaskedScore(
        name="names_masked",
        rows=500,
        changed=400,
        macro_f1_before=0.9,
        macro_f1=0.8,
        difference=gap,
        limit=0.05,
    )


def passed(results: list[dg.AssetCheckResult]) -> dict[str, bool]:
    assert {one.severity for one in results} == {dg.AssetCheckSeverity.WARN}
    return {one.check_name or "": one.passed for one in results}


def test_every_warning_has_its_spec_and_blocks_nothing(old: Evaluation):
    warnings = {spec.name for spec in selection_check_specs() if not spec.blocking}
    parity = parity_between_groups(None, SelectionPolicy())
    assert warnings == {*passed(behaves(old)), *passed(stands(old)), parity.check_name}
    assert len(warnings) == len(PERTURBATIONS) + len(BEHAVIOURS)  # negation demands nothing


def test_what_was_not_measured_does_not_pass(old: Evaluation):
    assert (old.masked, old.behaviour) == (None, None)
    assert not any(passed([*behaves(old), *stands(old)]).values())
    assert Evaluation.model_validate_json(old.model_dump_json(exclude={"masked", "behaviour"})) == old
    assert "### Behaviour" not in to_markdown(old)


def test_pass_rates_decide(old: Evaluation):
    for count, verdict in ((100, True), (90, True), (89, False)):
        tested = old.model_copy(update={"behaviour": (typos(count),)})
        assert passed(behaves(tested))["behaviour_typos"] is verdict
    failed = next(one for one in behaves(tested) if one.check_name == "behaviour_typos")
    assert failed.description == "89 of 100 cases passed (89.0%); 90% must."
    examples = failed.metadata["failing_examples"].value
    assert "| `A *good* title` | 0.100 | `A *ogod* title` | 0.800 (no answer) |" in str(examples)


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(-0.2, -0.06, False), (-0.2, -0.04, True), (0.0, 0.01, True)]
)
def test_a_fall_counts_where_the_whole_interval_is_beyond_the_limit(
    old: Evaluation, low: float, high: float, verdict: bool
):
    verdicts = passed(stands(old.model_copy(update={"masked": (hidden(low, high),)})))
    assert verdicts.pop("robust_to_names_masked") is verdict
    assert all(verdicts.values())  # what does not apply passes


def test_a_variant_has_to_be_faster_than_what_it_replaces():
    def speeds(small: float) -> Speeds:
        return Speeds({"small": [small] * 6 + [0.5], "finetuned": [1.0] * 6 + [0.5]}, 128)

    slow = variant_is_faster("small", speeds(1.01), "finetuned")
    assert (slow.passed, slow.description) == (
        False,
        "small is 0.99 times as fast as finetuned (0.99 to 1.00).",
    )
    assert not variant_is_faster("small", speeds(0.9), "finetuned").passed  # not in every turn
    assert variant_is_faster(
        "small", Speeds({"small": [0.9] * 6, "finetuned": [1.0] * 6}, 128), "finetuned"
    ).passed
    ensemble = "ensemble-finetuned"  # slower than its encoder, and chosen for its quality
    assert variant_is_faster(
        ensemble, Speeds({ensemble: [2.0] * 6, "finetuned": [1.0] * 6}, 128), "finetuned"
    ).passed
    alone = variant_is_faster("small", Speeds({"small": [1.0]}, 128), "finetuned")
    assert alone.passed
    assert alone.description == "finetuned was not evaluated on these splits: nothing to compare."


class Answers:
    """A classifier that answers from a table of predictions, by title."""

    def __init__(self, table: pl.DataFrame) -> None:
        self.name = "small"
        self.by_title = dict(zip(table["article_id"], table["probability"], strict=True))

    def predict(self, articles: Sequence[Article]) -> Predictions:
        return Predictions.from_probability(np.array([self.by_title[one.title] for one in articles]))


def asked(model: pl.DataFrame, stored: pl.DataFrame, test: pl.DataFrame | None = None) -> Agreement:
    articles = (stored if test is None else test).select(
        "article_id", label="true_label", title="article_id", text=pl.lit("")
    )
    return ask_again(Answers(model), "small", stored, articles)


def test_a_bundle_that_answers_otherwise_fails(make_predictions: Callable):
    good = make_predictions()
    kept = bundle_repeats_predictions(asked(good, good))
    assert kept.passed
    assert kept.description is not None
    assert "The stored answers to 2,000 selection articles" in kept.description

    other = good.with_columns(probability=pl.col("probability") * 0.9)
    another_model = bundle_repeats_predictions(asked(other, good))
    assert not another_model.passed
    assert "the model gives 0.8100 to article" in str(another_model.description)

    with pytest.raises(ValueError, match="predictions of small are of other articles"):
        asked(good, good, good.reverse())


def test_groups_that_are_called_fake_more_often_warn_or_stop_as_configured():
    rows = pl.DataFrame(
        {
            "source": [f"{group}{number % 5}" for group in ("left", "right") for number in range(100)],
            "group": ["left"] * 100 + ["right"] * 100,
            "label": 0,
            "predicted_label": [int(number < 5) for number in range(100)] + [int(n < 14) for n in range(100)],
            "unseen_publisher": True,
        }
    )
    parity = Parity.of(rows)
    found = parity_between_groups(parity, SelectionPolicy())
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "left 5.0% (5.0% to 5.0%); right 14.0%" in str(found.description)
    assert "difference is 9.0 points; 8 are allowed" in str(found.description)
    assert parity_between_groups(parity, SelectionPolicy(max_parity_gap_points=9.1)).passed
    stops = parity_between_groups(parity, SelectionPolicy(parity_blocks=True))
    assert (stops.passed, stops.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert parity_between_groups(None, SelectionPolicy(parity_blocks=True)).passed


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (Path.is_dir, "every hash as the manifest says"),
        (
            lambda folder: (folder / "model" / "weights.bin").write_text("others"),
            "model/weights.bin (changed)",
        ),
        (lambda folder: (folder / "sbom.cdx.json").unlink(), "sbom.cdx.json (missing)"),
        (lambda folder: (folder / "manifest.json").write_text("{}"), "manifest.json (changed)"),
        (shutil.rmtree, "There is no bundle"),
    ],
)
def test_a_bundle_that_is_not_what_was_written_is_incomplete(
    models: Path, make_bundle: Callable[[str], str], tamper: Callable[[Path], object], said: str
):
    folder = models / make_bundle("weights")
    tamper(folder)
    found = bundle_is_complete(folder)
    assert found.passed is said.startswith("every")
    assert said in str(found.description)


def test_the_graph_measures_and_reports_all_of_it(trained: Path, monkeypatch: pytest.MonkeyPatch):
    store = Store(trained / ".fakenews")
    evaluation = read_evaluation(store.current("evaluation/baseline").path)
    card = (store.current("selected_model").path / "model_card.md").read_text()

    assert {one.name for one in evaluation.masked or ()} == set(PERTURBATIONS)
    assert [one.name for one in evaluation.behaviour or ()] == list(BEHAVIOURS)
    assert "### With shortcuts masked" in card
    assert "### Behaviour" in card
    probes = store.current("shortcut_probes")
    assert {"probes.json", "probes.md", "probes.png"} <= {path.name for path in probes.path.iterdir()}

    monkeypatch.setenv("DAGSTER_HOME", str(trained))
    monkeypatch.chdir(trained)
    with dg.DagsterInstance.get() as instance:
        for asset, specs in (("selected_model", selection_check_specs()), ("shortcut_probes", None)):
            keys = [dg.AssetCheckKey(dg.AssetKey(asset), spec.name) for spec in specs or []]
            if specs is None:
                keys = [dg.AssetCheckKey(dg.AssetKey(asset), "no_style_shortcut")]
            records = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
            assert set(records) == set(keys)
