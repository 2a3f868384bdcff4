"""Training, from a word to a run's folder: what `convscope train` and `convscope.train` carry out."""

from __future__ import annotations

import contextlib
import functools
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ParamSpec

import torch
from torch import nn

from convscope import kernels, recipe, run, weights
from convscope.api.models import Run
from convscope.classifier import Classifier
from convscope.data.images import DataSet
from convscope.data.progress import Progress
from convscope.errors import ConvscopeError
from convscope.evaluate.metrics import score
from convscope.evaluate.model import chance_note, predictions
from convscope.evaluate.seen import as_begun, refuse_gone, refuse_head_start
from convscope.network.build import Network
from convscope.network.cost import total_parameters
from convscope.recipe import Recipe
from convscope.recipe.realise import Realised, realise
from convscope.report import page
from convscope.report.progress import Progress as Reading
from convscope.report.terminal import Terminal
from convscope.run import Finished, Note, Record, Started, Step, Stopped, Tested
from convscope.train import begin, checkpoint, own_module, published, transfer
from convscope.train.loop import Job, Loop

_LOGGED_STEPS = 400


def train(
    word: str | DataSet, *, quiet: bool = False, on_record: Callable[[Record], None] | None = None, **options: Any
) -> Run:
    """Train to the end, show it on the way as the command line does, and give the run.

    Takes what `train_records` takes, which shows nothing. quiet: nothing is shown here either. on_record: is called
    with each record, in place of what is shown.
    """
    path, shown = "", not quiet and on_record is None
    with (
        Terminal(sys.stdout) as terminal,
        Reading(sys.stderr, show=shown) as reading,
        # what an interrupted cell of a notebook keeps of it would hold the run
        contextlib.closing(train_records(word, **{"progress": reading, **options})) as records,
    ):
        for record in records:
            reading.close()
            if on_record is not None:
                on_record(record)
            elif shown:
                terminal.show(record)
            if isinstance(record, Started):
                path = record.path
    return Run(path)


def train_records(
    word: str | DataSet,
    *,
    network: str | nn.Module | None = None,
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    device: str = "auto",
    base: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
    progress: Progress | None = None,
    plain: bool = False,
    **more: Any,
) -> Generator[Record, None, None]:
    """Train, and yield the records of it as they come; the run's folder keeps them too.

    word: a bundled recipe, a recipe file, a data set's name, a folder, a .csv, or a DataSet. network: text, a .net
    file, a run or model file whose network is meant, a `Network` or any module; a module learns in place, from the
    weights that it has. settings and further keywords change the recipe (`epochs=1`, `learning_rate=0.01`,
    `{"optimizer.name": "adam"}`). out: the run's folder (`runs/NAME` unless given). plain: PyTorch as it
    comes, float32, without this machine's fast ways.
    """
    chosen, name, notes = begin.recipe_of(word, network, {**(settings or {}), **more}, base or Path())
    if isinstance(network, nn.Module) and isinstance(word, DataSet):
        name = recipe.folder_name(type(network).__name__.lower())
    yield from carry_out(
        chosen,
        Path(out) if out else Path("runs") / name,
        module=network if isinstance(network, nn.Module) else None,
        dataset=word if isinstance(word, DataSet) else None,
        device=device,
        base=base or Path(),
        stop=stop,
        progress=progress,
        notes=notes,
        plain=plain,
    )


Steps = ParamSpec("Steps")


def _threads_put_back(records: Callable[Steps, Iterator[Record]]) -> Callable[Steps, Iterator[Record]]:
    """A plan's threads are the process's while it trains; afterwards these are what they were."""

    @functools.wraps(records)
    def carried(*given: Steps.args, **more: Steps.kwargs) -> Iterator[Record]:
        before = torch.get_num_threads()
        try:
            yield from records(*given, **more)
        finally:
            if torch.get_num_threads() != before:
                torch.set_num_threads(before)

    return carried


