"""Which runs, models and data the lab has, each by an id; what is loaded, and how long it is kept.

A client names things by ids alone. What an id stands for is looked up among what is there.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from convscope import recipe
from convscope.classifier import Classifier
from convscope.data import places, sources, store
from convscope.data.images import DataSet
from convscope.data.known import KNOWN
from convscope.errors import ConvscopeError, unknown
from convscope.evaluate import seen
from convscope.evaluate.intervals import wilson
from convscope.evaluate.model import whole
from convscope.lab.following import Known, Stamp, brief_of, stamp
from convscope.lab.jobs import Jobs
from convscope.network.build import Network
from convscope.recipe.realise import read_data
from convscope.run import Epoch, Run, Snapshot
from convscope.run.snapshots import steps_in
from convscope.web import Refused, identifier

DEMO = "lab-digits"
"""The id of the network that the lab opens with where none is named."""

_KEPT_MODELS, _KEPT_DATA, _KEPT_RUNS = 8, 3, 4096
_K = TypeVar("_K")
_V = TypeVar("_V")


def demo_root() -> Path:
    """The folder of the lab's own run, which is made anew where it was deleted: it belongs to no working folder."""
    return places.cache_folder() / "lab"


class Shelf:
    """Everything by its id. folder: the user's runs; given: a run or model file of elsewhere that the lab was opened
    with."""

    def __init__(self, folder: Path, given: Path | None = None) -> None:
        self.folder, self.given = folder.absolute(), None if given is None else given.absolute()
        self.jobs = Jobs([self.folder, demo_root()])
        self._models = _Last[tuple[Path, int, int], Classifier](_KEPT_MODELS)
        self._data = _Last[str, DataSet](_KEPT_DATA)
        self._runs = _Last[tuple[Path, Stamp | None, Stamp | None], DataSet](_KEPT_DATA)
        self._known = _Last[Path, Known](_KEPT_RUNS)

    # ---- ids ---------------------------------------------------------------------------------------------------------

    def paths(self) -> dict[str, Path]:
        """Every run and model file, by id, the newest first; a job that waits has no folder yet."""
        found: dict[str, Path] = {}
        for path in sorted(self._runs_there(), key=_when, reverse=True):
            found[id_of(path.name, str(path) if path.name == DEMO else "")] = path
        demo = demo_root() / "digits"
        if demo.is_dir() or self.jobs.read(demo) is not None:
            found[DEMO] = demo
        if self.given is not None and self.given not in found.values():
            found[id_of(self.given.stem, str(self.given))] = self.given
        return found

    def _runs_there(self) -> list[Path]:
        there = (
            [path for path in self.folder.iterdir() if (path / "recipe.toml").is_file()] if self.folder.is_dir() else []
        )
        return [
            *there,
            *(
                run
                for run in self.jobs.all()
                if run.parent == self.folder and run not in there and not self.jobs.removed(run)
            ),
        ]

    def path(self, id: object) -> Path:
        """What an id stands for. Raises Refused."""
        if id == DEMO:
            return demo_root() / "digits"
        direct = self.folder / identifier(id)
        if (direct / "recipe.toml").is_file():  # the usual case, without a look at all others
            return direct
        known = self.paths()
        if id not in known:
            raise Refused(404, unknown("model", str(id), known))
        return known[str(id)]

    def run(self, id: object) -> Run:
        """The run of an id. Raises Refused for a model file, and for a run that hasn't begun."""
        path = self.path(id)
        try:
            return Run(path)
        except ConvscopeError:
            raise Refused(404, f"{path.name} has no run's folder, which would tell of its training.") from None

    # ---- models ------------------------------------------------------------------------------------------------------

    def models(self) -> list[dict[str, Any]]:
        """All that there are, as the page is told. What can't be read is said so, and doesn't hide the others."""
        return [self._model(id, path) for id, path in self.paths().items()]

    def model(self, id: str) -> dict[str, Any]:
        """One of them. Raises Refused for an unknown id."""
        return self._model(id, self.path(id))

    def _model(self, id: str, path: Path) -> dict[str, Any]:
        try:
            about = self._of_file(path) if path.is_file() else self._of_run(path)
            return {**about, "id": id, "name": DEMO if id == DEMO else about["name"]}
        except Refused:
            raise
        except ConvscopeError as error:
            return {**_NOTHING, "id": id, "name": path.name, "state": "failed", "why": str(error)}

    def _of_run(self, path: Path) -> dict[str, Any]:
        state, why = self.jobs.state(path)
        job = self.jobs.read(path)
        about = {**_NOTHING, "name": path.name, "state": state, "why": why, **(job.about if job else {})}
        if not (path / "recipe.toml").is_file():
            return about
        known = self._of(Run(path))
        course, kept, size = known.course, known.recipe, known.size
        if not about["text"]:
            about["text"] = known.text
        about |= {
            "data": data_id(str(kept.get("data", ""))),
            "classes": list(course.started.classes) if course.started else about["classes"],
            "input": list(size) if size else about["input"],
            "manner": kept.get("input", {}).get("manner", ""),
            "moments": [_moment(moment, course.ends.get(moment.step)) for moment in known.moments],
        }
        if course.test is not None:
            about["score"] = _score(course.test.k, course.test.n)
        return about

    def _of(self, run: Run) -> Known:
        """What a run's files say. Only what has changed in them is read again: the page asks often, of many runs."""
        recipe_now, log = stamp(run.recipe_path), stamp(run.log_path)
        known = self._known.get(run.path)
        if known is None or not known.fits(recipe_now, log):
            known = self._known.put(run.path, Known(run, recipe_now))
        known.read_on(run, log)
        return known

    def _of_file(self, path: Path) -> dict[str, Any]:
        classifier = self.classifier_at(path)
        of, network = classifier.preprocess, classifier.network
        k, n = classifier.score.get("k"), classifier.score.get("n")
        return {
            **_NOTHING, "name": path.name, "text": brief_of(network.text) if isinstance(network, Network) else "",
            "data": data_id(str(classifier.score.get("data", ""))), "classes": list(classifier.classes),
            "input": [*of.input_size, of.channels], "manner": of.manner or "", "state": "done", "file": True,
            "score": _score(k, n) if isinstance(k, int) and isinstance(n, int) and n else None,
        }  # fmt: skip

    def moments(self, run: Run) -> list[Snapshot]:
        """The snapshots of a run."""
        return self._of(run).moments

    def classifier(self, id: object, moment: object = None) -> Classifier:
        """A model's network; moment: the step of one of its snapshots, None for the trained one, which while the
        training goes on is the newest snapshot. Raises ConvscopeError."""
        path = self.path(id)
        if path.is_file():
            return self.classifier_at(path)
        files = steps_in(path / "snapshots")
        if moment is not None:
            if not isinstance(moment, int) or moment not in files:
                listed = ", ".join(map(str, files)) or "none here"
                raise ConvscopeError(
                    f"a moment must be the step of a snapshot. Got {moment!r:.40}; these are: {listed}."
                )
            return self.classifier_at(files[moment])
        final = path / "model.safetensors"
        if not final.is_file() and not files:
            raise ConvscopeError(f"{path.name} has no weights yet: its training has not got that far. Wait a moment.")
        return self.classifier_at(final if final.is_file() else files[max(files)])

    def classifier_at(self, path: Path) -> Classifier:
        """The classifier in a file, loaded once as long as the file stays the same."""
        try:
            facts = path.stat()
        except OSError:
            raise ConvscopeError(f"{path.name} is no longer there. Choose another moment.") from None
        key = (path, facts.st_mtime_ns, facts.st_size)
        return self._models.get(key) or self._models.put(key, Classifier.load(path))

    # ---- data --------------------------------------------------------------------------------------------------------

    def data(self) -> list[dict[str, Any]]:
        """The data sets that have a name: what they are, whether they are on this machine, and what a training without
        further words does to their pictures."""
        return [
            {"name": name, "title": entry.title, "classes": list(entry.classes), "size": list(entry.size[:2]),
             "channels": entry.size[2], "here": is_here(name),
             "augment": recipe.choose(name).load().augment.model_dump(mode="json", exclude_defaults=True)}
            for name, entry in KNOWN.items()
        ]  # fmt: skip

    def dataset(self, name: object, of: object = None) -> DataSet:
        """A data set by its id: split and sized as for the run `of`, where that was trained on it; else with its usual
        split, or, where it has no name, as for the newest run on it. Raises ConvscopeError where it isn't on this
        machine: nothing is downloaded by looking."""
        word = identifier(name)
        if word in KNOWN:
            refuse_far(word)
        path = None if of is None else self.path(of)
        if path is not None and (path / "recipe.toml").is_file() and self._reads(path, word):
            return self.data_of(Run(path))
        if word not in KNOWN:
            return self._of_a_run(word)
        return self._data.get(word) or self._data.put(word, store.load(word))

    def _of_a_run(self, word: str) -> DataSet:
        for path in self.paths().values():
            if (path / "recipe.toml").is_file() and self._reads(path, word):
                return self.data_of(Run(path))
        raise Refused(404, unknown("data set", word, KNOWN))

    def _reads(self, path: Path, word: str) -> bool:
        """Whether a run was trained on the data of this id; one whose files are broken hides no other."""
        try:
            return data_id(str(self._of(Run(path)).recipe.get("data"))) == word
        except ConvscopeError:
            return False

    def data_of(self, run: Run) -> DataSet:
        """The pictures of a run, split as it was begun. Raises ConvscopeError where they are gone."""
        key = (run.path, stamp(run.recipe_path), stamp(run.split_path))  # one made anew under its name is another
        kept = self._runs.get(key)
        if kept is None:
            seen.refuse_gone(run)
            found, _ = seen.as_begun(read_data(recipe.load(run.recipe_path), Path(), split_file=run.split_path), run)
            kept = self._runs.put(key, found)
        return kept

    def picture(self, name: object, index: object, of: object = None) -> tuple[NDArray[np.uint8], int, tuple[str, ...]]:
        """(uint8 (C, H, W), its label, classes) of a data set's picture; index: its row in the whole data set; of: the
        model that looks at it, in whose size it comes where the data have none of their own."""
        dataset = self.dataset(name, None if name in KNOWN else of)
        for part in (dataset.test, dataset.validation, dataset.train):
            rows = np.flatnonzero(part.ids == (index if type(index) is int else -1))
            if len(rows):
                return np.array(part.images[rows[0]]), int(part.labels[rows[0]]), part.classes
        count = len(whole(dataset))
        raise ConvscopeError(f"a picture's index must be a row of the data, 0 to {count - 1}. Got {index!r:.40}.")


