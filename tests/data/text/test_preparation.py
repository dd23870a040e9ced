"""Text preparation: what goes, what stays, and that a second pass changes nothing."""

import unicodedata
from pathlib import Path
from unittest.mock import Mock

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fakenews_assets.data.text import preparation
from fakenews_assets.data.text.markup import MARKUP_COUNTS
from fakenews_assets.data.text.preparation import ROUNDS, TextPreparation, default_rules, read_rules


def prepared(title: str = "", text: str = "") -> tuple[str, str]:
    frame = TextPreparation().apply(pl.DataFrame({"title": [title], "text": [text]}))
    return frame["title"][0], frame["text"][0]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("  Two   blanks\tand\na line ", "Two blanks and a line"),
        ("Trump’s “plan” – at last", 'Trump\'s "plan" - at last'),
        ("Caf\u00e9 and Cafe\u0301", "Caf\u00e9 and Caf\u00e9"),
        ("Ｆｕｌｌ　ｗｉｄｔｈ", "Full width"),
        ("Zero\u200bwidth \u202eturned\u202c", "Zerowidth turned"),
        ("A\x00B\x07C", "A B C"),
        ("AT&amp;T &#8217;twas &amp;#8217;twice&amp;#8217;", "AT&T 'twas 'twice'"),
        ("R&D &unknown; stays & so", "R&D &unknown; stays & so"),
        ("Tax bill passes - The New York Times", "Tax bill passes"),
        ("Tax bill passes - Breitbart", "Tax bill passes"),
        ("Tax bill passes – CNN", "Tax bill passes"),
        ("Tax bill passes [VIDEO]", "Tax bill passes"),
        ("Tax bill passes (TWEETS/IMAGES)", "Tax bill passes"),
        ("BREAKING: WATCH: Tax bill passes (VIDEO) - CNN", "Tax bill passes"),
        ("UPDATE 3-Oil falls", "Oil falls"),
        ("Factbox: Who is who", "Who is who"),
        ("Poll (Reuters): tax", "Poll: tax"),
        ("The New York Times sues - again", "The New York Times sues - again"),
        ("Watch out, video games (and more) ahead", "Watch out, video games (and more) ahead"),
        ("[VIDEO]", ""),
        ("Tax bill passes (3 photos and a video)", "Tax bill passes"),
        ("New law (photo ID required) passes", "New law (photo ID required) passes"),
        ("Court bars pictures (and cartoons of judges)", "Court bars pictures (and cartoons of judges)"),
        ("10² metres, 3½ cups, H₂O", "10² metres, 3½ cups, H₂O"),
        ("می\u200cخواهم क्\u200dष 👨\u200d👩\u200d👧", "می\u200cخواهم क्\u200dष 👨\u200d👩\u200d👧"),
        ("The companyâ€™s cafÃ© and so on", "The company's café and so on"),
        ("He said \u201aÄúso on\u201aÄù", 'He said "so on"'),
        ("Müller’s Größe, «à la carte»", 'Müller\'s Größe, "à la carte"'),
        ("<b>Tax</b> bill <i>pass</i>es", "Tax bill passes"),
        (
            "If a < b and b > c, <3 you, <unnamed source> says",
            "If a < b and b > c, <3 you, <unnamed source> says",
        ),
    ],
)
def test_titles(found: str, expected: str) -> None:
    assert prepared(title=found)[0] == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("WASHINGTON (Reuters) - The bill passed.", "The bill passed."),
        ("SAN FRANCISCO/NEW YORK, Sept 3 (AP) — The bill passed.", "The bill passed."),
        ("(Reuters) - The bill passed.", "The bill passed."),
        ("He told (Reuters) so.", "He told so."),
        ("21st Century Wire says The bill passed.", "The bill passed."),
        ("The bill passed. Featured image via Getty Images", "The bill passed."),
        ("The bill passed. pic.twitter.com/abc123", "The bill passed."),
        ("See https://example.org/x?y=1 for it.", "See for it."),
        ("The bill passed. Read more: Daily Mail", "The bill passed."),
        ("They read more books via trains.", "They read more books via trains."),
        ('<div class="a > b"><p>One.</p><p>Two.</p></div><br/>', "One. Two."),
        (
            "Text<script>var a = '<p>';</script> goes on<style>p {}</style><!-- more --> here",
            "Text goes on here",
        ),
        ("Cut <script>var a = 1;", "Cut"),
        ("10<sup>2</sup> and &lt;p&gt;escaped&lt;/p&gt; &amp;amp; so", "10^2 and escaped & so"),
    ],
)
def test_texts(found: str, expected: str) -> None:
    assert prepared(text=found)[1] == expected


