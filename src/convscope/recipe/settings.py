"""The schema of a recipe: every table and key, its default, what it may be, and the sentence that explains it.

The sentence beside each key is the documentation and the command line's help. Knows names and numbers only: whether
a network can be built or a data set exists is found out by those who build and load them. Knows no torch.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from convscope.errors import ConvscopeError
from convscope.recipe.durations import parse_duration

FORMAT = 1
"""The format of recipe files that this version writes; it reads this one and every older one."""

Whole = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


def _seconds(value: object) -> object:
    """A length of time in seconds, where it is text; anything else is left to the type's own rule."""
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except ConvscopeError as error:
            raise ValueError(f"budget: {error}".removesuffix(".")) from None
    return value


class Settings(BaseModel):
    """One table of a recipe: frozen, with no key beyond those declared, and no type turned into another in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, values: Any) -> Any:
        """TOML and Python lists both come in here; a frozen record holds tuples."""
        if isinstance(values, dict):
            return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
        return values


class SplitSettings(Settings):
    """How pictures are parted. A part that the data brings itself is used as it is."""

    validation: Share = Field(
        default=0.15, description="the share of the training pictures set aside for choosing; 0 is none"
    )
    test: Share = Field(default=0.15, description="the share set aside for the final score; 0 is none")
    group: str = Field(
        default="",
        description="what keeps pictures together in one part: 'folder', a pattern on the name, or a CSV column",
    )

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError(
                f"validation and test must leave something to train on. Got {self.validation} and {self.test}, "
                "which is everything. Make them smaller: 0.15 each is usual"
            )
        return self


class InputSettings(Settings):
    """How any picture becomes the network's input."""

    size: tuple[Whole, Whole] | None = Field(
        default=None, description="height and width that every picture is brought to; left out, the data set's own"
    )
    channels: Literal[1, 3] | None = Field(
        default=None, description="1 for grey, 3 for colour; left out, 1 where every picture is grey"
    )
    fit: Literal["pad", "crop", "stretch"] = Field(
        default="pad",
        description="a picture of another shape is padded, has its middle cropped out, or is stretched to the size",
    )
    crop_to: tuple[Whole, Whole] | None = Field(
        default=None, description="the window that the network sees: a random one in training, the middle one otherwise"
    )
    background: tuple[
        Annotated[int, Field(ge=0, le=255)], Annotated[int, Field(ge=0, le=255)], Annotated[int, Field(ge=0, le=255)]
    ] = Field(
        default=(255, 255, 255), description="red, green, blue of what shows through where a picture is transparent"
    )
    mean: Literal["train", "position-range"] | tuple[float, ...] = Field(
        default="train",
        description="subtracted, in units of pixel/255: 'train' (of the training pictures), 'position-range' "
        "(each position's minimum), or one number a channel",
    )
    std: Literal["train", "position-range"] | tuple[Positive, ...] = Field(
        default="train",
        description="divided by, in the same units: 'train', 'position-range' (each position's maximum less its "
        "minimum), or one number a channel",
    )
    per_picture: bool = Field(
        default=False, description="each picture is standardised by its own mean and deviation instead"
    )
    manner: Literal["auto", "", "mnist", "digits"] = Field(
        default="auto",
        description="for pictures from outside alone: how drawn or photographed figures are brought to the data's own "
        "manner; 'auto': that of mnist and digits where they are grey, none for other data; '': none",
    )

    @model_validator(mode="after")
    def _scaling_is_of_one_kind(self) -> Self:
        if ("position-range" in (self.mean, self.std)) and self.mean != self.std:
            raise ValueError("mean and std must be 'position-range' both or neither. Set the other one too")
        if isinstance(self.mean, tuple) and isinstance(self.std, tuple) and len(self.mean) != len(self.std):
            raise ValueError(
                f"mean and std must have as many numbers as each other. Got {len(self.mean)} and {len(self.std)}"
            )
        if self.crop_to and self.size and (self.crop_to[0] > self.size[0] or self.crop_to[1] > self.size[1]):
            raise ValueError(
                f"crop_to must fit into size. Got {list(self.crop_to)} out of {list(self.size)}. "
                "Make size larger or crop_to smaller"
            )
        return self


