"""Recipes: how the folders of published data sets are read, each a TOML table.

`isot:FOLDER` reads a folder as `isot.toml` says. A person's own recipes lie in `recipes/` of the project and go before
the ones here.
"""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.data.mapping import BatchMapping
from fakenews_assets.data.receiving import RawNewsSettings
from fakenews_resources.news.base import BadAddress, NotFound
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

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a TOML table. Raises BadAddress if it is no recipe."""
        try:
            return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise BadAddress(f"{path} is not a recipe: {error}") from error

    def settings(self, folder: Path, given: RawNewsSettings) -> RawNewsSettings:
        """Settings that read a folder; what was given goes before the recipe.

        Raises:
            NotFound: a file is missing.
        """
        present = [one for one in self.file if not one.optional or (folder / one.path).is_file()]
        missing = [one.path for one in present if not (folder / one.path).is_file()]
        if missing or not present:
            wanted = ", ".join(missing or [one.path for one in self.file])
            raise NotFound(f"{folder} lacks {wanted} of {self.name} ({self.url}): fetch and unpack it there")
        mapping = BatchMapping(
            header=self.header,
            columns={**self.columns, **given.columns},
            labels={**self.labels, **given.labels},
            title_words=self.title_words,
            file_labels=tuple(one.label for one in present) if any(one.label for one in present) else (),
        )
        uris = [str((folder / one.path).absolute()) for one in present]
        read = given.model_dump(exclude_defaults=True, exclude={"columns", "labels"})
        return RawNewsSettings.model_validate(
            {**mapping.model_dump(), **read, "uri": uris[0], "more_uris": tuple(uris[1:])}
        )


def recipes() -> Mapping[str, Path]:
    """The recipes by name: the project's own, and those here."""
    folders = (Path(str(files("fakenews_assets.data.recipes"))), project_path(OWN_FOLDER))
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"))}


def with_recipe(settings: RawNewsSettings) -> RawNewsSettings:
    """Settings whose address names files: those of a recipe, if it is `recipe:FOLDER`.

    Raises:
        BadAddress, NotFound: as the recipe does.
    """
    name, colon, folder = settings.uri.partition(":")
    if not colon or not folder or folder.startswith("//") or not (path := recipes().get(name.lower())):
        return settings
    return Recipe.read(path).settings(project_path(folder), settings)
