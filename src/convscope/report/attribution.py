"""An attribution as a section of a page: its map over the picture, what its checks found, and whether to believe it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convscope.explain.attribute import Attribution
from convscope.explain.trust import Check
from convscope.report.markup import Markup, tag
from convscope.report.pictures import data_uri
from convscope.report.svg import Curve, chart, linear

STYLE = "attribution.css"

NAMES = {"gradcam": "Grad-CAM", "integrated-gradients": "Integrated gradients", "occlusion": "Occlusion"}
_FOR = (230, 120, 0)  # orange and blue are told apart in every common kind of colour blindness
_AGAINST = (0, 105, 215)
_MEANS = {
    "gradcam": "where the layer found what speaks for the class",
    "integrated-gradients": "how much each pixel adds to the class's score, compared with a picture of the mean colour",
    "occlusion": "how far the class's score falls where a square of the picture takes its mean colour",
}
_ACROSS = {
    "deletion": "patches removed",
    "insertion": "patches shown",
    "weight randomisation": "layers shuffled, from the answer down",
}


def section(attribution: Attribution) -> Markup:
    """What a page shows of it."""
    name, picture = NAMES[attribution.method], attribution.picture
    target = attribution.classes[attribution.target] if attribution.classes else f"class {attribution.target}"
    where = f", at {attribution.label} ({attribution.why_label})" if attribution.label else ""
    verdict = (
        tag("p", "passes its checks", class_="at-mark passes")
        if attribution.trusted
        else tag("p", f"not trustworthy: {attribution.why_not}", class_="at-mark fails")
    )
    checks = sorted(attribution.checks, key=lambda check: not check.curve)  # charts first, so that no row has a hole
    size = "pixels" if max(picture.shape[1:]) <= 100 else None
    plain = tag("figure", tag("img", src=data_uri(picture), alt="the picture", class_=size),
                tag("figcaption", "the picture"))  # fmt: skip
    over = tag("figure", tag("img", src=data_uri(heat(attribution.map, picture)), class_=size,
                             alt=f"the picture with {name} for {target} over it"),
               tag("figcaption", _legend(attribution)))  # fmt: skip
    return tag(
        "div",
        tag("h3", f"{name} for ", tag("bdi", target)),
        tag("p", f"It shows {_MEANS[attribution.method]}{where}.", class_="quiet"),
        verdict,
        tag("div", plain, over, class_="at-pictures"),
        tag("div", *(_check(check) for check in checks), class_="at-checks"),
        class_="attribution",
    )


def heat(map: NDArray[np.float32], picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(3, H, W): the picture in pale grey, orange where the map (H, W) speaks for the class, blue where against it."""
    grey = 90 + picture.mean(0) * (150 / 255)
    top = float(np.quantile(np.abs(map), 0.998)) or float(np.abs(map).max())  # one bright pixel hides no others
    share = np.clip(np.abs(map) / top, 0, 1) * 0.85 if top > 0 else np.zeros(map.shape)
    ink = np.where((map > 0)[None], np.array(_FOR)[:, None, None], np.array(_AGAINST)[:, None, None])
    return np.rint(grey * (1 - share) + ink * share).astype(np.uint8)  # type: ignore[no-any-return]


def _legend(attribution: Attribution) -> Markup:
    low = float(attribution.map.min())
    against = tag("span", tag("i", class_="against"), "speaks against it ") if low < 0 else ""
    return tag("span", tag("span", tag("i", class_="for"), "speaks for the class "), against, class_="at-legend")


def _check(check: Check) -> Markup:
    """A chart where there is a curve, and the numbers in words."""
    verdict = tag("b", "passed" if check.passed else "failed", class_=None if check.passed else "failed")
    found = f"{100 * check.value:.3g} %" if check.name == "completeness" else f"{check.value:.3g}"
    words = tag("p", verdict, f": {found}; needed: {check.needed}")
    keys: Markup | str = ""
    drawn: Markup | str = ""
    if check.curve:
        lines = []
        if check.against:
            lines.append(Curve("random order", "thin", *_both(check.against), points=False))
            keys = tag("p", tag("span", tag("i", class_="validation"), "by this map"),
                       tag("span", tag("i", class_="thin"), "in random order (mean)"), class_="keys")  # fmt: skip
        lines.append(Curve(check.name, "validation", *_both(check.curve), points=not check.against))
        label = _ACROSS[check.name]
        values = [y for line in lines for y in line.y]
        up = linear("", [0.0, 1.0], percent=True) if check.against else linear("", [0.0, 1.0, *values])
        drawn = chart(lines, linear(label, [0.0, 1.0], percent=True), up, f"{check.name}: {label}")
    what = "probability of the class" if check.against else "rank correlation with the map" if check.curve else ""
    return tag("figure", tag("h4", check.name, " ", tag("span", what, class_="quiet")), keys, drawn, words)


def _both(points: tuple[tuple[float, float], ...]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
