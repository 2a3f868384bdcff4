"""Asking a classifier about whole image sets: on which pictures it may be scored, and which look at them this is.

Knows classifiers, data sets and run folders; computes no score (`metrics` does) and prints nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from convscope import recipe
from convscope.classifier import Classifier
from convscope.data import sources, store
from convscope.data.images import DataSet, ImageSet
from convscope.data.progress import Progress
from convscope.errors import ConvscopeError
from convscope.evaluate import seen
from convscope.evaluate import views as several
from convscope.evaluate.metrics import Score, score
from convscope.evaluate.predictions import Predictions
from convscope.recipe.realise import read_data
from convscope.run import Run, Tested


def predictions(
    classifier: Classifier, images: ImageSet, progress: Progress | None = None, views: str = ""
) -> Predictions:
    """What a classifier says of an image set, as a record that needs the network no more. Raises ConvscopeError where
    their classes differ, RunFailed where an output isn't finite. views: a word of `evaluate.views`; "" is one view."""
    check_classes(classifier, images.classes)
    told = None if progress is None else partial(progress, "scoring views" if views else "scoring pictures")
    logits = partial(several.logits, classifier, views) if views else None
    probabilities, losses = classifier.judge(images.images, images.labels, told, logits)
    return Predictions(images.ids, images.names, images.labels, probabilities, classifier.classes, losses)


def score_of(classifier: Classifier, images: ImageSet, views: str = "", progress: Progress | None = None) -> Score:
    """A classifier's score on an image set; by the mean of several views of each picture where `views` names some."""
    if views:
        several.check(views)
    said = predictions(classifier, images, progress, views)
    return replace(score(said), views=several.VIEWS[views]) if views else score(said)


def chance_note(said: Predictions, split: str) -> str:
    """A sentence where a score isn't surely above the share of the most frequent class, which needs no network."""
    found, counts = score(said), np.bincount(said.labels, minlength=len(said.classes))
    most = int(counts.max())
    if found.low > most / found.n:
        return ""
    always = f"always saying {said.classes[int(counts.argmax())]} ({100 * most / found.n:.1f} %)"
    if found.k <= most:
        return f"the {split} accuracy is no better than {always}: it has not learned; lower --lr, or train longer"
    return (
        f"the {split} accuracy is not surely better than {always}, which lies within its interval: train longer, or "
        "score it on more pictures"
    )


def check_classes(classifier: Classifier, classes: tuple[str, ...]) -> None:
    """A score needs the model's own classes, in its own order; raises ConvscopeError and names the difference."""
    if classes == classifier.classes:
        return
    missing = [name for name in classifier.classes if name not in classes]
    extra = [name for name in classes if name not in classifier.classes]
    listed = [f"the data lacks {', '.join(missing[:5])}"] if missing else []
    listed += [f"the model doesn't know {', '.join(extra[:5])}"] if extra else []
    raise ConvscopeError(
        f"the data's classes must be the model's. The model has {len(classifier.classes)}, the data {len(classes)}: "
        f"{'; '.join(listed) or 'they stand in another order'}. Rename the class folders, or train on this data."
    )


@dataclass(frozen=True)
class Evaluated:
    """What a model said of a split, and what the user should know of the data. look: 1 for the first look at it.

    in_views: the second score, of several views of each picture, where it was asked for. manner: as in `Chosen`.
    """

    predictions: Predictions
    split: str
    look: int
    notes: tuple[str, ...]
    in_views: Score | None = None
    manner: str = ""


@dataclass(frozen=True)
class Chosen:
    """The pictures on which a model is to be asked. split: what they are called. own: whether they are a split of the
    run that the model lies in, which is `run`. notes: what the user should know of them. manner: what they were brought
    into, since they are from outside; "" is none."""

    images: ImageSet
    split: str
    own: bool
    run: Run | None
    notes: tuple[str, ...]
    manner: str = ""

    def look(self, what: str) -> int:
        """Counts this look in the run's folder, where its test pictures are among these or the split is its own.

        Returns how many there were, this one included; else 1."""
        if self.run is None or not (self.own or seen.overlap(self.images, self.run, ("test",)).any()):
            return 1
        return self.run.look(self.split if self.own and self.split != "all" else "test", what)


