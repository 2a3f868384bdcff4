"""`convscope landscape`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from convscope.errors import ConvscopeError, unknown

if TYPE_CHECKING:
    from convscope.data.images import ImageSet
    from convscope.data.progress import Progress
    from convscope.run import Run

HELP = """The loss around a trained network as a map of two directions, with gradient descent walking down on it.

The directions are those in which training moved most where the run kept snapshots (train --snapshots), else random.
"""


def command(
    model: Annotated[str, Argument(help="a run's folder")],
    out: Annotated[str, Option("--out", "-o", help="the page: .html; unless given, RUN-landscape.html")] = "",
    directions: Annotated[str, Option(help="path, random, or auto: path where there are snapshots")] = "auto",
    pictures: Annotated[int, Option(min=1, help="so many training pictures are measured on, drawn by --seed")] = 256,
    grid: Annotated[int, Option(help="places a side, an odd number")] = 21,
    span: Annotated[float, Option(help="how far random directions reach, in lengths of the weights")] = 1.0,
    seed: Annotated[int, Option(help="of the random directions and of the pictures")] = 0,
) -> int:
    """Carry it out; see HELP."""
    import numpy as np
    import torch

    from convscope import api, draws
    from convscope.evaluate import seen
    from convscope.explain import landscape
    from convscope.report import landscape as report
    from convscope.report.frame import check_name
    from convscope.report.progress import Progress
    from convscope.report.text import say
    from convscope.train import loss

    if directions not in ("auto", "path", "random"):
        raise ConvscopeError(unknown("directions", directions, ("auto", "path", "random")))
    if out:
        check_name(out)
    classifier = api.load(model)
    run = seen.run_of(Path(model))
    if run is None:
        raise ConvscopeError(
            f"a landscape is measured on training pictures, and a run's folder knows which these are. {model} lies in "
            "none: give the folder of its run."
        )
    kept = [] if directions == "random" else _snapshots(run)
    if directions == "path" and len(kept) < 2:
        raise ConvscopeError(
            f"a path needs the weights of moments of the training. {run.path} keeps {len(kept)}: train with "
            "--snapshots, or take --directions random."
        )
    network = classifier.network
    moments = landscape.read_moments(kept) if len(kept) >= 2 else []
    plane = landscape.path_plane(network, moments) if moments else landscape.random_plane(network, seed)
    with Progress(sys.stderr) as progress:
        train = _training(run, progress)
        rows = np.sort(draws.order(seed, 0, train.ids, "landscape")[:pictures])
        some = train.subset(rows)
        name = str(run.recipe.get("train", {}).get("loss", "auto"))
        name = "cross-entropy" if name == "auto" else name
        x = classifier.preprocess.to_input(np.array(some.images))
        measured = landscape.Measured(network, x, torch.from_numpy(some.labels), loss.build(name))
        found = landscape.measure(measured, plane, moments, grid, span, progress)
    weights = sum(tensor.numel() for tensor in plane.middle.values())
    normalised = any("running_mean" in key for key, _ in network.named_buffers())
    about = report.About(model, weights, f"{name} loss", seed, normalised)
    path = Path(out or f"{Path(run.path).resolve().name}-landscape.html")
    report.write(path, found, about)
    say(sys.stdout, [*report.lines(found, about), f"the page is {path}"])
    return 0


def _snapshots(run: Run) -> list[Path]:
    """The weights that a run kept of its training, in time's order: by the numbers in their names."""
    found = (run.path / "snapshots").glob("*.safetensors")
    return sorted(found, key=lambda path: ([int(n) for n in re.findall(r"\d+", path.stem)], path.name))


def _training(run: Run, progress: Progress) -> ImageSet:
    from convscope import recipe
    from convscope.evaluate import seen
    from convscope.recipe.realise import read_data

    seen.refuse_gone(run)
    read = read_data(recipe.load(run.recipe_path), Path(), split_file=run.split_path, progress=progress)
    return seen.as_begun(read, run)[0].train
