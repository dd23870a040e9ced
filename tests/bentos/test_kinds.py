"""An upload of each kind is answered, or refused in the words of ingestion."""

import csv
import io
import re

import httpx
import pytest

from tests.support.kinds import READ, REFUSED


@pytest.mark.parametrize("kind", [kind for kind in READ if kind.served], ids=lambda kind: kind.name)
def test_a_file_of_each_kind(client: httpx.Client, kind):
    answer = client.post("/predict_csv", files={"file": (kind.name, kind.content)})
    assert answer.status_code == 200, answer.text
    text = answer.content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=text[3]))
    assert [row["title"] for row in rows if not row["error"]] == [title for title, _, _ in kind.rows]
    assert all(row["probability"] for row in rows if not row["error"])


@pytest.mark.parametrize("kind", REFUSED, ids=lambda kind: kind.name)
def test_what_is_no_table(client: httpx.Client, kind):
    answer = client.post("/predict_csv", files={"file": (kind.name, kind.content)})
    assert answer.status_code == 422
    message = answer.json()["error"]["message"]
    assert message.isprintable()
    assert re.search(kind.refusal, message, re.IGNORECASE)
