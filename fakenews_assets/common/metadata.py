"""Metadata for the Dagster UI: counts, tables, plots."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from fakenews_assets.common.plotting import in_few_colours, to_markdown_image

_CELL_CHARACTERS = 200

COLUMN_MEANINGS = {
    "article_id": "Hash of the normalised title and text.",
    "title": "Without boilerplate; in the log as asked, null unless the log holds texts.",
    "text": "As the title; may be empty.",
    "label": "0 real, 1 fake; null: unlabelled.",
    "true_label": "0 real, 1 fake; null: not known.",
    "predicted_label": "0 real, 1 fake, at the model's threshold.",
    "probability": "Of fake, calibrated.",
    "abstained": "Whether the model abstains.",
    "out_of_distribution": "Whether it abstains because the article is unlike its training articles.",
    "source": "The publisher.",
    "group": "What publishers are compared by, such as a political leaning.",
    "published_at": "UTC.",
    "batch": "Partition of `news_batches`.",
    "cluster_id": "Near-duplicates share it.",
    "split": "train, val, selection or test.",
    "unseen_publisher": "Whether its publisher is held out of training.",
    "shared_text": "Whether so many titles have its text that the text says nothing about it.",
    "excluded": "Why it is in no split; null: it is in one.",
    "model_id": "SHA of the bundle that answered.",
    "request_id": "What `fakenews audit` takes.",
    "row": "Which article of its request, counted from 1.",
    "endpoint": "Of the service.",
    "title_chars": "Length as asked.",
    "text_chars": "Length as asked.",
    "latency_ms": "From request to answer.",
    "truncated": "Whether the model read only the beginning of the article.",
    "client": "Name of the API key that was sent.",
    "client_request_id": "The client's own id, from `X-Request-ID`.",
    "trace_id": "Of the W3C `traceparent` that was sent.",
    "time": "UTC.",
}


def counts(table: Mapping[str, int]) -> dg.MarkdownMetadataValue:
    """A two-column table, largest count first."""
    rows = [f"| {name} | {count:,} |" for name, count in sorted(table.items(), key=lambda item: -item[1])]
    return dg.MetadataValue.md("\n".join(["| what | count |", "| --- | ---: |", *(rows or ["| none | 0 |"])]))


def records(table: pl.DataFrame) -> dg.TableMetadataValue:
    """The rows of a small frame; long cells are cut."""
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord({name: _cell(value) for name, value in row.items()}) for row in table.to_dicts()
        ],
        schema=dg.TableSchema(
            columns=[dg.TableColumn(name, _column_type(table[name].dtype)) for name in table.columns]
        ),
    )


def illustrated(png: bytes, caption: str, text: str = "") -> dg.MarkdownMetadataValue:
    """The chief plot of an asset, in few colours, and a report in Markdown below it.

    Dagster writes an event twice: all other plots are files only, which the IO manager links.
    """
    return dg.MetadataValue.md(f"{to_markdown_image(in_few_colours(png), caption)}\n\n{text}".rstrip())


def rounded(result: Any) -> Any:
    """What an asset gives to Dagster, with numbers of four significant digits. The stored files keep all digits.

    Numbers of its checks become text: the UI would draw a plot of each, with a dot per run.
    """
    if not isinstance(result, dg.MaterializeResult):
        return result
    checks = [check._replace(metadata=_as_text(_rounded(check.metadata))) for check in result.check_results]
    return result._replace(metadata=_rounded(result.metadata), check_results=checks)


def _rounded(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: _rounded_value(value) for name, value in (metadata or {}).items()}


def _as_text(metadata: Mapping[str, Any]) -> dict[str, Any]:
    numbers = dg.FloatMetadataValue | dg.IntMetadataValue
    return {
        name: dg.MetadataValue.text(str(value.value)) if isinstance(value, numbers) else value
        for name, value in metadata.items()
    }


def _rounded_value(value: Any) -> Any:
    if isinstance(value, dg.FloatMetadataValue) and value.value is not None:
        return dg.MetadataValue.float(float(f"{value.value:.4g}"))
    return float(f"{value:.4g}") if isinstance(value, float) else value


def columns(schema: pl.Schema) -> dict[str, Any]:
    """The columns of a table, for an asset's definition."""
    described = [
        dg.TableColumn(name, str(dtype.base_type()), COLUMN_MEANINGS.get(name))
        for name, dtype in schema.items()
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=described)}


def row_count(rows: int) -> dict[str, Any]:
    """The rows of a table, which the UI plots over time."""
    return {"dagster/row_count": rows}


def column_lineage(origins: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The lineage of a table's columns.

    Args:
        origins: by column, the columns upstream that it is made of, as `asset.column`.
    """
    deps = {
        column: [
            dg.TableColumnDep(dg.AssetKey(asset), name)
            for asset, _, name in (one.partition(".") for one in made_of)
        ]
        for column, made_of in origins.items()
    }
    return {"dagster/column_lineage": dg.TableColumnLineage(deps)}


def _cell(value: Any) -> str | int | float | bool | None:
    if value is None or isinstance(value, int | float | bool):
        return value
    text = str(value)
    return text if len(text) <= _CELL_CHARACTERS else text[: _CELL_CHARACTERS - 1] + "…"


def _column_type(dtype: pl.DataType) -> str:
    if dtype == pl.Boolean:
        return "bool"
    return "int" if dtype.is_integer() else "float" if dtype.is_float() else "string"


def partitioned_check_spec(
    name: str, asset: str, description: str, partitions: dg.PartitionsDefinition, *, blocking: bool = False
) -> dg.AssetCheckSpec:
    """A partitioned asset check, so that one partition's result does not hide another's."""
    with warnings.catch_warnings():
        # A preview of Dagster's, tried with the locked version; without it the last verdict stands for all partitions.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            name, asset=asset, description=description, blocking=blocking, partitions_def=partitions
        )
