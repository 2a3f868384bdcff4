"""The executable textbook: every layer, and its gradient, in NumPy float64, written to be read.

One function a layer, one for its gradient. A gradient function takes what the layer took and `upstream`, the
gradient of the loss with respect to the layer's output, and gives the gradient with respect to each thing that the
layer took. Pictures are (N, C, H, W): picture, channel, row, column.

It is the oracle of the tests and the source of the explanations; there is no second one. Clear and slow: nothing
is trained with it. Knows NumPy alone: no torch, no notation, no network.

    sizes       how large an output is, and how much border each side gets
    border      what lies outside the picture
    conv        convolution
    pooling     maximum, mean and minimum of windows, of cells, of whole maps
    dense       fully connected, flatten, scale, identity, add, concat
    activation  relu and its relatives, softmax
    normalise   batch and local response normalisation, dropout
    loss        cross-entropy, tutorial A's clipped mean, weight penalties
    steps       SGD, Adam, AdamW
"""

from convscope.explain.reference.activation import (
    elu,
    elu_gradient,
    gelu,
    gelu_gradient,
    leaky,
    leaky_gradient,
    relu,
    relu6,
    relu6_gradient,
    relu_gradient,
    sigmoid,
    sigmoid_gradient,
    silu,
    silu_gradient,
    softmax,
    softmax_gradient,
    tanh,
    tanh_gradient,
    tanh_scaled,
    tanh_scaled_gradient,
)
from convscope.explain.reference.border import add_border, add_border_gradient
from convscope.explain.reference.conv import conv, conv_gradient
from convscope.explain.reference.dense import (
    add,
    add_gradient,
    concat,
    concat_gradient,
    dense,
    dense_gradient,
    flatten,
    flatten_gradient,
    identity,
    identity_gradient,
    scale,
    scale_gradient,
)
from convscope.explain.reference.loss import (
    clipped_mean,
    clipped_mean_gradient,
    cross_entropy,
    cross_entropy_gradient,
    penalty,
    penalty_gradient,
)
from convscope.explain.reference.normalise import (
    bn,
    bn_gradient,
    bn_predict,
    bn_predict_gradient,
    bn_running,
    dropout,
    dropout_gradient,
    lrn,
    lrn_gradient,
)
from convscope.explain.reference.pooling import (
    avgpool,
    avgpool_gradient,
    avgpool_to,
    avgpool_to_gradient,
    gap,
    gap_gradient,
    gmp,
    gmp_gradient,
    maxpool,
    maxpool_gradient,
    maxpool_to,
    maxpool_to_gradient,
    minpool,
    minpool_gradient,
    minpool_to,
    minpool_to_gradient,
)
from convscope.explain.reference.sizes import Array, Axis, axes, extent, out_size, pads
from convscope.explain.reference.steps import adam, adamw, sgd

__all__ = [
    "Array",
    "Axis",
    "adam",
    "adamw",
    "add",
    "add_border",
    "add_border_gradient",
    "add_gradient",
    "avgpool",
    "avgpool_gradient",
    "avgpool_to",
    "avgpool_to_gradient",
    "axes",
    "bn",
    "bn_gradient",
    "bn_predict",
    "bn_predict_gradient",
    "bn_running",
    "clipped_mean",
    "clipped_mean_gradient",
    "concat",
    "concat_gradient",
    "conv",
    "conv_gradient",
    "cross_entropy",
    "cross_entropy_gradient",
    "dense",
    "dense_gradient",
    "dropout",
    "dropout_gradient",
    "elu",
    "elu_gradient",
    "extent",
    "flatten",
    "flatten_gradient",
    "gap",
    "gap_gradient",
    "gelu",
    "gelu_gradient",
    "gmp",
    "gmp_gradient",
    "identity",
    "identity_gradient",
    "leaky",
    "leaky_gradient",
    "lrn",
    "lrn_gradient",
    "maxpool",
    "maxpool_gradient",
    "maxpool_to",
    "maxpool_to_gradient",
    "minpool",
    "minpool_gradient",
    "minpool_to",
    "minpool_to_gradient",
    "out_size",
    "pads",
    "penalty",
    "penalty_gradient",
    "relu",
    "relu6",
    "relu6_gradient",
    "relu_gradient",
    "scale",
    "scale_gradient",
    "sgd",
    "sigmoid",
    "sigmoid_gradient",
    "silu",
    "silu_gradient",
    "softmax",
    "softmax_gradient",
    "tanh",
    "tanh_gradient",
    "tanh_scaled",
    "tanh_scaled_gradient",
]
