"""What other frameworks call things, and what they are called here."""

from __future__ import annotations

from collections.abc import Iterable

from convscope.errors import nearest
from convscope.notation.kinds import KINDS, STRUCTURE, Kind

_MEANT: dict[str, tuple[str, ...]] = {
    "dense": ("fc", "linear", "fullyconnected", "innerproduct", "ip", "full", "mlp", "affine"),
    "conv": ("conv2d", "convolution", "convolution2d", "convolutional", "cnn", "c"),
    "conv 3x3 in groups=in": (
        "depthwise",
        "dwconv",
        "depthwiseconv",
        "depthwiseconv2d",
        "separable",
        "separableconv2d",
    ),
    "bn": ("batchnorm", "batchnorm2d", "batchnormalization", "normalization", "norm", "layernorm"),
    "maxpool or avgpool": ("pool", "pooling", "pool2d", "pooling2d", "downsample"),
    "maxpool": ("maxpool2d", "maxpooling", "maxpooling2d", "mp"),
    "avgpool": ("avgpool2d", "averagepool", "averagepooling", "averagepooling2d", "meanpool", "meanpooling"),
    "gap": ("globalavgpool", "globalaveragepooling", "globalaveragepooling2d", "globalavgpool2d", "globalpool"),
    "gmp": ("globalmaxpool", "globalmaxpooling", "globalmaxpooling2d"),
    "avgpool to=6x6": ("adaptiveavgpool", "adaptiveavgpool2d", "adaptivepool"),
    "maxpool to=6x6": ("adaptivemaxpool", "adaptivemaxpool2d"),
    "leaky": ("leakyrelu", "lrelu", "prelu"),
    "relu": ("rectifier", "rectifiedlinear", "activation", "act", "nonlinearity"),
    "silu": ("swish", "hardswish"),
    "tanh": ("tanhshrink", "hyperbolic", "hardtanh"),
    "sigmoid": ("logistic", "hardsigmoid"),
    "lrn": ("localresponsenorm", "localresponsenormalization", "responsenorm"),
    "dropout": ("drop", "dropout2d", "spatialdropout", "droppath"),
    "flatten": ("flat", "reshape", "view", "squeeze"),
    "softmax": ("logsoftmax", "crossentropy", "loss"),
    "add( ... | identity )": ("residual", "shortcut", "skip", "sum", "plus", "eltwise"),
    "concat( ... | ... )": ("cat", "concatenate", "merge", "join", "inception"),
    "3 * ( ... )": ("repeat", "times", "loop"),
    "( ... )": ("sequential", "group", "block", "stack"),
    "pad= in the layer: conv 3x3 32 pad=1": ("padding", "pad", "zeropad", "zeropad2d", "zeropadding2d"),
    "input 28x28x1": ("inputs", "inputlayer", "image", "shape"),
    "let name(c) = ( ... )": ("def", "define", "function", "block"),
}
_LAYERS = {name: ours for ours, theirs in _MEANT.items() for name in theirs}

_OPTIONS = {
    "stride": "write /{value}",
    "strides": "write /{value}",
    "padding": "write pad={value}",
    "kernel": "the kernel stands first: {kind} {value}",
    "kernel_size": "the kernel stands first: {kind} {value}",
    "ksize": "the kernel stands first: {kind} {value}",
    "size": "the kernel stands first: {kind} {value}",
    "pool_size": "the kernel stands first: {kind} {value}",
    "window": "it stands first: {kind} {value}",
    "channels": "the channels stand after the kernel: conv 3x3 {value}",
    "filters": "the channels stand after the kernel: conv 3x3 {value}",
    "out_channels": "the channels stand after the kernel: conv 3x3 {value}",
    "maps": "the channels stand after the kernel: conv 3x3 {value}",
    "units": "the units stand after the name: {kind} {value}",
    "out_features": "the units stand after the name: {kind} {value}",
    "activation": "an activation is a layer of its own: {kind} ..., {value}",
    "act": "an activation is a layer of its own: {kind} ..., {value}",
    "rate": "it stands after the name: {kind} {value}",
    "p": "it stands after the name: {kind} {value}",
    "keep_prob": "the probability to drop stands after the name: dropout 0.5",
    "slope": "it stands after the name: {kind} {value}",
    "negative_slope": "it stands after the name: {kind} {value}",
    "use_bias": "write bias=no or bias=yes",
    "epsilon": "write eps={value}",
    "kernel_initializer": "write init=",
    "initializer": "write init=",
    "weight_init": "write init=",
    "bias_initializer": "write bias_init=",
    "weight_decay": "write l2={value}",
    "dilation_rate": "write dilation={value}",
    "dilations": "write dilation={value}",
    "ceil_mode": "write ceil",
    "padding_mode": "write border=",
    "affine": "write scale=no shift=no",
    "center": "write shift=no",
    "output_size": "write to={value}",
}


def layer(name: str) -> str:
    """The hint for a layer's name that others use, or "" where it is nobody's."""
    if name.lower() in KINDS or name.lower() in STRUCTURE:
        return f"the notation's words are lower case: did you mean '{name.lower()}'?"
    ours = _LAYERS.get(name.lower().replace("_", ""))
    if ours is None:
        return ""
    return "did you mean " + " or ".join(f"'{word}'" for word in ours.split(" or ")) + "?"


def option(name: str, value: str, kind: Kind) -> str:
    """The hint for an option that others use and this kind lacks, or ""."""
    if name.lower() == "padding" and value.lower() in ("same", "valid", "full"):
        return f"write {value.lower()}"
    if name.lower() in ("stride", "strides") and kind.stride in ("none", "fixed"):
        return ""
    if name.lower() == "padding" and (kind.padding is None or kind.fixed):
        return ""
    return _OPTIONS.get(name.lower(), "").format(value=value, kind=kind.name)


def number_too_many(kind: Kind, value: str) -> str:
    """The hint for a number that a kind has no place for."""
    if kind.name == "gap":
        return "gap takes the whole picture; avgpool takes a window"
    if kind.stride in ("one", "kernel"):
        return f"a stride is written /{value}, a padding pad={value}"
    return "leave it out"


def closer(word: str, known: Iterable[str]) -> str | None:
    """The known word most like `word`; none for a word of one letter."""
    return nearest(word, known) if len(word) > 1 else None
