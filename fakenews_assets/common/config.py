"""Plain pydantic settings as the configuration of Dagster's assets and ops."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, ParamSpec, TypeVar, get_args, get_origin

import dagster as dg
from pydantic import BaseModel, Field, create_model

P = ParamSpec("P")
R = TypeVar("R")


def plain_config(function: Callable[P, R]) -> Callable[P, R]:
    """Let an asset or op take plain pydantic settings as its `config`; goes directly under `@dg.asset` or `@dg.op`.

    Dagster takes subclasses of its own `dg.Config` only. It gets one with the same fields, defaults, descriptions and
    validators, and the function gets the plain settings. Settings may nest others that have a default; a tuple with
    a default is a list in the configuration.
    """
    settings: type[BaseModel] = inspect.get_annotations(function)["config"]
    config = _dagster_config(settings)

    def plain(arguments: dict[str, Any]) -> dict[str, Any]:
        return arguments | {"config": settings.model_validate(arguments["config"].model_dump())}

    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **plain(kwargs))

    def generate(*args: Any, **kwargs: Any) -> Any:  # Dagster asks which of the two a function is
        yield from function(*args, **plain(kwargs))  # pyright: ignore[reportGeneralTypeIssues]

    shell = wraps(function)(generate if inspect.isgeneratorfunction(function) else call)
    signature = inspect.signature(function)
    shell.__annotations__ = inspect.get_annotations(function) | {"config": config}
    shell.__dict__["__signature__"] = signature.replace(
        parameters=[
            each.replace(annotation=config) if each.name == "config" else each
            for each in signature.parameters.values()
        ]
    )
    return shell


def _item(annotation: Any) -> type:
    """Dagster's type of a tuple's items: literals are strings."""
    item = get_args(annotation)[0]
    item = get_args(item)[0] if get_origin(item) is Annotated else item
    return item if item in (bool, int, float) else str


def _dagster_config(settings: type[BaseModel]) -> type[dg.Config]:
    replaced: dict[str, Any] = {}
    for name, field in settings.model_fields.items():
        if get_origin(field.annotation) is tuple:  # Dagster knows no tuples, and no lists of literals
            default = list(field.get_default())
            items = list[_item(field.annotation)]
            replaced[name] = (items, Field(default=default, description=field.description))
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            config = _dagster_config(field.annotation)
            default = config(**field.get_default().model_dump())
            replaced[name] = (config, Field(default=default, description=field.description))
    create: Any = create_model  # pyright finds no overload for bases of two kinds
    return create(settings.__name__, __base__=(dg.Config, settings), __doc__=settings.__doc__, **replaced)
