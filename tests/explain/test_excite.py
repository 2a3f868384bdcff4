"""What excites a map most is what a plain loop over all pictures finds, and the box is what the cell saw."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from convscope.classifier import Classifier
from convscope.data.preprocess import Preprocess
from convscope.errors import ConvscopeError
from convscope.explain.excite import crop, exciting, strongest, windows
from convscope.explain.maps import seen
from convscope.network.build import Network

PICTURES: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 256, (150, 3, 14, 12), dtype=np.uint8)
CLASSES = ("a", "b", "c")


def classifier(
    text: str = "conv 3x3 5 pad=1, relu, maxpool 2, conv 3x3 4, relu, gap, dense", **more: object
) -> Classifier:
    preprocess = Preprocess((14, 12), 3, mean=(0.5,) * 3, std=(0.25,) * 3, **more)  # type: ignore[arg-type]
    network = Network(text, input=(*preprocess.input_size, 3), classes=3)
    return Classifier(network.eval(), preprocess, CLASSES)


@pytest.mark.parametrize(("label", "map"), [("conv1", 4), ("relu2", 1), ("pool1", 0), ("gap1", 2), ("dense1", 2)])
def test_it_is_what_brute_force_finds(label: str, map: int) -> None:
    of = classifier()
    assert isinstance(of.network, Network)
    tops = []
    for number, picture in enumerate(PICTURES):
        with torch.no_grad():
            value = of.network(of.preprocess.to_input(picture[None]), keep=[label])[1][label][0, map]
        at = np.unravel_index(int(value.argmax()), tuple(value.shape)) if value.dim() else ()
        tops.append((-float(value.max()), number, (map, *(int(n) for n in at))))
    tops.sort()
    found = exciting(of, PICTURES, label, map, most=7)
    assert [one.picture for one in found] == [number for _, number, _ in tops[:7]]
    assert [one.place for one in found] == [place for *_, place in tops[:7]]
    assert [one.value for one in found] == pytest.approx([-value for value, *_ in tops[:7]], rel=1e-5)
    for one in found:
        assert one.box == seen(of.network, label, *(one.place[1:] or one.place))


def test_the_crop_is_all_that_the_cell_needs() -> None:
    """Everything else in the picture replaced, the value stays."""
    of = classifier()
    assert isinstance(of.network, Network)
    for one in exciting(of, PICTURES, "relu2", 1, most=3):
        top, left, bottom, right = one.box
        other = 255 - PICTURES[one.picture]
        rows, columns = slice(max(top, 0), bottom), slice(max(left, 0), right)
        other[:, rows, columns] = PICTURES[one.picture][:, rows, columns]
        with torch.no_grad():
            value = of.network(of.preprocess.to_input(other[None]), keep=["relu2"])[1]["relu2"][0][one.place]
        assert float(value) == pytest.approx(one.value, rel=1e-5)


def test_several_maps_in_one_pass() -> None:
    of = classifier()
    together = strongest(of, PICTURES, "conv2", [3, 0], most=4)
    assert together == {map: exciting(of, PICTURES, "conv2", map, most=4) for map in (3, 0)}
    assert len(exciting(of, PICTURES[:2], "conv2", 0)) == 2


def test_of_equal_values_the_first_picture_comes_first() -> None:
    same = np.concatenate([PICTURES[:1]] * 70)
    assert [one.picture for one in exciting(classifier(), same, "conv1", 0, most=3)] == [0, 1, 2]


def test_a_window_of_the_picture() -> None:
    of = classifier("conv 3x3 2, relu, gap, dense", crop_to=(10, 8))
    shown = windows(of, PICTURES)
    assert shown.shape == (150, 3, 10, 8)
    assert np.array_equal(shown, PICTURES[:, :, 2:12, 2:10])
    plain = classifier("conv 3x3 2, relu, gap, dense", crop_to=(10, 8))
    assert exciting(of, PICTURES, "conv1", 0) == exciting(plain, shown, "conv1", 0)


def test_crop() -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)
    assert np.array_equal(crop(picture, (1, 1, 3, 3)), [[[5, 6], [9, 10]]])
    assert np.array_equal(crop(picture, (-1, -1, 1, 1)), [[[128, 128], [128, 0]]])
    assert np.array_equal(crop(picture, (2, 3, 4, 5), 7), [[[11, 7], [7, 7]]])
    assert (crop(picture, (5, 5, 7, 7)) == 128).all()


def test_what_does_not_exist() -> None:
    of = classifier()
    with pytest.raises(ConvscopeError, match=r"unknown layer 'conv3'.*conv2"):
        exciting(of, PICTURES, "conv3", 0)
    with pytest.raises(ConvscopeError, match=r"a map of conv2 must be 0 to 3, counted from 0. Got 4; the nearest is 3"):
        exciting(of, PICTURES, "conv2", 4)
    with pytest.raises(ConvscopeError, match=r"a unit of dense1 must be 0 to 2"):
        exciting(of, PICTURES, "dense1", -1)
    with pytest.raises(ConvscopeError, match=r"pictures to look through, and one at least to be found. Got 0"):
        exciting(of, PICTURES[:0], "conv1", 0)
    with pytest.raises(ConvscopeError, match=r"most=0"):
        exciting(of, PICTURES, "conv1", 0, most=0)
    with pytest.raises(ConvscopeError, match=r"a batch must be N x 3 x 14 x 12. Got 4 x 3 x 9 x 9"):
        exciting(of, np.zeros((4, 3, 9, 9), np.uint8), "conv1", 0)
    own = Classifier(nn.Conv2d(3, 3, 3), of.preprocess, CLASSES)
    with pytest.raises(ConvscopeError, match=r"a network from a text, whose layers have names. Got Conv2d"):
        exciting(own, PICTURES, "conv1", 0)
