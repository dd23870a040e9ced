import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentos.fakenews.routes.explaining import MAX_WORDS, occlusions
from fakenews_assets.models.classifier import Article


@given(st.text(), st.text(), st.booleans())
def test_every_word_is_left_out_once(title: str, text: str, with_text: bool):
    found, truncated = occlusions(Article(title, text), with_text=with_text, words_read=512)
    words = title.split() + (text.split() if with_text else [])
    assert truncated == (len(words) > MAX_WORDS)
    for one in found:
        whole = {"title": title, "text": text}[one.field]
        rest = {"title": one.without.title, "text": one.without.text}[one.field]
        assert whole[one.start : one.end] == one.word
        assert rest == whole[: one.start] + whole[one.end :]
        other = {"title": one.without.text, "text": one.without.title}[one.field]
        assert other == {"title": text, "text": title}[one.field]
    starts = [(one.field == "text", one.start) for one in found]
    assert starts == sorted(set(starts))


@pytest.mark.parametrize(
    ("words_read", "expected", "cut"),
    [(512, MAX_WORDS, True), (MAX_WORDS, MAX_WORDS, False), (60, 60, False)],
)
def test_only_so_many_of_those_that_the_model_reads(words_read: int, expected: int, cut: bool):
    found, truncated = occlusions(Article("a " * 50, "b " * 100), with_text=True, words_read=words_read)
    assert len(found) == expected
    assert truncated == cut
    assert sum(one.field == "title" for one in found) == 50
