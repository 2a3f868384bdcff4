"""Data, trained models and their scores, as Python has them. What trains is imported when it is asked for."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from convscope import run
from convscope.classifier import Classifier
from convscope.data import store
from convscope.data.images import DataSet, ImageSet
from convscope.data.progress import Progress
from convscope.evaluate.metrics import Score
from convscope.evaluate.model import Evaluated, ask, score_of
from convscope.evaluate.seen import refuse_learned


class Run(run.Run):
    """A run's folder, with the classifier that came out of it."""

    @cached_property
    def classifier(self) -> Classifier:
        """The trained network, ready to predict; raises ConvscopeError where the training didn't end."""
        return load(self.path)


def data(spec: str, **settings: Any) -> DataSet:
    """An image set by name, folder or .csv: `.train .validation .test`. Settings as in `[split]` and `[input]`."""
    return store.load(spec, **settings)


def load(path: str | Path, network: nn.Module | None = None) -> Classifier:
    """A classifier from a run folder or a `.safetensors` file. network: one's own module again, where it was trained
    from one. Raises ModelError."""
    return Classifier.load(Path(path), network)


def evaluate(classifier: Classifier, images: ImageSet, *, seen: bool = False, views: str = "") -> Score:
    """Accuracy of a classifier on an image set: k of n with its 95 % interval.

    views: "mirror", "shift" or "both" gives the score of the mean of 2, 3 or 6 views of each picture in place of that
    of one; its `.views` says so.
    The pictures are taken as they are: an image set has been fitted already, and no manner is applied to it.
    Raises ConvscopeError where their classes differ, and where the run that the classifier lies in was trained on some
    of these pictures, unless `seen` says that this is meant.
    """
    if not seen:
        refuse_learned(images, classifier.path)
    return score_of(classifier, images, views)


def evaluate_model(
    model: str | Path,
    data: str = "",
    part: str = "",
    progress: Progress | None = None,
    views: str = "",
    as_is: bool = False,
) -> Evaluated:
    """Ask a run or a model file about a whole split; see `evaluate.model.ask`."""
    return ask(load(model), Path(model), data, part, progress, views, as_is)