class TrainSettings(Settings):
    """How long, in what portions and towards what."""

    epochs: Whole | None = Field(default=None, description="passes through the training pictures")
    steps: Whole | None = Field(default=None, description="how many batches are learned from, in place of epochs")
    budget: Annotated[Positive, BeforeValidator(_seconds)] | None = Field(
        default=None, description="how long training may take ('90s', '2m', '1h30m'), in place of epochs"
    )
    batch_size: Whole = Field(default=128, description="pictures a step")
    loss: Literal["auto", "cross-entropy", "clipped-mean", "rbf"] = Field(
        default="auto",
        description="'auto': the network's own, else cross-entropy; 'clipped-mean': of softmax clipped at 1e-11, "
        "the mean over all outputs (the digits tutorial's); 'rbf': LeNet-5's, where the network ends in rbf",
    )
    label_smoothing: Share = Field(default=0.0, description="the share of each label that is spread over all classes")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="of activations in training; 'auto': bfloat16 where it was measured to be faster on this machine, "
        "else float32. Weights, scores and predictions are always float32",
    )
    freeze: tuple[str, ...] = Field(
        default=(),
        description="layers or tensors that don't learn: 'conv1', 'conv1.bias'; 'conv1.bias@3' freezes from epoch 3 on",
    )
    thaw: str = Field(
        default="auto",
        description="how much of trained weights learns on, from their first layer that does to the end: a label, "
        "'all' or 'none' (the last layer alone); 'auto': what a budget allows, and all where epochs or steps are given",
    )
    shuffle: bool = Field(default=True, description="a new order every epoch; false keeps the order of the data")
    drop_last: bool = Field(default=False, description="leave out an epoch's last batch where it is not full")
    clip: NotNegative = Field(
        default=0.0, description="the largest norm of the whole gradient; longer ones are cut; 0 is off"
    )
    class_weights: Literal["none", "balanced"] = Field(
        default="none", description="'balanced': each class counts alike in the loss, however many pictures it has"
    )
    patience: Annotated[int, Field(ge=0)] = Field(
        default=0,
        description="early stopping: epochs without a lower validation loss after which training ends; 0 is off",
    )
    keep: Literal["last", "best"] = Field(
        default="last", description="which weights are the result: the last, or those of the lowest validation loss"
    )
    ema: Share = Field(
        default=0.0,
        description="the share kept, a step, by the moving average of the weights that is the result; 0 is off",
    )

    snapshots: bool = Field(
        default=False,
        description="keep the weights of at most 32 moments, evenly apart, in the run's `snapshots/`; the first and "
        "the last are among them",
    )

    @field_validator("thaw")
    @classmethod
    def _thaw_is_a_label(cls, word: str) -> str:
        if not re.fullmatch(r"[A-Za-z]\w*(\.\w+)*", word):
            raise ValueError(f"thaw must be 'auto', 'all', 'none' or a label of the network. Got {word!r}. Write 'all'")
        return word

    @field_validator("freeze")
    @classmethod
    def _freeze_is_well_written(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        for word in words:
            if not re.fullmatch(r"[A-Za-z]\w*(\.\w+)*(@\d+)?", word):
                raise ValueError(
                    f"freeze must hold names of layers or tensors, with '@3' for 'from epoch 3'. Got {word!r}. "
                    "Write 'conv1', 'conv1.bias' or 'conv1.bias@3'"
                )
        return words

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        given = [name for name in ("epochs", "steps", "budget") if getattr(self, name) is not None]
        if not given:
            raise ValueError(
                "exactly one of epochs, steps and budget must be given. Got none. Add epochs = 10, for instance"
            )
        if len(given) > 1:
            raise ValueError(
                f"exactly one of epochs, steps and budget must be given. Got {' and '.join(given)}. Keep one of them"
            )
        return self


class OptimizerSettings(Settings):
    """What turns a gradient into a step."""

    name: Literal["sgd", "adam", "adamw", "muon"] = Field(
        default="sgd",
        description="the rule of the step; 'muon': orthogonal steps for the filters of convolutions, sgd for the rest",
    )
    learning_rate: Positive = Field(
        default_factory=lambda before: {"sgd": 0.05, "muon": 0.24}.get(before.get("name", "sgd"), 1e-3),
        description="the largest rate of the schedule; 0.05 for sgd, 0.001 for adam and adamw, 0.24 for muon unless "
        "given",
    )
    weight_decay: NotNegative = Field(
        default=0.0,
        description="times half the squared weights, added to the loss (adamw: subtracted apart from the gradient); "
        "on weights of conv and dense only, never on biases and normalisation",
    )
    momentum: Share = Field(
        default_factory=lambda before: 0.6 if before.get("name") == "muon" else 0.9,
        description="sgd, muon: the share of the last step that goes on; 0.6 for muon, else 0.9, unless given",
    )
    other_rate: Positive = Field(
        default=0.05, description="muon: the largest rate of what isn't a filter: biases, normalisation, dense layers"
    )
    other_momentum: Share = Field(default=0.85, description="muon: the momentum of what isn't a filter")
    nesterov: bool = Field(
        default=True, description="sgd: look ahead by the momentum (Nesterov); off where momentum is 0"
    )
    betas: tuple[Share, Share] = Field(
        default=(0.9, 0.999), description="adam, adamw: the shares kept of the two averages"
    )
    eps: Positive = Field(default=1e-8, description="adam, adamw: added to the root before dividing")


class ScheduleSettings(Settings):
    """How the learning rate moves from the first step to the last."""

    name: Literal["constant", "exponential", "step", "cosine", "one-cycle"] = Field(
        default="constant",
        description="'exponential' and 'step' multiply by gamma every so often, evenly or at once; 'cosine' falls to "
        "final; 'one-cycle' rises in a line, then falls to final",
    )
    warmup: Share = Field(
        default_factory=lambda before: 0.25 if before.get("name") == "one-cycle" else 0.0,
        description="the share of the run in which the rate rises in a line; 0.25 for one-cycle, else 0, unless given",
    )
    start: Share = Field(
        default_factory=lambda before: 0.2 if before.get("name") == "one-cycle" else 0.0,
        description="the share of the rate at which warm-up begins; 0.2 for one-cycle, else 0, unless given",
    )
    final: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.0, description="cosine, one-cycle: the share of the rate at the end"
    )
    shape: Literal["linear", "cosine"] = Field(default="linear", description="one-cycle: how the rate falls")
    gamma: Annotated[float, Field(gt=0, le=1)] = Field(default=0.1, description="exponential, step: the factor")
    every: Positive = Field(
        default=1.0, description="exponential, step: how often the factor is applied, in units of `unit`"
    )
    unit: Literal["epochs", "steps"] = Field(default="epochs", description="exponential, step: what `every` counts")


