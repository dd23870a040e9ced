"""The generated corpus: the same bytes every time, with the warts and the difficulty it promises."""

import csv
import hashlib
import re
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pydantic
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from fakenews_resources.news import sample, sample_style
from fakenews_resources.news.sample import SAMPLE_SCHEMA, SampleSpec, generate, write_sample
from fakenews_resources.news.sample_grammar import SLOT, Grammar, even, load_grammar, ranked, topics
from fakenews_resources.news.sample_publishers import FAKE_SHARE, load_publishers

pytestmark = pytest.mark.compute

ROWS = 20_000
HEADER = ",title,text,label,source,published_at,group"
TAG = re.compile(r"(?i)[\[(](?:video|details|images)[\])]|^\s*(?:watch|breaking(?: news)?): ")
SUFFIX = re.compile(r" - (?:The New York Times|Breitbart)$")


def corpus(**settings: int) -> pl.DataFrame:
    return pl.concat(generate(SampleSpec.model_validate(settings)))


@pytest.fixture(scope="module")
def news() -> pl.DataFrame:
    return corpus(rows=ROWS)


def share(frame: pl.DataFrame, condition: pl.Expr) -> float:
    return float(frame.select(condition.fill_null(False).mean()).item())


def plain(title: str) -> str:
    """What is left of a title for a model to learn from, once it is cleaned."""
    title = SUFFIX.sub("", TAG.sub("", title.replace("&#8217;", "'").replace("’", "'").replace("‘", "'")))
    return " ".join(re.findall(r"[a-z0-9']+", title.lower()))


class TestReproducible:
    def test_chunk_size_has_no_influence(self, news: pl.DataFrame) -> None:
        assert sample.BLOCK_ROWS < ROWS, "the chunks below have to cross a border of blocks"
        pieces = list(generate(SampleSpec(rows=ROWS), chunk_rows=999))
        assert {piece.height for piece in pieces[:-1]} == {999}
        assert pl.concat(pieces).equals(news)

    def test_same_bytes_each_time_other_bytes_for_another_spec(self, tmp_path: Path) -> None:
        digests = []
        for number, spec in enumerate(
            [
                SampleSpec(rows=300),
                SampleSpec(rows=300),
                SampleSpec(rows=300, seed=8),
                SampleSpec(rows=300, era=1),
            ]
        ):
            path = tmp_path / f"{number}.csv"
            assert write_sample(spec, path) == 300
            digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
        assert digests[0] == digests[1]
        assert len(set(digests)) == 3
        assert not list(tmp_path.glob("*.part"))

    def test_blocks_differ(self, news: pl.DataFrame) -> None:
        titles = news.get_column("title")
        first, second = set(titles.head(sample.BLOCK_ROWS)), set(titles.slice(sample.BLOCK_ROWS))
        assert len(first & second) < 0.001 * sample.BLOCK_ROWS

    @pytest.mark.parametrize("wrong", [{"rows": 0}, {"era": -1}, {"text_words": 3}, {"seed": -1}])
    def test_impossible_specs_are_refused(self, wrong: dict[str, int]) -> None:
        with pytest.raises(pydantic.ValidationError):
            SampleSpec.model_validate(wrong)

    def test_impossible_chunks_are_refused(self) -> None:
        with pytest.raises(ValueError, match="at least one row"):
            next(generate(SampleSpec(rows=1), chunk_rows=0))


