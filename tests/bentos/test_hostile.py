"""What must not hurt: malformed, oversized, strange and slow requests, and thousands of generated ones."""

import csv
import io
import json
import socket
import time
from collections import Counter
from urllib.parse import urlsplit

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from tests.support.servers import Server

JSON = {"Content-Type": "application/json"}
POSTED = ("/predict", "/predict_batch", "/predict_csv", "/explain", "/feedback")


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        *((path, mode) for path in POSTED for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)),
        ("/answers/{request_id}", GenerationMode.POSITIVE),
        ("/answers/{request_id}", GenerationMode.NEGATIVE),
        ("/model", GenerationMode.POSITIVE),  # it takes nothing that could be wrong
    ],
)
def test_no_request_makes_the_service_fail(service: Server, path: str, mode: GenerationMode):
    """Requests such as the description allows, and such as it forbids."""
    schema = schemathesis.openapi.from_url(f"{service.url}/openapi.json")
    operation = schema[path]["POST" if path in POSTED else "GET"]
    statuses: Counter[int] = Counter()

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=150,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        database=None,
        derandomize=True,
    )
    def ask(case: schemathesis.Case) -> None:
        statuses[case.call().status_code] += 1

    ask()
    assert all(status < 500 for status in statuses), statuses


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"[" * 1_000_000, "application/json"),
        (b'{"title":' * 100_000, "application/json"),
        (b'{"title": "x", "text": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "application/json"),
        (b'{"title": "\xff\xfe"}', "application/json"),
        (b'{"title": "\\ud800"}', "application/json"),
        (b'{"title": NaN}', "application/json"),
        (b'{"title": ' + b"9" * 100_000 + b"}", "application/json"),
        (b"", "application/json"),
        (b"title=x", "application/x-www-form-urlencoded"),
        (b"<title>x</title>", "text/xml"),
        (b"\x00\x01", "application/octet-stream"),
        (b"--x\r\nbroken", "multipart/form-data; boundary=x"),
        (b"x", "multipart/form-data"),
    ],
)
@pytest.mark.parametrize("path", POSTED)
def test_malformed_bodies_are_refused(client: httpx.Client, path: str, content: bytes, kind: str):
    answer = client.post(path, content=content, headers={"Content-Type": kind})
    assert answer.status_code in (400, 413, 415, 422)
    assert answer.json()["error"]["message"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", {"title": "x", **{str(name): 1 for name in range(5_000)}}),
        ("/predict_batch", {"articles": [{"title": "x", **{str(name): 1 for name in range(40)}}] * 100}),
        ("/feedback", {str(name): 1 for name in range(40)}),
    ],
)
def test_unknown_names_are_told_in_one_sentence(client: httpx.Client, path: str, body: dict):
    refused = client.post(path, json=body)
    assert refused.status_code == 422
    assert "There are more than 32 names" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        {str(number): 1 for number in range(50_000)},
        {f"{number}\\": 1 for number in range(50_000)},
        {"articles": [1.5] * 100_000},
        {"articles": [[]] * 100_000},
    ],
    ids=["names", "escaped names", "numbers", "lists"],
)
def test_a_body_of_many_names_or_values_is_not_read(client: httpx.Client, body: dict):
    refused = client.post("/predict_batch", json=body)
    assert refused.status_code == 413
    assert "more names and values than 1,000 articles need" in refused.json()["error"]["message"]


def test_a_body_of_many_quotes_and_signs_within_strings_is_read(client: httpx.Client):
    quoted = {"title": 'He said "no\\"', "text": '"[,]' * 2_000}
    assert client.post("/predict_batch", json={"articles": [quoted] * 500}).status_code == 200


def test_a_body_is_as_large_as_its_kind_may_be(client: httpx.Client):
    longest = {"title": "é" * 1_000, "text": "\N{PERSONAL COMPUTER}" * 200_000}
    assert client.post("/predict", content=json.dumps(longest), headers=JSON).status_code == 200
    for path, size, told in (("/predict", 3_000_000, "2 MiB"), ("/feedback", 70_000, "64 KiB")):
        refused = client.post(path, content=b" " * size + b"{}", headers=JSON)
        assert refused.status_code == 413
        assert f"larger than {told}" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    "title",
    ["🙂🤯👩‍👩‍👧‍👦", "שלום עולם", "مرحبا بالعالم", "\u202eevil\u202c", "a\x00b", "\x7f\x1b[31m", "​​x", "İ" * 500, "e" + "\u0301" * 900],
)  # fmt: skip
def test_strange_titles_are_answered(client: httpx.Client, title: str):
    for path in ("/predict", "/explain"):
        assert client.post(path, json={"title": title}).status_code == 200
    sheet = io.StringIO()
    csv.writer(sheet).writerows([["title"], [title]])
    rows = list(
        csv.DictReader(io.StringIO(client.post("/predict_csv", files={"file": ("x", sheet.getvalue())}).text))
    )
    assert rows[0]["title"] == title
    assert rows[0]["probability"]


