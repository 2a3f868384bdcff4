"""`convscope lab`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

HELP = """A page in the browser where a network is written, trained, watched and questioned.

MODEL is a run's folder or a model file to open with; unless given, a network of the lab's own that reads digits.
What is trained lies in runs/ as ever. The page is for this computer alone. End it with Ctrl-C: what is being trained
then is saved, and goes on from the page or by `convscope train --resume`.
"""


def command(
    model: Annotated[str, Argument(help="a run's folder or a model file", show_default=False)] = "",
    port: Annotated[int | None, Option(help="8765, or the next that is free, unless given")] = None,
    lessons: Annotated[str, Option(help="a folder with lessons of one's own, *.toml", show_default=False)] = "",
    browser: Annotated[bool, Option("--browser/--no-browser", help="open the page in the browser")] = True,
) -> int:
    """Carry it out; see HELP."""
    from convscope.errors import ConvscopeError
    from convscope.report.text import say
    from convscope.web import Session, run

    given = Path(model) if model else None
    if given is not None and not (given.is_file() or (given / "recipe.toml").is_file()):
        raise ConvscopeError(f"the lab opens with a run's folder or a model file. There is none at {model}.")

    from convscope.cli.watching import Interruption
    from convscope.lab.app import Lab

    lab = Lab(Path("runs"), given, Path(lessons) if lessons else None)
    app = lab.application()

    def ready(link: str) -> None:
        say(sys.stdout, [f"the lab is at {link}", "that link opens it in one browser, once; Ctrl-C ends the lab"])
        if browser:
            import webbrowser

            webbrowser.open(link)

    with Interruption() as asked:

        def stop() -> bool:
            lab.closing = bool(asked())
            return lab.closing

        try:
            lab.open()
            run(app, Session(command="convscope lab"), port=port, stop=stop, say=lambda text: say(sys.stdout, text),
                ready=ready)  # fmt: skip
        finally:
            for path in lab.close():
                say(sys.stdout, f"{path.name} is paused. The page goes on with it, or: convscope train --resume {path}")
    return 0
