"""What PyTorch has no plain layer for, as source: only what a network uses goes into its file."""

from __future__ import annotations

import textwrap
from typing import Final

from convscope.network import lenet5

_ROWS = ("".join(map(str, row)) for row in lenet5.JOINED)

TABLE: Final = f'''
JOINED = """
{textwrap.fill(" ".join(_ROWS), 60)}
"""
'''

DIGITS: Final = f'''
DIGITS = """
{lenet5.DRAWINGS.strip()}
"""
'''

HELPERS: Final[dict[str, str]] = {
    "scaled_tanh": '''
def scaled_tanh(x):
    """LeCun et al. 1998, appendix A."""
    return 1.7159 * torch.tanh(x * (2 / 3))
''',
    "mean_pool": '''
def mean_pool(x, kernel_size, stride, pad):
    """The mean of each window over the cells that lie inside the picture."""
    inside = F.pad(torch.ones_like(x[:1, :1]), pad)
    total = F.avg_pool2d(F.pad(x, pad), kernel_size, stride, divisor_override=1)
    return total / F.avg_pool2d(inside, kernel_size, stride, divisor_override=1)
''',
    "BatchNorm": '''
class BatchNorm(nn.Module):
    """Batch normalisation over the first axis and whatever `shape` doesn't have."""

    def __init__(self, shape, eps=1e-5, momentum=0.1, scale=True, shift=True):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape)) if scale else None
        self.bias = nn.Parameter(torch.zeros(shape)) if shift else None
        self.register_buffer("running_mean", torch.zeros(shape))
        self.register_buffer("running_var", torch.ones(shape))
        self.eps, self.momentum = eps, momentum

    def forward(self, x):
        shared = self.running_mean.dim() == 1  # else each position has its own
        y = F.batch_norm(
            x if shared else x.flatten(1),
            self.running_mean.view(-1),
            self.running_var.view(-1),
            None if self.weight is None else self.weight.flatten(),
            None if self.bias is None else self.bias.flatten(),
            self.training,
            self.momentum,
            self.eps,
        )
        return y.view_as(x)
''',
    "PositionConv2d": '''
class PositionConv2d(nn.Conv2d):
    """A convolution with a bias for each position of each map."""

    def __init__(self, in_channels, out_channels, kernel_size, size, **settings):
        super().__init__(in_channels, out_channels, kernel_size, bias=False, **settings)
        self.bias = nn.Parameter(torch.zeros(out_channels, *size))

    def forward(self, x):
        settings = self.stride, self.padding, self.dilation, self.groups
        return F.conv2d(x, self.weight, None, *settings) + self.bias
''',
    "JoinedConv2d": TABLE
    + '''

class JoinedConv2d(nn.Module):
    """A convolution of 6 maps to 16, of which each sees those in JOINED: 60 kernels.

    LeCun et al. 1998, table I.
    """

    def __init__(self, kernel_size, bias=True, size=(), **settings):
        super().__init__()
        if isinstance(kernel_size, int):
            kernel_size = (kernel_size, kernel_size)
        self.weight = nn.Parameter(torch.empty(60, *kernel_size).uniform_(-0.1, 0.1))
        self.bias = nn.Parameter(torch.zeros(16, *size)) if bias else None
        self.settings = settings

    def forward(self, x):
        pairs = [(k, int(s)) for k, row in enumerate(JOINED.split()) for s in row]
        maps, seen = torch.tensor(pairs, device=x.device).unbind(1)
        weight = self.weight.new_zeros(16, 6, *self.weight.shape[1:])
        weight = weight.index_put((maps, seen), self.weight)
        y = F.conv2d(x, weight, **self.settings)
        if self.bias is None:
            return y
        return y + (self.bias if self.bias.dim() == 3 else self.bias[:, None, None])
''',
    "Subsample": '''
class Subsample(nn.Module):
    """LeNet-5's pooling: the sum of each window times a weight plus a bias, one pair a map."""

    def __init__(self, channels, kernel_size):
        super().__init__()
        if isinstance(kernel_size, int):
            kernel_size = (kernel_size, kernel_size)
        mean = 1 / (kernel_size[0] * kernel_size[1])  # where it starts
        self.weight = nn.Parameter(torch.full((channels,), mean))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.kernel_size = kernel_size

    def forward(self, x):
        sums = F.avg_pool2d(x, self.kernel_size, divisor_override=1)
        return sums * self.weight[:, None, None] + self.bias[:, None, None]
''',
    "DigitDistance": DIGITS
    + '''

class DigitDistance(nn.Module):
    """Minus the squared distance of 84 numbers to each digit, drawn in 12 rows of 7.

    LeCun et al. 1998, figure 3 and equation 7.
    """

    def __init__(self):
        super().__init__()
        rows = [line.split() for line in DIGITS.split("\\n") if line]
        drawn = ["".join(row[digit] for row in rows) for digit in range(10)]
        numbers = [[1.0 if cell == "#" else -1.0 for cell in digit] for digit in drawn]
        self.register_buffer("digits", torch.tensor(numbers), persistent=False)

    def forward(self, x):
        return -(x[:, None] - self.digits).square().sum(2)
''',
    "Regions": '''
class Regions(nn.Module):
    """The picture cut into rows x columns equal parts, each with layers of its own."""

    def __init__(self, rows, columns, parts):
        super().__init__()
        self.rows, self.columns = rows, columns
        self.parts = nn.ModuleList(parts)

    def forward(self, x):
        parts = iter(self.parts)
        rows = [
            torch.cat([next(parts)(part) for part in row.chunk(self.columns, 3)], 3)
            for row in x.chunk(self.rows, 2)
        ]
        return torch.cat(rows, 2)
''',
}
"""By name, in the order in which they stand in a file."""

LOADING: Final = '''
def read(path):
    """The tensors of a .safetensors file by name."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = bytearray(file.read())
    header.pop("__metadata__", None)
    tensors = {}
    for name, about in header.items():
        start, end = about["data_offsets"]
        tensor = torch.frombuffer(data[start:end], dtype=torch.float32)
        tensors[name] = tensor.reshape(about["shape"])
    return tensors


def load(path):
    """The network with the weights of convscope's model.safetensors, ready to predict."""
    model = Net()
    tensors = read(path)
    layers = [m for m in model.modules() if m.state_dict() and not list(m.children())]
    with torch.no_grad():
        for name, layer in zip(NAMES.split(), layers, strict=True):
            for key, value in layer.state_dict().items():
                if key == "num_batches_tracked":
                    continue
                found = tensors[f"{name}.{key}"]
                if found.shape != value.shape:
                    raise ValueError(f"{name}.{key}: {found.shape}, not {value.shape}")
                value.copy_(found)
    return model.eval()
'''
