"""What is asked of the command line as such: help, versions, words that don't exist, exit codes, faults."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest

from cli.conftest import Command
from convscope import __version__
from convscope.cli import ALIASES, VERBS, main


def test_help_names_every_verb(say: Command) -> None:
    for words in ([], ["--help"], ["-h"], ["help"]):
        said = say(*words)
        assert said.code == 0
        assert all(f"  {verb} " in said.out for verb in VERBS)
        assert said.err == ""


def test_help_of_a_verb(say: Command) -> None:
    assert say("help", "train").out == say("train", "--help").out
    assert say("help", "fit").out == say("fit", "--help").out
    assert say("help", "trian").err.startswith("error: unknown command 'trian', did you mean 'train'?")


def test_help_names_the_other_words_for_a_verb(say: Command) -> None:
    for other, verb in ALIASES.items():
        assert re.search(rf"(?m)^  {verb} .*\(also: .*\b{other}\b", say("--help").out)


def test_an_unknown_option(say: Command) -> None:
    said = say("--foo")
    assert said.code == 2
    assert said.err == "error: unknown option '--foo'. A command comes first: convscope train --help.\n"


def test_version(say: Command) -> None:
    assert say("--version").out == f"convscope {__version__}\n"


@pytest.mark.parametrize("verb", [*VERBS, *ALIASES])
def test_every_verb_has_help(verb: str, say: Command) -> None:
    said = say(verb, "--help")
    assert said.code == 0
    assert "--help" in said.out


def test_an_unknown_command(say: Command) -> None:
    said = say("trian", "digits")
    assert said.code == 2
    assert said.err.startswith("error: unknown command 'trian', did you mean 'train'? These exist: ")
    assert said.out == ""


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", "--epoch", "3"], r"No such option:? .*--epoch.* See `convscope train --help`"),
        (["evaluate"], r"Missing argument '(?i:model)'. See `convscope evaluate --help`"),
        (["predict", "runs/x"], r"Missing argument '(?i:pictures)(\.\.\.)?'. See `convscope predict --help`"),
        (["predict", "x", "y", "--top", "none"], r"Invalid value for '--top': .* integer\. See"),
        (["recipes", "digits", "mnist"], r"unexpected extra argument"),
    ],
)
def test_what_a_verb_does_not_take(words: list[str], sentence: str, say: Command) -> None:
    said = say(*words)
    assert said.code == 2
    assert re.search(sentence, said.err)
    assert said.out == ""


def test_main_leaves_with_the_code() -> None:
    with pytest.raises(SystemExit) as left:
        main(["no-such-verb"])
    assert left.value.code == 2


def raising(error: BaseException) -> Any:
    def command(*given: Any, **options: Any) -> int:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (OSError(28, "No space left on device"), 1, "error: OSError: [Errno 28] No space left on device"),
        (MemoryError("too large"), 1, "error: MemoryError: too large"),
        (ZeroDivisionError("x"), 1, "error: this is a fault of convscope's own; please report it with the lines above"),
    ],
)
def test_what_goes_wrong(
    error: BaseException, code: int, sentence: str, say: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convscope.recipe.bundled", raising(error))
    said = say("recipes")
    assert said.code == code
    assert said.err.splitlines()[-1] == sentence
    assert said.out == ""
    assert ("Traceback" in said.err) == isinstance(error, ZeroDivisionError)


def test_an_interruption_has_its_code(say: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convscope.recipe.bundled", raising(KeyboardInterrupt()))
    said = say("recipes")
    assert said.code == 130
    assert said.err.strip() == "interrupted"


def test_a_reader_that_leaves_early_is_no_fault() -> None:
    import subprocess

    script = "import sys; from convscope.cli import main; main(['recipes', 'tutorial-b-cifar10'])"
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.close()
    _, error = child.communicate(timeout=60)
    assert b"Traceback" not in error
    assert b"fault" not in error
