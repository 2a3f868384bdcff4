"""The data sets that have a name: what they are, which files they consist of, and where these can be had.

A file is known by the hash of its *unpacked* content, so that any mirror and any compression will do. Knows facts only;
`sources` finds and reads them, `download` gets them.
"""

from __future__ import annotations

from dataclasses import dataclass

MNIST_CLASSES = tuple("0123456789")
FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True)
class KnownFile:
    """One file of a data set.

    name: the name it is kept under; part: "train" or "test"; bytes: its size unpacked; sha256: of the unpacked content,
    "" where nobody here has had it (then its size and its labels are checked).
    """

    name: str
    part: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Known:
    """A data set that has a name.

    size: height, width and channels of a picture; pictures: (training, test) counts, test 0 where it brings none;
    files: what must be there; hosts: addresses to which a file's packed name is added, tried in order; archive: the
    one packed file that holds all of them ("" where each is packed by itself), its size and its SHA-256.
    """

    name: str
    title: str
    format: str
    size: tuple[int, int, int]
    pictures: tuple[int, int]
    classes: tuple[str, ...]
    source: str
    licence: str
    files: tuple[KnownFile, ...] = ()
    hosts: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    archive: str = ""
    archive_bytes: int = 0
    archive_sha256: str = ""


def _idx(hashes: tuple[str, str, str, str]) -> tuple[KnownFile, ...]:
    return (
        KnownFile("train-images-idx3-ubyte", "train", 47_040_016, hashes[0]),
        KnownFile("train-labels-idx1-ubyte", "train", 60_008, hashes[1]),
        KnownFile("t10k-images-idx3-ubyte", "test", 7_840_016, hashes[2]),
        KnownFile("t10k-labels-idx1-ubyte", "test", 10_008, hashes[3]),
    )


_TABLE = (
    Known(
        name="digits",
        title="handwritten digits, embedded",
        format="embedded",
        size=(8, 8, 1),
        pictures=(1797, 0),
        classes=MNIST_CLASSES,
        source="E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits, UCI, 1998, doi 10.24432/C50P49",
        licence="CC BY 4.0",
    ),
    Known(
        name="mnist",
        title="handwritten digits",
        format="idx",
        size=(28, 28, 1),
        pictures=(60_000, 10_000),
        classes=MNIST_CLASSES,
        source="Y. LeCun, C. Cortes, C. J. C. Burges: The MNIST database of handwritten digits, 1998",
        licence="CC BY-SA 3.0",
        files=_idx(
            (
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            )
        ),
        hosts=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        folders=("mnist", "MNIST/raw"),
    ),
    Known(
        name="fashion-mnist",
        title="articles of clothing",
        format="idx",
        size=(28, 28, 1),
        pictures=(60_000, 10_000),
        classes=FASHION_CLASSES,
        source="H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST, arXiv 1708.07747, 2017",
        licence="MIT",
        files=_idx(
            (
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            )
        ),
        hosts=(
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        ),
        folders=("fashion-mnist", "FashionMNIST/raw"),
    ),
    Known(
        name="cifar10-jpeg",
        title="CIFAR-10 re-encoded as JPEG: not the original pixels, comparable with itself alone",
        format="jpeg-tar",
        size=(32, 32, 3),
        pictures=(50_000, 10_000),
        classes=CIFAR10_CLASSES,
        source="a local copy; A. Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009",
        licence="not stated",
        folders=("cifar10-jpeg.tar", "cifar10-jpeg", "cifar10"),
    ),
)

KNOWN: dict[str, Known] = {}
for _entry in _TABLE:
    if _entry.name in KNOWN:
        raise RuntimeError(f"two data sets are named {_entry.name}")
    KNOWN[_entry.name] = _entry