class TestFile:
    def test_csv_and_polars_read_back_what_was_generated(self, tmp_path: Path) -> None:
        path = tmp_path / "sample.csv"
        spec = SampleSpec(rows=3_000)
        write_sample(spec, path)
        expected = pl.concat(generate(spec))
        assert pl.read_csv(path, schema=SAMPLE_SCHEMA).equals(expected)
        with path.open(encoding="utf-8", newline="") as file:
            assert file.readline() == HEADER + "\n"
            rows = list(csv.reader(file))
        assert rows == [["" if value is None else str(value) for value in row] for row in expected.rows()]

    def test_fields(self, news: pl.DataFrame) -> None:
        assert news.schema == SAMPLE_SCHEMA
        assert news.get_column("").equals(pl.Series("", range(ROWS), dtype=pl.Int64))
        assert set(news.get_column("label").drop_nulls()) == {"0", "1", "2"}
        leanings = {publisher.domain: publisher.leaning for publisher in load_publishers()}
        assert dict(news.select("source", "group").drop_nulls().unique().rows()) == leanings
        assert news.get_column("published_at").str.to_date(strict=True).dt.year().unique().to_list() == [2021]
        assert corpus(rows=50, era=2).get_column("published_at").str.starts_with("2023-").all()

    @pytest.mark.parametrize("words", [60, 200])
    def test_texts_have_the_length_asked_for(self, words: int) -> None:
        texts = corpus(rows=3_000, text_words=words).get_column("text").drop_nulls()
        assert np.mean([len(text.split()) for text in texts]) == pytest.approx(words, rel=0.1)

    def test_articles_agree_with_the_word_behind(self, news: pl.DataFrame) -> None:
        assert share(news, pl.col("text").str.contains(r"\ban [aeiou]")) > 0.05
        assert not news.get_column("text").str.contains(r"\ba [aeiou]").any()

    def test_headlines_have_the_length_of_headlines(self, news: pl.DataFrame) -> None:
        lengths = np.array([len(plain(title).split()) for title in news.get_column("title").drop_nulls()])
        assert 8 <= lengths.mean() <= 12
        assert ((lengths >= 5) & (lengths <= 18)).mean() > 0.98


