"""Text to tree: what a network says, read, checked, printed and written out. Knows no torch.

tree = parse("conv 5x5 32, relu, maxpool 2, dense 10")     # the syntax tree: pieces, repeats and labels kept
canonical(tree)                                            # its text with every default
write_out(tree)                                            # tree.Written: what every other walk is given
expand("conv {3x3,5x5} 20, ...")                           # the alternatives, each of which parses
"""

from __future__ import annotations

from convscope.notation.canonical import NOTATION, brief, canonical
from convscope.notation.expand import Alternative, count, expand
from convscope.notation.parse import parse
from convscope.notation.source import NotationError
from convscope.notation.syntax import Tree
from convscope.notation.writeout import write_out

__all__ = [
    "NOTATION",
    "Alternative",
    "NotationError",
    "Tree",
    "brief",
    "canonical",
    "count",
    "expand",
    "parse",
    "write_out",
]
