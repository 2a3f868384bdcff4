"""Looking inside, as Python has it: one picture through one classifier. Imported when it is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from convscope import kernels, recipe
from convscope.classifier import Classifier, Picture, as_pictures
from convscope.data import manner
from convscope.data.decode import decode
from convscope.data.preprocess import Preprocess
from convscope.data.progress import Progress
from convscope.errors import ConvscopeError
from convscope.evaluate import seen
from convscope.explain import explanation
from convscope.explain.explanation import Asked, Given, class_number
from convscope.recipe.realise import read_data
from convscope.report import explanation as page
from convscope.report.frame import check_name

_SHOWN = 480  # pixels of the longer side of a picture as it came


class Explanation(explanation.Explanation):
    """One picture looked into; `save` writes it as a page."""

    def save(
        self,
        path: str | Path,
        *,
        layer: str = "",
        cell: tuple[int, ...] | None = None,
        map: int | None = None,
        method: str = "",
    ) -> None:
        """One HTML file that needs nothing beside it; a file of that name is replaced. Without a layer and a method
        it tells the whole story. Raises ConvscopeError for another ending, which may be that of the picture."""
        check_name(path)
        page.write(Path(path), self, Asked(layer, cell, map, method))


def explain(
    classifier: Classifier,
    picture: Picture | None = None,
    *,
    target: str | int | None = None,
    as_is: bool = False,
    progress: Progress | None = None,
) -> Explanation:
    """Look into a classifier with one picture: `.prediction`, `.maps`, `.kernels("conv1")`, `.trace("conv1")`,
    `.attribution`, `.save("seven.html")`.

    picture: as `Classifier.predict` takes one; without it, the first validation picture of the run that the classifier
    lies in. target: the class, by name or number, that gradients and attributions speak of; unless given, the one that
    the network says. as_is: the picture isn't brought into the data set's own manner first. Raises ConvscopeError.
    """
    if not isinstance(classifier, Classifier):
        raise ConvscopeError(
            f"explain must be given a classifier. Got {classifier!r}: convscope.load opens a run's folder or a model "
            "file."
        )
    kernels.keep_freed()  # all maps of a picture lie in memory at once
    if as_is:
        classifier = replace(classifier, preprocess=classifier.preprocess.replace(manner=None))
    wanted = None if target is None else class_number(classifier.classes, target)
    if picture is None:
        fitted, name = _of_its_run(classifier, progress)
        return Explanation(classifier, fitted, name, None, wanted)
    _check(picture)
    fitted = classifier.fitted(picture)
    name = Path(picture).name if isinstance(picture, str | Path) else ""
    return Explanation(classifier, fitted, name, _given(picture, classifier.preprocess), wanted)


def _check(picture: Picture) -> None:
    if isinstance(picture, str | Path) and not Path(picture).is_file():
        found = "is a folder" if Path(picture).is_dir() else "is not there"
        raise ConvscopeError(f"a picture must be a file to look into the network with. {picture} {found}.")
    if isinstance(picture, Tensor | np.ndarray) and picture.ndim == 4 and len(picture) != 1:
        raise ConvscopeError(
            f"a network is looked into with one picture at a time. Got a batch of {len(picture)}: take pictures[0]."
        )


def _given(picture: Picture, of: Preprocess) -> Given:
    """The picture as it came, made small for showing."""
    if isinstance(picture, str | Path | Image.Image):
        decoded = decode(picture, background=of.background)
    else:
        array = as_pictures(picture)[0]  # (H, W, 1 or 3)
        decoded = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
    steps: tuple[tuple[str, NDArray[np.uint8]], ...] = ()
    if of.manner is not None:
        steps = tuple((step.text, step.picture[None]) for step in manner.explain(of.manner, decoded, of.size))
    width, height = decoded.size
    decoded.thumbnail((_SHOWN, _SHOWN), Image.Resampling.BICUBIC)
    pixels = np.asarray(decoded)
    return Given(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1), height, width, steps)


def _of_its_run(classifier: Classifier, progress: Progress | None) -> tuple[NDArray[np.uint8], str]:
    """The first validation picture of a classifier's run and its name; of a run without such, a training picture.

    Never a test picture: to look into one is to look at it.
    """
    run = seen.run_of(classifier.path) if classifier.path is not None else None
    if run is None:
        raise ConvscopeError(
            "there must be a picture to look into the network with. This model lies in no run's folder, which would "
            "have validation pictures: give one, convscope explain MODEL PICTURE."
        )
    place = seen.gone(run)
    if place:
        raise ConvscopeError(
            f"the data of {run.path} must be there to take a picture from it. It was at {place}, where nothing is now: "
            "give a picture, convscope explain MODEL PICTURE."
        )
    dataset, _ = seen.as_begun(
        read_data(recipe.load(run.recipe_path), Path(), split_file=run.split_path, progress=progress), run
    )
    part = dataset.validation if len(dataset.validation) else dataset.train
    kind = "validation" if len(dataset.validation) else "training"
    return np.array(part.images[0]), f"{kind} picture {part.names[0]}"
