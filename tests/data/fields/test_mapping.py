"""A mapping beside a file: what is wrong with it is said in words."""

import pytest

from fakenews_assets.data.fields.mapping import BatchMapping

KNOWN = "A mapping may hold label, header, columns, labels, title_words, source, day_first"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[columns", "Expected ']'"),
        ('colour = "red"', f"colour is no setting. {KNOWN}"),
        ('label = "true"', "label: true: the label of a file is real or fake"),
        ('[labels]\ntrue = "right"', "labels: right: a label means one of real, fake, unlabelled"),
        ("[labels]\n1 = 0", "labels.1: it should be a valid string"),
        ('[columns]\nheadline = "Statement"', "columns: headline: not one of title, text, label"),
        ("title_words = -1", "title_words: it should be greater than or equal to 0"),
        ('header = "title,label"', "header: it should be a valid tuple"),
    ],
)
def test_what_is_wrong_with_a_mapping(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as fault:
        BatchMapping.from_toml(text)
    message = str(fault.value)
    assert said in message
    assert not {"pydantic", "Value error", "validation error"} & {*message.split()}
    assert message.isprintable()
