"""The service's runtime: the champion, its queue, and the prediction log."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from time import perf_counter
from typing import Any, Final

import numpy as np

from bentos.fakenews import metrics
from bentos.fakenews.model import loading
from bentos.fakenews.model.batching import Batcher
from bentos.fakenews.model.jobs import Job, Piece
from bentos.fakenews.model.loading import NoModel, Served
from bentos.fakenews.model.upkeep import LogUpkeep, repeat
from bentos.fakenews.settings import ServiceSettings
from fakenews_assets.models.classifier import Article, Predictions
from fakenews_assets.models.predictions import prediction_records
from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_assets.monitoring.log.records import UNKNOWN_CALLER, Caller, log_line
from fakenews_assets.monitoring.log.sending import LogSender
from fakenews_assets.registry.champion import POINTER_FILE, pointer_in
from fakenews_assets.registry.scorer import Scorer
from fakenews_resources.storage.backend import Document, StoreError

logger = logging.getLogger(__name__)

_START_SECONDS: Final = 60
"""Seconds that the start waits for the champion: shorter than any startup probe, and than a client of a bucket tries."""
_RETRY_SECONDS: Final = 30
"""Seconds between attempts to load a champion after a failure."""
_TELL_SECONDS: Final = 60
"""Seconds between two messages of answers that the log has lost."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The predictions for one job."""

    model: Served
    predictions: Predictions
    began: float = 0
    """`perf_counter` when the model took the first of them."""
    ended: float = 0
    """The same when it had answered the last."""

    @property
    def model_id(self) -> str:
        """Sha of the bundle that answered."""
        return self.model.scorer.model_id


