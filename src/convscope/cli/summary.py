"""`convscope summary`."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Annotated, TextIO

from typer import Argument, Option

from convscope.cli.networks import sized_network

if TYPE_CHECKING:
    from convscope.network.memory import Memory
    from convscope.network.shapes import Sizes
    from convscope.network.weigh import Totals, Weighed
    from convscope.train.step_time import StepTime

HELP = "The layers of a network with what leaves each and what it learns, before any weight is made."


def command(
    net: Annotated[
        str, Argument(help="a network: text, a name of the zoo, a .net file, a run's folder or a model file")
    ],
    input: Annotated[str, Option(help="28x28x1: in place of what the text says")] = "",
    classes: Annotated[int | None, Option(min=1, help="in place of what the text says")] = None,
    batch_size: Annotated[int, Option("--batch-size", min=1, help="pictures of a training batch")] = 128,
    optimizer: Annotated[str, Option(help="what trains: sgd, adam or adamw; it needs memory too")] = "sgd",
    unfold: Annotated[bool, Option("--unfold", help="show every turn of a repeat")] = False,
    time: Annotated[bool, Option("--time", help="measure what a training step takes on this machine")] = False,
    markdown: Annotated[bool, Option("--markdown", help="print a Markdown table")] = False,
    json: Annotated[bool, Option("--json", help="print JSON: every layer, every number as it is")] = False,
) -> int:
    """Carry it out; see HELP."""
    from convscope.errors import ConvscopeError, unknown
    from convscope.network.memory import OPTIMIZER_COPIES, training_memory
    from convscope.network.weigh import Folded, fold, totals, weigh
    from convscope.notation import canonical
    from convscope.report import summary
    from convscope.report.text import json_line, say

    if optimizer not in OPTIMIZER_COPIES:
        raise ConvscopeError(unknown("optimizer", optimizer, tuple(OPTIMIZER_COPIES)))
    tree, sizes = sized_network(net, "summary", input, classes)
    layers = weigh(sizes)
    total, aux = totals(sizes, layers, aux=False), totals(sizes, layers, aux=True)
    memory = training_memory(sizes, batch_size, optimizer)
    step = _measured(canonical(tree), sizes, batch_size, optimizer) if time else None
    if json:
        about = {"network": canonical(tree), "input": sizes.input, "classes": sizes.classes, "batch_size": batch_size,
                 "optimizer": optimizer, **_about(layers, total, aux, memory, step)}  # fmt: skip
        print(json_line(about, sys.stdout))
        return 0
    shown = [Folded(layer, 1) for layer in layers] if unfold else fold(layers)
    cells = summary.rows(sizes, shown, total, batch_size, step.layers if step else None)
    below = summary.below(
        total, aux, memory, batch_size, optimizer, folded=any(each.times > 1 for each in shown),
        seconds=step.total if step else None, precision=step.precision if step else "",
    )  # fmt: skip
    if markdown:
        say(sys.stdout, [*summary.markdown(cells), "", *summary.markdown_list(below)])
    else:
        columns = columns_of(sys.stdout)
        say(sys.stdout, [*summary.text(cells, columns, sys.stdout), *summary.told(below, columns, sys.stdout)])
    return 0


PIPE_COLUMNS = 100
"""How wide a table may be where no terminal says it."""


def columns_of(stream: TextIO) -> int:
    """How wide a table may be on a stream."""
    return shutil.get_terminal_size().columns if stream.isatty() else PIPE_COLUMNS


def _measured(text: str, sizes: Sizes, batch_size: int, optimizer: str) -> StepTime:
    from convscope import kernels
    from convscope.cli.networks import plan_of
    from convscope.recipe import OptimizerSettings
    from convscope.train.step_time import measure

    kernels.keep_freed()  # as training does
    settings = OptimizerSettings.model_validate({"name": optimizer})
    return measure(sizes, batch_size, settings, plan_of(text, sizes, batch_size))


def _about(
    layers: list[Weighed], total: Totals, aux: Totals, memory: Memory, step: StepTime | None
) -> dict[str, object]:
    """The numbers as JSON has them: bytes, seconds, counts for one picture."""
    return {
        "parameters": total.parameters, "weights": total.weights, "biases": total.biases,
        "multiply_adds": total.multiply_adds, "values": total.values, "kept_bytes": total.kept,
        "aux": {"parameters": aux.parameters, "multiply_adds": aux.multiply_adds},
        "memory_bytes": {"peak": memory.peak, "weights": memory.weights, "gradients": memory.gradients,
                         "optimizer": memory.optimizer, "activations": memory.activations,
                         "passing": memory.passing, "idle": memory.idle},
        "seconds": {"step": step.total, "optimizer": step.optimizer} if step else None,
        "precision": step.precision if step else None,
        "layers": [
            {"name": layer.row.item.name, "kind": layer.row.item.kind, "input": layer.row.before,
             "output": layer.row.after, "parameters": layer.parameters, "weights": layer.weights,
             "biases": layer.biases, "multiply_adds": layer.multiply_adds, "values": layer.values,
             "kept_bytes": layer.kept, "aux": layer.aux,
             "receptive_field": {"size": [seen.size for seen in layer.field],
                                 "stride": [seen.stride for seen in layer.field],
                                 "offset": [seen.offset for seen in layer.field]},
             "seconds": step.layers.get(layer.row.item.name) if step else None}
            for layer in layers
        ],
    }  # fmt: skip
