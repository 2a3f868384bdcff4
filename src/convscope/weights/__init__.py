"""Room of the house; see docs/design.md."""