@_threads_put_back
def carry_out(
    chosen: Recipe,
    out: Path,
    *,
    module: nn.Module | None = None,
    dataset: DataSet | None = None,
    device: str = "auto",
    base: Path = Path(),
    stop: Callable[[], bool] = lambda: False,
    progress: Progress | None = None,
    notes: list[str] | None = None,
    plain: bool = False,
) -> Iterator[Record]:
    """One recipe, from data to report: what `train` of the command line and of Python is."""
    started = time.perf_counter()
    where = kernels.device(device)
    said, told, trained = [*(notes or [])], "", None
    if chosen.from_ and published.is_name(chosen.from_, base):
        if said:  # why these weights is the first line, before anything is read
            told = said.pop(0)
            yield Note(told)
        trained = weights.trained(chosen.from_, progress)
        dataset = published.in_memory(dataset, trained) if dataset is not None else None
        if dataset is None:
            chosen, note = published.sized(chosen, trained, base, where)
            said += [note] if note else []
    spent = time.perf_counter() - started if trained is not None else 0.0
    realised = realise(chosen, base=base, module=module, data=dataset, progress=progress)
    if module is not None:
        own_module.check(module, realised.data)
    resolved, said = realised.recipe, [*said, *realised.notes]
    if chosen.data_sha256 not in ("", resolved.data_sha256):
        said.append("the data is no longer what this recipe was written for: the numbers will differ")
    if trained is not None:
        said += [one for one in [published.grey_note(realised.data.train.images, trained.name)] if one]
        note, digest = published.fill(realised.network, trained, realised.data.classes), trained.sha256
    elif chosen.from_:
        said += [one for one in [refuse_head_start(realised.data, chosen.from_)] if one]
        note, digest = begin.from_model(chosen.from_, realised.network, realised.data.classes)
    if chosen.from_:
        said.append(note)
        if chosen.from_sha256 not in ("", digest):
            said.append(f"{chosen.from_} is no longer what this recipe was written for: the numbers will differ")
        resolved = resolved.model_copy(update={"from_sha256": digest})
    plan = _plan(realised, where, plain)
    said += kernels.take(plan)
    if resolved.train.precision == "bfloat16" and where.type == "cpu" and not kernels.narrow():
        said.append("this processor has no bfloat16 of its own, so it is slow here. Faster: --set precision=auto")
    train = resolved.train.model_copy(update={"precision": plan["precision"]})
    resolved = resolved.model_copy(update={"train": train})
    loop = Loop(Job(realised.network, realised.data, resolved, device=where, stop=stop, plan=plan))
    folder = Run.create(out)  # nothing is left behind by what can't begin
    loop.job.checkpoints, loop.job.snapshots = folder.checkpoint_path, folder.snapshots_path
    if folder.path != out:
        said.append(f"{out} exists, so the run is in {folder.path}")
    with folder.trained_here():
        folder.write_recipe(recipe.to_toml(resolved))
        realised.data.split.save(folder.split_path)
        loop.elapsed = time.perf_counter() - realised.began  # network and plan are a part of training
        plan["seconds"] = round(loop.elapsed, 4)
        folder.write_plan(plan)
        folder.write_environment()
        if told:
            folder.log(Note(told))
        first = (
            transfer.records(loop, resolved.from_sha256, spent + loop.elapsed, progress) if trained is not None else ()
        )
        yield from _logged(folder, _train(folder, loop, plan, said, started, first, progress))


def _plan(realised: Realised, where: torch.device, plain: bool) -> dict[str, Any]:
    """The plan of a new run; the process keeps the memory that a step frees, unless the plan is PyTorch as it comes."""
    if plain:
        if realised.recipe.train.precision == "bfloat16":
            raise ConvscopeError("PyTorch as it comes is float32. Got precision = 'bfloat16' beside it; leave one out.")
        return kernels.plain()
    kernels.keep_freed()
    train, preprocess = realised.recipe.train, realised.data.preprocess
    batch = min(train.batch_size, len(realised.data.train))
    shape = (batch, preprocess.channels, *preprocess.input_size)
    return kernels.plan(realised.network, shape, precision=train.precision, where=where)


@_threads_put_back
def resume(
    path: str | Path,
    *,
    network: nn.Module | None = None,
    data: DataSet | None = None,
    place: str = "",
    device: str = "auto",
    stop: Callable[[], bool] = lambda: False,
    progress: Progress | None = None,
) -> Iterator[Record]:
    """Go on with a run from its newest checkpoint: the same recipe, split, plan and numbers as if it never stopped.

    network, data: one's own module and image set again, where the run was begun with them. place: where its pictures
    are now, if they have moved; raises ConvscopeError where these aren't the same.
    """
    started = time.perf_counter()
    folder = Run(path)
    _refuse_finished(folder)
    kept = recipe.load(folder.recipe_path)
    if network is None and not kept.network:
        raise ConvscopeError(
            f"{path} trains somebody's own nn.Module, and no text of a network. Go on with it in Python with the "
            f"module: convscope.resume({str(path)!r}, network=module)."
        )
    with folder.trained_here():
        _refuse_finished(folder)  # by now it may be
        yield from _resumed(folder, kept, started, network, data, place, device, stop, progress)


def _refuse_finished(folder: Run) -> None:
    if folder.model_path.is_file():
        raise ConvscopeError(
            f"{folder.path} is finished: it has a model. Train its recipe anew: convscope train {folder.recipe_path}"
        )


