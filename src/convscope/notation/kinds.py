"""The layer kinds: one row each, with what it takes and every default; and the names that others use for them.

A new layer is one row here and one in each walk's table. Knows no text and no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from convscope.notation.rules import YES_NO, Choice, Count, Extent, Initial, Real, Rule
from convscope.notation.syntax import Start, Value

REQUIRED: Final = "required"
"""The default of a value that must be given. No rule gives this word as a value."""


@dataclass(frozen=True, slots=True)
class Given:
    """One value: its name, its rule, and what stands where it isn't given."""

    name: str
    rule: Rule
    default: Value = REQUIRED

    @property
    def required(self) -> bool:
        return self.default == REQUIRED

    def subject(self, kind: str) -> str:
        """How a sentence about this value of a `kind` begins."""
        if self.name == "units":
            return "the channels" if kind in ("conv", "identity") else "the units"
        return "the probability" if self.name == "p" else f"the {self.name}"


@dataclass(frozen=True, slots=True)
class Kind:
    """One layer kind.

    `places` are told by place, in their order: `kernel` and `units` are fields of the layer, any other is an option
    of the tree. `stride` is none, one that defaults to 1, one that defaults to the kernel, or one that always is the
    kernel. `padding` is the default, `fixed` one that can't be chosen. `activation`: a
    function of each value by itself, and no linear one.
    """

    name: str
    places: tuple[Given, ...] = ()
    stride: Literal["none", "one", "kernel", "fixed"] = "none"
    padding: Literal["same", "valid"] | None = None
    fixed: bool = False
    ceil: bool = False
    flags: tuple[str, ...] = ()
    options: dict[str, Given] = field(default_factory=dict)
    activation: bool = False
    counts_as: str = ""
    example: str = ""

    @property
    def turn(self) -> str:
        """The word that names this layer: all pooling counts as `pool`."""
        return self.counts_as or self.name


PADDINGS: Final = ("same", "valid", "full")
STRIDE: Final = Extent(example="/2")
PADDING: Final = Extent(low=0, example="pad=1")
GRID: Final = Extent(example="2x2")
WEIGHT: Final = Given("weight", Real(low=0.0, bounds="a number from 0", example="weight=0.3"), 0.3)
"""The weight of an `aux` in the loss."""

_KERNEL = Given("kernel", Extent(example="3x3"))
_UNITS = Given("units", Count())
_YES = Choice({"yes": True, "no": False}, meant=YES_NO)
_POSITIVE = Real(above=0.0, bounds="a number above 0")
_FROM_0 = Real(low=0.0, bounds="a number from 0")


def _options(*given: Given) -> dict[str, Given]:
    return {option.name: option for option in given}


_WEIGHTS = (
    Given("init", Initial(), Start("kaiming")),
    Given("bias_init", Initial(), Start("constant", 0.0)),
    Given("l1", _FROM_0, 0.0),
    Given("l2", _FROM_0, 0.0),
)


def _pool(name: str) -> Kind:
    return Kind(
        name,
        places=(_KERNEL,),
        stride="kernel",
        padding="valid",
        ceil=True,
        options=_options(Given("to", Extent(example="6x6"), None)),
        counts_as="pool",
        example=f"{name} 2",
    )


_ROWS = (
    Kind(
        "conv",
        places=(_KERNEL, Given("units", Count())),
        stride="one",
        padding="same",
        options=_options(
            Given("groups", Count(), 1),
            Given("dilation", Extent(), (1, 1)),
            Given("bias", Choice({"yes": True, "no": False, "position": "position"}, meant=YES_NO), True),
            Given(
                "border",
                Choice(
                    {"replicate": "replicate", "reflect": "reflect"},
                    number=Real(),
                    meant={"zeros": "0", "zero": "0", "constant": "0", "edge": "replicate", "mirror": "reflect"},
                ),
                0.0,
            ),
            Given("connect", Choice({"all": "all", "lenet5": "lenet5"}), "all"),
            *_WEIGHTS,
        ),
        example="conv 3x3 32",
    ),
    _pool("maxpool"),
    _pool("avgpool"),
    _pool("minpool"),
    Kind("gap", example="gap"),
    Kind("gmp", example="gmp"),
    Kind(
        "dense",
        places=(Given("units", Count(), "classes"),),
        options=_options(Given("bias", _YES, True), *_WEIGHTS),
        example="dense 128",
    ),
    Kind("flatten"),
    Kind("relu", activation=True),
    Kind("relu6", activation=True),
    Kind("tanh", activation=True, flags=("scaled",)),
    Kind("sigmoid", activation=True),
    Kind("gelu", activation=True),
    Kind("silu", activation=True),
    Kind("elu", activation=True, places=(Given("slope", Real(), 1.0),)),
    Kind("leaky", activation=True, places=(Given("slope", Real(), 0.01),)),
    Kind(
        "bn",
        options=_options(
            Given("eps", _POSITIVE, 1e-5),
            Given("momentum", Real(low=0.0, high=1.0, bounds="a number from 0 to 1"), 0.1),
            Given("scale", _YES, True),
            Given("shift", _YES, True),
            Given("per", Choice({"map": "map", "activation": "activation"}, meant={"channel": "map"}), "map"),
        ),
    ),
    Kind(
        "lrn",
        places=(Given("window", Count(words=(), odd=True, example="5"), 5),),
        options=_options(Given("k", Real(), 2.0), Given("alpha", Real(), 1e-4), Given("beta", Real(), 0.75)),
    ),
    Kind(
        "dropout",
        places=(Given("p", Real(low=0.0, below=1.0, bounds="from 0 to below 1 (the share to drop, not to keep)")),),
        example="dropout 0.5",
    ),
    Kind(
        "subsample",
        places=(_KERNEL,),
        stride="fixed",
        padding="valid",
        fixed=True,
        counts_as="pool",
        example="subsample 2",
    ),
    Kind("rbf", places=(_UNITS,), example="rbf 10"),
    Kind("softmax"),
    Kind("scale", places=(Given("factor", Real(example="0.125")),), example="scale 0.125"),
    Kind("identity", places=(Given("units", Count(), "in"),), stride="one"),
)

KINDS: Final[dict[str, Kind]] = {row.name: row for row in _ROWS}
assert len(KINDS) == len(_ROWS), "a layer kind stands twice in the table"

STRUCTURE: Final = ("let", "input", "classes", "add", "concat", "regions", "aux")

WORDS: Final = (
    frozenset(KINDS)
    | frozenset(STRUCTURE)
    | frozenset(PADDINGS)
    | {"in", "ceil", "scaled", "yes", "no", "position", "replicate", "reflect", "all", "lenet5", "map", "activation"}
    | {"kaiming", "glorot", "normal", "truncnormal", "uniform", "dirac", "whiten"}
)
"""The words of the notation, which no piece and no parameter may be called."""
