"""Notices to a real local webhook that misbehaves as it is told to, and to the log."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._serdes import serialize_value

from fakenews_assets.automation.sensors.failures import failure_notifier
from fakenews_resources.notifier import LogNotifier, Notice, WebhookNotifier, notifier_from_environment

NOTICE = Notice(
    "ingest failed", "clean: bytes \udc80 that are no text", run_id="r1", link="http://ui/runs/r1"
)
MESSAGE = "ingest failed\nclean: bytes ? that are no text\nhttp://ui/runs/r1"
HIDDEN = "T0KEN"


@dataclass
class Webhook:
    """What it answers in turn (0: nothing, ever), and what it was sent."""

    statuses: list[int] = field(default_factory=lambda: [200])
    bodies: list[dict[str, Any]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://user:{HIDDEN}@127.0.0.1:{self.port}/{HIDDEN}?key={HIDDEN}"


class Handler(BaseHTTPRequestHandler):
    webhook: Webhook

    def do_POST(self) -> None:
        webhook = self.webhook
        assert self.headers["Content-Type"] == "application/json"
        webhook.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        status = webhook.statuses[min(len(webhook.bodies), len(webhook.statuses)) - 1]
        if not status:
            webhook.released.wait()
            return
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test output quiet."""


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    webhook = Webhook()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OwnHandler", (Handler,), {"webhook": webhook}))
    webhook.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield webhook
    webhook.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """All that anything logs meanwhile. The secret is not in it."""
    with caplog.at_level(logging.DEBUG):
        yield caplog
    assert HIDDEN not in caplog.text


def test_a_notice_arrives_whole(webhook: Webhook, log: pytest.LogCaptureFixture) -> None:
    WebhookNotifier(url=webhook.url).notify(NOTICE)
    assert webhook.bodies == [
        {
            "text": MESSAGE,
            "title": NOTICE.title,
            "severity": "error",
            "run_id": "r1",
            "link": "http://ui/runs/r1",
        }
    ]
    assert "HTTP Request" not in log.text
    assert not any(record.levelno >= logging.WARNING for record in log.records)


def test_a_webhook_that_recovers_gets_it_once(webhook: Webhook, log: pytest.LogCaptureFixture) -> None:
    webhook.statuses = [503, 429, 200]
    WebhookNotifier(url=webhook.url).notify(NOTICE)
    assert len(webhook.bodies) == 3
    assert "did not accept" not in log.text


@pytest.mark.parametrize(("status", "attempts"), [(404, 1), (302, 1), (500, 2)])
def test_what_is_refused_is_logged_instead(
    webhook: Webhook, log: pytest.LogCaptureFixture, status: int, attempts: int
) -> None:
    webhook.statuses = [status]
    WebhookNotifier(url=webhook.url, attempts=2).notify(NOTICE)
    assert len(webhook.bodies) == attempts
    assert f"it answered {status}" in log.text
    assert log.messages[-1] == MESSAGE


def test_silence_is_not_waited_out(webhook: Webhook, log: pytest.LogCaptureFixture) -> None:
    webhook.statuses = [0]
    begin = time.monotonic()
    WebhookNotifier(url=webhook.url, timeout_seconds=0.2, attempts=2).notify(NOTICE)
    assert time.monotonic() - begin < 10
    assert len(webhook.bodies) == 2
    assert "ReadTimeout" in log.text
    assert log.messages[-1] == MESSAGE


@pytest.mark.parametrize(
    "url", [f"http://127.0.0.1:9/{HIDDEN}", f"ftp://{HIDDEN}", HIDDEN, f"http://x:{HIDDEN}/", ""]
)
def test_a_useless_address_stays_a_secret(log: pytest.LogCaptureFixture, url: str) -> None:
    WebhookNotifier(url=url, attempts=1).notify(NOTICE)
    assert log.messages[-1] == MESSAGE


def test_the_requests_of_others_are_still_logged(log: pytest.LogCaptureFixture, webhook: Webhook) -> None:
    webhook.statuses = [0]
    notifying = threading.Thread(
        target=WebhookNotifier(url=webhook.url, attempts=1, timeout_seconds=1).notify, args=[NOTICE]
    )
    notifying.start()
    while not webhook.bodies:
        time.sleep(0.01)
    logging.getLogger("httpx").info("HTTP Request: of somebody else")
    notifying.join()
    assert "of somebody else" in log.text


def test_the_log_takes_notices_at_their_level(log: pytest.LogCaptureFixture) -> None:
    LogNotifier().notify(NOTICE)
    LogNotifier().notify(Notice("t", "x", severity="warning"))
    assert [(record.levelname, record.getMessage()) for record in log.records] == [
        ("ERROR", MESSAGE),
        ("WARNING", "t\nx"),
    ]


def test_the_environment_chooses_and_the_ui_learns_no_address(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FAKENEWS_WEBHOOK", raising=False)
    assert isinstance(notifier_from_environment(), LogNotifier)
    monkeypatch.setenv("FAKENEWS_WEBHOOK", webhook.url)
    notifier = notifier_from_environment()
    defs = dg.Definitions(sensors=[failure_notifier], resources={"notifier": notifier})
    shown = serialize_value(RepositorySnap.from_def(defs.get_repository_def()))
    assert "FAKENEWS_WEBHOOK" in shown
    assert HIDDEN not in shown + repr(notifier) + repr(WebhookNotifier(url=webhook.url))

    with dg.build_resources({"notifier": notifier}) as resources:
        resources.notifier.notify(NOTICE)
    assert [body["title"] for body in webhook.bodies] == [NOTICE.title]