def _resumed(
    folder: Run,
    kept: Recipe,
    started: float,
    network: nn.Module | None,
    data: DataSet | None,
    place: str,
    device: str,
    stop: Callable[[], bool],
    progress: Progress | None,
) -> Iterator[Record]:
    """`resume` of a run that nobody else trains. kept: its recipe; started: when it was asked for."""
    if place:
        kept = recipe.with_settings(kept, {"data": place})
    elif data is None:
        refuse_gone(folder)
    if kernels.layout(folder.plan) == torch.channels_last:  # and not PyTorch as it comes
        kernels.keep_freed()
    notes = kernels.take(folder.plan)
    saved = checkpoint.latest(folder.checkpoint_path)
    realised = realise(
        kept, module=None if kept.network else network, data=data, split_file=folder.split_path, progress=progress
    )
    if place and realised.data.sha256 != kept.data_sha256:
        raise ConvscopeError(
            f"a run goes on with the pictures that it was begun with. Those of {place} are others; give the place of "
            "the very same, or train anew."
        )
    dataset, note = as_begun(realised.data, folder)
    notes += [note] if note else []
    if saved is not None:
        notes += [*saved.warnings, f"going on from step {saved.step}"]
    else:
        notes.append(f"{folder.path} has no checkpoint: the training begins anew")
    trained = None
    if saved is None and kept.from_ and published.is_name(kept.from_):
        trained = weights.trained(kept.from_, progress)
        notes.append(published.fill(realised.network, trained, dataset.classes))
    elif saved is None and kept.from_:
        notes.append(begin.from_model(kept.from_, realised.network, dataset.classes)[0])
    where = kernels.device(device)
    places = folder.checkpoint_path, folder.snapshots_path
    loop = Loop(Job(realised.network, dataset, kept, *places, where, stop, folder.plan))
    if saved is not None:
        loop.resume(saved)
    first = transfer.records(loop, trained.sha256, 0.0, progress) if trained is not None else ()
    if place:  # from here on the run knows where they are
        folder.write_recipe(recipe.to_toml(kept))
    # all that the run has taken, the time before the interruption too
    began = started - loop.elapsed
    yield from _logged(folder, _train(folder, loop, folder.plan, notes, began, first, progress))


def _learns(network: nn.Module) -> int:
    """How many numbers a network learns; its side classifiers, which prediction leaves out, are not among them."""
    if isinstance(network, Network):
        return total_parameters(network.sizes)
    return sum(p.numel() for p in network.parameters())


def _logged(folder: Run, records: Iterator[Record]) -> Iterator[Record]:
    """Hand the records on, and keep them in the run's log: of the steps so many that a curve is smooth."""
    every = 1
    for record in records:
        if isinstance(record, run.Forecast):
            every = max(1, record.steps // _LOGGED_STEPS)
        if not isinstance(record, Step) or record.step % every == 0 or record.step == 1:
            folder.log(record)
        yield record


def _train(
    folder: Run,
    loop: Loop,
    plan: dict[str, Any],
    notes: list[str],
    started: float,
    first: Iterable[Record] = (),
    progress: Progress | None = None,
) -> Iterator[Record]:
    """first: what comes before the loop, which the loop goes on from unless it ends in Stopped."""
    network, dataset, resolved = loop.network, loop.job.data, loop.job.recipe
    # the mark of the best epoch is shown where it decides something
    chooses = len(dataset.validation) and (resolved.train.keep == "best" or resolved.train.patience)
    yield Started(
        str(folder.path), resolved.data, dataset.classes, len(dataset.train), len(dataset.validation),
        len(dataset.test), _learns(network),
        (*dataset.preprocess.input_size, dataset.preprocess.channels), str(loop.job.device), torch.get_num_threads(),
        plan | {"monitor": "validation loss" if chooses else ""},
    )  # fmt: skip
    for note in notes:
        yield Note(note)
    stopped = None
    for record in first:
        yield record
        stopped = record if isinstance(record, Stopped) else None
    if loop.job.recipe.train.thaw != resolved.train.thaw:
        folder.write_recipe(recipe.to_toml(loop.job.recipe))
    for record in loop.records() if stopped is None else ():
        yield record
        stopped = record if isinstance(record, Stopped) else None
        if stopped is not None and loop.best is not None and not stopped.reason.startswith(("early", "interrupted")):
            yield Note(f"{_whose(loop.best_epoch)} are kept: the lowest validation loss")
    if stopped is not None and stopped.reason == "interrupted":
        return
    if resolved.train.snapshots and not folder.snapshots_path.is_dir():
        yield Note("there are no snapshots: nothing but the last layer learned, and that came before the first step")
    classifier = Classifier(loop.result, dataset.preprocess, dataset.classes)
    classifier.score = {"data": resolved.data, "data_sha256": dataset.sha256, "run": folder.path.name}
    said, chance = None, ""
    if len(dataset.test):
        look = folder.look("test", "train")
        said = predictions(classifier, dataset.test, progress)
        found = score(said)
        said.save(folder.predictions_path)
        classifier.score |= {"split": "test", "k": found.k, "n": found.n}
        chance = chance_note(said, "test")
        tested = Tested(found.k, found.n, found.low, found.high, found.loss, "test", look)
    elif len(dataset.validation):
        validated = predictions(classifier, dataset.validation, progress)
        found = score(validated)
        classifier.score |= {"split": "validation", "k": found.k, "n": found.n}
        chance = chance_note(validated, "validation")
    if chance:
        yield Note(chance)
    classifier.save(folder.model_path)
    if said is not None:
        yield tested
    else:
        yield Note("there is no test split, so there is no test accuracy")
    page.write(folder, said, loop)
    yield Finished(str(folder.path), time.perf_counter() - started)


def _whose(best_epoch: int) -> str:
    """The weights that a run keeps, in words; -1 is the start, where features and a head came before the loop."""
    return f"the weights of epoch {best_epoch + 1}" if best_epoch >= 0 else "the weights before the body thawed"
