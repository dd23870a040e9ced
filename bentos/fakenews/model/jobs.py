"""The work of a request: its articles, and the pieces of it that the model takes at once."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from fakenews_assets.models.classifier import Article
from fakenews_assets.monitoring.log.records import UNKNOWN_CALLER, Caller

T = TypeVar("T")

PIECE_COST: Final = 512
"""Most cost that a request has in one turn, unless a single article has more or the batch has room: a long article, or two
dozen titles."""
_AHEAD_CHARS: Final = 4_096
"""Characters of the articles of one request that are prepared at once: some sixty titles, for which each preparation
would cost a multiple of its own work."""
_BATCH_COST: Final = 40
"""What a batch costs beside its articles. Without it the pace of single titles would be taken for that of articles."""


@dataclass(slots=True)
class Job(Generic[T]):
    """The articles of one request."""

    request_id: str
    endpoint: str
    articles: Sequence[Article]
    rows: Sequence[int]
    """Row numbers within the request of the articles, for the log; none: they are not logged."""
    received: float
    """`perf_counter` at the start of the request."""
    answer: "asyncio.Future[list[T]]"
    """The answers to its pieces, in order."""
    caller: Caller = UNKNOWN_CALLER
    is_begun: bool = False
    """Whether the answer to its request has begun: it is then not refused any more."""
    model: Any = None
    """For the function that answers."""
    has_left: Callable[[], bool] = lambda: False
    """Whether nobody waits for the answer any more."""
    costs: list[int] = field(init=False)
    left: int = field(init=False)
    """Cost of the articles that the model has not taken yet."""
    is_large: bool = field(init=False)
    """Whether it costs more than a piece."""
    is_many: bool = field(init=False)
    """Whether it takes more than one piece: a single article is never cut."""
    taken: int = field(init=False, default=0)
    """Articles that it has taken."""
    ahead: list[Article] = field(init=False, default_factory=list)
    """The next articles that the model has not taken yet, as far as they are prepared."""
    found: list[T] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.costs = [_cost(article) for article in self.articles]
        self.left = sum(self.costs)
        self.is_large = self.left > PIECE_COST
        self.is_many = self.is_large and len(self.articles) > 1

    def next_piece(self, max_rows: int, max_cost: float) -> "Piece[T]":
        """The next articles: at least one, and no more than `max_cost` in sum."""
        end, cost = self.taken + 1, self.costs[self.taken]
        while end < min(len(self.costs), self.taken + max_rows) and cost + self.costs[end] <= max_cost:
            cost += self.costs[end]
            end += 1
        return Piece(self, self.taken, end, cost)


@dataclass(frozen=True, slots=True, eq=False)
class Piece(Generic[T]):
    """Consecutive articles of a job, which the model takes at once."""

    job: Job[T]
    begin: int
    end: int
    cost: int

    @property
    def articles(self) -> Sequence[Article]:
        """The articles."""
        return self.job.articles[self.begin : self.end]

    @property
    def rows(self) -> Sequence[int]:
        """Row numbers within the request of those articles that are logged."""
        return self.job.rows[self.begin : self.end]

    def unprepared(self) -> Sequence[Article]:
        """Its articles that are not in `ahead` of the job, and with them those after it that go into one preparation."""
        articles, begin = self.job.articles, self.begin + len(self.job.ahead)
        if begin >= self.end:
            return ()
        end, chars = begin, 0
        while end < len(articles) and (end < self.end or chars < _AHEAD_CHARS):
            chars += len(articles[end].title) + len(articles[end].text)
            end += 1
        return articles[begin:end]

    def take_prepared(self, prepared: Sequence[Article]) -> list[Article]:
        """Its articles, prepared. Those of `unprepared` are given; the job keeps what is ahead of this piece."""
        ahead = [*self.job.ahead, *prepared]
        rows = self.end - self.begin
        self.job.ahead = ahead[rows:]
        return ahead[:rows]


def _cost(article: Article) -> int:
    """Approximate number of tokens of an article, capped for long texts, and what its preparation takes in the same unit."""
    chars = len(article.title) + len(article.text)
    return 8 + min(chars, 2000) // 4 + chars // 128


def cost_of(pieces: Sequence[Piece[Any]]) -> int:
    return _BATCH_COST + sum(piece.cost for piece in pieces)
