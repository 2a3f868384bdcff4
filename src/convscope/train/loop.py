"""The training loop: batches, steps, epochs, checkpoints. It yields records and prints nothing.

All randomness is keyed by (seed, epoch, picture) or (seed, step), so a run that was stopped and resumed goes through
the same numbers as one that wasn't. Signals belong to the command line: the loop asks `stop()` before each step.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convscope import draws, kernels
from convscope.classifier import Classifier
from convscope.data.images import DataSet
from convscope.errors import ConvscopeError, RunFailed
from convscope.evaluate.metrics import score
from convscope.evaluate.model import predictions
from convscope.network.at_rest import buffers_kept
from convscope.network.build import Network
from convscope.recipe import Recipe
from convscope.run import Diagnosis, Epoch, Forecast, Note, Record, Saved, Step, Stopped
from convscope.train import checkpoint, first_step, forecast, freeze, loss, nonfinite, optim, schedule
from convscope.train.batches import Batches
from convscope.train.moments import Moments

_SAVE_EVERY_SECONDS = 20.0
_LOOKED_AT = 128
"""So many pictures of the first batch at most are looked at before training, which is in float32."""
_SAVE_SHARE = 0.05
"""Checkpoints take at most about this share of the time: a large network's are further apart."""


@dataclass
class Job:
    """One training: what is trained, on what, how, and where its checkpoints and snapshots go (None: nowhere, or not
    yet known)."""

    network: nn.Module
    data: DataSet
    recipe: Recipe
    checkpoints: Path | None = None
    snapshots: Path | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    stop: Callable[[], bool] = lambda: False
    plan: dict[str, Any] = field(default_factory=kernels.plan)


