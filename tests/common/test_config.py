import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import dagster as dg
import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fakenews_assets.common.config import ImpossibleSettings, plain_config


class Optimizer(BaseModel):
    """How weights change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["adamw", "sgd"] = Field(default="adamw", description="The rule.")
    rate: float = Field(default=0.1, gt=0, description="Learning rate.")


class Training(BaseModel):
    """How a model is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    optimizer: Optimizer = Field(default=Optimizer(rate=0.5), description="How weights change.")
    layers: tuple[Literal["dense", "norm"], ...] = Field(default=("dense",), description="What is trained.")
    rates: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(0.1, 1.0), description="Tried.")
    shuffled: tuple[bool, ...] = Field(default=(True,), description="Tried.")
    bounds: Annotated[list[float], Field(min_length=2)] | None = Field(default=None, description="Searched.")
    epochs: int = Field(default=3, ge=1, description="Passes over the rows.")
    stop_after: int = Field(default=2, ge=1, description="Passes without progress.")

    @model_validator(mode="after")
    def _stops_in_time(self) -> "Training":
        if self.stop_after > self.epochs:
            raise ValueError("stop_after is larger than epochs")
        return self


received: list[Training] = []


@dg.asset
@plain_config
def returned(config: Training) -> int:
    """A model."""
    received.append(config)
    return config.epochs


@dg.asset(output_required=False)
@plain_config
def yielded(
    context: dg.AssetExecutionContext, config: Training, returned: int
) -> Iterator[dg.MaterializeResult[int]]:
    received.append(config)
    yield dg.MaterializeResult(value=returned + config.epochs, metadata={"run": context.run.run_id})


@dg.op
@plain_config
def an_op(config: Training) -> None:
    received.append(config)


def run(config: dict[str, Any], instance: dg.DagsterInstance | None = None) -> dg.ExecuteInProcessResult:
    received.clear()
    run_config = {"ops": {"yielded": {"config": config}}}
    return dg.materialize([returned, yielded], run_config=run_config, instance=instance)


def test_a_step_gets_the_plain_settings_with_what_was_given_over_the_defaults() -> None:
    given = {"layers": ["norm"], "rates": [2.0], "shuffled": [False, True]}
    result = run({"epochs": 5, "optimizer": {"name": "sgd"}, "bounds": [0.0, 1.0], **given})
    assert result.success
    assert result.output_for_node("yielded") == 3 + 5
    assert received == [
        Training(),
        Training(
            epochs=5,
            optimizer=Optimizer(name="sgd", rate=0.5),
            bounds=[0, 1],
            layers=("norm",),
            rates=(2.0,),
            shuffled=(False, True),
        ),
    ]
    assert all(type(config) is Training and type(config.optimizer) is Optimizer for config in received)


def test_an_op_takes_settings_too() -> None:
    received.clear()

    @dg.job
    def a_job() -> None:
        an_op()

    assert a_job.execute_in_process(run_config={"ops": {"an_op": {"config": {"epochs": 2}}}}).success
    assert received == [Training(epochs=2)]


def test_the_launchpad_shows_the_fields_flat_with_defaults_and_descriptions() -> None:
    for asset in (returned, yielded):
        field = asset.op.config_schema.as_field()
        assert field.description == "How a model is trained."
        fields = field.config_type.fields  # pyright: ignore[reportAttributeAccessIssue]
        assert {name: each.description for name, each in fields.items() if name != "optimizer"} == {
            name: each.description for name, each in Training.model_fields.items() if name != "optimizer"
        }
        assert fields["optimizer"].default_value == {"name": "adamw", "rate": 0.5}
        assert (fields["epochs"].default_value, fields["bounds"].default_value) == (3, None)
        assert fields["layers"].default_value == ["dense"]
    assert returned.descriptions_by_key[dg.AssetKey("returned")] == "A model."


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"epoch": 1}, "unexpected config entry"),
        ({"optimizer": {"name": "adam"}}, "adam"),
        ({"optimizer": {"rate": -1.0}}, "optimizer.rate: Input should be greater than 0"),
        ({"rates": [0.0]}, "rates.0: Input should be greater than 0"),
        ({"layers": ["convolution"]}, "layers.0: Input should be 'dense' or 'norm'"),
        (
            {"epochs": 0},
            "Training: epochs: Input should be greater than or equal to 1.",
        ),
        ({"epochs": 1}, "stop_after is larger than epochs"),
    ],
)
def test_what_the_settings_do_not_allow_starts_no_run(config: dict[str, Any], said: str) -> None:
    with dg.instance_for_test() as instance:
        with pytest.raises((dg.DagsterInvalidConfigError, ImpossibleSettings), match=re.escape(said)):
            run(config, instance)
        assert not instance.get_runs()
