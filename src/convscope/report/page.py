"""What a run's page shows besides the run itself: a batch, the layers and the mistakes, from the training that ended.

Knows the training and what was said of the test pictures; how the page looks, `html` knows.
"""

from __future__ import annotations

import numpy as np

from convscope.evaluate.metrics import mistakes
from convscope.evaluate.predictions import Predictions
from convscope.network.build import Network
from convscope.network.cost import parameter_count
from convscope.report import html, listings
from convscope.report.layers import describe
from convscope.run import Run
from convscope.train.loop import Loop

_BATCH_SHOWN = 32
_MISTAKES_SHOWN = 24


def write(folder: Run, said: Predictions | None, loop: Loop) -> None:
    """`report.html` of a run: one file that needs nothing beside it. said: of the test pictures, if there are any."""
    dataset = loop.job.data
    pictures = {}
    if said is not None:
        place = {int(i): row for row, i in enumerate(dataset.test.ids)}
        pictures = {
            wrong.id: np.asarray(dataset.test.images[place[wrong.id]]) for wrong in mistakes(said, _MISTAKES_SHOWN)
        }
    seen, labels = loop.batches.seen(min(_BATCH_SHOWN, len(dataset.train)))
    table = ""
    if isinstance(loop.network, Network):
        sizes = loop.network.sizes
        rows = [(row.item.name, describe(row.item), row.after, parameter_count(row)) for row in sizes.rows]
        table = "\n".join(listings.summary(rows, input=sizes.input))
    html.write(
        folder.report_path, title=f"{folder.path.name}: {loop.job.recipe.data}", run=folder, predictions=said,
        pictures=pictures, batch=seen, batch_labels=[dataset.classes[label] for label in labels],
        parameters=table, mistakes=_MISTAKES_SHOWN,
    )  # fmt: skip
