"""What makes a training step fast on this machine: a plan as plain data, and how it is applied."""

from convscope.kernels.plan import apply, device, layout, plan

__all__ = ["apply", "device", "layout", "plan"]
