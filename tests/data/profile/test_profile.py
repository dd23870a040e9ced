import io
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from matplotlib.image import imread

from fakenews_assets.common.plotting import to_png
from fakenews_assets.data.profile.plots import profile_plots
from fakenews_assets.data.profile.profile import CorpusProfile, ProfileSettings, profile_corpus
from fakenews_assets.data.profile.report import to_markdown
from fakenews_assets.data.schema import ARTICLE_SCHEMA, article_id


def _article(title: str, label: int | None, *, text: str = "", **other: Any) -> dict[str, Any]:
    row = {"source": None, "published_at": None, "batch": "b1", **other}
    return {"article_id": article_id(title, text), "title": title, "text": text, "label": label, **row}


@pytest.fixture
def corpus() -> pl.DataFrame:
    january, march = datetime(2017, 1, 5, tzinfo=UTC), datetime(2017, 3, 9, tzinfo=UTC)
    return pl.DataFrame(
        [
            _article("senate votes today", 0, text="one two three four", source="wire", published_at=march),
            _article("senate talks", 0, source="wire", published_at=january),
            _article("shocking video", 1, text="one two", source="blog", batch="b0"),
            _article("shocking video", 1, text="one two", source="blog", batch="b0"),
            _article("shocking video", 1, source="site", batch="b0"),
            _article("unjudged", None),
        ],
        schema=ARTICLE_SCHEMA,
    )


def _random_corpus(rows: int) -> pl.DataFrame:
    generator = np.random.default_rng(0)
    words = np.array(["alpha", "beta", "gamma", "delta"])
    return pl.DataFrame(
        [
            _article(
                f"{' '.join(generator.choice(words, 5))} {'real' if index % 2 == 0 else 'hoax'} n{index}",
                index % 2,
            )
            for index in range(rows)
        ],
        schema=ARTICLE_SCHEMA,
    )


def test_counts_by_hand(corpus: pl.DataFrame):
    profile = profile_corpus(corpus)

    total = profile.total
    assert (total.rows, total.real, total.fake, total.unlabelled) == (6, 2, 3, 1)
    assert total.fake_share == pytest.approx(3 / 5)
    assert (profile.without_text, profile.without_source, profile.without_date) == (3, 1, 4)
    assert (profile.repeated_articles, profile.repeated_titles) == (1, 2)
    assert total.first_published == datetime(2017, 1, 5, tzinfo=UTC)
    assert total.last_published == datetime(2017, 3, 9, tzinfo=UTC)


def test_groups_add_up_and_are_ordered(corpus: pl.DataFrame):
    profile = profile_corpus(corpus)

    # b1 has dates and comes first; b0 has none.
    assert [(one.name, one.rows, one.fake) for one in profile.batches] == [("b1", 3, 0), ("b0", 3, 3)]
    assert [(one.name, one.rows) for one in profile.sources] == [("blog", 2), ("wire", 2), ("site", 1)]
    assert profile.source_count == 3
    assert profile.batches[0].fake_share == 0


def test_small_sources_are_added_up(corpus: pl.DataFrame):
    profile = profile_corpus(corpus, ProfileSettings(largest_sources=1))

    assert [(one.name, one.rows, one.real, one.fake) for one in profile.sources] == [
        ("blog", 2, 0, 2),
        ("2 smaller sources", 3, 2, 1),
    ]
    assert profile.sources[1].last_published == datetime(2017, 3, 9, tzinfo=UTC)


def test_lengths_in_words_by_class(corpus: pl.DataFrame):
    profile = profile_corpus(corpus)

    titles = {one.name: one for one in profile.title_words.classes}
    assert [titles[name].rows for name in ("real", "fake", "unlabelled")] == [2, 3, 1]
    assert (titles["real"].median, titles["real"].longest) == (2, 3)
    assert titles["fake"].counts[2] == 3
    texts = {one.name: one for one in profile.text_words.classes}
    assert {name: (one.rows, one.median) for name, one in texts.items()} == {"real": (1, 4), "fake": (2, 2)}


def test_quantiles_agree_with_numpy_and_bins_hold_every_row():
    generator = np.random.default_rng(1)
    lengths = generator.geometric(0.02, 3000)
    corpus = pl.DataFrame(
        [_article("t" + " w" * int(length - 1), 0) for length in lengths], schema=ARTICLE_SCHEMA
    )
    (real,) = profile_corpus(corpus).title_words.classes

    expected = np.quantile(lengths, [0.05, 0.25, 0.5, 0.75, 0.95], method="inverted_cdf").tolist()
    assert [real.p05, real.p25, real.median, real.p75, real.p95] == expected
    assert real.longest == lengths.max()
    assert sum(real.counts) == 3000
    assert 0 < real.counts[-1] <= 0.02 * 3000