def choose(
    classifier: Classifier,
    model: Path,
    data: str = "",
    part: str = "",
    progress: Progress | None = None,
    usual: str = "test",
    as_is: bool = False,
) -> Chosen:
    """The pictures that are meant, none of which the model has learned from unless a split says so. No look is counted.

    model: where it lies, which is where its run's folder may be. Without `data` it is the run's own split (`usual`
    unless said); so it is where `data` has the very content that the run was begun with, which may have moved since.
    With other `data`: the part that it calls test, or all of it; pictures of a folder or a .csv are brought into the
    model's manner, as those of `predict` are, unless they are to be taken `as_is`. Raises ConvscopeError where the
    classes differ, the split is empty, the data is what a model outside of any run was trained on, or the run's own is
    gone.
    """
    part = {"val": "validation", "valid": "validation"}.get(part, part)
    if part not in ("", "train", "validation", "test", "all"):
        raise ConvscopeError(f"a split must be train, validation, test or all. Got {part!r}.")
    own = seen.run_of(model)
    kept = recipe.load(own.recipe_path) if own is not None else None
    notes: tuple[str, ...] = ()
    dataset: DataSet | None = None
    manner: str | None = None
    if data:
        of = classifier.preprocess
        manner = None if as_is or sources.is_known(data) else of.manner
        read = partial(
            store.load, data, size=of.size, channels=of.channels, fit=of.fitting, crop_to=of.crop_to,
            background=of.background, validation=0.0, test=0.0, progress=progress,
        )  # fmt: skip
        dataset = read(bring=manner)
        if kept is not None and dataset.sha256 == kept.data_sha256:
            kept, data, dataset = kept.model_copy(update={"data": data}), "", None
        elif manner and dataset.sha256 == classifier.score.get("data_sha256"):
            manner, dataset = None, read()  # its own data set isn't from outside
    elif own is not None:
        seen.refuse_gone(own)
    if dataset is not None:
        part = part or ("test" if len(dataset.test) else "all")
        if dataset.sha256 == classifier.score.get("data_sha256") and part != "test":
            raise ConvscopeError(
                f"a score needs pictures that the model never saw. {data} is what it was trained on. Evaluate the "
                "run's folder without --data: it knows which pictures were set aside."
            )
        notes = dataset.notes
        if manner:
            notes += (f"the pictures of {data} were brought into the manner {manner!r} first; --as-is leaves that out",)
    elif own is None or kept is None:
        raise ConvscopeError(
            f"a score needs pictures that the model never saw. {model} lies in no run's folder, so nobody knows which "
            "these are. Give some: --data FOLDER."
        )
    else:
        dataset, note = seen.as_begun(read_data(kept, Path(), split_file=own.split_path, progress=progress), own)
        part = part or usual
        notes = (note,) if note else ()
    images = whole(dataset) if part == "all" else getattr(dataset, part)
    if not len(images):
        mend = "" if data or not len(dataset.test) else " Its test pictures: --split test, which counts as a look."
        raise ConvscopeError(f"a split must have pictures to be scored. {data or model} has none in {part}.{mend}")
    check_classes(classifier, images.classes)  # before the look is counted
    if data:
        images, more = seen.without_learned(images, own, data)
        notes += more
    return Chosen(images, part, not data, own, notes, (manner or "") if data else "")


def ask(
    classifier: Classifier,
    model: Path,
    data: str = "",
    part: str = "",
    progress: Progress | None = None,
    views: str = "",
    as_is: bool = False,
) -> Evaluated:
    """Ask a model about a whole split, as `choose` finds it; the look is counted in the run's folder.

    `views` adds a second score, which is kept nowhere. Raises ConvscopeError as `choose` does.
    """
    if views:
        several.check(views)  # before the look is counted
    chosen = choose(classifier, model, data, part, progress, as_is=as_is)
    images, part = chosen.images, chosen.split
    look = chosen.look("evaluate")
    said = predictions(classifier, images, progress)
    if chosen.run and chosen.own:
        found = score(said)
        chosen.run.log(Tested(found.k, found.n, found.low, found.high, found.loss, part, look))
    in_views = score_of(classifier, images, views, progress) if views else None
    return Evaluated(said, part, look, chosen.notes, in_views, chosen.manner)


def whole(dataset: DataSet) -> ImageSet:
    """All pictures of a data set, whatever their part."""
    parts = [part for part in (dataset.train, dataset.validation, dataset.test) if len(part)]
    if len(parts) == 1:
        return parts[0]
    return ImageSet(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
        dataset.classes,
        np.concatenate([part.ids for part in parts]),
        tuple(name for part in parts for name in part.names),
        None if any(part.hashes is None for part in parts) else np.concatenate([p.hashes for p in parts]),
    )
