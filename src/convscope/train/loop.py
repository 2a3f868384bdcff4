"""The training loop: batches, steps, epochs, checkpoints. It yields records and prints nothing.

All randomness is keyed by (seed, epoch, picture) or (seed, step), so a run that was stopped and resumed goes through
the same numbers as one that wasn't. Signals belong to the command line: the loop asks `stop()` before each step.
"""

from __future__ import annotations

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

from convscope import draws
from convscope.classifier import Classifier
from convscope.data.augment import Augment
from convscope.data.images import DataSet
from convscope.errors import ConvscopeError, unknown
from convscope.evaluate.metrics import score
from convscope.evaluate.predictions import Predictions
from convscope.network.build import Network
from convscope.recipe import Recipe
from convscope.run import Epoch, Forecast, Record, Step, Stopped
from convscope.train import checkpoint, loss, nonfinite, optim, schedule

MOST_EPOCHS_OF_A_BUDGET = 200
"""A budget that would allow more passes than this ends early: small data is learned by then."""

_RESERVE = 0.92
_SAVE_EVERY_SECONDS = 20.0


@dataclass
class Job:
    """One training: what is trained, on what, how, and where its checkpoints go (None: nowhere)."""

    network: nn.Module
    data: DataSet
    recipe: Recipe
    checkpoints: Path | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    stop: Callable[[], bool] = lambda: False


def predictions(classifier: Classifier, images: Any) -> Predictions:
    """What a classifier says of an image set, as a record that needs the network no more."""
    return Predictions(
        images.ids, images.names, images.labels, classifier.probabilities(images.images), classifier.classes
    )