class TestWarts:
    def test_labels(self, news: pl.DataFrame) -> None:
        assert share(news, pl.col("label") == "1") == pytest.approx(FAKE_SHARE, abs=0.015)
        unusable = share(news, ~pl.col("label").is_in(["0", "1"])) + share(news, pl.col("label").is_null())
        assert unusable == pytest.approx(sample_style.UNUSABLE_LABEL, abs=0.0015)

    def test_missing_and_broken_fields(self, news: pl.DataFrame) -> None:
        assert share(news, pl.col("text").is_null()) == pytest.approx(sample.MISSING_TEXT, abs=0.02)
        assert share(news, pl.col("source").is_null()) == pytest.approx(sample.UNKNOWN_SOURCE, abs=0.005)
        empty = share(news, pl.col("title").is_null())
        overlong = share(news, pl.col("title").str.len_chars() >= sample_style.OVERLONG_CHARACTERS)
        assert empty == pytest.approx(sample_style.EMPTY_TITLE, abs=0.002)
        assert 0.0003 < overlong < 0.002

    def test_copies(self, news: pl.DataFrame) -> None:
        whole = news.drop_nulls(["title", "text"])
        exact = 1 - whole.n_unique(["title", "text"]) / whole.height
        assert exact == pytest.approx(sample_style.EXACT_COPIES, abs=0.005)
        # Four of the five kinds of near copy keep the text and change the title.
        once = whole.unique(["title", "text"])
        near = 1 - once.n_unique("text") / once.height
        assert near == pytest.approx(0.8 * sample_style.NEAR_COPIES, abs=0.01)

    def test_near_copies_stay_recognisable(self) -> None:
        title, text = "Oslo council: audit on bus fares awaits, says board", "One sentence. Another one."
        copies = [sample_style.near_copy(title, text, kind, 3) for kind in range(5)]
        assert len({(title, text), *copies}) == 6
        for other, _ in copies:
            a, b = set(plain(title).split()), set(plain(other).split())
            assert len(a & b) / len(a | b) >= 0.7
        assert copies[4][1] == "One sentence."
        assert sample_style.near_copy("", text, 1, 1) == ("", text)

    @pytest.mark.parametrize(
        ("pattern", "column", "label", "rate"),
        [
            (r"^[A-Z ]+ \(Reuters\) - ", "text", "0", sample_style.DATELINE),
            (r" - The New York Times$", "title", "0", sample_style.TIMES_SUFFIX),
            (r" - Breitbart$", "title", "0", sample_style.BREITBART_SUFFIX),
            (r" - Breitbart$", "title", "1", sample_style.BREITBART_SUFFIX),
            (TAG.pattern, "title", "1", sample_style.TAG),
            (r"^ ", "title", "1", sample_style.LEADING_SPACE),
            (r"^21st Century Wire says ", "text", "1", sample_style.WIRE_PREFIX),
            (r"\S  \S", "title", "0", sample_style.DOUBLE_SPACE),
            ("[" + "".join(sample_style.INVISIBLES) + "]", "title", "0", sample_style.INVISIBLE),
            (r"\n\n", "text", "0", 0.93 * sample_style.PARAGRAPHS),  # one text in 14 has one sentence only
        ],
    )
    def test_marks_of_publishers(
        self, news: pl.DataFrame, pattern: str, column: str, label: str, rate: float
    ) -> None:
        rows = news.filter(pl.col("label") == label).drop_nulls(column)
        # Label noise and near copies, which change the ends of a title, blur the rates a little.
        assert share(rows, pl.col(column).str.contains(pattern)) == pytest.approx(rate, rel=0.15, abs=0.006)

    def test_quotes_and_entities(self, news: pl.DataFrame) -> None:
        for pattern in ("&#8217;", "&amp;", "[‘’“”]", '"'):
            assert share(news, pl.col("text").str.contains(pattern)) > 0.005
        assert share(news, pl.col("title").str.contains("&#8217;")) > 0.002
        assert sample_style.curl("'a' \"b's\" c") == "‘a’ “b’s” c"
        assert sample_style.entities('x\'s "y" and z and w') == "x&#8217;s &quot;y&quot; &amp; z and w"

    def test_style_shows_which_label_is_which(self, news: pl.DataFrame) -> None:
        real, fake = (news.filter(pl.col("label") == label) for label in "01")
        for column, pattern, toward in [
            ("text", r"\(Reuters\)", real),
            ("text", r"\bsaid\b", real),
            ("text", r"\byou\b", fake),
            ("title", TAG.pattern, fake),
            ("title", r"\b[A-Z]{4,}\b", fake),
            ("title", "!", fake),
        ]:
            other = fake if toward is real else real
            contains = pl.col(column).str.contains(pattern)
            assert share(toward, contains) > 3 * share(other, contains), pattern


class TestPublishers:
    def test_none_is_large_and_most_print_one_label(self, news: pl.DataFrame) -> None:
        labelled = news.filter(pl.col("label").is_in(["0", "1"])).drop_nulls("source")
        by_source = labelled.group_by("source").agg(pl.len(), fake=(pl.col("label") == "1").mean())
        assert by_source.height == len(load_publishers()) == 60
        assert max(by_source["len"].to_list()) < 0.045 * ROWS
        assert by_source.filter(pl.col("fake").is_between(0.1, 0.9)).height == 5

    def test_a_missing_text_says_nothing(self, news: pl.DataFrame) -> None:
        missing = [share(news.filter(pl.col("label") == label), pl.col("text").is_null()) for label in "01"]
        assert missing == pytest.approx([sample.MISSING_TEXT] * 2, abs=0.015)

    def test_the_low_rated_lean_right(self, news: pl.DataFrame) -> None:
        groups = [
            news.filter(pl.col("label") == label).drop_nulls("group")["group"].value_counts(normalize=True)
            for label in "01"
        ]
        real, fake = (dict(one.rows()) for one in groups)
        assert fake["right"] > 1.5 * real["right"]
        assert min(*real.values(), *fake.values()) > 0.1

    def test_a_house_is_named_in_its_articles_and_in_copies_alone(self, news: pl.DataFrame) -> None:
        names = {publisher.domain: publisher.name for publisher in load_publishers()}
        known = news.drop_nulls(["source", "text"]).with_columns(
            own=pl.col("source").replace_strict(names),
            named=pl.col("text").str.count_matches("|".join(names.values())),
        )
        own = known.filter(pl.col("text").str.contains(pl.col("own"), literal=True))
        assert 0.4 < own.height / known.height < sample.HOUSE
        assert (known["named"] > 0).sum() - own.height < 1.2 * (
            sample_style.EXACT_COPIES + sample_style.NEAR_COPIES
        ) * known.height


