"""`convscope demo`."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

if TYPE_CHECKING:
    from convscope.api import Run
    from convscope.run import Record

HELP = "Train on the embedded handwritten digits, score on pictures set aside, and predict a picture file."


def command(
    out: Annotated[str, Option("--out", "-o", help="the run's folder")] = "runs/demo",
    quiet: Annotated[bool, Option("--quiet", "-q", help="print the score only")] = False,
) -> int:
    """Carry it out; see HELP."""
    from convscope.cli.watching import watch
    from convscope.report import listings
    from convscope.report.numbers import score_line
    from convscope.report.text import say
    from convscope.run import Started, Tested

    def begin(stop: Callable[[], bool], progress: Callable[[str, int, int], None]) -> Iterator[Record]:
        from convscope import api

        return api.train_records("digits", out=out, stop=stop, progress=progress)

    code, records = watch(begin, quiet=quiet)
    if code or quiet:
        return code
    from convscope import api

    run = api.Run(next(record.path for record in records if isinstance(record, Started)))
    picture = run.path / "picture.png"
    index = _write_picture(run, picture)
    said = run.classifier.predict(picture)
    best, *others = said.top(3)
    lines = [
        "",
        f"a picture of the test split, {index}, is now the file {picture}; the model reads it:",
        *listings.predictions([(str(picture), best[0], best[1], others)], sys.stdout),
        "",
        f"look at     {run.report_path}",
        f"predict     convscope predict {run.path} PICTURE ...",
        "            your own pictures: convscope train --data FOLDER (one folder a class)",
    ]
    say(sys.stdout, lines)
    tested = next(record for record in records if isinstance(record, Tested))
    say(sys.stdout, f"test accuracy {score_line(tested.k, tested.n, tested.low, tested.high)}")
    return 0


def _write_picture(run: Run, path: Path) -> str:
    """A test picture as a PNG, the way a user would bring one; gives its name in the data set."""
    from PIL import Image

    from convscope import api, files

    pictures = api.data("digits", split_file=run.split_path).test
    out = io.BytesIO()
    Image.fromarray(pictures.images[0, 0]).resize((80, 80), Image.Resampling.NEAREST).save(out, format="PNG")
    files.write_bytes(path, out.getvalue())
    return pictures.names[0]
