"""One's own network, given as a module: does it take the data's pictures? Knows modules and data; trains nothing."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from convscope.data.images import DataSet
from convscope.errors import ConvscopeError
from convscope.network.at_rest import at_rest
from convscope.network.build import Network
from convscope.network.shapes import check_end, show


def check(module: nn.Module, dataset: DataSet) -> None:
    """A `Network` must fit the data, and any other module must take two pictures of it; what it gives is the loop's
    to look at. Raises ConvscopeError, the module's own error chained; the module is left as it was."""
    if isinstance(module, Network):
        shape = (*dataset.preprocess.input_size, dataset.preprocess.channels)
        if module.input != shape:
            raise ConvscopeError(
                f"the network must take the data's pictures. It takes {show(module.input)}, the data has "
                f"{show(shape)}. Build it with input={shape}, or give its text instead."
            )
        check_end(module.sizes, len(dataset.classes))
        return
    device = next(iter(module.parameters()), torch.empty(0)).device
    x = dataset.preprocess.to_input(torch.from_numpy(np.array(dataset.train.images[:2])).to(device))  # (2, C, H, W)
    try:
        # no inference mode: what a module keeps of its first call must be good for training too
        with at_rest(module), torch.random.fork_rng(devices=[]), torch.no_grad():
            module(x)
    except Exception as error:  # somebody's own code: it may raise anything
        raise ConvscopeError(
            f"a network must take the data's pictures. {type(module).__name__}, given a batch of shape (N, C, H, W) = "
            f"{tuple(x.shape)}, raised {type(error).__name__}: {error}. Let it take this shape, or bring the pictures "
            "to the one that it takes: size=(H, W), channels=1 or 3."
        ) from error