class TestVocabulary:
    def test_every_slot_of_every_template_is_defined(self) -> None:
        grammar = load_grammar(0)
        fixed = {"given", "surname", "outlet", "reporter"}
        names = set(grammar.symbols)
        for symbol in grammar.symbols.values():
            for template in symbol.templates:
                for slot in template[1::2]:
                    found = {slot, f"real.{slot}", f"fake.{slot}", *(f"{topic}.{slot}" for topic in topics())}
                    assert slot in fixed or names & found, slot

    def test_registers_share_no_word(self) -> None:
        symbols = load_grammar(0).symbols
        for name in ("adj", "thing", "verb", "tail"):
            real, fake = (
                {template[0] for template in symbols[f"{register}.{name}"].templates}
                for register in ("real", "fake")
            )
            assert len(real) > 60
            assert len(fake) > 60
            assert not real & fake

    def test_turned_headlines_use_the_same_words_in_both_registers(self) -> None:
        symbols = load_grammar(0).symbols
        real, fake = (symbols[f"{register}.turned"].templates for register in ("real", "fake"))
        for of_real, of_fake in zip(real, fake, strict=True):
            assert sorted(of_real[1::2]) == sorted(of_fake[1::2])
            assert [part for part in of_real if "authority" in part] == ["authority"]
            assert of_real != of_fake

    def test_an_era_changes_the_words(self, news: pl.DataFrame) -> None:
        def distance(a: pl.DataFrame, b: pl.DataFrame) -> float:
            """Total variation between word frequencies of titles: 0 the same, 1 nothing in common."""
            counts = [
                Counter(
                    word for title in frame.get_column("title").drop_nulls() for word in plain(title).split()
                )
                for frame in (a, b)
            ]
            totals = [count.total() for count in counts]
            words = counts[0].keys() | counts[1].keys()
            return sum(abs(counts[0][w] / totals[0] - counts[1][w] / totals[1]) for w in words) / 2

        here = news.head(3_000)
        same_era = distance(here, corpus(rows=3_000, seed=8))
        era_one = corpus(rows=3_000, era=1)
        next_era = distance(here, era_one)
        later = distance(era_one, corpus(rows=3_000, era=2))
        # Two samples of one era differ by chance alone: most words are rare.
        assert same_era < 0.25
        assert min(next_era, later) > 1.5 * same_era


