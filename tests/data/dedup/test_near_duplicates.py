"""Near-duplicate links: what links, what does not, and that the answer never drifts."""

import re
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from rensa import RMinHash  # pyright: ignore[reportAttributeAccessIssue]

from fakenews_assets.data.dedup.minhash import candidate_probability, jaccard
from fakenews_assets.data.dedup.near_duplicates import Links, NearDuplicateSettings, find_links
from fakenews_assets.data.dedup.shingles import hash_shingles

VOCABULARY = [f"word{number}" for number in range(3000)]
CONFIG = NearDuplicateSettings()


def table(titles: Sequence[str], texts: Sequence[str] | None = None, batch: str = "b1") -> pl.DataFrame:
    texts = texts or [""] * len(titles)
    return pl.DataFrame(
        {
            "article_id": [
                sha256(f"{a}\n{b}".encode()).hexdigest()[:32] for a, b in zip(titles, texts, strict=True)
            ],
            "title": titles,
            "text": texts,
            "batch": [batch] * len(titles),
        }
    )


def edges(links: Links) -> set[tuple[int, int]]:
    return {(min(pair), max(pair)) for pair in links.edges.tolist()}


def word_jaccard(left: str, right: str) -> float:
    a, b = set(left.split()), set(right.split())
    return len(a & b) / len(a | b)


def random_titles(rng: np.random.Generator, count: int, words: int = 10) -> list[str]:
    return [" ".join(rng.choice(VOCABULARY, words, replace=False)) for _ in range(count)]


def test_planted_titles_are_found_and_strangers_are_not() -> None:
    rng = np.random.default_rng(0)
    originals = random_titles(rng, 400)
    copies = []
    for title in originals:
        words = title.split()
        words[rng.integers(len(words))] = "replacement"
        copies.append(" ".join(words))
    assert min(map(word_jaccard, originals, copies)) >= 0.8
    found = edges(find_links(table(originals + copies), CONFIG))
    assert len(found & {(row, row + 400) for row in range(400)}) >= 0.95 * 400
    assert all(later - earlier == 400 for earlier, later in found)


@pytest.mark.compute
def test_one_template_does_not_chain() -> None:
    rng = np.random.default_rng(1)
    filler = random_titles(rng, 2000, words=5)
    titles = [f"minister of trade announces measures {words}" for words in filler]
    assert word_jaccard(titles[0], titles[1]) == pytest.approx(1 / 3)
    links = find_links(table(titles), CONFIG)
    assert len(links.edges) == 0


def test_close_pair_is_found_within_a_crowded_template() -> None:
    rng = np.random.default_rng(2)
    titles = [
        f"minister of trade announces measures against {words}" for words in random_titles(rng, 3000, words=4)
    ]
    late_copy = titles[17].rsplit(" ", 1)[0] + " replacement"
    assert (17, 3000) in edges(find_links(table([*titles, late_copy]), CONFIG))


def test_similarity_is_exact_not_estimated() -> None:
    """0.66 is never taken for 0.7, however the minima fall."""
    rng = np.random.default_rng(3)
    originals = random_titles(rng, 300)
    copies = [
        " ".join([*title.split()[:8], f"new{row}", f"other{row}"]) for row, title in enumerate(originals)
    ]
    assert word_jaccard(originals[0], copies[0]) == pytest.approx(8 / 12)
    assert len(find_links(table(originals + copies), CONFIG).edges) == 0
    lower = NearDuplicateSettings(title_threshold=0.66)
    assert len(find_links(table(originals + copies), lower).edges) >= 0.85 * 300


def test_texts_link_whatever_their_titles_say() -> None:
    rng = np.random.default_rng(4)
    words = rng.choice(VOCABULARY, (3, 80)).tolist()
    changed = [*words[0][:30], "replacement", *words[0][31:]]
    texts = [" ".join(text) for text in (words[0], words[1], changed, words[2])]
    assert edges(find_links(table(random_titles(rng, 4), texts), CONFIG)) == {(0, 2)}


def test_only_the_first_words_of_a_text_count() -> None:
    rng = np.random.default_rng(5)
    start = " ".join(rng.choice(VOCABULARY, 256))
    texts = [start + " " + " ".join(rng.choice(VOCABULARY, 300)) for _ in range(2)]
    assert edges(find_links(table(random_titles(rng, 2), texts), CONFIG)) == {(0, 1)}