class Loop:
    """The state of one training, and `records()`, which carries it out.

    After `records()` is exhausted `result` is the network that the run keeps (the last, the best or the average).
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.settings = job.recipe.train
        self.seed = job.recipe.seed
        self.layout = kernels.layout(job.plan)
        self.network = job.network.to(job.device)
        self.network.to(memory_format=self.layout)  # type: ignore[call-overload]
        self.train_set, self.validation_set = job.data.train, job.data.validation
        self.preprocess = job.data.preprocess
        if not len(self.train_set):
            raise ConvscopeError("training needs pictures. The training split has none; make the other splits smaller.")
        if self.settings.patience and not len(self.validation_set):
            raise ConvscopeError(
                f"early stopping needs validation pictures. Got patience = {self.settings.patience} and none of them. "
                "Set patience = 0, or split.validation = 0.15."
            )
        weights = None
        if self.settings.class_weights == "balanced":
            weights = loss.balanced(self.train_set.labels, len(job.data.classes)).to(job.device)
        self.loss = loss.build(self.settings.loss, self.settings.label_smoothing, weights)
        self.batches = Batches(self.train_set, self.preprocess, job.recipe, job.device)
        self.class_weights = weights
        self._freeze()
        self.forward = kernels.apply(job.plan, self.network)
        self.optimizer = optim.build(self.network, job.recipe.optimizer, kernels.precision(job.plan))
        self.average = copy.deepcopy(self.network) if self.settings.ema else None
        self.step = 0
        self.total_steps = 0
        self.elapsed = 0.0
        self.prelude = 0.0  # the part of it that was over before the first step: features, head, measuring
        self.best: dict[str, Tensor] | None = None
        self.best_loss = math.inf
        self.best_epoch = -1
        self.sums = {"loss": 0.0, "k": 0, "n": 0}
        self.reason = ""
        self._zero = 0.0  # where the clock would have stood at the run's start, had it never been interrupted
        self._look_seconds = 0.0
        self._planned_at = 0.0

    def _freeze(self) -> None:
        """Stop what `freeze` names and what `thaw` leaves frozen."""
        thaw = freeze.before(self.network, self.settings.thaw)
        self.freezes = {**freeze.named(self.network, self.settings.freeze), **thaw}
        freeze.stop(self.network, self.freezes, 0)

    def thaw(self, label: str) -> None:
        """Say from where on the network learns, where the recipe left it open. Before the first step."""
        train = self.settings.model_copy(update={"thaw": label})
        self.job.recipe = self.job.recipe.model_copy(update={"train": train})
        self.settings = train
        self._freeze()

    def train_mode(self) -> None:
        """As `freeze.train_mode`; statistics stand still where trained weights thaw."""
        freeze.train_mode(self.network, statistics=self.settings.thaw == "auto")

    # ---- what a run is made of ---------------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """The pass that the next step belongs to, from 0."""
        return self.step // self.batches.an_epoch

    @property
    def result(self) -> nn.Module:
        """The network that the run keeps."""
        network = self.average if self.average is not None else self.network
        if self.settings.keep == "best" and self.best is not None:
            network.load_state_dict(self.best)
        return network.eval()

    @contextlib.contextmanager
    def _drawn(self, step: int) -> Iterator[None]:
        """Dropout's numbers are those of (seed, step); the caller's own go on afterwards as if nothing had been."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(draws.key(self.seed, "dropout", step) >> 1)
            yield

    def _forward(self, x: Tensor, forward: Callable[..., Any]) -> tuple[Tensor, list[tuple[float, Tensor]]]:
        """The logits, and those of each side classifier with its weight in the loss."""
        if not isinstance(self.network, Network) or not self.network.aux:
            return forward(x), []
        logits, kept = forward(x, keep=self.network.aux)
        return logits, [(weight, kept[label]) for label, weight in self.network.aux.items()]

    def _objective(
        self, x: Tensor, labels: Tensor, step: int, forward: Callable[..., Any] | None = None
    ) -> tuple[Tensor, Tensor]:
        """The logits and what training makes small, by the plan's ways or by those of `forward`."""
        with self._drawn(step):
            logits, sides = self._forward(x.contiguous(memory_format=self.layout), forward or self.forward)
        wanted = (len(x), len(self.job.data.classes))
        if logits.shape != wanted:
            raise ConvscopeError(
                f"a network must give one number a class for each picture: {wanted}. Got {tuple(logits.shape)}."
            )
        objective = self.loss(logits, labels)
        for weight, side in sides:
            objective = objective + weight * self.loss(side, labels)
        penalty = self.network.penalty() if isinstance(self.network, Network) else None
        return logits, objective if penalty is None else objective + penalty

    # ---- carrying it out ---------------------------------------------------------------------------------------

    def records(self) -> Iterator[Record]:
        """Train to the end, or until `stop()`; raises Diverged at the first number that isn't finite."""
        try:
            yield from self._records()
        except nonfinite.Diverged as error:
            yield Stopped(f"non-finite {error.what}", self.step, self.step // self.batches.an_epoch)
            raise

    def _records(self) -> Iterator[Record]:
        if self.settings.keep == "best" and not len(self.validation_set):
            yield Note(
                "keep = 'best' chooses by the validation loss. There are no such pictures: the last weights stay"
            )
        if self.settings.batch_size > len(self.train_set):
            yield Note(
                f"batch_size {self.settings.batch_size} is more than the training part: an epoch is one step of all "
                f"its {len(self.train_set)} pictures"
            )
        if learning := freeze.note(self.network, self.freezes):
            yield Note(learning)
        begin = time.perf_counter()  # a budget counts the look at the first batch and the measuring too
        self.train_mode()
        if not self.step and not self.prelude:  # trained weights are no start that could be drawn better
            yield self.first_look()
        seconds_a_step = self.measure()
        self._zero = begin - self.elapsed
        self._planned_at = self._tick()
        if not self.step:
            self.prelude = self.elapsed
        else:
            self.prelude += time.perf_counter() - begin
        pictures = len(self.validation_set) / max(1, len(self.train_set))
        with_looks = seconds_a_step * (1 + forecast.look_share(self.job.plan) * pictures)
        self._look_seconds = with_looks * self.batches.an_epoch - seconds_a_step * self.batches.an_epoch
        if not self.total_steps:
            self.total_steps = self._plan_steps(with_looks)
        yield Forecast(
            with_looks * self.batches.an_epoch, with_looks * (self.total_steps - self.step),
            self.total_steps / self.batches.an_epoch, self.total_steps, self._memory(),
        )  # fmt: skip
        save_at = self.elapsed + _SAVE_EVERY_SECONDS
        wanted = self.job.snapshots if self.settings.snapshots else None
        moments = Moments(wanted, self.step, self.total_steps) if wanted is not None else None
        if moments is not None and not self.step:
            yield from self._kept(moments)
        while self.step < self.total_steps and not self.reason:
            epoch = self.epoch
            freeze.stop(self.network, self.freezes, epoch)
            self.train_mode()
            for rows in itertools.islice(self.batches.rows(epoch), self.step - epoch * self.batches.an_epoch, None):
                if self._over():
                    break
                if self.elapsed >= save_at:
                    begin = self.elapsed
                    yield from self.save()
                    taken = self._tick() - begin
                    save_at = self.elapsed + max(_SAVE_EVERY_SECONDS, taken / _SAVE_SHARE)
                yield self._one_step(rows, epoch)
                if self.step >= self.total_steps:
                    break
                if moments is not None and moments.due(self.step):
                    yield from self._kept(moments)
            if not self._interrupted and self.sums["n"]:
                yield self._end_of_epoch(epoch)
        if self._interrupted:
            yield from self.save(must=True)
        elif moments is not None:
            yield from self._kept(moments, last=True)
        yield Stopped(self.reason or self._planned_end(), self.step, self.step // self.batches.an_epoch)

    @property
    def _interrupted(self) -> bool:
        return self.reason == "interrupted"

    def _tick(self) -> float:
        self.elapsed = time.perf_counter() - self._zero
        return self.elapsed

    def _seconds_left(self) -> float:
        """At the pace of the steps so far."""
        return (self._tick() - self.prelude) / max(1, self.step) * (self.total_steps - self.step)

    def _over(self) -> bool:
        """Whether training ends before the next step; a budget's steps are planned anew with each tenth of it."""
        budget = self.settings.budget
        self._tick()
        if self.job.stop():
            self.reason = "interrupted"
        elif budget is not None and self.elapsed >= budget:
            self.reason = "budget"
        elif budget is not None and self.step and self.elapsed >= self._planned_at + budget / 10:
            self._planned_at = self.elapsed
            self.total_steps = max(self.step + 1, self._plan_steps((self.elapsed - self.prelude) / self.step))
        return bool(self.reason)

    def _planned_end(self) -> str:
        most = forecast.MOST_EPOCHS_OF_A_BUDGET * self.batches.an_epoch
        return "epochs" if self.settings.budget is None or self.total_steps == most else "budget"

    def _one_step(self, rows: NDArray[np.int64], epoch: int) -> Step:
        begin = time.perf_counter()
        base = self.job.recipe.optimizer.learning_rate
        rate = schedule.rate(self.job.recipe.schedule, base, self.step, self.total_steps, self.batches.an_epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * (group["base"] / base)
        x, labels = self.batches.batch(rows, epoch)
        self.optimizer.zero_grad(set_to_none=True)
        logits, objective = self._objective(x, labels, self.step)
        value = float(objective.detach())
        if not math.isfinite(value):
            raise self._diverged("loss", x)
        objective.backward()  # type: ignore[no-untyped-call]
        parameters = list(self.network.parameters())
        if not nonfinite.all_finite([p.grad for p in parameters if p.grad is not None]):
            raise self._diverged("gradient", x)
        if not nonfinite.all_finite([p.detach() for p in parameters]):
            raise self._diverged("weight", x)
        if self.settings.clip:
            nn.utils.clip_grad_norm_(parameters, self.settings.clip)
        self.optimizer.step()
        self.step += 1
        if self.average is not None:
            self._follow(self.average)
        self.sums["loss"] += value * len(rows)
        self.sums["k"] += int((logits.detach().argmax(1) == labels).sum())
        self.sums["n"] += len(rows)
        seconds = time.perf_counter() - begin
        left = self._seconds_left()
        return Step(self.step, epoch + 1, value, rate, len(rows) / max(seconds, 1e-9), self.elapsed, left)

    def _follow(self, average: nn.Module) -> None:
        """Move the average a little towards the weights; more at the start, when the average knows nothing yet."""
        share = 1 - min(self.settings.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, now in zip(average.state_dict().values(), self.network.state_dict().values(), strict=True):
                if mean.is_floating_point():
                    mean.lerp_(now, share)
                else:
                    mean.copy_(now)

    def _kept(self, moments: Moments, last: bool = False) -> Iterator[Note]:
        """A snapshot of the weights that would predict now: those of the average where there is one."""
        self._check_weights()
        current = self.average if self.average is not None else self.network
        which = "trained" if self.average is None else "average"
        classifier = Classifier(current, self.preprocess, self.job.data.classes)
        note = moments.keep(classifier, self.step, self.step / self.batches.an_epoch, which, last)
        self._tick()
        if note is not None:
            yield note

    def _diverged(self, what: str, x: Tensor) -> nonfinite.Diverged:
        with self._drawn(self.step):
            where = nonfinite.find(self.network, x)
        rate = self.job.recipe.optimizer.learning_rate
        return nonfinite.Diverged(
            what,
            f"training needs finite numbers. At step {self.step + 1} the {what} is not: {where}. "
            f"Lower the learning rate (now {rate:g}), or start from smaller weights.",
        )

    def _check_weights(self) -> None:
        """What is kept or scored must be finite; the next step would have found it."""
        if not nonfinite.all_finite(self.network.state_dict().values()):
            raise self._diverged("weight", self.batches.batch(self.batches.rows(0)[0], 0)[0])

    def _end_of_epoch(self, epoch: int) -> Epoch:
        self._check_weights()
        n = int(self.sums["n"])
        validation_loss, k_right, of = self._look(epoch) if len(self.validation_set) else (None, None, None)
        left = self._seconds_left()
        done = Epoch(
            epoch + 1, self.step, self.sums["loss"] / n, int(self.sums["k"]), n, validation_loss, k_right, of,
            self.optimizer.param_groups[0]["lr"], self.elapsed, left, self.best_epoch == epoch,
        )  # fmt: skip
        self.sums = {"loss": 0.0, "k": 0, "n": 0}
        return done

    def _look(self, epoch: int) -> tuple[float, int, int]:
        """Loss, k and n of the validation pictures. Keeps the network where it is the best, and ends the run where
        `patience` is used up."""
        begin = time.perf_counter()
        current = self.average if self.average is not None else self.network
        classifier = Classifier(current, self.preprocess, self.job.data.classes)
        try:
            found = score(predictions(classifier, self.validation_set))
        except RunFailed as error:
            raise nonfinite.Diverged("output", f"after step {self.step}, on the validation pictures: {error}") from None
        self._look_seconds = time.perf_counter() - begin
        self.scored(current, found.loss, epoch)
        patience = self.settings.patience
        if patience and epoch - self.best_epoch >= patience and self.step < self.total_steps and not self.reason:
            kept = "that epoch's weights are kept" if self.settings.keep == "best" else "the last weights are kept"
            self.reason = (
                f"early stopping: the validation loss has not fallen for {patience} epochs; it was lowest, "
                f"{self.best_loss:.4f}, in epoch {self.best_epoch + 1}; {kept}"
            )
        return found.loss, found.k, found.n

    def scored(self, network: nn.Module, validation_loss: float, epoch: int) -> None:
        """Take note of a validation loss, and keep the weights that it is of where the lowest decides.

        epoch: counted from 0; -1 for weights that come before the loop.
        """
        if validation_loss < self.best_loss:
            self.best_loss, self.best_epoch = validation_loss, epoch
            if self.settings.keep == "best":
                self.best = {name: t.detach().clone() for name, t in network.state_dict().items()}

    def first_look(self) -> Diagnosis:
        """What the first batch shows before anything is learned from it; all stays as it was."""
        self.train_mode()
        x, labels = self.batches.batch(self.batches.rows(0)[0][:_LOOKED_AT], 0)
        return first_step.diagnose(
            self.network, x, labels, lambda: self._objective(x, labels, 0, self.network), self.loss,
            name=self.settings.loss,
        )  # fmt: skip

    # ---- how long, how much ------------------------------------------------------------------------------------

    def measure(self) -> float:
        """Seconds a step takes here: forward and backward on a real batch, with nothing learned from it."""
        rows = self.batches.rows(self.epoch)[0]
        seconds = math.inf
        with buffers_kept(self.network):
            for _ in range(3):
                begin = time.perf_counter()
                x, labels = self.batches.batch(rows, self.epoch)
                _, objective = self._objective(x, labels, self.step)
                if objective.requires_grad:
                    objective.backward()  # type: ignore[no-untyped-call]
                seconds = min(seconds, time.perf_counter() - begin)
                if seconds > 1:
                    break
        self.optimizer.zero_grad(set_to_none=True)
        return seconds

    def _plan_steps(self, seconds_a_step: float) -> int:
        """The steps of the whole run. Those of a budget are what fits into the rest of it, before a last look."""
        if self.settings.steps is not None:
            return self.settings.steps
        if self.settings.epochs is not None:
            return self.settings.epochs * self.batches.an_epoch
        assert self.settings.budget is not None
        rest = self.settings.budget - self.elapsed - self._look_seconds
        most = forecast.MOST_EPOCHS_OF_A_BUDGET * self.batches.an_epoch
        return max(1, min(self.step + forecast.steps_in(rest, seconds_a_step), most))

    def _memory(self) -> int:
        batch = min(self.settings.batch_size, len(self.train_set))
        copies = (self.average is not None) + (self.settings.keep == "best" and len(self.validation_set) > 0)
        return forecast.memory(self.network, self.job.recipe.optimizer.name, batch, copies)

    # ---- stopping and going on ---------------------------------------------------------------------------------

    def save(self, must: bool = False) -> Iterator[Record]:
        """A checkpoint of everything that the next step depends on.

        A full disk is a note, not the end; where it `must` be saved, since the training stops here, RunFailed.
        """
        if self.job.checkpoints is None:
            return
        self._check_weights()
        tensors = {f"network.{name}": t for name, t in self.network.state_dict().items()}
        if self.average is not None:
            tensors |= {f"average.{name}": t for name, t in self.average.state_dict().items()}
        if self.best is not None:
            tensors |= {f"best.{name}": t for name, t in self.best.items()}
        tensors |= {f"optimizer.{name}": t for name, t in optim.state_tensors(self.optimizer, self.network).items()}
        state = {
            "total_steps": self.total_steps,
            "elapsed": self.elapsed,
            "prelude": self.prelude,
            "best_loss": self.best_loss if math.isfinite(self.best_loss) else None,
            "best_epoch": self.best_epoch,
            "sums": self.sums,
        }
        if must:
            yield Saved(self.step, str(checkpoint.save(self.job.checkpoints, self.step, tensors, state)))
        else:
            yield checkpoint.attempt(self.job.checkpoints, self.step, tensors, state)

    def resume(self, saved: checkpoint.Checkpoint) -> None:
        """Go on from a checkpoint: the same bits as if the training had never stopped.

        Raises ConvscopeError where it is of another network.
        """
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}, "best": {}, "optimizer": {}}
        for name, tensor in saved.tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        try:
            self.network.load_state_dict(parts["network"])
            if self.average is not None:
                self.average.load_state_dict(parts["average"])
        except RuntimeError as error:
            raise ConvscopeError(
                f"a checkpoint must fit the network that goes on with it. {saved.path} doesn't: {error}"
            ) from None
        self.best = parts["best"] or None
        optim.load_state_tensors(self.optimizer, self.network, parts["optimizer"])
        self.step = saved.step
        self.total_steps = int(saved.state["total_steps"])
        self.elapsed = float(saved.state["elapsed"])
        self.prelude = float(saved.state.get("prelude", 0.0))
        best_loss = saved.state["best_loss"]
        self.best_loss = math.inf if best_loss is None else float(best_loss)
        self.best_epoch = int(saved.state["best_epoch"])
        self.sums = dict(saved.state["sums"])
