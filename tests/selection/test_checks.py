from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from fakenews_assets.evaluation.behaviour import BehaviourResult, FailingCase
from fakenews_assets.evaluation.behaviour_settings import BEHAVIOURS
from fakenews_assets.evaluation.evaluating import Evaluation
from fakenews_assets.evaluation.masked import MaskedScore
from fakenews_assets.evaluation.masked_settings import HIDINGS
from fakenews_assets.evaluation.reporting import read_evaluation, to_markdown
from fakenews_assets.selection.checks import behaves, selection_check_specs, stands
from fakenews_assets.selection.comparison import PairedDifference
from fakenews_resources.store import Store


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
    assert warnings == {*passed(behaves(old)), *passed(stands(old))}
    assert len(warnings) == len(HIDINGS) + len(BEHAVIOURS) - 1  # negation demands nothing


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
    assert verdicts.pop("stands_names_masked") is verdict
    assert all(verdicts.values())  # what does not apply passes


def test_the_graph_measures_and_reports_all_of_it(trained: Path, monkeypatch: pytest.MonkeyPatch):
    store = Store(trained / ".fakenews")
    evaluation = read_evaluation(store.current("evaluation/baseline").path)
    card = (store.current("selected_model").path / "model_card.md").read_text()

    assert {one.name for one in evaluation.masked or ()} == set(HIDINGS) - {"title_only", "text_only"}
    assert [one.name for one in evaluation.behaviour or ()] == list(BEHAVIOURS)
    assert "### With shortcuts hidden" in card
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
