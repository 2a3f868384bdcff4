"""A network over a set of pictures: the health of its layers, what excites them, and how it changed in training.

Knows which layers and maps are worth showing where nobody has named one. Formats nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from convscope.classifier import Classifier
from convscope.data.images import ImageSet
from convscope.data.progress import Progress
from convscope.errors import ConvscopeError, unknown
from convscope.explain.change import Change, change
from convscope.explain.excite import Exciting, strongest
from convscope.explain.health import Health, health
from convscope.explain.maps import check_place, convolutions, labels_of
from convscope.network.build import Network
from convscope.run import Run

MAPS, PICTURES = 8, 9  # maps of a layer, pictures of a map
_FOR_CHANGE = 64  # pictures whose activations are followed over the snapshots


@dataclass(frozen=True)
class Inspection:
    """images: the pictures that were looked at. exciting: by layer and map, the pictures that excite it most.

    change: over the run's snapshots, None where there are none.
    """

    classifier: Classifier
    images: ImageSet
    health: dict[str, Health]
    exciting: dict[str, dict[int, list[Exciting]]]
    change: Change | None


def inspect(
    classifier: Classifier,
    images: ImageSet,
    *,
    label: str = "",
    map: int | None = None,
    run: Run | None = None,
    progress: Progress | None = None,
) -> Inspection:
    """Looks at a network with pictures, which have the classifier's classes.

    label, map: the layer, and of it the map or unit, of which the exciting pictures are looked for; unless given, some
    maps of the first and the last convolution (without any, of the last layer). run: the one whose snapshots are read.
    Raises ConvscopeError for an unknown layer or map, for fewer than two pictures, and for somebody's own module.
    """
    network = classifier.network
    if not isinstance(network, Network):
        raise ConvscopeError(
            f"the health of layers needs a network from a text, whose layers have names. Got {type(network).__name__}, "
            "a module of one's own."
        )
    if label and label not in labels_of(network):
        raise ConvscopeError(unknown("layer", label, labels_of(network)))
    if map is not None:
        if not label:
            raise ConvscopeError(f"a map is one of a layer. Got map {map} and no layer: name it, --layer conv1.")
        shape = network.sizes.by_name()[label].after
        check_place(label, "map" if len(shape) == 3 else "unit", map, shape[-1])
    x = classifier.preprocess.to_input(np.array(images.images))
    found = health(network, x, torch.from_numpy(np.array(images.labels)), progress)
    excited = {
        each: strongest(classifier, images.images, each, _chosen(network, each, map, found), PICTURES, progress)
        for each in ([label] if label else _ends(network))
    }
    moments = run.snapshots if run is not None else []
    changed = change(run, images.images[:_FOR_CHANGE], progress) if run is not None and moments else None
    return Inspection(classifier, images, found, excited, changed)


def _ends(network: Network) -> list[str]:
    known = convolutions(network)
    return list(dict.fromkeys((known[0], known[-1]))) if known else labels_of(network)[-1:]


def _chosen(network: Network, label: str, map: int | None, found: dict[str, Health]) -> list[int]:
    """The map that is named; else the first ones that are not dead, as many as are shown."""
    if map is not None:
        return [map]
    dead = found[label].dead if label in found else ()
    units = range(network.sizes.by_name()[label].after[-1])
    return ([n for n in units if n not in dead] or list(units))[:MAPS]
