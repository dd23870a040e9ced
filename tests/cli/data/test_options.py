"""Options that are shown to a person are read as they were meant."""

from fakenews_assets.cli.data.options import header_given, labels_given
from fakenews_assets.data.fields.labels import as_line, as_pairs


def test_words_with_commas_and_quotes() -> None:
    labels = {"true, mostly": "real", 'said "no"': "fake", "a=b": "unlabelled", "0": "real"}
    assert labels_given([as_pairs(labels)]) == labels
    assert labels_given(["true=real, false=fake", '"a, b"=fake']) == {
        "true": "real",
        "false": "fake",
        "a, b": "fake",
    }


def test_names_with_commas() -> None:
    names = ("id", "Title, short", 'the "text"')
    assert header_given(as_line(names)) == names
