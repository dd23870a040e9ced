"""How often and on how much each division of the corpus is trained and judged: nothing here needs a heavy library."""

from pydantic import BaseModel, ConfigDict, Field


class Repetition(BaseModel):
    """Seeds and sizes of the trainings of one fold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seeds: int = Field(
        default=3, ge=1, description="Trainings of each fold; the baseline knows no chance: one."
    )
    rows_of_a_source: int = Field(
        default=10_000,
        ge=1,
        description="Most training rows of one source; others are left out, by a fixed draw.",
    )
    test_rows: int = Field(default=6_000, ge=1, description="Most rows that a fold is judged on.")