def test_null_becomes_empty_and_other_columns_and_order_stay() -> None:
    frame = pl.DataFrame({"n": [1, 2, 3], "title": ["a", None, " c "], "text": [None, "b", None]})
    out = TextPreparation().apply(frame)
    assert out.rows() == [(1, "a", ""), (2, "", "b"), (3, "c", "")]


def test_counts_say_how_often_each_artifact_stood_there() -> None:
    frame = pl.DataFrame(
        {
            "title": ["A [VIDEO]", "B (VIDEO)", "<b>C</b>"],
            "text": ["X (Reuters) - a", "", "(AP) - <p>b &amp; c"],
        }
    )
    counts = TextPreparation().apply_counting(frame).counts
    assert counts["media tag"] == 2
    assert counts["wire dateline"] == 2
    assert counts["site suffix"] == 0
    assert (counts["HTML tags"], counts["HTML entities"], counts["mojibake"]) == (2, 1, 0)
    assert set(counts) == {*MARKUP_COUNTS, *(rule.name for rule in default_rules())}


def test_no_rows_is_fine() -> None:
    empty = pl.DataFrame(schema={"title": pl.String, "text": pl.String})
    assert TextPreparation().apply(empty).equals(empty)


@pytest.mark.compute
@given(st.lists(st.tuples(st.text(max_size=60), st.text(max_size=60)), max_size=5))
@example([("&amp;amp;amp;lt;b", "&＆amp;#8217;")])
@example([("<<p>p>a</<p>p> ÃƒÂ©", "&lt;&lt;b&gt;b&gt; <sup>²</sup>"), ("a\u200b\u200d👨\u200d\u200d", "ﬁ½²")])
@example([("[VIDEO] [VI[VIDEO]DEO]", "(Reuters) - (Reuters) - x - CNN - CNN")])
def test_a_second_pass_changes_nothing(rows: list[tuple[str, str]]) -> None:
    frame = pl.DataFrame(rows, schema={"title": pl.String, "text": pl.String}, orient="row")
    once = TextPreparation().apply(frame)
    assert TextPreparation().apply(once).equals(once)


@pytest.mark.parametrize(
    "text",
    ["&" + "amp;" * 500, "<b" * 500 + ">" * 500, "Via: " * 500, "Photo by " * 500, "(AP" * 500 + ")" * 500],
    ids=["entities", "tags", "reader calls", "image credits", "wire credits"],
)
def test_markup_in_markup_ends_after_a_few_rounds(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one_round = Mock(wraps=preparation._one_round)
    monkeypatch.setattr(preparation, "_one_round", one_round)
    frame = pl.DataFrame({"title": ["Tax", "Tax"], "text": ["&amp;amp;", text]})
    found = TextPreparation().apply_counting(frame)
    assert one_round.call_count == 1 + ROUNDS  # the titles settle in their first round
    assert found.articles["text"][0] == "&"
    assert found.nested.to_list() == [False, True]


def test_accents_beside_small_figures_are_composed_in_linear_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # Python's own sorts accents one by one: the square of their number.
    with monkeypatch.context() as patch:
        patch.setattr(unicodedata, "normalize", Mock(side_effect=RuntimeError))
        text = prepared(text="<p>½ Cafe\u0301 10² Ａ")[1]
    assert text == "½ Café 10² A"


def test_settings_survive_json_and_prepare_alike() -> None:
    settings = TextPreparation().model_dump_json()
    frame = pl.DataFrame({"title": ["WATCH: A [VIDEO]"], "text": ["(Reuters) - b"]})
    assert TextPreparation.model_validate_json(settings).apply(frame).equals(TextPreparation().apply(frame))


def test_a_users_table_extends_the_default(tmp_path: Path) -> None:
    table = tmp_path / "mine.toml"
    table.write_text('[[rule]]\nname = "own site"\nfield = "title"\npattern = "\\\\s*- Example Daily$"\n')
    own = TextPreparation(rules=default_rules() + read_rules(table))
    frame, counts, _ = own.apply_counting(
        pl.DataFrame({"title": ["A [VIDEO] - Example Daily"], "text": [""]})
    )
    assert frame["title"][0] == "A"
    assert counts["own site"] == 1


@pytest.mark.parametrize(
    "content",
    [
        '[[rule]]\nname = "x"\nfield = "title"\npattern = "("\n',
        '[[rule]]\nname = "x"\nfield = "body"\npattern = "a"\n',
        '[[rule]]\nname = "x"\nfield = "title"\n',
        "rule = 3\n",
        "no toml",
    ],
)
def test_a_bad_table_is_refused_by_name(tmp_path: Path, content: str) -> None:
    table = tmp_path / "mine.toml"
    table.write_text(content)
    with pytest.raises(ValueError, match=r"mine\.toml: not a table of boilerplate"):
        read_rules(table)