class AugmentSettings(Settings):
    """What a training picture may go through before the network sees it; every one is off unless given."""

    crop: Annotated[int, Field(ge=0)] = Field(
        default=0, description="pixels added on each side, of which a window of the old size is cut out anywhere"
    )
    pad_mode: Literal["zero", "reflect", "replicate"] = Field(
        default="zero", description="what crop, shift, rotate, zoom and elastic bring in from outside"
    )
    flip: bool | Literal["alternating"] = Field(
        default=False,
        description="left and right exchanged for half of the pictures; 'alternating': for the other half in every "
        "second epoch",
    )
    shift: NotNegative = Field(default=0.0, description="moved by at most so many whole pixels in each direction")
    rotate: Annotated[float, Field(ge=0, le=180)] = Field(default=0.0, description="turned by at most so many degrees")
    zoom: Share = Field(
        default=0.0, description="height and width stretched, each by itself, by a factor from 1 - zoom to 1 + zoom"
    )
    elastic: NotNegative = Field(
        default=0.0,
        description="the points of a 4 x 4 grid moved by at most so many pixels each, and smoothly what lies between",
    )
    brightness: Annotated[float, Field(ge=0, le=255)] = Field(
        default=0.0, description="a number from -b to b is added, in units of 0 to 255"
    )
    contrast: tuple[NotNegative, NotNegative] = Field(
        default=(1.0, 1.0), description="the least and the greatest factor about each channel's own mean"
    )
    cutout: Annotated[int, Field(ge=0)] = Field(default=0, description="the side of a square that is blanked out")

    @field_validator("shift")
    @classmethod
    def _shift_is_whole(cls, shift: float) -> float:
        if shift != int(shift):
            raise ValueError(f"shift must be a whole number of pixels. Got {shift}. Write {round(shift)}")
        return shift

    @field_validator("contrast")
    @classmethod
    def _contrast_is_ordered(cls, contrast: tuple[float, float]) -> tuple[float, float]:
        if contrast[0] > contrast[1]:
            raise ValueError(
                f"contrast must be the least factor, then the greatest. Got {list(contrast)}. "
                f"Write {list(reversed(contrast))}"
            )
        return contrast


class Recipe(Settings):
    """Everything that determines a run."""

    format: int = Field(default=FORMAT, description="the format of this file")
    data: str = Field(
        default="",
        description="a data set's name, 'mnist[:1000]', a folder or a .csv; a path is relative to the recipe file",
    )
    network: str = Field(default="", description="the network as text, a name of the zoo, or a .net file")
    from_: str = Field(
        default="",
        alias="from",
        description="trained weights to start from: those published for a network of the zoo, by its name; the folder "
        "of a run, or a model file; 'none' is from scratch",
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(default=0, description="where all that is random starts")
    data_sha256: str = Field(default="", description="of a resolved recipe: the SHA-256 of the data's content")
    from_sha256: str = Field(
        default="", description="of a resolved recipe: the SHA-256 of the weights that it started from"
    )
    split: SplitSettings = Field(default=SplitSettings(), description=SplitSettings.__doc__)
    input: InputSettings = Field(default=InputSettings(), description=InputSettings.__doc__)
    train: TrainSettings = Field(description=TrainSettings.__doc__)
    optimizer: OptimizerSettings = Field(default=OptimizerSettings(), description=OptimizerSettings.__doc__)
    schedule: ScheduleSettings = Field(default=ScheduleSettings(), description=ScheduleSettings.__doc__)
    augment: AugmentSettings = Field(default=AugmentSettings(), description=AugmentSettings.__doc__)


TABLES: dict[str, type[Settings]] = {
    "split": SplitSettings,
    "input": InputSettings,
    "train": TrainSettings,
    "optimizer": OptimizerSettings,
    "schedule": ScheduleSettings,
    "augment": AugmentSettings,
}


def keys() -> dict[str, list[str]]:
    """Every key by its table; the top level is the table ''. Keys are as written in a file (`from`, not `from_`)."""
    top = [field.alias or name for name, field in Recipe.model_fields.items() if name not in TABLES]
    return {"": top, **{table: list(model.model_fields) for table, model in TABLES.items()}}
