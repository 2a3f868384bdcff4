"""The command line: a file a verb, imported when called, so that `--help` is quick and loads no torch."""

from __future__ import annotations

import functools
import importlib
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from convscope import __version__
from convscope.errors import ConvscopeError, unknown

VERBS = {
    "demo": "train on the embedded digits and predict a picture: the whole job in half a minute",
    "train": "train a network on a data set, a folder of pictures or a .csv",
    "evaluate": "score a model: k of n with its interval, and every class",
    "predict": "say what is on pictures",
    "explain": "look inside a network with one picture: every layer's maps, any cell's arithmetic, what decides",
    "health": "a network's layers over many pictures: dead units, duplicates, what excites them, how they changed",
    "landscape": "the loss around a trained network as a map, and gradient descent walking down on it",
    "kernel": "a kernel of one's own over any picture: edges, outlines, blur, sharpen",
    "probe": "accuracy when pictures are shifted, turned, scaled, lit, blurred: how far a model holds",
    "lab": "a page where a network is written, trained, watched and questioned",
    "summary": "the layers of a network: shapes, parameters, arithmetic, memory, receptive fields",
    "zoo": "the networks that come with the package: list them, or show one",
    "draw": "a figure of a network: SVG, and PDF or PNG with an extra",
    "check": "look a network or a recipe over before it is trained: what is wrong, and the mend",
    "code": "a network as plain PyTorch or Keras source that stands alone",
    "fit": "the paddings and strides that lead from one size to another",
    "import": "published weights, mapped onto a network of the zoo, as a model file",
    "data": "the data sets: list, get, info",
    "recipes": "the bundled recipes: list them, or show one",
    "doctor": "this machine: threads, precision, versions, data found",
}
ALIASES = {"eval": "evaluate", "val": "evaluate", "test": "evaluate"}
_FILES = {"import": "import_"}  # a word of Python's own can't name a module


def main(arguments: list[str] | None = None) -> None:
    """Carry out one command and leave with its exit code: 0, 2 for what the user gave, 1 for the rest."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """The same, with the exit code as a value."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        return _dispatch(arguments)
    except ConvscopeError as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        from convscope.report.text import say

        say(sys.stderr, "interrupted")
        return 130
    except BrokenPipeError:
        # whoever read the output has left: nothing more to say, and nothing to flush at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, MemoryError) as error:
        _complain(f"{type(error).__name__}: {error}")
        return 1
    except Exception:
        traceback.print_exc()
        _complain("this is a fault of convscope's own; please report it with the lines above")
        return 1


def _complain(text: str) -> None:
    from convscope.report.text import say

    say(sys.stderr, f"error: {text}".splitlines())


def _dispatch(arguments: list[str]) -> int:
    if arguments[:1] == ["help"] and len(arguments) > 1:
        arguments = [arguments[1], "--help"]
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_usage())
        return 0
    if arguments[0] in ("-V", "--version", "version"):
        print(f"convscope {__version__}")
        return 0
    if arguments[0].startswith("-"):
        raise ConvscopeError(f"unknown option {arguments[0]!r}. A command comes first: convscope train --help.")
    verb = ALIASES.get(arguments[0], arguments[0])
    if verb not in VERBS:
        raise ConvscopeError(unknown("command", verb, VERBS))
    import typer

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    module: Any = importlib.import_module(f"convscope.cli.{_FILES.get(verb, verb)}")
    app.command(help=module.HELP)(_carrying(module.command))
    try:
        words = getattr(module, "words", list)  # where a verb takes words that look like options
        code = app(args=words(arguments[1:]), prog_name=f"convscope {verb}", standalone_mode=False)
    except (typer.Abort, _Interrupted):
        raise KeyboardInterrupt from None
    except Exception as error:
        # Typer carries its own copy of click in some versions and not in others: its usage errors are known by form
        said = getattr(error, "format_message", None)
        if said is None:
            raise
        raise ConvscopeError(f"{said().rstrip('.')}. See `convscope {verb} --help`.") from None
    return int(code or 0)


class _Interrupted(Exception):
    """Ctrl-C, as something that Typer lets through: of a KeyboardInterrupt it makes an exit code, and no word."""


def _carrying(command: Callable[..., int]) -> Callable[..., int]:
    @functools.wraps(command)
    def carried(*given: Any, **options: Any) -> int:
        try:
            return command(*given, **options)
        except KeyboardInterrupt:
            raise _Interrupted from None

    return carried


def _also(verb: str, text: str) -> str:
    others = [other for other, meant in ALIASES.items() if meant == verb]
    return f"{text} (also: {', '.join(others)})" if others else text


def _usage() -> str:
    wide = max(map(len, VERBS))
    lines = [
        "convscope: one line of text is a convolutional network: weigh it, train it, look inside it.",
        "",
        "usage: convscope VERB ...      convscope VERB --help      convscope --version",
        "",
        *(f"  {verb:{wide}}  {_also(verb, text)}" for verb, text in VERBS.items()),
        "",
        "  convscope demo",
        '  convscope train --data FOLDER --net "conv 3x3 32, relu, maxpool 2, conv 3x3 64, relu, gap, dense"',
        "  convscope predict runs/NAME picture.jpg",
    ]
    return "\n".join(lines)
