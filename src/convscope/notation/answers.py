"""The answers to names that are not known where they stand."""

from __future__ import annotations

from lark import Token

from convscope.notation import foreign
from convscope.notation.kinds import KINDS, STRUCTURE, WORDS
from convscope.notation.scope import NUMBER_WORDS, Scope, Word
from convscope.notation.source import NotationError


def is_form(name: str, scope: Scope) -> bool:
    """Whether a word begins an item: so that a comma is missing before it."""
    return name in KINDS or name in scope.pieces or name == scope.piece or name in STRUCTURE


def unknown_word(token: Token, scope: Scope, where: str, known: tuple[str, ...] = ()) -> NotationError:
    """The answer to a word that is nothing here."""
    name = str(token)
    if is_form(name, scope):
        return scope.error(token, f"a comma is missing before '{name}'", f"write , {name}")
    if name == "x":
        return scope.error(token, f"unknown word 'x' in {where}", "no space inside 3x3")
    theirs = foreign.layer(name)
    if theirs and not foreign.closer(name, (*known, *scope.parameters)):
        return scope.error(token, f"unknown word '{name}' in {where}", theirs)
    close = foreign.closer(name, (*known, *scope.parameters, *NUMBER_WORDS)) or foreign.closer(name, KINDS)
    hint = (
        f"did you mean '{close}'?"
        if close in {*known, *scope.parameters, *NUMBER_WORDS}
        else (f"did you mean ', {close}'?" if close else "")
    )
    return scope.error(token, f"unknown word '{name}' in {where}", hint)


def unknown_layer(head: Token, words: list[Word], scope: Scope) -> NotationError:
    """The answer to a name that begins an item and is no layer."""
    name = str(head)
    if name in scope.pieces or name == scope.piece or name in scope.later:
        return scope.error(head, f"the piece '{name}' stands without its parentheses", f"write {name}()")
    follower = words[0] if words else None
    theirs = foreign.layer(name)
    close = foreign.closer(name, [*KINDS, *STRUCTURE])
    if isinstance(follower, Token) and follower in KINDS:
        return scope.error(head, f"the label '{name}' has no colon", f"write {name}: {follower}")
    if theirs:
        return scope.error(head, f"unknown layer '{name}'", theirs)
    if name in WORDS or name in scope.parameters:
        return scope.error(head, f"'{name}' is no layer", "a layer's name stands first: conv 3x3 32 same")
    if close is None:
        return scope.error(head, f"unknown layer '{name}'", "these exist: " + ", ".join(KINDS))
    return scope.error(head, f"unknown layer '{name}'", f"did you mean '{close}'?")


def unknown_piece(head: Token, words: list[Word], scope: Scope) -> NotationError:
    """The answer to a name with parentheses that is no piece here."""
    name = str(head)
    if name == scope.piece:
        return scope.error(head, f"the piece '{name}' uses itself", "a piece uses pieces defined above it")
    if name in scope.later:
        return scope.error(head, f"the piece '{name}' is used above its let", "move its let up")
    theirs = foreign.layer(name)
    if theirs:
        return scope.error(head, f"unknown piece '{name}'", theirs)
    for word in words:
        if isinstance(word, Token) and word in KINDS:
            return scope.error(head, f"the label '{name}' has no colon", f"write {name}: ( {word} ... )")
    close = foreign.closer(name, [*scope.pieces, "add", "concat"])
    hint = f"did you mean '{close}'?" if close else "define it above: let " + name + "() = ( ... )"
    return scope.error(head, f"unknown piece '{name}'", hint)
