"""Splitting by array arithmetic finds what a regular expression finds."""

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fakenews_assets.models.words import split_words

ANYTHING = st.text(st.characters()) | st.text("aB_'1é. \n\x1c\u0301𝒜東")


@given(st.lists(ANYTHING, max_size=6), st.integers(1, 4))
def test_words_are_those_of_the_expression_and_known_by_their_hash(texts: list[str], limit: int) -> None:
    expected = [re.findall(r"\w+|[^\w\s]", text) for text in texts]
    found = split_words(texts)
    words = [found.joined[begin:end] for begin, end in zip(found.begins, found.ends, strict=True)]
    assert words == [word for text in expected for word in text]
    assert found.counts.tolist() == list(map(len, expected))
    hash_of = dict(zip(words, found.hashes.tolist(), strict=True))
    assert [hash_of[word] for word in words] == found.hashes.tolist()
    assert len(set(hash_of.values())) == len(hash_of)
    assert [hash_of[word] for text in expected for word in text[:limit]] == found.heads(limit).hashes.tolist()

    pairs = found.pairs()
    neighbours = [pair for text in expected for pair in pairwise(text)]
    assert pairs.counts.tolist() == [max(len(text) - 1, 0) for text in expected]
    assert len(set(pairs.hashes.tolist())) == len(set(neighbours))
    alone = [split_words([f"{first} {second}"]).pairs().hashes[0] for first, second in neighbours]
    assert pairs.hashes.tolist() == alone