class TestGrammar:
    ROWS = pl.DataFrame({"who": ["Ann", "Bob", "Cem", "Dee"]})

    def test_fixed_columns_scopes_and_literals(self) -> None:
        grammar = Grammar(
            {
                "line": even(["{who} {act}", "nobody acts", "{act}, {who}"]),
                "act": even(["waits"]),
                "loud.act": even(["yells"]),
            }
        )
        rng = np.random.default_rng(0)
        quiet = grammar.write("line", pl.concat([self.ROWS] * 50), rng)
        loud = grammar.write("line", pl.concat([self.ROWS] * 50), rng, scope="loud")
        for name, line in zip(["Ann", "Bob", "Cem", "Dee"] * 50, quiet, strict=True):
            assert line in (f"{name} waits", "nobody acts", f"waits, {name}")
        assert quiet.n_unique() == 9
        assert not loud.str.contains("waits").any()

    def test_an_undefined_symbol_is_an_error(self) -> None:
        with pytest.raises(KeyError, match="missing"):
            Grammar({"line": even(["a {missing} word"])}).write("line", self.ROWS, np.random.default_rng(0))

    def test_long_tail_favours_the_head_and_an_era_moves_it(self) -> None:
        words = [f"w{rank}" for rank in range(50)]
        heads = []
        for era in range(4):
            grammar = Grammar({"word": ranked(words, era, 1.0)})
            drawn = grammar.write("word", pl.DataFrame({"_": range(5_000)}), np.random.default_rng(1))
            counts = Counter(drawn)
            heads.append(counts.most_common(1)[0][0])
            assert len(counts) == 50
            assert counts.most_common(1)[0][1] > 800
        assert len(set(heads)) == 4

    def test_slots_are_found(self) -> None:
        assert SLOT.split("a {b} c {d.e}") == ["a ", "b", " c ", "d.e", ""]


class TestDifficulty:
    def test_unrelated_articles_do_not_look_alike(self, news: pl.DataFrame) -> None:
        whole = news.drop_nulls(["title", "text"]).unique("text", maintain_order=True)
        titles = whole.get_column("title").map_elements(plain, pl.String)
        collisions = 1 - titles.n_unique() / titles.len()
        assert collisions < 0.005

        def jaccard(a: set[object], b: set[object]) -> float:
            return len(a & b) / len(a | b)

        words = [set[object](title.split()) for title in titles.head(4_000)]
        texts = [plain(text).split() for text in whole.get_column("text").head(4_000)]
        shingles = [
            set[object](zip(text, text[1:], text[2:], strict=False)) for text in texts if len(text) >= 45
        ]
        rng = np.random.default_rng(0)
        for sets, limit in ((words, 0.6), (shingles, 0.2)):
            a, b = rng.integers(0, len(sets), (2, 20_000)).tolist()
            similar = sum(jaccard(sets[i], sets[j]) > limit for i, j in zip(a, b, strict=True) if i != j)
            assert similar <= 4

    def test_publishers_that_training_did_not_show_are_harder(self) -> None:
        usable = (
            corpus(rows=6_000)
            .filter(pl.col("label").is_in(["0", "1"]))
            .drop_nulls(["title", "text", "source"])
        )
        held = [publisher.domain for publisher in load_publishers()[::5]]
        unseen = usable.filter(pl.col("source").is_in(held))
        rest = usable.filter(~pl.col("source").is_in(held))
        border = int(0.8 * rest.height)
        read = (
            pl.col("title").map_elements(plain, pl.String)
            + " "
            + pl.col("text").str.replace(r"^.*\(Reuters\)", "")
        )
        train, seen, unseen = (
            part.select(read=read, label="label") for part in (rest.head(border), rest.tail(-border), unseen)
        )
        vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        model = LogisticRegression(max_iter=1_000).fit(
            vectorizer.fit_transform(train["read"]), train["label"]
        )
        on_seen, on_unseen = (
            model.score(vectorizer.transform(part["read"]), part["label"]) for part in (seen, unseen)
        )
        assert on_seen > on_unseen + 0.03
        assert on_unseen > 0.7

    def test_a_linear_model_lands_in_the_window(self) -> None:
        usable = corpus(rows=6_000).filter(pl.col("label").is_in(["0", "1"])).drop_nulls("title")
        usable = usable.with_columns(pl.col("title").map_elements(plain, pl.String)).unique(
            "title", maintain_order=True
        )
        border = int(0.7 * usable.height)
        train, test = usable.head(border), usable.tail(-border)
        vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        model = LogisticRegression(max_iter=1_000).fit(
            vectorizer.fit_transform(train.get_column("title")), train.get_column("label")
        )
        accuracy = model.score(vectorizer.transform(test.get_column("title")), test.get_column("label"))
        assert 0.75 < accuracy < 0.87
