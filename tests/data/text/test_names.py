import polars as pl
import pytest

from fakenews_assets.data.text.names import MASK, Names

TITLES = [
    "Court asks Merkel to explain the new budget",
    "Talks in Berlin end as Merkel leaves early",
    "Protests in Berlin after U.S. envoy meets Merkel",
    "Aid for Kenya is late, says U.S. envoy in Berlin",
    "Drought in Kenya worries aid groups",
    "Kenya asks U.S. envoy for talks on Kenya's debt",
    "The budget is late and so is the envoy",
    "What I say is what I mean and I mean it",
]


@pytest.fixture(scope="module")
def names() -> Names:
    return Names.learn(pl.DataFrame({"title": TITLES, "text": [""] * len(TITLES)}))


def masked(names: Names, line: str) -> str:
    return names.mask(pl.Series([line]))[0]


def test_words_with_a_capital_inside_sentences_are_names(names: Names):
    assert names.words == {"merkel", "berlin", "kenya", "u.s"}


def test_the_first_word_of_a_sentence_is_no_evidence():
    lines = ["Budget talks: Minister is out. Voters are not"] * 5 + ["aid - Envoy says so"] * 5
    assert Names.learn(pl.DataFrame({"title": lines, "text": [""] * 10})).words == frozenset()


def test_headlines_of_capitals_teach_nothing():
    lines = ["Senate Passes The Budget At Last", "SENATE PASSES BUDGET"] * 5
    assert Names.learn(pl.DataFrame({"title": lines, "text": [""] * 10})).words == frozenset()


def test_a_word_that_is_mostly_small_is_no_name():
    lines = ["they may go in May"] * 4 + ["they may go"] * 4
    assert "may" not in Names.learn(pl.DataFrame({"title": lines, "text": [""] * 8})).words


def test_texts_count_too():
    table = pl.DataFrame({"title": ["a title"] * 3, "text": ["people of Oslo vote"] * 3})
    assert Names.learn(table).words == {"oslo"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Merkel meets U.S. envoy", f"{MASK} meets {MASK} envoy"),
        ("MERKEL IN BERLIN", f"{MASK} IN {MASK}"),
        ("merkel's plan", f"{MASK} plan"),
        ("U.S.'s plan", f"{MASK} plan"),
        ("the Merkel-backed plan", f"the {MASK}-backed plan"),
        ("Merkel Berlin Kenya talks", f"{MASK} talks"),
        ("(Berlin) talks...Merkel", f"({MASK}) talks...{MASK}"),
        ("nothing here", "nothing here"),
        ("", ""),
    ],
)
def test_masking(names: Names, line: str, expected: str):
    assert masked(names, line) == expected


def test_another_mask_is_literal(names: Names):
    assert names.mask(pl.Series(["Merkel Berlin"]), r"<\1>")[0] == r"<\1>"


def test_swapping_keeps_casing_possessives_and_everything_else(names: Names):
    lines = pl.Series("title", ["MERKEL's talks in Berlin, Kenya's aid", "no one"])
    swapped = names.swap(lines, seed=3)
    head, rest = swapped[0].split(" talks in ")
    first, second = rest.removesuffix(" aid").split(", ")

    assert (swapped.name, swapped[1]) == ("title", "no one")
    assert second.endswith("'s")
    assert {head.removesuffix("'s").lower(), first.lower(), second.removesuffix("'s").lower()} <= names.words
    assert first[0].isupper()
    assert names.swap(lines, seed=3).equals(swapped)
    assert len({names.swap(lines, seed=seed)[0] for seed in range(10)}) > 3


def test_without_names_nothing_changes():
    nobody, lines = Names(words=frozenset()), pl.Series(["Merkel in Berlin"])
    assert nobody.swap(lines, 0).equals(lines)
    assert nobody.mask(lines).equals(lines)
    assert nobody.only(lines)[0] == ""


def test_only_the_names(names: Names):
    assert names.only(pl.Series(["Merkel's plan for U.S. and KENYA"]))[0] == "merkel u.s kenya"
