"""Recipes: how published data sets are read, each a TOML table.

A person's own recipes lie in `recipes/` of the project and go before the ones here.
"""

import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fakenews_assets.data.fields.mapping import BatchMapping, faults_of
from fakenews_resources.news.base import BadAddress
from fakenews_resources.project import project_path

OWN_FOLDER: Final = "recipes"
"""Below the project's folder."""


class RecipeFile(BaseModel):
    """One file of a data set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(description="Within the folder.")
    label: str = Field(
        default="", description="Label of all of its rows: real or fake. Empty: what they say."
    )
    optional: bool = Field(default=False, description="Whether the folder may lack it.")


class Recipe(BaseModel):
    """How a data set is read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    url: str = ""
    licence: str = ""
    file: tuple[RecipeFile, ...] = Field(min_length=1)
    header: tuple[str, ...] = Field(default=(), description="See `BatchMapping`.")
    columns: dict[str, str] = Field(default_factory=dict, description="See `BatchMapping`.")
    labels: dict[str, str] = Field(default_factory=dict, description="See `BatchMapping`.")
    title_words: int = Field(default=0, ge=0, description="See `BatchMapping`.")
    known_columns: tuple[str, ...] = Field(
        default=(),
        description="A file with exactly these columns is read by the recipe although nobody named it.",
    )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a TOML table. Raises BadAddress if it is no recipe."""
        try:
            return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except ValidationError as error:
            raise BadAddress(f"{path} is not a recipe: {faults_of(error)}") from error
        except (OSError, ValueError) as error:
            raise BadAddress(f"{path} is not a recipe: {error}") from error


def recipes() -> Mapping[str, Path]:
    """The recipes by name: the project's own, and those here."""
    folders = (Path(str(files("fakenews_assets.data.recipes"))), project_path(OWN_FOLDER))
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"))}


def recognised(files: Sequence[Mapping[str, Any]]) -> Recipe | None:
    """The recipe of the data set whose columns the files have; None: there is none.

    Args:
        files: as in a manifest: each with the `columns` that are used and the names of those that are `ignored`.
    """
    headers = {frozenset([*file["columns"].values(), *file["ignored"]]) for file in files}
    for path in recipes().values():
        with suppress(BadAddress):  # whoever names that recipe is told
            recipe = Recipe.read(path)
            if recipe.known_columns and headers == {frozenset(recipe.known_columns)}:
                return recipe
    return None


def said_by(recipe: Recipe | None, mapping: BatchMapping) -> dict[str, dict[str, str]]:
    """`columns` and `labels` that a recipe gives a batch. Nothing of labels if something was said about them."""
    if recipe is None:
        return {"columns": {}, "labels": {}}
    says_labels = mapping.labels or mapping.file_labels or "label" in mapping.columns
    columns = {field: name for field, name in recipe.columns.items() if field not in mapping.columns}
    return {"columns": columns, "labels": {} if says_labels else dict(recipe.labels)}
