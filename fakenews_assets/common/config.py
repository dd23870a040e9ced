"""Plain pydantic settings as the configuration of Dagster's assets and ops."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, ParamSpec, TypeVar, get_args, get_origin

import dagster as dg
from pydantic import BaseModel, Field, ValidationError, create_model
from pydantic_core import ErrorDetails

P = ParamSpec("P")
R = TypeVar("R")


class ImpossibleSettings(ValueError):
    """Values of the right types that an asset's settings do not allow."""


def plain_config(function: Callable[P, R]) -> Callable[P, R]:
    """Let an asset or op take plain pydantic settings as its `config`; goes directly under `@dg.asset` or `@dg.op`.

    Dagster takes subclasses of its own `dg.Config` only. It gets one with the same fields, defaults, descriptions and
    validators, and the function gets the plain settings. A run with values that the settings do not allow is refused
    when it is launched. Settings may nest others that have a default; a tuple with
    a default is a list in the configuration.
    """
    settings: type[BaseModel] = inspect.get_annotations(function)["config"]
    config = _dagster_config(settings)
    _refuse_at_launch(config, settings)

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


def _refuse_at_launch(config: type[dg.Config], settings: type[BaseModel]) -> None:
    """Let Dagster check values against the settings before a run starts. By itself it knows only their types."""

    def check(value: Any) -> Any:
        try:
            settings.model_validate(value)
        except ValidationError as error:
            wrong = "; ".join(_sentence(each) for each in error.errors())
            # Dagster's own error for this would quote every setting and two stack traces.
            raise ImpossibleSettings(f"{settings.__name__}: {wrong}.") from None
        return value

    # Dagster keeps one schema for equal fields, so this is the one that the asset gets.
    schema: Any = config.to_config_schema().config_type
    schema.post_process = check


def _sentence(error: ErrorDetails) -> str:
    where = ".".join(str(part) for part in error["loc"])
    said = error["msg"].removeprefix("Value error, ")
    return f"{where}: {said}" if where else said


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
