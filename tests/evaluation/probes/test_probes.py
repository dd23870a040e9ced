import polars as pl
import pytest

from fakenews_assets.common.plotting import to_png
from fakenews_assets.data.splits.splitting import sample_rows
from fakenews_assets.evaluation.checks import PROBE_CHECKS, probe_checks
from fakenews_assets.evaluation.probes.plots import probe_plot
from fakenews_assets.evaluation.probes.probes import Probe, ProbeReport, is_shortcut, probe_shortcuts
from fakenews_assets.evaluation.probes.report import MEANINGS, probe_markdown
from fakenews_assets.evaluation.probes.settings import ProbeConfig
from fakenews_assets.evaluation.probes.tokens import Tokens, token_uses
from fakenews_assets.evaluation.probes.views import source_forecast
from tests.support.corpora import broad_corpus, with_token

CONFIG = ProbeConfig(resamples=100)
FAKE = pl.col("label") == 1


def probe(corpus: pl.DataFrame) -> ProbeReport:
    border = int(0.75 * corpus.height)
    return probe_shortcuts(corpus.head(border), corpus.tail(corpus.height - border), CONFIG)


def by_name(report: ProbeReport) -> dict[str, Probe]:
    return {one.name: one for one in (*report.probes, *report.references)}


def flagged(report: ProbeReport) -> set[str]:
    return {one.name for one in report.probes if one.flagged}


@pytest.fixture(scope="module")
def clean() -> pl.DataFrame:
    return broad_corpus(1600)


@pytest.fixture(scope="module")
def clean_report(clean: pl.DataFrame) -> ProbeReport:
    return probe(clean)


def test_a_clean_corpus_has_no_shortcut(clean_report: ProbeReport):
    probes = by_name(clean_report)

    assert flagged(clean_report) == set()
    for name in ("style", "source", "names", "missing_text"):
        value = probes[name].roc_auc
        assert value is not None
        assert 0.4 < value < 0.6
    # And yet its labels can be learnt.
    assert (probes["all_words"].roc_auc or 0) > 0.75
    assert probes["all_words_but_names"].roc_auc == pytest.approx(probes["all_words"].roc_auc, abs=0.02)


def test_the_views_are_those_that_are_documented_and_checked(clean_report: ProbeReport):
    names = [one.name for one in clean_report.probes]
    assert names == list(PROBE_CHECKS) == list(MEANINGS)


def test_a_planted_token_is_found(clean: pl.DataFrame):
    report = probe(with_token(clean, "zxqv", 0.6))
    first = report.tokens[0]

    assert flagged(report) == {"single_token"}
    assert (first.token, first.field, first.label, first.purity) == ("zxqv", "title", 1, 1.0)
    assert first.coverage == pytest.approx(0.6, abs=0.03)
    assert first.test_purity == 1.0
    assert "zxqv (title)" in by_name(report)["single_token"].note
    assert by_name(report)["single_token"].roc_auc == pytest.approx(0.8, abs=0.03)


def test_tokens_are_kept_apart_by_field(clean: pl.DataFrame):
    planted = Tokens(
        clean.with_columns(
            text=pl.when(FAKE & (pl.col("text") != "")).then(pl.col("text") + " zxqv").otherwise("text")
        )
    )
    first = token_uses(planted, planted, coverage=CONFIG.token_coverage, level=CONFIG.level)[0]
    assert (first.token, first.field, is_shortcut(first, CONFIG)) == ("zxqv", "text", True)


def test_a_rare_or_impure_token_is_no_shortcut(clean: pl.DataFrame):
    rare = with_token(clean, "zxqv", 0.01)
    impure = with_token(with_token(clean, "zxqv", 0.6), "zxqv", 0.1, label=0)
    for corpus in (rare, impure):
        uses = token_uses(Tokens(corpus), Tokens(corpus), coverage=CONFIG.token_coverage, level=CONFIG.level)
        assert not any(is_shortcut(use, CONFIG) for use in uses)


def test_chance_and_many_tokens_raise_no_alarm():
    for seed in range(5):
        tokens = Tokens(broad_corpus(400, seed + 100, tilt=0))
        uses = token_uses(tokens, tokens, coverage=0.005, level=0.95)
        assert len(uses) > 300
        # Some look pure by chance. Surely purer than a coin is none.
        assert max(use.purity for use in uses) == 1.0
        assert max(use.purity_low for use in uses) < 0.6


def test_style_is_found(clean: pl.DataFrame):
    shouting = clean.with_columns(
        title=pl.when(FAKE).then(pl.col("title").str.to_titlecase()).otherwise("title")
    )
    assert flagged(probe(shouting)) == {"style"}


