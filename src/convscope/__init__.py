"""convscope: one line of text is a convolutional network: weigh it, train it, look inside it, compare it, ship it.

What it offers is loaded on first use, so that `import convscope` costs nothing.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convscope.api import (
        Classifier,
        ConvscopeError,
        DataSet,
        Explanation,
        ImageSet,
        Network,
        Prediction,
        Run,
        Score,
        data,
        evaluate,
        explain,
        load,
        resume,
        train,
        train_records,
    )

__version__ = "0.1.0"

__all__ = [
    "Classifier",
    "ConvscopeError",
    "DataSet",
    "Explanation",
    "ImageSet",
    "Network",
    "Prediction",
    "Run",
    "Score",
    "data",
    "evaluate",
    "explain",
    "load",
    "resume",
    "train",
    "train_records",
]


_BOTH = ("data", "evaluate", "explain", "train")
"""Words that are a function of the surface and a folder of the package."""


class _Room(ModuleType):
    """A folder of the package that can be called: `convscope.train("mnist")` beside `convscope.train.loop`."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        from convscope import api

        return getattr(api, self.__name__.rpartition(".")[2])(*args, **options)


class _Surface(ModuleType):
    def __setattr__(self, name: str, value: Any) -> None:
        # importing a folder sets it as an attribute here, where people expect the function
        if name in _BOTH and isinstance(value, ModuleType):
            value.__class__ = _Room
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Surface


def __getattr__(name: str) -> Any:
    if name in __all__:
        from convscope import api

        return getattr(api, name)
    raise AttributeError(f"module 'convscope' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


def _show_in_notebooks() -> None:
    """In a notebook, networks, runs and answers show themselves; elsewhere nothing of IPython is touched."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    if shell is not None:
        importlib.import_module("convscope.notebook").register(shell)  # the top room, which nobody below knows


_show_in_notebooks()