@pytest.mark.parametrize("cell", ["=1+1", "+1+1", "-A1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])
def test_no_answer_is_a_formula(client: httpx.Client, cell: str):
    sheet = io.StringIO()
    csv.writer(sheet).writerows([["title"], [cell]])
    answer = client.post("/predict_csv", files={"file": ("x.csv", sheet.getvalue())})
    (row,) = csv.DictReader(io.StringIO(answer.text, newline=""))
    assert row["title"] == f"'{cell}"


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "..\\..\\x", "/etc/passwd", "x" * 5000, "a\x00b", ""]
)
def test_the_name_of_an_upload_means_nothing(client: httpx.Client, service: Server, name: str):
    before = {path for path in service.log.parent.rglob("*") if "log" not in path.parts}
    answer = client.post("/predict_csv", files={"file": (name, "title\nx\n")})
    assert answer.status_code in (200, 400, 422)
    assert "passwd" not in str(answer.headers)
    assert {path for path in service.log.parent.rglob("*") if "log" not in path.parts} == before


@pytest.mark.parametrize(
    "path", ["/page/../service.py", "/page/%2e%2e/service.py", "/page/..%2fservice.py", "/page//etc/passwd"]
)
def test_the_page_leads_nowhere_else(service: Server, path: str):
    with socket.create_connection((urlsplit(service.url).hostname, urlsplit(service.url).port)) as plain:
        plain.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: plain.recv(65536), b""))
    assert answer.split()[1] == b"404"


def test_slow_clients_hold_nobody_up(client: httpx.Client, service: Server):
    address = (urlsplit(service.url).hostname, urlsplit(service.url).port)
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
    slow = [socket.create_connection(address, timeout=30) for _ in range(300)]
    try:
        for number, one in enumerate(slow):
            one.sendall(head[:40] if number % 2 else head + b"\r\n{")
        for _ in range(20):
            assert client.post("/predict", json={"title": "quick"}).status_code == 200
        # Those that never finish their body are told so (the limit of this server is 2 s).
        assert b"408" in slow[0].recv(65536).split(b"\r\n")[0]
        assert client.post("/predict", json={"title": "quick"}).status_code == 200
    finally:
        for one in slow:
            one.close()


def test_uploads_are_counted_before_they_are_read(client: httpx.Client, service: Server):
    """As many as the limit (4), of which no byte of a body has come."""
    address = (urlsplit(service.url).hostname, urlsplit(service.url).port)
    head = b"POST /predict_csv HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 99\r\n\r\n"
    small = {"file": ("a.csv", b"title\nA headline\n")}
    begun = [socket.create_connection(address, timeout=30) for _ in range(4)]
    try:
        for one in begun:
            one.sendall(head)
        answers = []
        while not answers or answers[-1].status_code != 503:
            answers.append(client.post("/predict_csv", files=small))
            assert len(answers) < 100
        assert answers[-1].headers["Retry-After"]
        assert b" 408 " in begun[0].recv(65536)  # the limit of this server is 2 s
        deadline = time.monotonic() + 30
        while client.post("/predict_csv", files=small).status_code == 503:
            assert time.monotonic() < deadline
    finally:
        for one in begun:
            one.close()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"files": [("file", ("a.csv", b"title\nx\n")), ("file", ("b.csv", b"title\ny\n"))]},
            "Too many files",
        ),
        ({"files": {"file": ("a.csv", b"title\nx\n")}, "data": {"more": "x" * 1000}}, "Too many fields"),
    ],
    ids=["two files", "a field"],
)
def test_an_upload_is_one_file(client: httpx.Client, content: dict, message: str):
    answer = client.post("/predict_csv", **content)
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]


def test_a_trickle_is_cut_off(service: Server):
    address = (urlsplit(service.url).hostname, urlsplit(service.url).port)
    with socket.create_connection(address, timeout=30) as slow:
        slow.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n"
        )
        begin = time.monotonic()
        slow.settimeout(0.2)
        answer = b""
        while not answer.endswith(b"}") and time.monotonic() < begin + 20:  # head and body may come apart
            if not answer:
                slow.sendall(b" ")
            try:
                answer += slow.recv(65536)
            except TimeoutError:
                continue
    assert b" 408 " in answer
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]["code"] == "too_slow"