def test_keys_ignore_case_and_punctuation() -> None:
    links = find_links(
        table(
            [
                "Minister’s new plan: “no” to U.S. tax",
                "minister's NEW plan - no to US tax!",
                "Another story about it",
            ],
            ["Same text, here.", "", "same TEXT here"],
        ),
        CONFIG,
    )
    assert links.content_key[0] == links.content_key[1] != links.content_key[2]
    assert links.text_key[0] == links.text_key[2] != 0
    assert links.text_key[1] == 0


def test_short_titles_tell_nothing_without_their_text() -> None:
    titles = [
        "Trump wins",
        "Trump wins!",
        "Trump wins",
        "???",
        "!!!",
        "Größe zählt immer",
        "größe zählt IMMER",
    ]
    texts = ["one text of five words", "one text of five words", "quite another text", "", "", "", ""]
    links = find_links(table(titles, texts), CONFIG)
    same = {(a, b) for a in range(7) for b in range(a + 1, 7) if links.content_key[a] == links.content_key[b]}
    assert same == {(0, 1), (5, 6)}
    assert edges(links) == {(0, 1), (5, 6)}  # equal texts, equal titles: similar as well


def test_text_key_needs_its_words() -> None:
    articles = table(["First story of today", "Second tale of yesterday"], ["read more", "Read more."])
    assert find_links(articles, CONFIG).text_key[0] == find_links(articles, CONFIG).text_key[1] != 0
    assert find_links(articles, NearDuplicateSettings(min_text_words=3)).text_key.tolist() == [0, 0]


def test_later_batches_add_no_link_between_earlier_rows() -> None:
    rng = np.random.default_rng(6)
    stems = random_titles(rng, 30, words=8)
    titles = [f"{stems[rng.integers(30)]} {tail}" for tail in random_titles(rng, 400, words=1)]
    first, second = table(titles[:200]), table(titles[200:], batch="b2")
    before = find_links(first, CONFIG)
    after = find_links(pl.concat([first, second]), CONFIG)
    assert len(before.edges) > 100
    assert edges(before) == {pair for pair in edges(after) if max(pair) < 200}
    assert np.array_equal(before.content_key, after.content_key[:200])


def test_order_of_rows_within_a_batch_does_not_matter() -> None:
    rng = np.random.default_rng(7)
    stems = random_titles(rng, 10, words=8)
    articles = table([f"{stems[rng.integers(10)]} {tail}" for tail in random_titles(rng, 200, words=1)])
    shuffle = rng.permutation(200)
    straight = edges(find_links(articles, CONFIG))
    assert len(straight) > 100
    shuffled = edges(find_links(articles[shuffle], CONFIG))
    assert {tuple(sorted((int(shuffle[a]), int(shuffle[b])))) for a, b in shuffled} == straight


