"""Settings of the generalization measurement. Importing this module needs no heavy library."""

from typing import Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Protocol = Literal["random", "grouped", "source_disjoint", "time_ordered"]
"""`random`: rows are shuffled, so that near-duplicates stand in both splits. `grouped`: the graph's own splits.
`source_disjoint`: each source in turn is tested on and never trained on. `time_ordered`: the newest articles are
tested on."""

PROTOCOLS: Final[tuple[Protocol, ...]] = get_args(Protocol)

Model = Literal["baseline", "finetuned", "finetuned-openvino-int8"]


class GeneralizationSettings(BaseModel):
    """Settings of `generalization`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocols: tuple[Protocol, ...] = Field(
        default=PROTOCOLS,
        description="Kinds of splits; those that the corpus does not allow are left out.",
    )
    models: tuple[Model, ...] = Field(
        default=("baseline",),
        description="`baseline` takes seconds. `finetuned` is trained as the current fine-tuned model was, once for"
        " each fold and seed: hours on a laptop. `finetuned-openvino-int8` is made of it.",
    )
    seeds: int = Field(
        default=3, ge=1, description="Trainings of each fold; the baseline is deterministic and trained once."
    )
    rows_of_a_source: int = Field(
        default=10_000,
        ge=1,
        description="Most training rows of one source; a fixed draw leaves out the others.",
    )
    test_rows: int = Field(default=6_000, ge=1, description="Most test rows of a fold.")
    largest_drop: float = Field(
        default=10.0,
        ge=0,
        description="Points of macro-F1 by which unseen sources or later times may be worse before the check warns.",
    )