class Runtime:
    """One service process."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings
        backend = settings.log_backend()
        self._sender = LogSender(backend) if backend.is_bucket else None
        self.log = self._sender.log if self._sender else PredictionLog(backend.root)
        self._upkeep = LogUpkeep(self.log, self._sender, settings.log_send_seconds)
        self.served: Served | None = None
        self.batcher: Batcher[Answered] = Batcher(
            self._answer,
            max_rows=settings.max_batch_rows,
            max_wait=settings.max_wait_ms / 1000,
            max_backlog=settings.max_backlog_seconds,
        )
        self.uploads = asyncio.Semaphore(settings.max_csv_uploads)
        self._models = settings.models_backend()
        self._seen: Document | None = None
        self._retry_at = 0.0
        self._untold, self._tell_at = 0, 0.0
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Load the champion, if there is one, and start answering, watching for a new champion and rotating the log.

        A bucket that does not answer, or a large model, holds it up for `_START_SECONDS` at most.
        """
        self.batcher.start()
        first = asyncio.create_task(self._take_over())
        await asyncio.wait([first], timeout=_START_SECONDS)
        if not first.done():
            self._tasks.append(first)
            logger.warning("Still loading from %s: answering 503 until then.", self._models.address)
        elif self.served is None:
            logger.warning("No champion in %s: answering 503 until one is selected.", self._models.address)
        watched = [self._watch(first), *self._upkeep.tasks()]
        self._tasks += [asyncio.create_task(one) for one in watched]

    async def stop(self) -> None:
        """Answer the waiting jobs and close the log."""
        for task in self._tasks:
            task.cancel()
        await self.batcher.stop()
        self.log.close()
        await self._upkeep.close()

    async def answer(self, request_id: str, row: int) -> Mapping[str, Any] | None:
        """The log's line of one row of a request; None: it has none.

        Raises:
            ValueError: not an id of this service.
            StoreError: the bucket with the log cannot be reached.
        """
        return await asyncio.to_thread((self._sender or self.log).answer, request_id, row)

    def champion(self) -> Served:
        """The model in force. Raises NoModel if there is none."""
        if self.served is None:
            raise NoModel
        return self.served

    async def ask(
        self,
        articles: Sequence[Article],
        *,
        request_id: str,
        endpoint: str,
        received: float,
        rows: Sequence[int],
        caller: Caller = UNKNOWN_CALLER,
        model: Served | None = None,
        is_begun: bool = False,
        has_left: Callable[[], bool] = lambda: False,
    ) -> Answered:
        """Predict the articles of one request.

        Args:
            articles: as asked.
            request_id: for the log.
            endpoint: for the log.
            received: `perf_counter` at the start of the request.
            rows: row numbers within the request of the articles, for the log; none: they are not logged.
            caller: for the log.
            model: the one to ask; by default the champion. One request has one model, also while another takes over.
            is_begun: whether its answer has begun: then it is not refused any more.
            has_left: whether nobody waits for the answer any more.

        Raises:
            ClientDisconnect: its client has left before all was answered.
            NoModel: there is no champion yet.
            Overloaded: there are many articles, and too much waits.
        """
        model = model or self.champion()
        if not articles:
            return Answered(model, Predictions.from_probability(np.zeros(0)))
        # By length, because a model pads the articles that it takes at once to the longest of them.
        order = sorted(range(len(articles)), key=lambda at: len(articles[at].title) + len(articles[at].text))
        job = Job[Answered](
            request_id=request_id,
            endpoint=endpoint,
            articles=[articles[at] for at in order],
            rows=[rows[at] for at in order] if rows else (),
            received=received,
            caller=caller,
            answer=asyncio.get_running_loop().create_future(),
            is_begun=is_begun,
            model=model,
            has_left=has_left,
        )
        parts = await self.batcher.submit(job)
        predictions = Predictions.joined([part.predictions for part in parts]).part(np.argsort(order))
        return Answered(parts[0].model, predictions, parts[0].began, parts[-1].ended)

    def _answer(self, pieces: list[Piece[Answered]]) -> list[Answered]:
        """Predict pieces as one batch, log the answers, then release them. Runs in one of the model's threads."""
        answers: dict[int, Answered] = {}
        records: list[dict[str, Any]] = []
        for model in dict.fromkeys(piece.job.model for piece in pieces):
            own = {at: piece for at, piece in enumerate(pieces) if piece.job.model is model}
            began = perf_counter()
            scores = model.scorer.score_prepared(_prepared(model.scorer, list(own.values())))
            if scores.predictions.deferred is not None:
                metrics.DEFERRED.inc(int(scores.predictions.deferred.sum()))
            first, ended = 0, perf_counter()
            for at, piece in own.items():
                part = slice(first, first + len(piece.articles))
                first = part.stop
                answers[at] = Answered(model, scores.predictions.part(part), began, ended)
                records += self._records(piece, answers[at], scores.article_ids[part])
        self._write(records)
        metrics.count_answers(records, sum(len(piece.articles) for piece in pieces))
        return [answers[at] for at in range(len(pieces))]

    def _records(
        self, piece: Piece[Answered], answered: Answered, article_ids: Sequence[str]
    ) -> list[dict[str, Any]]:
        job, rows = piece.job, piece.rows
        now, seconds = datetime.now(UTC), perf_counter() - job.received
        logged = slice(len(rows))
        predictions = prediction_records(article_ids[logged], answered.predictions.part(logged))
        return [
            log_line(
                article,
                prediction,
                time=now,
                request_id=job.request_id,
                row=row,
                endpoint=job.endpoint,
                model_id=answered.model_id,
                latency_ms=round(1000 * seconds, 3),
                with_text=self.settings.log_content == "text",
                truncated=answered.predictions.is_truncated(at),
                caller=job.caller,
            )
            for at, (row, article, prediction) in enumerate(
                zip(rows, piece.articles[logged], predictions, strict=True)
            )
        ]

    def _write(self, records: list[dict[str, Any]]) -> None:
        # A full disk must not stop the answers; it must be noticed.
        try:
            self.log.append("predictions", records)
        except OSError as error:
            metrics.LOG_LOST.inc(len(records))
            metrics.LOG_BROKEN.set(1)
            self._untold += len(records)
            if (now := perf_counter()) >= self._tell_at:  # a line for each answer would fill the next disk
                lost = "The prediction log in %s cannot be written, %d answers lost: %s"
                logger.error(lost, self.log.root, self._untold, error)
                self._untold, self._tell_at = 0, now + _TELL_SECONDS
        else:
            metrics.LOG_BROKEN.set(0)

    async def _take_over(self) -> None:
        """Load the current champion. The previous one keeps answering until that succeeds."""
        try:
            document = await asyncio.to_thread(self._models.read, POINTER_FILE)
        except (StoreError, OSError) as error:
            logger.error("Could not check for a new champion: %s", error)
            return
        now = perf_counter()
        if document is None or (document == self._seen and (not self._retry_at or now < self._retry_at)):
            return
        self._seen, self._retry_at = document, 0.0
        try:
            pointer = pointer_in(document, self._models)
            if self.served and self.served.pointer == pointer:
                return
            loaded = await asyncio.to_thread(loading.load, self._models, pointer, self.settings)
            await asyncio.to_thread(loading.warm_up, loaded.scorer)  # the one before answers meanwhile
            self.served = loaded
            metrics.SERVING.set(1)
        except Exception as error:  # noqa: BLE001 - runtimes raise whatever they like, and the one before must stay
            self._retry_at = now + _RETRY_SECONDS
            metrics.SWAPS.labels("failed").inc()
            meanwhile = "the previous one keeps answering" if self.served else "every article is answered 503"
            logger.error("Could not load the new champion; %s: %s", meanwhile, str(error) or repr(error))
        else:
            metrics.SWAPS.labels("done").inc()
            logger.info("Serving %s (%s)", pointer.bundle, self.served.scorer.bundle.manifest.candidate)

    async def _watch(self, first: "asyncio.Task[None]") -> None:
        """Look for a new champion for ever, once the first look is over."""
        await asyncio.wait([first])
        await repeat(self._take_over, self.settings.watch_seconds)


def _prepared(scorer: Scorer, pieces: Sequence[Piece[Answered]]) -> list[Article]:
    """The articles of pieces in order, prepared in one call, together with the next ones of large requests."""
    asked = [piece.unprepared() for piece in pieces]
    raw = list(chain.from_iterable(asked))
    found = iter(scorer.prepare(raw) if raw else ())
    parts = (
        piece.take_prepared(list(islice(found, len(own)))) for piece, own in zip(pieces, asked, strict=True)
    )
    return list(chain.from_iterable(parts))
