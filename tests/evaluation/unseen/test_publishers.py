"""Scores on unseen publishers: against scikit-learn, and what varies in their intervals."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm
from sklearn.metrics import f1_score, roc_auc_score

from fakenews_assets.evaluation.unseen.parity import Parity
from fakenews_assets.evaluation.unseen.publishers import UnseenPublishers, compare_unseen, unseen_roc_auc
from fakenews_assets.evaluation.unseen.report import parity_markdown, publishers_plot, unseen_markdown
from tests.support.publishers import Drawn
from tests.support.publishers import draw_publishers as draw


def both(*drawn: Drawn) -> Drawn:
    return pl.concat([one for one, _ in drawn]), pl.concat([one for _, one in drawn])


def test_scores_are_those_of_scikit_learn() -> None:
    (one, of_one), (other, of_other) = draw(), draw(batch="c", seed=1)
    found = UnseenPublishers.of(*both((one, of_one), (other, of_other)), resamples=200)
    assert found is not None
    aucs = [roc_auc_score(table["true_label"], table["probability"]) for table in (of_one, of_other)]
    assert [batch.roc_auc for batch in found.batches] == pytest.approx(aucs)
    assert found.roc_auc == pytest.approx(np.mean(aucs))
    every = pl.concat([of_one, of_other])
    f1 = f1_score(every["true_label"], every["predicted_label"], average="macro")
    assert found.macro_f1 == pytest.approx(f1)
    kept = every.filter(~pl.col("abstained"))
    assert found.answered_share == pytest.approx(kept.height / every.height)
    assert found.precision_fake == kept.filter(pl.col("predicted_label") == 1)["true_label"].mean()
    assert found.rows == 1200
    means = every.group_by(one["source"].append(other["source"])).agg(
        pl.col("probability", "true_label").mean()
    )
    assert found.publisher_roc_auc == pytest.approx(roc_auc_score(means["true_label"], means["probability"]))


def test_a_batch_of_few_publishers_does_not_cost_the_others_their_interval() -> None:
    many, few = draw(), draw(publishers=4, rows=30, batch="c", seed=1)
    # Of two publishers of either label a draw often lacks one.
    renamed = few[0].with_columns(pl.col("source").str.replace("site", "small"))
    found = UnseenPublishers.of(*both(many, (renamed, few[1])))
    assert found is not None
    assert len(found.batches) == 2
    assert found.roc_auc_interval is not None
    assert found.roc_auc_interval.low < found.roc_auc < found.roc_auc_interval.high


def test_the_mean_of_a_publisher_with_four_articles_is_not_compared() -> None:
    many, few = draw(), draw(publishers=4, rows=4, batch="c")
    # The few come from publishers of their own, which the model takes for the reverse of what they are.
    articles = few[0].with_columns(pl.col("source").str.replace("site", "small"))
    reverse = few[1].with_columns(probability=1.0 - pl.col("true_label"))
    alone, found = UnseenPublishers.of(*many), UnseenPublishers.of(*both(many, (articles, reverse)))
    assert alone is not None
    assert found is not None
    assert found.publisher_roc_auc == alone.publisher_roc_auc


def test_ties_count_half() -> None:
    articles, predictions = draw()
    coarse = predictions.with_columns(pl.col("probability").round(1))
    assert unseen_roc_auc(articles, coarse["probability"]) == pytest.approx(
        roc_auc_score(coarse["true_label"], coarse["probability"])
    )


def test_the_interval_holds_the_truth_over_draws_of_publishers() -> None:
    """An interval over rows would miss it: they share their publisher's luck."""
    truth = norm.cdf(1 / 2)  # two scores differ by 1 on average, with a variance of 4
    held = []
    for seed in range(60):
        found = UnseenPublishers.of(*draw(40, 20, seed=seed), resamples=200)
        assert found is not None
        assert found.roc_auc_interval is not None
        held.append(found.roc_auc_interval.low <= truth <= found.roc_auc_interval.high)
    assert np.mean(held) >= 0.85


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.filter(pl.col("label") == 0),
        lambda rows: rows.filter((pl.col("label") == 0) | (pl.col("source") == "site1.example")),
        lambda rows: rows.clear(),
    ],
)
def test_one_publisher_of_a_label_is_too_few(change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    articles, predictions = draw()
    left = change(articles)
    of_them = predictions.filter(pl.col("article_id").is_in(left["article_id"].implode()))
    assert UnseenPublishers.of(left, of_them) is None
    assert unseen_roc_auc(left, of_them["probability"]) is None
    assert compare_unseen(left, of_them["probability"], of_them["probability"]) is None


def test_a_batch_of_one_label_and_titles_beside_texts_do_not_count() -> None:
    """Both would tell the label without being read."""
    first, alone = draw(), draw(batch="c", seed=1)
    fakes = alone[0]["label"] == 1
    fakes_only = alone[0].filter(fakes), alone[1].filter(fakes)
    titles = (
        first[0]
        .with_columns(text=pl.lit(""), article_id=pl.col("article_id") + "t")
        .filter(pl.col("label") == 1)
    )
    of_titles = (
        first[1]
        .filter(pl.col("true_label") == 1)
        .with_columns(article_id=titles["article_id"], probability=pl.lit(1.0))
    )
    found = UnseenPublishers.of(*both(first, fakes_only, (titles, of_titles)), resamples=100)
    assert found == UnseenPublishers.of(*first, resamples=100)


def test_titles_count_where_no_article_has_a_text() -> None:
    articles, predictions = draw()
    assert unseen_roc_auc(
        articles.with_columns(text=pl.lit("")), predictions["probability"]
    ) == unseen_roc_auc(articles, predictions["probability"])


def test_a_better_candidate_is_better_over_the_same_publishers() -> None:
    articles, predictions = draw(60, 20)
    noise = np.random.default_rng(1).normal(0, 0.3, len(predictions))
    worse = (predictions["probability"] + pl.Series(noise)).clip(0, 1)
    found = compare_unseen(articles, predictions["probability"], worse)
    assert found is not None
    assert found.significantly_worse
    same = compare_unseen(articles, predictions["probability"], predictions["probability"])
    assert same is not None
    assert (same.difference, same.low, same.high) == (0, 0, 0)


def test_parity_is_of_unseen_publishers_if_they_are_enough() -> None:
    articles, predictions = draw(40, 30)
    called = articles.with_columns(predictions["predicted_label"], unseen_publisher=True)
    found = Parity.of(called, resamples=200)
    assert found is not None
    assert found.unseen
    rates = {one.group: one.false_positive for one in found.groups}
    for group, rate in rates.items():
        mine = called.filter(pl.col("group") == group, pl.col("label") == 0)
        assert rate is not None
        assert rate.rate == mine["predicted_label"].mean()
        assert rate.interval.low < rate.rate < rate.interval.high
    left, right = (rates[group].rate for group in ("left", "right"))  # pyright: ignore[reportOptionalMemberAccess]
    assert found.gap_points == pytest.approx(100 * abs(left - right))

    few = called.with_columns(unseen_publisher=pl.col("source") == "site0.example")
    seen = Parity.of(few, resamples=200)
    assert seen is not None
    assert (seen.unseen, seen.groups) == (False, found.groups)
    assert Parity.of(called.with_columns(group=pl.lit("left"))) is None
    assert Parity.of(called.with_columns(group=pl.lit(None, pl.String))) is None


def test_the_report_has_each_figure_and_says_what_varies() -> None:
    articles, predictions = draw()
    found = UnseenPublishers.of(articles, predictions, resamples=100)
    assert found is not None
    text = "\n\n".join(unseen_markdown(found))
    assert f"| ROC AUC | {found.roc_auc:.4f} |" in text
    assert "of 20 publishers" in text
    assert "over publishers" in text
    assert text.count("| site") == 15
    assert "And 5 smaller ones" in text
    assert "Not measured" in unseen_markdown(None)[1]
    parity = Parity.of(articles.with_columns(predictions["predicted_label"], unseen_publisher=True))
    assert parity is not None
    assert "| left |" in parity_markdown(parity)[2]
    assert parity_markdown(None) == []
    assert len(publishers_plot(found).axes[0].get_yticklabels()) == 20