class Loop:
    """The state of one training, and `records()`, which carries it out.

    After `records()` is exhausted `result` is the network that the run keeps (the last, the best or the average).
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.settings = job.recipe.train
        self.seed = job.recipe.seed
        self.network = job.network.to(job.device)
        self.train_set, self.validation_set = job.data.train, job.data.validation
        self.preprocess = job.data.preprocess
        if not len(self.train_set):
            raise ConvscopeError("training needs pictures. The training split has none; make the other splits smaller.")
        weights = None
        if self.settings.class_weights == "balanced":
            weights = loss.balanced(self.train_set.labels, len(job.data.classes)).to(job.device)
        self.loss = loss.build(self.settings.loss, self.settings.label_smoothing, weights)
        augment = job.recipe.augment
        self.augment = Augment(**{**augment.model_dump(), "shift": int(augment.shift)})
        self.freezes = _freezes(self.network, self.settings.freeze)
        self._freeze(0)
        self.optimizer = optim.build(self.network, job.recipe.optimizer)
        self.average = copy.deepcopy(self.network) if self.settings.ema else None
        self.batches_an_epoch = len(self._batches(0))
        self.step = 0
        self.total_steps = 0
        self.elapsed = 0.0
        self.best: dict[str, Tensor] | None = None
        self.best_loss = math.inf
        self.best_epoch = -1
        self.sums = {"loss": 0.0, "k": 0, "n": 0}
        self.reason = ""
        self._resumed = False

    # ---- what a run is made of ---------------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """The pass that the next step belongs to, from 0."""
        return self.step // self.batches_an_epoch

    @property
    def result(self) -> nn.Module:
        """The network that the run keeps."""
        network = self.average if self.average is not None else self.network
        if self.settings.keep == "best" and self.best is not None:
            network.load_state_dict(self.best)
        return network.eval()

    def _batches(self, epoch: int) -> list[NDArray[np.int64]]:
        """The rows of each batch of an epoch; a last batch of one picture joins the one before it, since batch
        normalisation can't learn from a single value."""
        size, n = self.settings.batch_size, len(self.train_set)
        rows = draws.order(self.seed, epoch, self.train_set.ids) if self.settings.shuffle else np.arange(n)
        cut = [rows[start : start + size] for start in range(0, n, size)]
        if self.settings.drop_last and len(cut) > 1 and len(cut[-1]) < size:
            cut.pop()
        if len(cut) > 1 and len(cut[-1]) == 1:
            cut[-2:] = [np.concatenate(cut[-2:])]
        return cut

    def batch(self, rows: NDArray[np.int64], epoch: int) -> tuple[Tensor, Tensor]:
        """Pictures and labels as the network sees them in training: (N, C, H, W) float32, (N,) int64."""
        images = torch.from_numpy(np.ascontiguousarray(self.train_set.images[rows])).to(self.job.device)
        images = self.augment.apply(images, self.train_set.ids[rows], self.seed, epoch, size=self.preprocess.input_size)
        labels = torch.from_numpy(self.train_set.labels[rows]).to(self.job.device)
        return self.preprocess.to_input(images), labels

    def seen(self, count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """The first `count` training pictures of the first epoch as the network sees them, but for the scaling:
        uint8 (count, C, H, W), and their labels."""
        rows = np.concatenate(self._batches(0))[:count]
        images = torch.from_numpy(np.ascontiguousarray(self.train_set.images[rows]))
        size = self.preprocess.input_size
        images = self.augment.apply(images, self.train_set.ids[rows], self.seed, 0, size=size)
        return images.clamp(0, 255).to(torch.uint8).numpy(), self.train_set.labels[rows]

    def _freeze(self, epoch: int) -> None:
        named = dict(self.network.named_parameters())
        for name, since in self.freezes.items():
            if epoch + 1 >= since:
                named[name].requires_grad_(False)
                named[name].grad = None

    def _train_mode(self) -> None:
        """Training mode, but for normalisation layers that are frozen whole: their statistics stand still too."""
        self.network.train()
        for module in self.network.modules():
            own = list(module.parameters(recurse=False))
            if own and hasattr(module, "running_mean") and not any(p.requires_grad for p in own):
                module.eval()

    def _objective(self, x: Tensor, labels: Tensor, step: int) -> tuple[Tensor, Tensor]:
        torch.manual_seed(draws.key(self.seed, "dropout", step) >> 1)
        logits = self.network(x)
        objective = self.loss(logits, labels)
        penalty = self.network.penalty() if isinstance(self.network, Network) else None
        return logits, objective if penalty is None else objective + penalty

    # ---- carrying it out ---------------------------------------------------------------------------------------

    def records(self) -> Iterator[Record]:
        """Train to the end, or until `stop()`; raises Diverged at the first number that isn't finite."""
        with torch.random.fork_rng(devices=[]):
            yield from self._records()

    def _records(self) -> Iterator[Record]:
        self._train_mode()
        seconds_a_step = self._measure()
        if not self.total_steps:
            self.total_steps = self._plan_steps(seconds_a_step)
        remaining = self.total_steps - self.step
        # an epoch's look at the validation pictures costs about a third of a step for each picture
        share = 1 + len(self.validation_set) / max(1, len(self.train_set)) / 3
        yield Forecast(
            seconds_a_step * self.batches_an_epoch * share, seconds_a_step * remaining * share,
            self.total_steps / self.batches_an_epoch, self.total_steps, self._memory(),
        )  # fmt: skip
        started = time.perf_counter() - self.elapsed
        saved = self.elapsed
        while self.step < self.total_steps:
            epoch = self.epoch
            self._freeze(epoch)
            self._train_mode()
            batches = self._batches(epoch)
            skip = self.step - epoch * self.batches_an_epoch
            for rows in itertools.islice(batches, skip, None):
                self.elapsed = time.perf_counter() - started
                if self._over():
                    break
                yield self._one_step(rows, epoch, started)
                if self.step >= self.total_steps:
                    break
            self.elapsed = time.perf_counter() - started
            if self.reason == "interrupted":
                break
            if self.step == (epoch + 1) * self.batches_an_epoch or self.step >= self.total_steps or self.reason:
                yield self._end_of_epoch(epoch, started)
            if self.reason:
                break
            if self.elapsed - saved > _SAVE_EVERY_SECONDS and self.step < self.total_steps:
                saved = self.elapsed
                yield from self.save()
        if self.reason == "interrupted":
            yield from self.save()
        elif not nonfinite.all_finite([p.detach() for p in self.network.parameters()]):
            raise nonfinite.Diverged(self._diverged(self.batch(self._batches(0)[0], 0)[0], "weight"))
        yield Stopped(self.reason or "epochs", self.step, self.step // self.batches_an_epoch)

    def _over(self) -> bool:
        if self.job.stop():
            self.reason = "interrupted"
        elif self.settings.budget is not None and self.elapsed >= self.settings.budget:
            self.reason = "budget"
        return bool(self.reason)

    def _one_step(self, rows: NDArray[np.int64], epoch: int, started: float) -> Step:
        begin = time.perf_counter()
        rate = schedule.rate(
            self.job.recipe.schedule, self.job.recipe.optimizer.learning_rate, self.step, self.total_steps,
            self.batches_an_epoch,
        )  # fmt: skip
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        x, labels = self.batch(rows, epoch)
        self.optimizer.zero_grad(set_to_none=True)
        logits, objective = self._objective(x, labels, self.step)
        value = float(objective.detach())
        if not math.isfinite(value):
            raise nonfinite.Diverged(self._diverged(x, "loss"))
        objective.backward()  # type: ignore[no-untyped-call]
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        if not nonfinite.all_finite(gradients):
            raise nonfinite.Diverged(self._diverged(x, "gradient"))
        if self.settings.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self.optimizer.step()
        self.step += 1
        if self.average is not None:
            self._follow()
        self.sums["loss"] += value * len(rows)
        self.sums["k"] += int((logits.detach().argmax(1) == labels).sum())
        self.sums["n"] += len(rows)
        now = time.perf_counter()
        self.elapsed = now - started
        left = self.elapsed / self.step * (self.total_steps - self.step)
        return Step(self.step, epoch + 1, value, rate, len(rows) / max(now - begin, 1e-9), self.elapsed, left)

    def _follow(self) -> None:
        """Move the average a little towards the weights; less at the start, when the average knows nothing yet."""
        assert self.average is not None
        share = 1 - min(self.settings.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, now in zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True):
                if mean.is_floating_point():
                    mean.lerp_(now, share)
                else:
                    mean.copy_(now)

    def _diverged(self, x: Tensor, what: str) -> str:
        self.reason = f"non-finite {what}"
        return (
            f"training needs finite numbers. At step {self.step + 1} the {what} is not: "
            f"{nonfinite.find(self.network, x)}. "
            f"Lower the learning rate (now {self.job.recipe.optimizer.learning_rate:g}), or start from smaller weights."
        )

    def _end_of_epoch(self, epoch: int, started: float) -> Epoch:
        n = max(1, int(self.sums["n"]))
        validation_loss = validation_k = validation_n = None
        best = False
        if len(self.validation_set):
            current = self.average if self.average is not None else self.network
            classifier = Classifier(current, self.preprocess, self.job.data.classes)
            found = score(predictions(classifier, self.validation_set))
            validation_loss, validation_k, validation_n = found.loss, found.k, found.n
            best = found.loss < self.best_loss
            if best:
                self.best_loss, self.best_epoch = found.loss, epoch
                if self.settings.keep == "best":
                    self.best = {name: t.detach().clone() for name, t in current.state_dict().items()}
            patience = self.settings.patience
            if patience and epoch - self.best_epoch >= patience and self.step < self.total_steps and not self.reason:
                self.reason = (
                    f"early stopping: the validation loss has not fallen for {patience} epochs; it was lowest, "
                    f"{self.best_loss:.4f}, in epoch {self.best_epoch + 1}"
                )
        self.elapsed = time.perf_counter() - started
        left = self.elapsed / max(1, self.step) * (self.total_steps - self.step)
        done = Epoch(
            epoch + 1, self.step, self.sums["loss"] / n, int(self.sums["k"]), n, validation_loss, validation_k,
            validation_n, self.optimizer.param_groups[0]["lr"], self.elapsed, left, best,
        )  # fmt: skip
        self.sums = {"loss": 0.0, "k": 0, "n": 0}
        return done

    # ---- how long, how much ------------------------------------------------------------------------------------

    def _measure(self) -> float:
        """Seconds a step takes here: forward and backward on a real batch, with nothing learned from it."""
        buffers = {name: t.clone() for name, t in self.network.named_buffers()}
        rows = self._batches(self.epoch)[0]
        seconds = math.inf
        for _ in range(3):
            begin = time.perf_counter()
            x, labels = self.batch(rows, self.epoch)
            _, objective = self._objective(x, labels, self.step)
            if objective.requires_grad:
                objective.backward()  # type: ignore[no-untyped-call]
            seconds = min(seconds, time.perf_counter() - begin)
            if seconds > 1:
                break
        self.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            for name, tensor in self.network.named_buffers():
                tensor.copy_(buffers[name])
        return seconds

    def _plan_steps(self, seconds_a_step: float) -> int:
        if self.settings.steps is not None:
            return self.settings.steps
        if self.settings.epochs is not None:
            return max(1, math.ceil(self.settings.epochs * self.batches_an_epoch - 1e-9))
        assert self.settings.budget is not None
        share = 1 + len(self.validation_set) / max(1, len(self.train_set)) / 3
        steps = int(self.settings.budget * _RESERVE / (seconds_a_step * share))
        return max(1, min(steps, MOST_EPOCHS_OF_A_BUDGET * self.batches_an_epoch))

    def _memory(self) -> int:
        """About how many bytes weights, gradients, optimiser and one batch's activations take."""
        numbers = sum(p.numel() for p in self.network.parameters())
        moments = 2 if self.job.recipe.optimizer.name != "sgd" else 1
        weights = 4 * numbers * (2 + moments + (self.average is not None))
        if not isinstance(self.network, Network):
            return weights
        activations = sum(math.prod(row.after) for row in self.network.sizes.rows)
        return weights + 2 * 4 * activations * min(self.settings.batch_size, len(self.train_set))

    # ---- stopping and going on ---------------------------------------------------------------------------------

    def save(self) -> Iterator[Record]:
        """A checkpoint of everything that the next step depends on. A full disk is a note, not the end."""
        if self.job.checkpoints is None:
            return
        tensors = {f"network.{name}": t for name, t in self.network.state_dict().items()}
        if self.average is not None:
            tensors |= {f"average.{name}": t for name, t in self.average.state_dict().items()}
        if self.best is not None:
            tensors |= {f"best.{name}": t for name, t in self.best.items()}
        tensors |= {f"optimizer.{name}": t for name, t in optim.state_tensors(self.optimizer, self.network).items()}
        state = {
            "total_steps": self.total_steps,
            "elapsed": self.elapsed,
            "best_loss": self.best_loss if math.isfinite(self.best_loss) else None,
            "best_epoch": self.best_epoch,
            "sums": self.sums,
        }
        yield checkpoint.attempt(self.job.checkpoints, self.step, tensors, state)

    def resume(self, saved: checkpoint.Checkpoint) -> None:
        """Go on from a checkpoint: the same bits as if the training had never stopped."""
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}, "best": {}, "optimizer": {}}
        for name, tensor in saved.tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        self.network.load_state_dict(parts["network"])
        if self.average is not None:
            self.average.load_state_dict(parts["average"])
        self.best = parts["best"] or None
        optim.load_state_tensors(self.optimizer, self.network, parts["optimizer"])
        self.step = saved.step
        self.total_steps = int(saved.state["total_steps"])
        self.elapsed = float(saved.state["elapsed"])
        best_loss = saved.state["best_loss"]
        self.best_loss = math.inf if best_loss is None else float(best_loss)
        self.best_epoch = int(saved.state["best_epoch"])
        self.sums = dict(saved.state["sums"])


def _freezes(network: nn.Module, words: tuple[str, ...]) -> dict[str, int]:
    """The parameters that `freeze` names, and the epoch from which on each stands still."""
    named = dict(network.named_parameters())
    found: dict[str, int] = {}
    for word in words:
        name, _, since = word.partition("@")
        hits = [p for p in named if p == name or p.startswith(f"{name}.")]
        if not hits:
            layers = {p.rpartition(".")[0] for p in named}
            raise ConvscopeError(unknown("layer or tensor in freeze", name, layers))
        for hit in hits:
            found[hit] = min(int(since or 0), found.get(hit, 1 << 30))
    return found
