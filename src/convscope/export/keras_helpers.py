"""What Keras has no plain layer for, as source: only what a network uses goes into its file. Maps are (N, H, W, C)."""

from __future__ import annotations

from typing import Final

from convscope.export.torch_helpers import DIGITS, TABLE

HELPERS: Final[dict[str, str]] = {
    "flatten": '''
def flatten(x):
    """Maps to units, channels first: the order in which the weights were trained."""
    return ops.reshape(ops.transpose(x, (0, 3, 1, 2)), (-1, math.prod(x.shape[1:])))
''',
    "scaled_tanh": '''
def scaled_tanh(x):
    """LeCun et al. 1998, appendix A."""
    return 1.7159 * ops.tanh(x * (2 / 3))
''',
    "pad": '''
def pad(x, rows, columns, value=0.0):
    """Rows above and below, columns left and right, filled with a number."""
    return ops.pad(x, ((0, 0), rows, columns, (0, 0)), constant_values=value)
''',
    "border": '''
def border(x, rows, columns, mode):
    """Rows above and below, columns left and right, of the nearest cell or mirrored."""
    for axis, (before, after) in ((1, rows), (2, columns)):
        n = x.shape[axis]
        cells = np.arange(-before, n + after)
        if mode == "reflect":
            cells = n - 1 - np.abs(n - 1 - np.abs(cells))
        x = ops.take(x, np.clip(cells, 0, n - 1), axis=axis)
    return x
''',
    "mean_pool": '''
def mean_pool(x, size, strides, rows, columns):
    """The mean of each window over the cells that lie inside the picture."""
    sides = ((0, 0), rows, columns, (0, 0))
    inside = ops.pad(ops.ones_like(x[:1, :, :, :1]), sides)
    total = ops.average_pool(ops.pad(x, sides), size, strides)
    return total / ops.average_pool(inside, size, strides)
''',
    "pool_to": '''
def pool_to(x, rows, columns, how):
    """Any picture to rows x columns: cell i of n takes i h / n to (i + 1) h / n."""
    for axis, count in ((1, rows), (2, columns)):
        n = x.shape[axis]
        cells = [range(i * n // count, -(-(i + 1) * n // count)) for i in range(count)]
        parts = [ops.take(x, np.array(cell), axis=axis) for cell in cells]
        parts = [how(part, axis=axis, keepdims=True) for part in parts]
        x = ops.concatenate(parts, axis=axis)
    return x
''',
    "local_response_norm": '''
def local_response_norm(x, window, alpha, beta, k):
    """x / (k + alpha * sum of x^2 over neighbouring maps)^beta."""
    place = np.arange(x.shape[-1])
    band = np.abs(place[:, None] - place) <= window // 2
    sums = ops.matmul(x * x, ops.convert_to_tensor(band.astype("float32")))
    return x * (k + alpha * sums) ** -beta
''',
    "PositionBias": '''
class PositionBias(layers.Layer):
    """A bias for each position of each map."""

    def build(self, shape):
        self.bias = self.add_weight(shape=shape[1:], initializer="zeros", name="bias")

    def call(self, x):
        return x + self.bias
''',
    "ActivationNormalization": '''
class ActivationNormalization(layers.Layer):
    """Batch normalisation of each position of each map by itself."""

    def __init__(self, momentum=0.99, epsilon=1e-3, center=True, scale=True):
        super().__init__()
        self.momentum, self.epsilon = momentum, epsilon
        self.center, self.scale = center, scale

    def build(self, shape):
        def add(name, start, learned=True):
            return self.add_weight(shape[1:], start, name=name, trainable=learned)

        self.gamma = add("gamma", "ones") if self.scale else None
        self.beta = add("beta", "zeros") if self.center else None
        self.moving_mean = add("moving_mean", "zeros", False)
        self.moving_variance = add("moving_variance", "ones", False)

    def call(self, x, training=False):
        mean, variance = self.moving_mean, self.moving_variance
        if training:
            mean, variance = ops.moments(x, axes=0)
            self.move(self.moving_mean, mean)
            self.move(self.moving_variance, variance)
        x = (x - mean) * ops.rsqrt(variance + self.epsilon)
        x = x if self.gamma is None else x * self.gamma
        return x if self.beta is None else x + self.beta

    def move(self, moving, new):
        moving.assign(moving * self.momentum + new * (1 - self.momentum))
''',
    "JoinedConv2D": TABLE
    + '''

class JoinedConv2D(layers.Layer):
    """A convolution of 6 maps to 16, of which each sees those in JOINED: 60 kernels.

    LeCun et al. 1998, table I.
    """

    def __init__(self, kernel_size, use_bias=True, **settings):
        super().__init__()
        if isinstance(kernel_size, int):
            kernel_size = (kernel_size, kernel_size)
        self.kernel_size, self.use_bias = kernel_size, use_bias
        self.settings = settings
        pairs = [(int(s), k) for k, row in enumerate(JOINED.split()) for s in row]
        self.places = np.zeros((60, 6, 16), "float32")
        for i, (seen, made) in enumerate(pairs):
            self.places[i, seen, made] = 1

    def build(self, shape):
        self.kernel = self.add_weight(shape=(*self.kernel_size, 60), name="kernel")
        if self.use_bias:
            self.bias = self.add_weight(shape=(16,), initializer="zeros", name="bias")

    def call(self, x):
        kernel = ops.tensordot(self.kernel, ops.convert_to_tensor(self.places), 1)
        y = ops.conv(x, kernel, data_format="channels_last", **self.settings)
        return y + self.bias if self.use_bias else y
''',
    "Subsample": '''
class Subsample(layers.Layer):
    """LeNet-5's pooling: the sum of each window times a weight plus a bias, one pair a map."""

    def __init__(self, size):
        super().__init__()
        self.size = (size, size) if isinstance(size, int) else size

    def build(self, shape):
        self.kernel = self.add_weight(shape[-1:], "ones", name="kernel")
        self.bias = self.add_weight(shape[-1:], "zeros", name="bias")

    def call(self, x):
        means = ops.average_pool(x, self.size, self.size, data_format="channels_last")
        return means * math.prod(self.size) * self.kernel + self.bias
''',
    "digit_distance": DIGITS
    + '''

def digit_distance(x):
    """Minus the squared distance of 84 numbers to each digit, drawn in 12 rows of 7.

    LeCun et al. 1998, figure 3 and equation 7.
    """
    rows = [line.split() for line in DIGITS.split("\\n") if line]
    drawn = ["".join(row[digit] for row in rows) for digit in range(10)]
    numbers = [[1.0 if cell == "#" else -1.0 for cell in digit] for digit in drawn]
    return -ops.sum((x[:, None] - ops.convert_to_tensor(numbers)) ** 2, axis=2)
''',
    "Regions": '''
class Regions(keras.Model):
    """The picture cut into rows x columns equal parts, each with layers of its own."""

    def __init__(self, rows, columns, parts):
        super().__init__()
        self.rows, self.columns = rows, columns
        self.parts = parts

    def call(self, x):
        parts = iter(self.parts)
        rows = []
        for row in ops.split(x, self.rows, 1):
            done = [next(parts)(part) for part in ops.split(row, self.columns, 2)]
            rows.append(ops.concatenate(done, 2))
        return ops.concatenate(rows, 1)
''',
}
"""By name, in the order in which they stand in a file."""

