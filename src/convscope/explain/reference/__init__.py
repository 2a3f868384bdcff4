"""The executable textbook: every layer, and its gradient, in NumPy float64, written to be read.

One function a layer, one for its gradient. A gradient function takes what the layer took and `upstream`, the
gradient of the loss with respect to the layer's output, and gives the gradient with respect to each thing that the
layer took. Pictures are (N, C, H, W): picture, channel, row, column.

It is the oracle of the tests and the source of the explanations; there is no second one. Clear and slow: nothing
is trained with it. Knows NumPy alone: no torch, no notation, no network.

    sizes       how large an output is, and how much border each side gets
    border      what lies outside the picture
    conv        convolution, and LeNet-5's with some pairs of maps joined
    pooling     maximum, mean and minimum of windows, of cells, of whole maps; LeNet-5's subsampling
    dense       fully connected, rbf, flatten, scale, identity, add, concat, regions
    activation  relu and its relatives, softmax
    normalise   batch and local response normalisation, dropout
    loss        cross-entropy, LeNet-5's loss, tutorial A's clipped mean, weights of classes, weight penalties
    steps       SGD, Adam, AdamW, Muon; clipping, and the moving average of the weights

Two rules join layers to a network. The chain rule: what a layer's gradient function gives for x is the upstream of
the layer before. And what is used in several places (the x of a shortcut, of `concat`, of a side classifier `aux`)
collects the sum of the gradients that come back from each.
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
from convscope.explain.reference.conv import TABLE_I, conv, conv_gradient, join, join_gradient
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
    rbf,
    rbf_gradient,
    regions,
    regions_gradient,
    scale,
    scale_gradient,
)
from convscope.explain.reference.loss import (
    balanced,
    clipped_mean,
    clipped_mean_gradient,
    cross_entropy,
    cross_entropy_gradient,
    map_criterion,
    map_criterion_gradient,
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
    subsample,
    subsample_gradient,
)
from convscope.explain.reference.sizes import Array, Axis, axes, extent, out_size, pads
from convscope.explain.reference.steps import adam, adamw, clip, moving_average, muon, orthogonal, sgd

__all__ = [
    "TABLE_I",
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
    "balanced",
    "bn",
    "bn_gradient",
    "bn_predict",
    "bn_predict_gradient",
    "bn_running",
    "clip",
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
    "join",
    "join_gradient",
    "leaky",
    "leaky_gradient",
    "lrn",
    "lrn_gradient",
    "map_criterion",
    "map_criterion_gradient",
    "maxpool",
    "maxpool_gradient",
    "maxpool_to",
    "maxpool_to_gradient",
    "minpool",
    "minpool_gradient",
    "minpool_to",
    "minpool_to_gradient",
    "moving_average",
    "muon",
    "orthogonal",
    "out_size",
    "pads",
    "penalty",
    "penalty_gradient",
    "rbf",
    "rbf_gradient",
    "regions",
    "regions_gradient",
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
    "subsample",
    "subsample_gradient",
    "tanh",
    "tanh_gradient",
    "tanh_scaled",
    "tanh_scaled_gradient",
]
