"""Reads the folder of a published data set: `isot:FOLDER` as `isot.toml` says."""

from contextlib import suppress
from pathlib import Path

from fakenews_assets.data.fields.mapping import BatchMapping
from fakenews_assets.data.receiving.receiving import RawNewsSettings
from fakenews_assets.data.recipes.recipe import Recipe, recipes
from fakenews_resources.news.base import BadAddress, NotFound, SourceError
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


def recipes_for(folder: Path) -> list[str]:
    """The recipes whose files a folder holds."""
    found: list[str] = []
    for name, path in sorted(recipes().items()):
        with suppress(SourceError):
            _folder(Recipe.read(path), folder)
            found.append(name)
    return found


def _settings(recipe: Recipe, asked: Path, given: RawNewsSettings) -> RawNewsSettings:
    """Settings that read a folder; what was given goes before the recipe.

    Raises:
        NotFound: a file is missing.
        BadAddress: the files lie in several folders.
    """
    folder = _folder(recipe, asked)
    present = [one for one in recipe.file if (folder / one.path).is_file()]
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


def _folder(recipe: Recipe, asked: Path) -> Path:
    """The folder with the files of a recipe: the one asked for, or the only one below it, for archives hold folders."""
    if asked.is_file():
        raise NotFound(f"{asked} is a file: name the folder of {recipe.name}, which is unpacked")
    for level in ([asked], asked.glob("*/"), asked.glob("*/*/")):
        folders = sorted(one for one in level if not _missing(recipe, one))
        if len(folders) > 1:
            raise BadAddress(f"{recipe.name} lies in {' and in '.join(map(str, folders))}: name one of them")
        if folders:
            return folders[0]
    wanted = ", ".join(_missing(recipe, asked))
    raise NotFound(f"{asked} lacks {wanted} of {recipe.name} ({recipe.url}): fetch and unpack it there")


def _missing(recipe: Recipe, folder: Path) -> list[str]:
    """The files that a folder lacks: those that it must hold, or all if it holds none."""
    lacking = [one for one in recipe.file if not (folder / one.path).is_file()]
    needed = [one.path for one in lacking if not one.optional]
    return needed or ([one.path for one in lacking] if len(lacking) == len(recipe.file) else [])
