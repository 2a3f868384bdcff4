"""What the tests of the weights share: a cache and a data folder of their own, and files as sources publish them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from convscope.weights.answers import formula_weights
from convscope.weights.known import KNOWN


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test touches the user's cache; the data folder is there, and empty."""
    data = tmp_path_factory.mktemp("data")
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("CONVSCOPE_DATA", str(data))
    return data


Published = Callable[..., Path]


@pytest.fixture
def published(tmp_path: Path) -> Published:
    """A .pth of formula weights under the source's names, as torchvision's are laid out; `change` edits the dict."""

    def write(name: str, change: Callable[[dict[str, Tensor]], object] = lambda state: None) -> Path:
        state = {}
        for key, tensor in formula_weights(KNOWN[name]).items():
            state[key] = tensor
            if key.endswith("running_var"):
                state[key.replace("running_var", "num_batches_tracked")] = torch.tensor(7)
        changed = change(state)
        path = tmp_path / f"{name}.pth"
        torch.save(changed if changed is not None else state, path)
        return path

    return write