def test_word_scores_follow_the_formula(corpus: pl.DataFrame):
    profile = profile_corpus(corpus)

    # Real titles hold 5 words, fake ones 6; "senate" is 2 of the 5, and its prior 500 * 2 / 11.
    prior = 500 * 2 / 11
    real_odds, fake_odds = (2 + prior) / (5 + 500 - 2 - prior), prior / (6 + 500 - prior)
    expected = math.log(fake_odds / real_odds) / math.sqrt(1 / (2 + prior) + 1 / prior)
    senate = profile.real_words[0]
    assert (senate.word, senate.real, senate.fake) == ("senate", 2, 0)
    assert senate.z == pytest.approx(expected)
    assert [one.word for one in profile.fake_words] == ["shocking", "video"]
    assert (profile.word_rows, profile.words_sampled) == (5, False)


def test_words_used_alike_do_not_lead():
    profile = profile_corpus(_random_corpus(400), ProfileSettings(top_words=1))

    assert [one.word for one in profile.real_words] == ["real"]
    assert [one.word for one in profile.fake_words] == ["hoax"]


def test_large_corpora_are_sampled_for_words_only_and_repeatably():
    corpus = _random_corpus(2000)
    config = ProfileSettings(word_rows=500)
    profile = profile_corpus(corpus, config)

    assert profile.words_sampled
    assert 420 < profile.word_rows < 580
    assert profile.total.rows == sum(one.rows for one in profile.title_words.classes) == 2000
    assert profile_corpus(corpus.reverse(), config) == profile
    assert f"a sample of {profile.word_rows:,} labelled titles" in to_markdown(profile)


def test_a_scan_gives_the_same_profile(corpus: pl.DataFrame, tmp_path: Path):
    corpus.write_parquet(tmp_path / "corpus.parquet")

    assert profile_corpus(pl.scan_parquet(tmp_path / "corpus.parquet")) == profile_corpus(corpus)


def test_the_composition_names_the_largest_publisher_of_each_label(corpus: pl.DataFrame):
    found = profile_corpus(corpus).composition

    told = [
        (one.batch, one.kind, one.rows, one.with_text, one.publishers, one.largest) for one in found.parts
    ]
    assert told == [
        ("b0", "fake", 3, 2, 2, "blog"),
        ("b1", "real", 2, 1, 1, "wire"),
        ("b1", "unlabelled", 1, 0, 0, None),
    ]
    assert [(one.kind, one.rows, one.largest_rows) for one in found.labels] == [
        ("real", 2, 2),
        ("fake", 3, 2),
    ]
    assert found.pair_share == pytest.approx(4 / 5)
    assert found.parts[2].without_source == 1


def test_json_round_trip(corpus: pl.DataFrame):
    profile = profile_corpus(corpus)

    assert CorpusProfile.model_validate_json(profile.model_dump_json()) == profile


def test_one_class_and_no_labels_are_profiled_without_words(corpus: pl.DataFrame):
    fake_only = profile_corpus(corpus.filter(pl.col("label") == 1))
    unlabelled = profile_corpus(corpus.filter(pl.col("label").is_null()))

    assert (fake_only.real_words, fake_only.fake_words) == ((), ())
    assert set(profile_plots(fake_only)) == {"batches", "sources", "composition", "lengths"}
    assert unlabelled.total.fake_share is None
    assert unlabelled.text_words.classes == ()
    assert set(profile_plots(unlabelled)) == {"batches", "composition", "lengths"}
    assert "no labels" in to_markdown(unlabelled)


def test_an_empty_corpus_is_an_error(corpus: pl.DataFrame):
    with pytest.raises(ValueError, match="no articles"):
        profile_corpus(corpus.clear())


@pytest.mark.compute
def test_plots_are_images_with_content(corpus: pl.DataFrame):
    dollars = corpus.with_columns(source=pl.lit("$a$ " + "long " * 20))
    figures = profile_plots(profile_corpus(dollars))

    assert set(figures) == {"batches", "sources", "composition", "lengths", "words"}
    for figure in figures.values():
        pixels = imread(io.BytesIO(to_png(figure)))
        assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 50


def test_markdown_holds_the_numbers(corpus: pl.DataFrame):
    markdown = to_markdown(profile_corpus(corpus.with_columns(source=pl.lit("a|b"))))

    assert "| articles | 6 |" in markdown
    assert "| fake, of those labelled | 60.0% |" in markdown
    assert "| published | 2017-01-05 to 2017-03-09 |" in markdown
    assert "| without text | 3 (50.0%) |" in markdown
    assert "| a\\|b | 6 | 2 | 3 | 1 | 60.0% |" in markdown
    assert "| b0 | 3 | 0 | 3 | 0 | 100.0% |" in markdown
    assert "| b0 | fake | 3 | 67% | 1 | a\\|b (100.0%) | 0% |" in markdown
    assert "| of the largest publisher of each label | 100.0% of those labelled |" in markdown
    assert "senate (" in markdown