def test_sources_of_one_label_are_found(clean: pl.DataFrame):
    owned = clean.with_columns(source=pl.when(FAKE).then(pl.lit("lantern")).otherwise(pl.lit("wire")))
    report = by_name(probe(owned))
    assert report["source"].flagged
    assert (report["source"].roc_auc, report["source"].macro_f1) == (1.0, 1.0)


def test_sources_that_training_never_saw_tell_nothing(clean: pl.DataFrame):
    owned = clean.with_columns(source=pl.when(FAKE).then(pl.lit("lantern")).otherwise(pl.lit("wire")))
    strange = owned.head(5).with_columns(source=pl.Series(["lantern", "wire", "elsewhere", None, "lantern"]))
    forecast = source_forecast(owned, strange)
    assert forecast is not None
    usual = owned["label"].cast(pl.Float64).mean()
    assert forecast.tolist() == [pytest.approx(one, abs=0.01) for one in (1, 0, usual, usual, 1)]


@pytest.mark.parametrize("source", [None, "only one"])
def test_without_two_sources_there_is_nothing_to_tell(clean: pl.DataFrame, source: str | None):
    same = clean.with_columns(source=pl.lit(source, dtype=pl.String))
    assert source_forecast(same, same) is None


def test_what_cannot_be_told_is_said_and_passes(clean: pl.DataFrame):
    gone = clean.with_columns(
        source=pl.lit(None, dtype=pl.String), text=pl.lit(""), title=pl.col("title").str.to_lowercase()
    )
    report = probe(gone)
    probes = by_name(report)
    assert [name for name, one in probes.items() if one.roc_auc is None] == [
        "source",
        "names",
        "missing_text",
    ]
    assert probes["source"].note == "fewer than two sources are known"
    assert all(check.passed for check in probe_checks(report))
    assert "no names were found" in probe_markdown(report, None)
    assert to_png(probe_plot(report))


def test_names_are_found(clean: pl.DataFrame):
    name = pl.when(FAKE).then(pl.lit("Zorba")).otherwise(pl.lit("Yorick"))
    report = probe(clean.with_columns(title=pl.concat_str("title", pl.lit(" for "), name)))
    assert "names" in flagged(report)
    hidden, whole = (by_name(report)[name].roc_auc or 0 for name in ("all_words_but_names", "all_words"))
    assert whole == pytest.approx(1)
    assert hidden < 0.95


def test_missing_texts_are_found(clean: pl.DataFrame):
    report = probe(clean.with_columns(text=pl.when(FAKE).then(pl.lit("")).otherwise("text")))
    assert "missing_text" in flagged(report)


def test_checks_warn_and_say_what_to_do(clean_report: ProbeReport):
    planted = clean_report.model_copy(
        update={
            "probes": tuple(
                one.model_copy(update={"flagged": one.name == "single_token"}) for one in clean_report.probes
            )
        }
    )
    results = {one.check_name: one for one in probe_checks(planted)}
    assert {name for name, one in results.items() if not one.passed} == {"no_single_token_shortcut"}
    failed = results["no_single_token_shortcut"]
    assert failed.severity.value == "WARN"
    assert "extra_boilerplate" in (failed.description or "")
    assert all(one.passed for one in probe_checks(clean_report))


def test_one_label_is_refused(clean: pl.DataFrame):
    with pytest.raises(ValueError, match="test rows have one label only"):
        probe_shortcuts(clean, clean.filter(FAKE), CONFIG)


def test_report_and_figure(clean_report: ProbeReport):
    text = probe_markdown(clean_report, "Only a test.")
    assert text.startswith("> **Only a test.**")
    assert "| missing text | 0." in text
    assert "**shortcut**" not in text
    first, second = (to_png(probe_plot(clean_report)) for _ in range(2))
    assert first == second
    assert ProbeReport.model_validate_json(clean_report.model_dump_json()) == clean_report


def test_a_sample_is_the_same_in_any_order_and_cuts_no_cluster(clean: pl.DataFrame):
    table = clean.with_columns(cluster_id=pl.col("cluster_id").str.slice(0, 3))
    small = sample_rows(table, 200)

    assert 200 <= small.height < 400
    assert sample_rows(table.sample(fraction=1, shuffle=True, seed=3), 200).equals(small)
    assert sample_rows(table, 500).head(small.height).equals(small)
    assert (
        table.filter(pl.col("cluster_id").is_in(small["cluster_id"].unique().implode())).height
        == small.height
    )
    assert sample_rows(table, 10_000).height == table.height