_NOTHING: dict[str, Any] = {
    "name": "", "text": "", "data": "", "classes": [], "input": [], "manner": "", "score": None, "state": "done",
    "why": "", "moments": [], "file": False,
}  # fmt: skip
"""A model of which nothing is known."""


def id_of(name: str, of: str = "") -> str:
    """An id for a run's or a file's name: the name where it is one already, else what it can show of it and a hash.

    of: what it stands for where its name alone isn't enough, such as the whole path.
    """
    try:
        if not of:
            return identifier(name)
    except Refused:
        pass
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
    return "-".join(filter(None, (plain, hashlib.sha256((of or name).encode("utf-8", "replace")).hexdigest()[:8])))


def data_id(spec: str) -> str:
    """The id of a data set: its own name, or for a folder or a .csv a name and a hash of its path; "" is none."""
    return spec if spec in KNOWN or not spec else id_of(re.split(r"[/\\]", spec.rstrip("/\\"))[-1], spec)


def is_here(name: str) -> bool:
    """Whether a data set that has a name can be read without a download."""
    return KNOWN[name].format == "embedded" or sources.where(name) is not None


def refuse_far(name: str) -> None:
    """Raises ConvscopeError for a data set that isn't on this machine."""
    if not is_here(name):
        raise ConvscopeError(
            f"{name} isn't on this machine. Get it in a terminal, then come back: convscope data get {name}"
        )


