"""What a JSON body has to read is counted alike however it arrives."""

import json

import pytest

from bentos.fakenews.http.json_size import JsonSize


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("value", "quotes", "structure"),
    [
        ({"title": "a, b: [c]"}, 4, len("{:}")),
        ({"title": 'He said "no\\\\"', "text": "\\"}, 8, len("{:,:}")),
        ({"a\\": [1, 2.5, [], {}, None]}, 2, len("{:[1,2.5,[],{},null]}")),
    ],
)
def test_strings_are_told_from_what_is_around_them(
    value: object, quotes: int, structure: int, step: int
) -> None:
    body = json.dumps(value, indent=2).encode()
    size = JsonSize()
    for at in range(0, len(body), step):
        size.add(body[at : at + step])
    assert (size.quotes, size.structure) == (quotes, structure)
