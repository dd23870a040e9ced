"""Simulates traffic of another era, to demonstrate drift detection."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import httpx
import numpy as np
import polars as pl
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from fakenews_assets.common import progress
from fakenews_resources.news.sample import SampleSpec, generate, write_sample

_BATCH_ROWS: Final = 50
_MAX_TITLE: Final = 1_000  # characters that the service takes
_TIMEOUT_SECONDS: Final = 60
_ATTEMPTS: Final = 10
_PAUSE_SECONDS: Final = 2.0  # between attempts, unless the service says how long
_LONGEST_PAUSE_SECONDS: Final = 60.0


class ServiceError(RuntimeError):
    """The service cannot be used as it is. The message says what to do."""


@dataclass(frozen=True)
class Traffic:
    """Summary of the sent traffic."""

    sent: int
    """Articles."""
    fake: int
    real: int
    unsure: int
    feedback: int
    """Articles whose label was sent after them."""
    models: tuple[str, ...]
    """Shas of the bundles that answered: more than one if the champion changed meanwhile."""


def articles_of(spec: SampleSpec) -> pl.DataFrame:
    """Generated articles whose title a service takes: `title`, `text` or null, `label` 0, 1 or null."""
    usable = pl.col("title").str.contains(r"\S") & (pl.col("title").str.len_chars() <= _MAX_TITLE)
    label = pl.when(pl.col("label").is_in(["0", "1"])).then("label").cast(pl.Int8)
    return pl.concat(generate(spec)).filter(usable).select("title", "text", label)


def send_traffic(
    url: str,
    articles: pl.DataFrame,
    *,
    feedback_share: float,
    api_key: str | None = None,
    seed: int = 0,
    sleep: Callable[[float], None] = time.sleep,
) -> Traffic:
    """Send articles to a service, and true labels of some of them.

    Args:
        url: where the service is, such as `http://127.0.0.1:3001`.
        articles: as `articles_of` returns them.
        feedback_share: how likely a label is sent, where there is one.
        api_key: for a service that demands one.
        seed: of the choice of these labels.
        sleep: waits when the service asks to be left alone.

    Raises:
        ServiceError: it is not there, has no model, wants another key, or refuses for another reason.
    """
    drawn = pl.Series("told", np.random.default_rng(seed).random(articles.height) < feedback_share)
    articles = articles.with_columns(drawn & pl.col("label").is_not_null())
    total = articles.height + int(articles["told"].sum())
    verdicts: Counter[str] = Counter()
    models: dict[str, None] = {}
    feedback = 0
    with _Service(url, api_key, sleep) as service:
        for batch in articles.iter_slices(_BATCH_ROWS):
            asked = {"articles": batch.select("title", "text").to_dicts()}
            answer = service.post("/predict_batch", asked)
            verdicts.update(one["verdict"] for one in answer["predictions"])
            models[answer["model_id"]] = None
            for truth in (
                batch.with_row_index("row", offset=1).filter("told").select("row", "label").to_dicts()
            ):
                known = {"request_id": answer["request_id"], **truth, "source": "simulation"}
                service.post("/feedback", known)
                feedback += 1
            progress.report(verdicts.total() + feedback, total, "requests")
    return Traffic(
        sent=verdicts.total(),
        fake=verdicts["fake"],
        real=verdicts["real"],
        unsure=verdicts["unsure"],
        feedback=feedback,
        models=tuple(models),
    )


def land(spec: SampleSpec, folder: Path) -> Path:
    """Write generated, labelled articles to a folder as `era-<era>-seed-<seed>.csv`, atomically.

    Until then their name begins with a dot.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"era-{spec.era}-seed-{spec.seed}.csv"
    hidden = path.with_name(f".{path.name}")
    write_sample(spec, hidden)
    return hidden.replace(path)


class _Busy(Exception):
    """The service asks to come back later."""

    def __init__(self, message: str, seconds: float | None) -> None:
        super().__init__(message)
        self.seconds = seconds


class _Service:
    """A running service, as a client sees it."""

    def __init__(self, url: str, api_key: str | None, sleep: Callable[[float], None]) -> None:
        self._url = url.rstrip("/")
        self._client = httpx.Client(
            headers=[(b"X-API-Key", api_key.encode())] if api_key else None, timeout=_TIMEOUT_SECONDS
        )
        self._retrying = Retrying(
            retry=retry_if_exception_type(_Busy),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=_wait,
            sleep=sleep,
            reraise=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Post, and return the answer; waits while the service is busy. Raises ServiceError."""
        try:
            return self._retrying(self._attempt, path, body)
        except _Busy as error:
            raise ServiceError(f"The service at {self._url} stays busy: {error}") from error

    def _attempt(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            response = self._client.post(f"{self._url}{path}", json=body)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise ServiceError(
                f"{self._url} is not an address. Use one like http://127.0.0.1:3001."
            ) from error
        except httpx.TransportError as error:
            raise ServiceError(
                f"No service answers at {self._url}. Start it with `make serve`, or name another with --url."
            ) from error
        if response.is_success:
            try:
                return response.json()
            except ValueError as error:
                raise ServiceError(f"Another program answers at {self._url}: check --url.") from error
        code, message = _fault(response)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise ServiceError(
                f"The service at {self._url} requires an API key. Give it as --api-key, or in "
                "FAKENEWS_API_KEY."
            )
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE and code != "no_model":
            after = response.headers.get("Retry-After", "")
            raise _Busy(message, float(after) if after.isdecimal() else None)
        raise ServiceError(f"The service at {self._url} answered {response.status_code}: {message}")


def _fault(response: httpx.Response) -> tuple[str, str]:
    """The service's word for what is wrong, and its sentence; of another server, what the status says."""
    try:
        fault = response.json()["error"]
        return fault["code"], fault["message"]
    except (ValueError, KeyError, TypeError):
        return "", response.reason_phrase


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.seconds if isinstance(error, _Busy) else None
    return _PAUSE_SECONDS if asked is None else min(asked, _LONGEST_PAUSE_SECONDS)
