"""The records of a training, told to a person at a terminal or to a pipe, one after the other.

At a terminal: what is trained on what, a forecast, one live line, a row an epoch. On a pipe or a file: plain lines, no
carriage return, a few seconds apart. Knows records, streams and clocks; computes nothing of its own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

from convscope.report.live import LiveLine, draws_over
from convscope.report.numbers import again, grouped, mebibytes, plural, score_line, seconds, short_score
from convscope.report.text import noted, one_line, padded, say, width
from convscope.run import Diagnosis, Epoch, Finished, Forecast, Note, Record, Saved, Started, Step, Stopped, Tested

LIVE_SECONDS = 0.1  # the live line is drawn anew no more often
PLAIN_SECONDS = 3.0  # without a terminal: rows of epochs are at least so far apart,
QUIET_SECONDS = 30.0  # and within a long epoch there is a line this often


class Terminal:
    """Shows records as they come.

    stream: what to print on. live: whether lines may be drawn over; None asks the stream. Use it as a context manager,
    or call `close` at the end, also after an exception: it ends the live line.
    """

    def __init__(self, stream: TextIO, live: bool | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream = stream
        self.live = draws_over(stream) if live is None else live
        self._clock = clock
        self._line = LiveLine(stream)
        self._drawn_at = float("-inf")
        self._printed_at = float("-inf")
        self._waiting: Epoch | None = None  # the newest row that a pipe has not been given
        self._best = 0
        self._validated: tuple[int, int] | None = None
        self._loss: float | None = None
        self._epochs = 0.0
        self._path = ""
        self._monitor = ""
        self._rows = False

    def __enter__(self) -> Terminal:
        """Nothing to do: the live line begins with the first step."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Ends the live line."""
        self.close()

    def close(self) -> None:
        """Prints what was held back and wipes the live line. May be called twice."""
        if self._waiting is not None:
            self._row(self._waiting)
        self._line.wipe()

    def show(self, record: Record) -> None:
        """Shows one record; what has nothing to say to a person (a checkpoint that was saved) is passed over."""
        match record:
            case Started():
                self._started(record)
            case Note():
                self._say(noted([record.text]))
            case Diagnosis():
                self._say(noted(f"first batch: {said}" for said in record.said))
            case Forecast():
                self._forecast(record)
            case Step():
                self._step(record)
            case Epoch():
                self._epoch(record)
            case Stopped():
                self._stopped(record)
            case Tested():
                self._tested(record)
            case Finished():
                self._say([f"{seconds(record.elapsed)} in all; the run is in {one_line(record.path)}"])
            case Saved():
                pass

    def _started(self, record: Started) -> None:
        self._path = record.path
        self._monitor = str(record.plan.get("monitor", "validation loss" if record.validation_n else ""))
        parts = [(record.train_n, "training"), (record.validation_n, "validation"), (record.test_n, "test")]
        counts = ", ".join(f"{grouped(n)} {name}" for n, name in parts if n)
        classes = plural(len(record.classes), "class", "classes")
        size = " x ".join(map(str, record.input))
        self._say(
            [
                f"data     {one_line(record.data)}: {counts} pictures; {classes}",
                f"network  {plural(record.parameters, 'parameter')}, input {size}",
                f"on       {record.device}, {plural(record.threads, 'thread')}",
                f"run      {one_line(record.path)}",
            ]
        )

    def _forecast(self, record: Forecast) -> None:
        self._epochs = record.epochs
        if record.epochs >= 1:
            each = round(record.steps / record.epochs)
            whole = math.ceil(record.epochs - 1e-6)  # as in the rows
            part = "" if whole == record.epochs else "about "
            work = f"{part}{plural(whole, 'epoch')} of {plural(each, 'step')}"
        else:
            work = plural(record.steps, "step")
        memory = f"; {mebibytes(record.memory_bytes)} for weights and a batch" if record.memory_bytes > 0 else ""
        self._say([f"about {seconds(record.total_seconds)}: {work}{memory}"])

    def _step(self, record: Step) -> None:
        self._loss = record.loss if self._loss is None else 0.9 * self._loss + 0.1 * record.loss
        if self.live:
            if self._clock() - self._drawn_at >= LIVE_SECONDS:
                self._line.draw(self._live_line(record, self._line.columns))
                self._drawn_at = self._clock()
        elif self._printed_at == float("-inf"):
            self._printed_at = record.elapsed
        elif record.elapsed - self._printed_at >= QUIET_SECONDS:
            self._printed_at = record.elapsed
            self._say([self._live_line(record)])

    def _live_line(self, record: Step, columns: int = 200) -> str:
        """The parts that fit, in their order; the less a part matters, the earlier it goes. None is ever cut."""
        parts = [
            (0, f"epoch {record.epoch}{self._of()}"),
            (6, f"step {record.step}"),
            (2, f"loss {self._loss:.4f}"),
            (3, f"validation {short_score(*self._validated)}" if self._validated is not None else ""),
            (5, f"rate {record.learning_rate:.2g}"),
            (4, f"{record.images_per_second:.0f} img/s"),
            (1, _clock_line(record)),
        ]
        parts = [part for part in parts if part[1]]
        while len(parts) > 1 and sum(width(text) + 2 for _, text in parts) - 2 > columns:
            parts.remove(max(parts))
        return "  ".join(text for _, text in parts)

    def _of(self) -> str:
        return f"/{math.ceil(self._epochs - 1e-6)}" if self._epochs >= 1 else ""

    def _epoch(self, record: Epoch) -> None:
        if record.validation_k is not None and record.validation_n:
            self._validated = record.validation_k, record.validation_n
        self._best = record.epoch if record.best else self._best
        self._waiting = record
        if self.live or not self._rows or record.elapsed - self._printed_at >= PLAIN_SECONDS:
            self._row(record)

    def _row(self, record: Epoch) -> None:
        """One row; above the first the heading, which says what is scored and what the mark means."""
        validated = record.validation_k is not None and record.validation_n
        if not self._rows:
            self._rows = True
            split = "validation" if validated else "training"
            best = f"; * best {self._monitor} so far" if self._monitor else ""
            also = "" if self.live else "; epochs between the rows are in log.jsonl"
            # what a changing network said of changed pictures that it then learned from is no score
            learned = "" if validated else ", while learning from them: no score"
            self._say([f"{split} accuracy: % (k of n; 95 % interval){learned}{best}{also}"])
            self._say(
                [_cells("epoch", "loss", "val. loss" if validated else "", f"{split} accuracy", "elapsed < left")]
            )
        k, n = (record.validation_k, record.validation_n) if validated else (record.train_k, record.train_n)
        loss = f"{record.validation_loss:.4f}" if record.validation_loss is not None else ""
        mark = " *" if record.best and self._monitor else ""
        score = short_score(k or 0, n or 0)
        self._say(
            [_cells(f"{record.epoch}{self._of()}", f"{record.train_loss:.4f}", loss, score, _clock_line(record)) + mark]
        )
        self._printed_at = record.elapsed
        self._waiting = None

    def _stopped(self, record: Stopped) -> None:
        self.close()
        whole = [plural(record.epoch, "epoch")] if record.epoch else []  # a training may end within its first
        where = ", ".join([*whole, plural(record.step, "step")])
        if self._best and self._monitor:
            where += f"; best {self._monitor}: epoch {self._best}"
        match record.reason:
            case "epochs":
                said = f"trained: {where}"
            case "the head alone":
                said = "trained: the last layer, on features; the body stays as it was"
            case "budget":
                said = f"the time budget is used up: {where}"
            case "interrupted":
                said = f"interrupted: {where}; go on with: convscope train --resume {one_line(self._path)}"
            case reason:
                said = f"stopped, {one_line(reason)}: {where}"
        self._say([said])

    def _tested(self, record: Tested) -> None:
        score = score_line(record.k, record.n, record.low, record.high)
        self._say([f"{record.split} accuracy {score}, loss {record.loss:.4f}"])
        if record.look > 1:
            self._say([again(record.look, record.split)])

    def _say(self, lines: list[str]) -> None:
        self._line.wipe()
        say(self.stream, lines)


def _clock_line(record: Step | Epoch) -> str:
    return f"{seconds(record.elapsed)} < {seconds(record.left)}"


def _cells(epoch: str, loss: str, validation_loss: str, score: str, clock: str) -> str:
    """One row of the table that grows; its columns are wide enough for a million pictures."""
    columns = [padded(epoch, 7, ">"), padded(loss, 8, ">")]
    if validation_loss:
        columns.append(padded(validation_loss, 9, ">"))
    return "  ".join([*columns, padded(score, 41), clock]).rstrip()
