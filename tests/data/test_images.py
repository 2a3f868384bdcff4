"""Image sets check what they are given."""

from __future__ import annotations

import numpy as np
import pytest

from convscope.data.images import ImageSet
from convscope.errors import ConvscopeError

IMAGES = np.zeros((3, 1, 2, 2), np.uint8)
LABELS = np.array([0, 1, 1])
IDS = np.arange(3)


def test_subset_keeps_ids_and_names() -> None:
    images = np.arange(12, dtype=np.uint8).reshape(3, 1, 2, 2)
    part = ImageSet(images, LABELS, ("a", "b"), IDS, ("x", "y", "z")).subset([2, 0])
    assert (part.ids.tolist(), part.names, part.labels.tolist()) == ([2, 0], ("z", "x"), [1, 0])
    assert (part.images[0] == images[2]).all()


def test_an_image_set_shows_itself_in_a_line() -> None:
    images = ImageSet(IMAGES, LABELS, ("a", "b"), IDS, ("x", "y", "z"))
    assert repr(images) == "ImageSet(3 pictures 2x2x1, 2 classes)"


def test_wrong_arrays() -> None:
    with pytest.raises(
        ConvscopeError, match=r"must be uint8 in the shape N x C x H x W. Got float32 in the shape 3 x 1 x 2"
    ):
        ImageSet(IMAGES.astype(np.float32), LABELS, ("a", "b"), IDS, ("x", "y", "z"))
    with pytest.raises(
        ConvscopeError, match=r"one label, one id and one name for each picture. Got 3 pictures, 3 labels, 3 ids and 1"
    ):
        ImageSet(IMAGES, LABELS, ("a", "b"), IDS, ("x",))
    with pytest.raises(ConvscopeError, match=r"labels must lie in 0 .. 0, one for each class. Got 0 .. 1"):
        ImageSet(IMAGES, LABELS, ("a",), IDS, ("x", "y", "z"))
