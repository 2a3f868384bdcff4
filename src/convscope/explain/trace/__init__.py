"""Every multiplication open to view: one number of any layer, the numbers that it was made of, and its gradient.

    data       what a trace is
    cell       `trace`: a cell of a layer
    loss       `trace_loss`: softmax and the loss
    rules      one row a layer kind, from `slide`, `each` and `vector`
    wiring     who reads whom
    looking    one pass that keeps what is needed

A trace takes the float32 network as it predicts. Terms and steps are float64 arithmetic on its float32 numbers, and
`value` is the network's own, so that the two can be held against each other.
"""

from convscope.explain.trace.cell import trace
from convscope.explain.trace.data import Gradient, Move, Share, Step, Term, Trace
from convscope.explain.trace.loss import trace_loss

__all__ = ["Gradient", "Move", "Share", "Step", "Term", "Trace", "trace", "trace_loss"]
