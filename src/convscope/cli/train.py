"""`convscope train`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from convscope.cli.sizes import read_input
from convscope.errors import ConvscopeError

if TYPE_CHECKING:
    from convscope.run import Record

HELP = """Train a network and score it on pictures that it never saw.

X is a bundled recipe (see `convscope recipes`), a recipe file (.toml), a data set's name, a folder of class folders,
or a .csv of path and label. The run's folder keeps everything; nothing is overwritten.
"""


def command(
    x: Annotated[str, Argument(help="recipe, data set, folder or .csv", show_default=False)] = "",
    data: Annotated[
        str, Option(help="data in place of the recipe's; beside --resume: where its pictures are now")
    ] = "",
    net: Annotated[
        str, Option(help="network as text, a name of the zoo, a .net file, or a run whose network to take")
    ] = "",
    epochs: Annotated[str, Option(help="passes through the training pictures")] = "",
    steps: Annotated[str, Option(help="batches to learn from, in place of epochs")] = "",
    budget: Annotated[str, Option(help="how long training may take: 90s, 2m, 1h30m")] = "",
    batch_size: Annotated[str, Option(help="pictures a step")] = "",
    lr: Annotated[str, Option("--lr", "--learning-rate", help="the largest learning rate")] = "",
    seed: Annotated[str, Option(help="where all that is random starts")] = "",
    input: Annotated[
        str, Option("--input", "--imgsz", help="64, 28x28 or 28x28x1: what every picture is brought to")
    ] = "",
    group: Annotated[str, Option(help="what keeps pictures together: 'folder', a pattern, a CSV column")] = "",
    freeze: Annotated[str, Option(help="layers or tensors that don't learn: conv1,conv2.bias")] = "",
    patience: Annotated[str, Option(help="stop after so many epochs without a lower validation loss")] = "",
    device: Annotated[str, Option(help="auto, cpu, cuda or mps")] = "auto",
    out: Annotated[str, Option("--out", "--output", "-o", help="the run's folder; runs/NAME unless given")] = "",
    from_: Annotated[
        str,
        Option(
            "--from",
            "--pretrained",
            help="weights to start from: of a network of the zoo by its name, or a model; none is from scratch",
        ),
    ] = "",
    set_: Annotated[list[str] | None, Option("--set", help="any key of the recipe: optimizer.momentum=0.8")] = None,
    plain: Annotated[
        bool, Option("--plain", help="PyTorch as it comes: float32, without this machine's fast ways")
    ] = False,
    snapshots: Annotated[
        bool, Option("--snapshots", help="keep the weights of up to 32 moments, to see how they changed")
    ] = False,
    resume: Annotated[str, Option(help="go on with an interrupted run's folder")] = "",
    quiet: Annotated[bool, Option("--quiet", "-q", help="print the score only")] = False,
    json: Annotated[bool, Option("--json", help="print the records, one JSON object a line")] = False,
) -> int:
    """Carry it out; see HELP."""
    named = {
        "data": data, "network": net, "train.epochs": epochs, "train.steps": steps, "train.budget": budget,
        "train.batch_size": batch_size, "optimizer.learning_rate": lr, "seed": seed, "split.group": group,
        "train.freeze": freeze, "train.patience": patience, "from": from_,
    }  # fmt: skip
    settings: dict[str, Any] = {key: value for key, value in named.items() if value}
    if input:
        height, width, channels = read_input(input)
        settings["input.size"] = [height, width]
        if channels:
            settings["input.channels"] = channels
    settings |= read_settings(set_ or [])
    if snapshots:
        settings["train.snapshots"] = True
    if resume and (x or settings.keys() - {"data"} or out or plain):
        raise ConvscopeError(
            "--resume goes on with a run as it was begun: give nothing beside it but --device, --quiet, --json, and "
            "--data where its pictures have moved."
        )
    if not (x or data or resume):
        raise ConvscopeError(
            "train needs something to train on: a recipe (convscope recipes lists them), a data set's name, a folder "
            "of class folders or a .csv. For instance: convscope train digits"
        )
    from convscope.cli.watching import watch

    word = x or settings.pop("data", "")

    def begin(stop: Callable[[], bool], progress: Callable[[str, int, int], None]) -> Iterator[Record]:
        from convscope import api

        if resume:
            return api.resume(resume, place=data, device=device, stop=stop, progress=progress)
        return api.train_records(
            word, settings=settings, out=out, device=device, stop=stop, progress=progress, plain=plain
        )

    return watch(begin, quiet=quiet, as_json=json)[0]


def read_settings(words: list[str]) -> dict[str, str]:
    """The words after `--set`, `key=value` each, as keys and values. Raises ConvscopeError."""
    pairs = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key.strip():
            raise ConvscopeError(f"--set takes a key and a value: --set optimizer.momentum=0.8. Got {word!r}.")
        pairs[key.strip()] = value
    return pairs
