"""Sends notices to people, through a webhook or the log."""

import json
import logging
import os
import threading
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Final, Literal

import dagster as dg
import httpx
from pydantic import Field
from tenacity import (
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential,
)

logger = logging.getLogger(__name__)

WEBHOOK_VARIABLE: Final = "FAKENEWS_WEBHOOK"

_LEVELS: Final = {"error": logging.ERROR, "warning": logging.WARNING}

_LAST_ATTEMPT_SECONDS: Final = 10
"""Time limit for starting an attempt. Dagster gives a sensor 60 s for up to five failed runs."""


@dataclass(frozen=True)
class Notice:
    """A message to a person."""

    title: str
    """One line."""
    text: str
    """What happened and what to do next, as plain lines."""
    severity: Literal["error", "warning"] = "error"
    run_id: str | None = None
    link: str | None = None


class Notifier(dg.ConfigurableResource):
    """Delivers notices."""

    @abstractmethod
    def notify(self, notice: Notice) -> None:
        """Deliver a notice. Failures are logged and not raised, so that they do not stop the caller."""


class LogNotifier(Notifier):
    """Writes notices to the log of the process."""

    def notify(self, notice: Notice) -> None:
        logger.log(_LEVELS[notice.severity], "%s", _message(notice))


class WebhookNotifier(Notifier):
    """Posts notices as JSON: `text`, which the webhooks of Slack, Mattermost and Teams read, holds the whole
    notice, and the other fields of `Notice` stand beside it.

    Undelivered notices go to the log. The address is a secret and is never logged.
    """

    url: str = Field(
        repr=False,
        description="Address of the webhook. Give it as `dg.EnvVar`: Dagster shows the settings of a resource,"
        " but only the name of a variable.",
    )
    timeout_seconds: float = Field(
        default=5, gt=0, le=10, description="Longest wait for a connection, and for an answer."
    )
    attempts: int = Field(
        default=3,
        ge=1,
        description="Attempts, the first included, while the webhook cannot be reached or answers 429 or 5xx.",
    )

    def notify(self, notice: Notice) -> None:
        body = json.dumps({**asdict(notice), "text": _message(notice)}).encode()
        retrying = Retrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_attempt(self.attempts) | stop_before_delay(_LAST_ATTEMPT_SECONDS),
            wait=wait_exponential(multiplier=0.5),
            reraise=True,
        )
        try:
            with _unlogged_requests():
                retrying(self._post, body)
        except (_NotTaken, httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) if isinstance(error, _NotTaken) else type(error).__name__
            logger.error("The webhook did not accept the following notice: %s.", reason)
            LogNotifier().notify(notice)

    def _post(self, body: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        with httpx.stream(
            "POST", self.url, content=body, headers=headers, timeout=self.timeout_seconds
        ) as response:
            if not response.is_success:
                raise _NotTaken(response.status_code)


def notifier_from_environment() -> Notifier:
    """The webhook that FAKENEWS_WEBHOOK names; the log if it is not set."""
    if os.environ.get(WEBHOOK_VARIABLE):
        return WebhookNotifier(url=dg.EnvVar(WEBHOOK_VARIABLE))
    return LogNotifier()


class _NotTaken(Exception):
    """The webhook answered, but not with success."""

    def __init__(self, status: int) -> None:
        super().__init__(f"it answered {status}")
        self.status = status


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, _NotTaken):
        return error.status == httpx.codes.TOO_MANY_REQUESTS or error.status >= 500
    return isinstance(error, httpx.NetworkError | httpx.TimeoutException | httpx.RemoteProtocolError)


def _message(notice: Notice) -> str:
    whole = "\n".join(filter(None, (notice.title, notice.text, notice.link)))
    # A reason may quote bytes that are no text, and no log or chat takes them.
    return whole.encode(errors="replace").decode()


@contextmanager
def _unlogged_requests() -> Iterator[None]:
    """httpx logs the address of every request. Keep those of this thread out of the log."""
    here = threading.get_ident()

    def is_elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != here

    logging.getLogger("httpx").addFilter(is_elsewhere)
    try:
        yield
    finally:
        logging.getLogger("httpx").removeFilter(is_elsewhere)
