"""`convscope import`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from convscope.errors import ConvscopeError

if TYPE_CHECKING:
    from convscope.weights.known import KnownWeights
    from convscope.weights.proof import Proof

HELP = (
    "Published weights, mapped onto a network of the zoo and proved there, as a model file. Without WEIGHTS those are "
    "taken that lie on this machine, or are downloaded."
)


def command(
    weights: Annotated[str, Argument(help="a .safetensors file, or a legacy .pth")] = "",
    net: Annotated[str, Option(help="the network of the zoo that they belong to: resnet50")] = "",
    output: Annotated[str, Option("-o", "--output", help="the model file to write")] = "",
) -> int:
    """Carry it out; see HELP."""
    from convscope.classifier import Classifier
    from convscope.data.preprocess import Preprocess
    from convscope.network.build import Network
    from convscope.network.source import text_of
    from convscope.report.text import say
    from convscope.weights.find import entry_of, find, published_file
    from convscope.weights.known import imagenet_classes
    from convscope.weights.load import read
    from convscope.weights.proof import prove

    if not net or not output:
        raise ConvscopeError(
            "import must be told the network and the file to write: convscope import WEIGHTS --net resnet50 "
            f"-o model.safetensors. Got no {'--net' if not net else '-o'}."
        )
    if not output.endswith(".safetensors"):
        raise ConvscopeError(f"a model file must end in .safetensors. Got {output!r}.")
    entry = entry_of(net)
    path = Path(weights) if weights else find(net, _told)[1]
    file = published_file(entry, path)
    network = Network(text_of(net))
    tensors = read(entry, network.sizes, path)
    proof = prove(network, tensors, entry)
    side = any(name not in tensors for name in network.state_dict())
    preprocess = Preprocess(
        (file or entry.files[0]).resized, 3, entry.fit, mean=entry.mean, std=entry.std, crop_to=entry.size
    )
    made_with = {"weights": path.name}  # of a file that nobody published, its name is all that is known
    if file is not None:
        made_with = {"weights": f"{path.name}, of {entry.source}", "weights licence": entry.licence}
    Classifier(network, preprocess, imagenet_classes(), made_with=made_with).save(Path(output))
    say(sys.stdout, [*_said(entry, proof, path, file is not None, side), f"written: {output}"])
    return 0


def _told(what: str, done: int, of: int) -> None:
    if not done:
        print(what, file=sys.stderr)


def _said(entry: KnownWeights, proof: Proof, path: Path, known: bool, side: bool) -> list[str]:
    """What was proved, and what wasn't."""
    pictures = " and ".join(f"{height} x {width}" for height, width in proof.sizes)
    apart = f"the greatest difference is {proof.apart:.1g} of the largest logit" if proof.apart else "to the last bit"
    said = [f"{path} fits {entry.name}: every tensor has its place, and every place its tensor"]
    if proof.real:
        said.append(
            f"proved: these weights give the logits of {entry.source} on formula pictures of {pictures}, {apart}"
        )
    else:
        said.append(
            f"proved: mapping and network. Formula weights under {entry.source}'s names, mapped alike, give its logits "
            f"on formula pictures of {pictures}, {apart}"
        )
        said.append(
            "the weights given here: finite logits, which differ from picture to picture. No score was measured"
        )
    if not known:
        said.append(
            f"note: {path.name} is none of the files that {entry.source} publishes: its numbers are as they came, and "
            "their licence is for you to know. Preprocessing and class names are those of the published file"
        )
    if side:
        said.append("note: the file has no side classifiers; theirs are untrained, which no prediction sees")
    if known:
        said.append(f"licence of the weights: {entry.licence}")
    return said
