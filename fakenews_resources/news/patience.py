"""How long a download goes on: its attempts, and the pauses between them."""

import random
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field
from tenacity import RetryCallState, wait_exponential

from fakenews_resources.news.base import Tell


class DownloadPolicy(BaseModel):
    """Time-outs and retries of a download."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attempts: int = Field(
        default=8, ge=1, description="Attempts, the first included; each resumes where the last broke off."
    )
    patience_s: float = Field(
        default=60,
        ge=0,
        description="How long attempts go on that bring neither a further byte nor an answer that asks for patience, in seconds."
        " Two are made in any case.",
    )
    connect_timeout_s: float = Field(
        default=10, gt=0, description="Longest wait for a connection, in seconds."
    )
    read_timeout_s: float = Field(
        default=60, gt=0, description="Longest silence of a connected server, in seconds."
    )
    first_wait_s: float = Field(
        default=1, ge=0, description="Pause before the second attempt; doubles from there, with jitter."
    )
    longest_wait_s: float = Field(
        default=120,
        ge=0,
        description="Longest pause between attempts. A server that asks for more ends the download.",
    )


class Interrupted(Exception):
    """An attempt failed temporarily. `wait_s` is the wait that the server asked for; `busy`: it answered that it cannot
    now."""

    def __init__(self, what: str, wait_s: float | None = None, *, busy: bool = False) -> None:
        super().__init__(what)
        self.wait_s = wait_s
        self.busy = busy


def telling(shown: str, tell: Tell | None) -> Callable[[RetryCallState], None]:
    """Say before each wait why it is and how long."""

    def before_sleep(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if tell and state.next_action:
            tell(f"{shown}: {error}; tries again in {state.next_action.sleep:.0f} s")

    return before_sleep


class Patience:
    """Ends a download after all attempts, or once `patience_s` have passed without a further byte or a busy server's
    answer.

    Args:
        policy: time-outs and retries.
        size: how many bytes have arrived.
        clock: seconds.
    """

    def __init__(self, policy: DownloadPolicy, size: Callable[[], int], clock: Callable[[], float]) -> None:
        self._policy = policy
        self._size = size
        self._clock = clock
        self._furthest = size()
        self._since = clock()
        self.lost_patience = False

    def __call__(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        busy = isinstance(error, Interrupted) and error.busy
        if busy or self._size() > self._furthest:
            self._furthest = max(self._furthest, self._size())
            self._since = self._clock()
        waited = self._clock() - self._since
        self.lost_patience = state.attempt_number >= 2 and waited >= self._policy.patience_s
        return self.lost_patience or state.attempt_number >= self._policy.attempts


class Pause:
    """Waits as long as the server asked, else exponentially longer with jitter."""

    def __init__(self, policy: DownloadPolicy) -> None:
        self._policy = policy
        self._backoff = wait_exponential(multiplier=policy.first_wait_s)

    def __call__(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, Interrupted) and error.wait_s is not None:
            return error.wait_s
        jitter = random.uniform(0, self._policy.first_wait_s)
        return min(self._backoff(state) + jitter, self._policy.longest_wait_s)