LOADING: Final = '''
# How a kernel is turned from PyTorch's order of axes to Keras's, by its number of axes
TURN = {4: (2, 3, 1, 0), 3: (1, 2, 0), 2: (1, 0), 1: (0,)}
KEYS = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def read(path):
    """The tensors of a .safetensors file by name."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    header.pop("__metadata__", None)
    tensors = {}
    for name, about in header.items():
        start, end = about["data_offsets"]
        tensors[name] = np.frombuffer(data[start:end], "<f4").reshape(about["shape"])
    return tensors


def leaves(model):
    """The layers that have weights, in the order in which they were made."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from leaves(layer)
        elif layer.weights:
            yield layer


def load(path):
    """The network with the weights of convscope's model.safetensors."""
    model = Net()
    model(ops.zeros((1, *INPUT)))  # makes the weights
    tensors = read(path)
    for name, layer in zip(NAMES.split(), leaves(model), strict=True):
        for variable in layer.weights:
            key = KEYS.get(variable.name, variable.name)
            tensor = tensors[f"{name}.{key}"]
            turn = TURN[tensor.ndim]
            if isinstance(layer, layers.DepthwiseConv2D) and tensor.ndim == 4:
                turn = (2, 3, 0, 1)
            variable.assign(tensor.transpose(turn))  # which refuses another shape
    return model
'''
