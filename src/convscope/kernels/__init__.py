"""What makes a training step fast on this machine: a plan as plain data, and how it is applied."""

from convscope.kernels.forward import apply
from convscope.kernels.memory import keep_freed
from convscope.kernels.plan import device, layout, narrow, plain, plan, precision, take

__all__ = ["apply", "device", "keep_freed", "layout", "narrow", "plain", "plan", "precision", "take"]
