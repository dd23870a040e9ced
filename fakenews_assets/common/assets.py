"""The decorator of this project's assets."""

import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg

from fakenews_assets.common import progress
from fakenews_assets.common.metadata import rounded


def asset(**options: Any) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """`dg.asset` whose body shows its progress, under its name and in the run's log, and rounds what the UI shows."""

    def decorate(body: Callable[..., Any]) -> dg.AssetsDefinition:
        return dg.asset(**options)(_shown(body))

    return decorate


def _shown(body: Callable[..., Any]) -> Callable[..., Any]:
    # Dagster looks whether a body yields, so that a generator stays one.
    if inspect.isgeneratorfunction(body):

        @functools.wraps(body)
        def generator(*args: Any, **kwargs: Any) -> Iterator[Any]:
            with progress.step(body.__name__, _log()):
                for result in body(*args, **kwargs):
                    yield _given(result)

        return generator

    @functools.wraps(body)
    def function(*args: Any, **kwargs: Any) -> Any:
        with progress.step(body.__name__, _log()):
            return _given(body(*args, **kwargs))

    return function


def _given(result: Any) -> Any:
    """The result with what the UI shows rounded, and as metadata of the asset."""
    result = rounded(result)
    context = _context()
    if context and isinstance(result, dg.MaterializeResult):
        # Metadata of the result would stand in the event of the step's output once more.
        context.add_asset_metadata(result.metadata or {})
        return result._replace(metadata=None)
    return result


def _log() -> logging.Logger | None:
    """The run's log; None where a body is called outside a run.

    Dagster's logger for modules would do, but passes all on to Python's root logger, where other libraries print it.
    """
    context = _context()
    return context.log if context else None


def _context() -> dg.AssetExecutionContext | None:
    """None where a body is called outside a run."""
    try:
        return dg.AssetExecutionContext.get()
    except dg.DagsterInvariantViolationError:
        return None
