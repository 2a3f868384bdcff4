"""The Python surface: what `import convscope` offers, and what the command line calls. Puts the pieces together.

models      data, load, evaluate
training    train, resume: imported on first use, for `predict` needs none of it
looking     explain: likewise
"""

from typing import TYPE_CHECKING, Any

from convscope.api.models import Run, data, evaluate, evaluate_model, load
from convscope.classifier import Classifier, Prediction
from convscope.data.images import DataSet, ImageSet
from convscope.errors import ConvscopeError
from convscope.evaluate.metrics import Score
from convscope.network.build import Network

if TYPE_CHECKING:
    from convscope.api.looking import Explanation, explain
    from convscope.api.training import carry_out, resume, train, train_records

_TRAINING = ("carry_out", "resume", "train", "train_records")
_LOOKING = ("Explanation", "explain")


def __getattr__(name: str) -> Any:
    if name in _TRAINING:
        from convscope.api import training

        return getattr(training, name)
    if name in _LOOKING:
        from convscope.api import looking

        return getattr(looking, name)
    raise AttributeError(f"module 'convscope.api' has no attribute {name!r}")


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
    "carry_out",
    "data",
    "evaluate",
    "evaluate_model",
    "explain",
    "load",
    "resume",
    "train",
    "train_records",
]