@pytest.mark.compute
def test_a_parquet_scan_gives_the_same_links(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    titles = random_titles(rng, 5000)  # more than one chunk
    titles[4999] = titles[0] + " again"
    articles = table(titles, [title * 2 for title in titles])
    articles.write_parquet(tmp_path / "articles.parquet", row_group_size=700)
    in_memory = find_links(articles, CONFIG)
    scanned = find_links(pl.scan_parquet(tmp_path / "articles.parquet"), CONFIG)
    assert (0, 4999) in edges(in_memory)
    assert np.array_equal(in_memory.edges, scanned.edges)
    assert np.array_equal(in_memory.content_key, scanned.content_key)
    assert np.array_equal(in_memory.text_key, scanned.text_key)


def test_long_texts_are_cut_into_small_chunks() -> None:
    rng = np.random.default_rng(9)
    long_text = " ".join(rng.choice(VOCABULARY, 300_000))
    texts = [long_text, "short", long_text + " more", *["short"] * 20]
    links = find_links(table(random_titles(rng, len(texts)), texts), CONFIG)
    assert (0, 2) in edges(links)
    assert links.text_key[0] != links.text_key[2]


def test_no_articles_have_no_links() -> None:
    links = find_links(table([]).cast({"title": pl.String, "text": pl.String}), CONFIG)
    assert links.edges.shape == (0, 2)
    assert len(links.content_key) == len(links.text_key) == 0


def test_hashes_are_the_same_for_ever() -> None:
    """Clusters decide the split of an article: another hash would move articles between splits."""
    shingles = hash_shingles(pl.Series(["one two three", "", "über two"]), 2, 256)
    assert shingles.offsets.tolist() == [0, 2, 2, 3]
    assert shingles.hashes.tolist() == [11463601590416300718, 16253795160387832673, 12733376737798778643]
    links = find_links(table(["A title of five words", "Another title of six words"]), CONFIG)
    assert links.content_key.tolist() == [5701678209009806187, 8788251103464766201]


def test_rensa_proposes_the_same_pairs_for_ever() -> None:
    digests = RMinHash.digest_matrix_from_flat_token_hashes(
        np.array([1, 2, 2**63], np.uint64), np.array([0, 3], np.uint64), 4, 1
    )
    assert digests.to_rows() == [[529166528, 2127388646, 321897176, 543482926]]


@settings(max_examples=50)
@given(st.lists(st.text(alphabet="ab ü", max_size=12), max_size=8), st.integers(1, 3), st.integers(1, 5))
def test_shingles_are_those_of_the_text(texts: list[str], size: int, most: int) -> None:
    clean = [" ".join(text.split()) for text in texts]
    shingles = hash_shingles(pl.Series(clean, dtype=pl.String), size, most)
    names: dict[str, int] = {}
    for row, text in enumerate(clean):
        words = re.findall(r"\S+", text)[:most]
        expected = [" ".join(words[start : start + size]) for start in range(len(words) - size + 1)]
        hashes = shingles.hashes[shingles.offsets[row] : shingles.offsets[row + 1]].tolist()
        assert len(hashes) == len(expected)
        for name, value in zip(expected, hashes, strict=True):
            assert names.setdefault(name, value) == value
    assert len(set(names.values())) == len(names)


@settings(max_examples=50)
@given(st.lists(st.sets(st.integers(0, 9), min_size=1), min_size=2, max_size=6))
def test_jaccard_is_that_of_the_sets(sets: list[set[int]]) -> None:
    tokens = np.array([token for values in sets for token in sorted(values)], dtype=np.uint32)
    offsets = np.cumsum([0, *map(len, sets)])
    pairs = np.array([(a, b) for a in range(len(sets)) for b in range(a)])
    expected = [len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in pairs]
    assert jaccard(pairs, tokens, offsets).tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("similarity", "probability"), [(0.3, 0.059), (0.5, 0.548), (0.7, 0.990), (0.8, 0.99995)]
)
def test_s_curve(similarity: float, probability: float) -> None:
    found = candidate_probability(similarity, CONFIG.bands, CONFIG.rows_per_band)
    assert found == pytest.approx(probability, abs=6e-4)


def test_a_threshold_that_banding_misses_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"title_threshold 0\.7 .* more bands"):
        NearDuplicateSettings(bands=5, rows_per_band=10)


NOTICE = "We use cookies to give you the best experience on this site. By going on you agree to that"


def test_a_text_that_many_titles_share_links_nothing() -> None:
    rng = np.random.default_rng(10)
    count = CONFIG.max_titles_per_text
    titles = random_titles(rng, 3 * count + 2)
    # Ten titles have a text of their own, more have the notice, or one that resembles it.
    texts = ["A story that ten sites print"] * count + [NOTICE] * count
    texts += [f"{NOTICE}, {title}" for title in titles[2 * count : 3 * count]] + ["", ""]
    links = find_links(table(titles, texts), CONFIG)
    assert links.shared_text.tolist() == [False] * count + [True] * 2 * count + [False] * 2
    assert len(set(links.text_key[:count])) == 1
    assert not links.text_key[count:].any()
    assert {max(pair) < count for pair in edges(links)} == {True}


def test_one_title_of_many_rows_is_one_title() -> None:
    titles = ["One story of the day"] * 30
    links = find_links(table(titles, [NOTICE] * 30), CONFIG)
    assert not links.shared_text.any()


def test_a_text_becomes_shared_with_the_batch_that_brings_too_many_titles() -> None:
    rng = np.random.default_rng(11)
    titles = random_titles(rng, 24)
    batches = [table(titles[at : at + 8], [NOTICE] * 8, f"b{at}") for at in (0, 8, 16)]
    known = find_links(batches[0], CONFIG)
    links = find_links(pl.concat(batches), CONFIG)
    assert links.shared_text.tolist() == [False] * 8 + [True] * 16
    assert np.array_equal(links.text_key[:8], known.text_key)
    assert edges(links) == edges(known)
