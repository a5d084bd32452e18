"""What a recipe's ``[training]`` says, checked before anything is read or built."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from miqanet_core import artifacts
from miqanet_core.errors import InputError

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, lt=1)]


class RunSettings(BaseModel):
    """What every run is told, whatever network it trains.

    ``file``: what says so, the recipe of a MIQANet. ``accumulate``: batches whose gradients make one optimiser step.
    ``checkpoint_every``: steps between checkpoints, besides the one after each validation. ``patience``: validations without a
    better SROCC after which training stops; without it, it never stops early.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    file: Path = Field(exclude=True)
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    precision: Literal["bf16-mixed", "32-true"] = "bf16-mixed"
    accumulate: Count = 1
    checkpoint_every: Count | None = None
    patience: Count | None = None


class Settings(RunSettings):
    """What every training of a MIQANet is told.

    ``model``: a preset's name, or that of the weights file it starts from. ``start_from``: "packaged", the backbones that
    registry packages ship for miqanet_tiny; "timm", the backbones' own pre-training, from timm's hub; or weights of a whole
    network: a weights file, or the name of a model that ships.
    """

    model: str
    version: str
    start_from: str = "packaged"


class SimulatedSettings(Settings):
    """Training on simulated artefacts. ``groups_per_batch``: of four tiles each, over all processes together.

    ``steps``: of the optimiser. ``validate_every``: in steps. ``artifacts``: how often each is drawn, relative to the others;
    what it does not name is never drawn.
    """

    steps: Count
    groups_per_batch: Count
    learning_rate: Positive
    backbone_learning_rate: Positive
    weight_decay: NotNegative
    ema_decay: Share
    freeze_global_backbone: bool
    slices_per_series: Count
    validate_every: Count
    validation_groups: Count
    artifacts: dict[str, NotNegative] = Field(default_factory=lambda: dict.fromkeys(artifacts.names(), 1.0))

    @field_validator("artifacts")
    @classmethod
    def _known(cls, frequency: dict[str, float]) -> dict[str, float]:
        unknown = sorted(set(frequency) - set(artifacts.names()))
        if unknown:
            raise ValueError(f"no artefact is called {', '.join(unknown)}; there are {', '.join(artifacts.names())}")
        if not any(frequency.values()):
            raise ValueError("at least one artefact must be drawn")
        return frequency

    @model_validator(mode="after")
    def _validated(self) -> SimulatedSettings:
        if self.validate_every > self.steps:
            raise ValueError(f"validate_every is {self.validate_every}, more than the {self.steps} steps there are")
        return self


class RatedSettings(Settings):
    """Training on rated images. ``batch_size``: images of a batch, over all processes together.

    ``annealing_steps``: steps in which the cosine takes the learning rate to 0, and as many in which it comes back; without it,
    all steps of the training. ``ema_decay``: of the average of the weights that is validated and saved; without it, the weights
    themselves are. ``validation_share``: of the references, where they are not chosen by a protocol.
    """

    epochs: Count
    batch_size: Count
    learning_rate: Positive
    weight_decay: NotNegative
    annealing_steps: Count | None = None
    ema_decay: Share | None = None
    validation_share: Share


class BaselineSettings(RunSettings):
    """Training of a deep baseline on rated images. ``file``: the baseline's.

    ``backbone``: timm's name, None for a method that has none. ``pretrained``: whether it starts from its pre-training,
    packaged or timm's. ``backbone_learning_rate``: 0 leaves it as it is. ``steps``: of the optimiser. ``validations``: evenly
    spread over them, the last one at the end. ``batch_size``: images of a batch, over all processes together.
    """

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 20
    backbone: str | None = None
    pretrained: bool = True
    steps: Count
    validations: Count = 3
    batch_size: Count
    learning_rate: Positive
    backbone_learning_rate: NotNegative = 0.0
    weight_decay: NotNegative = 0.01


AnySettings = TypeVar("AnySettings", bound=Settings)


def parse(kind: type[AnySettings], file: Path, table: Mapping[str, Any]) -> AnySettings:
    """The settings in a recipe's table; InputError, naming ``file`` and the first value that is wrong with its cure."""
    try:
        return kind(file=file, **table)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    name = ".".join(map(str, first["loc"]))
    known = ", ".join(field for field in kind.model_fields if field != "file")
    if first["type"] == "missing":
        raise InputError(file, f"[training] lacks {name}", "add it; compare with the recipes in training/recipes/")
    if first["type"] == "extra_forbidden":
        raise InputError(file, f"[training] has {name}, which this training does not know", f"it knows {known}")
    message = first["msg"].removeprefix("Value error, ")
    problem = f"[training] {name} = {first['input']!r}: {message}" if name else f"[training] {message}"
    raise InputError(file, problem, "correct that value")
