"""What a person has said about the rows of a batch: which column holds what, what a label means, who published them."""

import tomllib
from collections.abc import Mapping
from typing import Final

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from fakenews_assets.data.fields.labels import MEANINGS, plain_labels
from fakenews_assets.data.fields.sources import normalise_source
from fakenews_assets.data.schema import RAW_SCHEMA

FIELDS: Final = tuple(name for name in RAW_SCHEMA if name not in ("row", "line"))


def faults_of(error: ValidationError, names: Mapping[str, str] | None = None) -> str:
    """What is wrong with settings that a person wrote. Args: names: what the person calls some of them."""
    return "; ".join(_fault(fault, names or {}) for fault in error.errors())


def _fault(fault: ErrorDetails, names: Mapping[str, str]) -> str:
    where = ".".join(names.get(str(part), str(part)) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{where} is no setting"
    said = (
        fault["msg"]
        .removeprefix("Value error, ")
        .replace("Input should", "it should")
        .replace("Field", "it is")
    )
    return f"{where}: {said}" if where else said


class BatchMapping(BaseModel):
    """How the rows of a batch are read where their files do not say it themselves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    header: tuple[str, ...] = Field(
        default=(), description="Names of the columns of CSV files that have no header line."
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Column of the file for `title`, `text`, `label`, `source`, `url`, `group` or `published_at`. Empty: none.",
    )
    labels: dict[str, str] = Field(
        default_factory=dict, description="What the words of the label column mean: real, fake or unlabelled."
    )
    file_labels: tuple[str, ...] = Field(
        default=(), description="Label of every row of each file: real, fake, or empty for what the rows say."
    )
    title_words: int = Field(
        default=0,
        ge=0,
        description="Make a title of so many first words of the text where there is none.",
    )
    source: str = Field(
        default="", description="Publisher of the rows that name none: a domain, an address or a name."
    )
    day_first: bool | None = Field(
        default=None,
        description="Whether 03/04/2017 is in April. Null: what the other dates of the column say.",
    )

    @field_validator("columns")
    @classmethod
    def _names_fields(cls, columns: dict[str, str]) -> dict[str, str]:
        if unknown := columns.keys() - set(FIELDS):
            raise ValueError(f"{', '.join(sorted(unknown))}: not one of {', '.join(FIELDS)}")
        return columns

    @field_validator("labels")
    @classmethod
    def _gives_meanings(cls, labels: dict[str, str]) -> dict[str, str]:
        words = plain_labels(pl.Series("label", list(labels), dtype=pl.String)).fill_null("")
        meanings = {
            word: meaning.strip().lower() for word, meaning in zip(words, labels.values(), strict=True)
        }
        if unknown := {meaning for meaning in meanings.values() if meaning not in MEANINGS}:
            raise ValueError(f"{', '.join(sorted(unknown))}: a label means one of {', '.join(MEANINGS)}")
        return meanings

    @field_validator("file_labels")
    @classmethod
    def _are_labels(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := set(labels) - {"real", "fake", ""}:
            raise ValueError(f"{', '.join(sorted(unknown))}: the label of a file is real or fake")
        return labels

    @field_validator("source")
    @classmethod
    def _names_a_publisher(cls, source: str) -> str:
        if source and not normalise_source(source):
            raise ValueError(f"{source!r} names no publisher: give a domain such as example.com, or a name")
        return normalise_source(source) or ""

    @classmethod
    def from_toml(cls, text: str) -> "BatchMapping":
        """Read a mapping that lies beside a file; `label` there is the label of all its rows.

        Raises:
            ValueError: it is none; the message says why.
        """
        table = tomllib.loads(text)
        label = table.pop("label", "")
        try:
            return cls.model_validate({**table, **({"file_labels": [str(label)]} if label else {})})
        except ValidationError as error:
            known = ", ".join(["label", *(name for name in cls.model_fields if name != "file_labels")])
            raise ValueError(
                f"{faults_of(error, {'file_labels': 'label'})}. A mapping may hold {known}"
            ) from error

    def over(self, earlier: "BatchMapping") -> "BatchMapping":
        """These settings, and the earlier ones where these are empty."""
        return earlier.model_copy(update=self.model_dump(exclude_defaults=True))