def known_data(name: object) -> str:
    """A data set's name. Raises Refused for an unknown one, ConvscopeError where it isn't on this machine."""
    word = identifier(name)
    if word not in KNOWN:
        raise Refused(404, unknown("data set", word, KNOWN))
    refuse_far(word)
    return word


def _moment(snapshot: Snapshot, end: Epoch | None) -> dict[str, Any]:
    """A snapshot as the page is told; end: the epoch that ended with its step."""
    k, n = (end.validation_k, end.validation_n) if end else (None, None)
    accuracy = k / n if k is not None and n else None
    return {"number": snapshot.step, "step": snapshot.step, "epoch": snapshot.epoch, "accuracy": accuracy}


def _score(k: int, n: int) -> dict[str, Any]:
    low, high = wilson(k, n)
    return {"k": k, "n": n, "accuracy": k / n, "low": low, "high": high}


def _when(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return float("inf")  # it waits: newer than all


class _Last(Generic[_K, _V]):
    """The last few things that were asked for. Threads may share one."""

    def __init__(self, most: int) -> None:
        self._most, self._kept, self._lock = most, OrderedDict[_K, _V](), threading.Lock()

    def get(self, key: _K) -> _V | None:
        """What is kept under a key, None where nothing is."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: _K, value: _V) -> _V:
        """Keeps a value, in place of the one that was asked for the longest ago; gives it."""
        with self._lock:
            self._kept[key] = value
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return value
