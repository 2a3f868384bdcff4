"""Several views: which they are, with which weights, and that all go through the classifier's own path."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convscope import api
from convscope.classifier import Classifier
from convscope.data.preprocess import Preprocess
from convscope.errors import ConvscopeError
from convscope.evaluate import views
from train.small import CLASSES, data_set, network


class Places(nn.Module):
    """Its logits are three of the pixels that it sees: what has moved can be read off."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([x[:, 0, 0, 0], x[:, 0, 2, 1], x[:, 0, 4, 4]], 1)


class Sums(nn.Module):
    """Sees no difference between a picture and its mirror image."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum(3)[:, 0, :3]


PLAIN = Preprocess((5, 5), 1, mean=(0.0,), std=(1 / 255,))
PICTURES = np.random.default_rng(0).integers(0, 256, (7, 1, 5, 5), dtype=np.uint8)


def by_hand(pictures: NDArray[np.uint8], word: str) -> Tensor:
    """The same by slices of the picture alone: rows and columns -1 and 5 are 1 and 3."""
    x = pictures.astype(np.float32)
    lower, upper = [1, 2, 3, 4, 3], [1, 0, 1, 2, 3]
    shown = {"": x, "up": x[:, :, lower][:, :, :, lower], "down": x[:, :, upper][:, :, :, upper]}
    shares = {"mirror": {"": 1.0}, "shift": {"": 0.5, "up": 0.25, "down": 0.25}}
    net, total = Places(), torch.zeros(len(x), 3)
    for name, share in shares["mirror" if word == "mirror" else "shift"].items():
        view = shown[name]
        one = net(torch.from_numpy(view))
        turned = net(torch.from_numpy(view[:, :, :, ::-1].copy()))
        total += share * (one if word == "shift" else (one + turned) / 2)
    return total


@pytest.mark.parametrize("word", views.VIEWS)
def test_the_views_are_these_with_these_shares(word: str) -> None:
    classifier = Classifier(Places(), PLAIN, CLASSES)
    torch.testing.assert_close(views.logits(classifier, word, PICTURES), by_hand(PICTURES, word))


@pytest.mark.parametrize("word", views.VIEWS)
def test_so_many_times_the_work(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = Classifier(Places(), PLAIN, CLASSES)
    asked: list[int] = []
    whole = classifier.logits

    def counted(images: NDArray[np.uint8]) -> Tensor:
        asked.append(len(images))
        return whole(images)

    monkeypatch.setattr(classifier, "logits", counted)
    views.logits(classifier, word, PICTURES)
    assert asked == [7] * views.VIEWS[word]


def test_a_network_blind_to_the_mirror_says_the_same_in_mirror_views() -> None:
    classifier = Classifier(Sums(), PLAIN, CLASSES)
    plain = classifier.logits(PICTURES)
    torch.testing.assert_close(views.logits(classifier, "mirror", PICTURES), plain)
    shifted = views.logits(classifier, "shift", PICTURES)
    assert (shifted - plain).abs().max() > 1
    torch.testing.assert_close(views.logits(classifier, "both", PICTURES), shifted)


def test_a_window_moves_over_the_stored_picture() -> None:
    """Where the network sees the middle of what is stored, what comes in is of the picture, not of a reflection."""
    windowed = Preprocess((7, 7), 1, mean=(0.0,), std=(1 / 255,), crop_to=(5, 5))
    stored = np.random.default_rng(1).integers(0, 256, (3, 1, 7, 7), dtype=np.uint8)
    x = torch.from_numpy(stored.astype(np.float32))
    net = Places()
    expected = net(x[:, :, 1:6, 1:6]) / 2 + net(x[:, :, 2:7, 2:7]) / 4 + net(x[:, :, :5, :5]) / 4
    torch.testing.assert_close(views.logits(Classifier(net, windowed, CLASSES), "shift", stored), expected)


def test_pictures_of_one_pixel_have_views_too() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(1, 3))
    classifier = Classifier(net, Preprocess((1, 1), 1, mean=(0.0,), std=(1.0,)), CLASSES)
    pictures = PICTURES[:, :, :1, :1]
    torch.testing.assert_close(views.logits(classifier, "both", pictures), classifier.logits(pictures))


def test_evaluate_says_of_how_many_views_its_score_is() -> None:
    data = data_set(test=300)
    classifier = Classifier(network(data), data.preprocess, CLASSES)
    one, six = api.evaluate(classifier, data.test), api.evaluate(classifier, data.test, views="both")
    assert (one.views, six.views, six.n) == (1, 6, 300)
    assert "views" not in one.to_json()
    assert six.to_json()["views"] == 6
    said = views.logits(classifier, "both", data.test.images)
    right = torch.from_numpy(data.test.labels)
    assert six.k == int((said.argmax(1) == right).sum())
    assert six.loss == pytest.approx(float(nn.functional.cross_entropy(said, right)), rel=1e-5)
    assert six.loss != one.loss


def test_words_that_mean_no_views() -> None:
    data = data_set()
    classifier = Classifier(network(data), data.preprocess, CLASSES)
    with pytest.raises(
        ConvscopeError, match=r"unknown views 'mirrors', did you mean 'mirror'\? These exist: both, mirr"
    ):
        api.evaluate(classifier, data.test, views="mirrors")
