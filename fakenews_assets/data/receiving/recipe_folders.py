"""Reads the folder of a published data set: `isot:FOLDER` as `isot.toml` says."""

from pathlib import Path

from fakenews_assets.data.fields.mapping import BatchMapping
from fakenews_assets.data.receiving.receiving import RawNewsSettings
from fakenews_assets.data.recipes.recipe import Recipe, recipes
from fakenews_resources.news.base import NotFound
from fakenews_resources.project import project_path


def with_recipe(settings: RawNewsSettings) -> RawNewsSettings:
    """Settings whose address names files: those of a recipe, if it is `recipe:FOLDER`.

    Raises:
        BadAddress, NotFound: as the recipe does.
    """
    name, colon, folder = settings.uri.partition(":")
    if not colon or not folder or folder.startswith("//") or not (path := recipes().get(name.lower())):
        return settings
    return _settings(Recipe.read(path), project_path(folder), settings)


def _settings(recipe: Recipe, folder: Path, given: RawNewsSettings) -> RawNewsSettings:
    """Settings that read a folder; what was given goes before the recipe.

    Raises:
        NotFound: a file is missing.
    """
    present = [one for one in recipe.file if not one.optional or (folder / one.path).is_file()]
    missing = [one.path for one in present if not (folder / one.path).is_file()]
    if missing or not present:
        wanted = ", ".join(missing or [one.path for one in recipe.file])
        raise NotFound(f"{folder} lacks {wanted} of {recipe.name} ({recipe.url}): fetch and unpack it there")
    mapping = BatchMapping(
        header=recipe.header,
        columns={**recipe.columns, **given.columns},
        labels={**recipe.labels, **given.labels},
        title_words=recipe.title_words,
        file_labels=tuple(one.label for one in present) if any(one.label for one in present) else (),
    )
    uris = [str((folder / one.path).absolute()) for one in present]
    read = given.model_dump(exclude_defaults=True, exclude={"columns", "labels"})
    return RawNewsSettings.model_validate(
        {**mapping.model_dump(), **read, "uri": uris[0], "more_uris": tuple(uris[1:])}
    )
