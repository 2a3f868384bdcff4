"""The moments of a training whose weights are kept: at most 32, evenly apart, the first and the last among them.

Moments are the multiples of `every` steps. Where more come than there is room for, every second one goes and `every`
doubles. All that has to be known to go on stands in the names of the files, so a kill at any moment does no harm.
"""

from __future__ import annotations

import itertools
from pathlib import Path

from convscope import files
from convscope.classifier import Classifier
from convscope.errors import RunFailed
from convscope.run import Note
from convscope.run.snapshots import file_name, steps_in

MOST = 32
"""So many at most, the last included."""


class Moments:
    """The snapshots of one training in `folder`. step: where it begins or goes on; total: the steps that it plans."""

    def __init__(self, folder: Path, step: int, total: int) -> None:
        self.folder = folder
        for later, path in steps_in(folder).items():
            if later > step:  # of before an interruption, after the checkpoint: they come again
                files.remove_file(path)
        kept = list(steps_in(folder))
        gaps = [after - before for before, after in itertools.pairwise(kept)]
        self.every = min(gaps, default=max(1, -(-total // (MOST - 1))))

    def due(self, step: int) -> bool:
        """Whether the weights after `step` steps are to be kept."""
        return step % self.every == 0

    def keep(self, classifier: Classifier, step: int, epoch: float, weights: str, last: bool = False) -> Note | None:
        """Keeps the classifier's weights, whole and on disk when this returns; a note where the disk refuses.

        epoch: passes through the training pictures; weights: "trained" or "average"; last: whether the training ends.
        """
        about = {"snapshot": {"step": step, "epoch": epoch, "weights": weights}}
        try:
            files.make_folder(self.folder)
            classifier.save(self.folder / file_name(step), about)
            if not last:
                self._thin()
        except RunFailed as error:
            return Note(f"no snapshot at step {step}: {error} The training goes on.")
        return None

    def _thin(self) -> None:
        kept = {step: path for step, path in steps_in(self.folder).items() if self.due(step)}
        while len(kept) > MOST - 1:  # leaves room for the last
            self.every *= 2
            for step in [step for step in kept if not self.due(step)]:
                files.remove_file(kept.pop(step))
