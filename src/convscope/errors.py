"""The one family of errors that is meant for the person at the keyboard.

Knows: how to say what was wrong and what was probably meant. Knows nothing of networks, data or files.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ConvscopeError(Exception):
    """What the user gave can't be used. The message says what must hold, what came, and how to fix it.

    The command line prints the message alone (no traceback) and leaves with `exit_code`.
    """

    exit_code = 2


class RunFailed(ConvscopeError):
    """What was given could be used, but carrying it out failed (a diverged training, a full disk)."""

    exit_code = 1


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like `word`, or None where none is alike.

    The shortest that begins with `word` comes first: who stops in the middle of a name has made no mistake in it.
    """
    names, low = list(known), word.lower()
    longer = [name for name in names if len(low) > 1 and name.lower().startswith(low)]
    if longer:
        return min(longer, key=lambda name: (len(name), name))
    close = difflib.get_close_matches(low, names, n=1, cutoff=0.6)
    return close[0] if close else None


def unknown(what: str, word: str, known: Iterable[str]) -> str:
    """The sentence for a word that doesn't exist: what it is, the nearest that does, and all of them."""
    names = sorted(known)
    close = nearest(word, names)
    meant = f", did you mean {close!r}?" if close else "."
    return f"unknown {what} {word!r}{meant} These exist: {', '.join(names)}."
