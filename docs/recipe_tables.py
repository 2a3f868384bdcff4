"""Writes the tables of keys in docs/recipes.md from the schema, so that the two can't differ."""

from __future__ import annotations

from pathlib import Path

from pydantic_core import PydanticUndefined

from convscope.recipe import TABLES, allowed

PAGE = Path(__file__).parent / "recipes.md"
MARK = "<!-- tables: written by `python docs/recipe_tables.py`, held equal by tests/recipe/test_docs.py -->\n"
HANGS = {
    "learning_rate": "`0.05`, `0.001` for adam and adamw, `0.24` for muon",
    "warmup": "`0`, or `0.25` for one-cycle",
}
HANGS["momentum"] = "`0.9`, or `0.6` for muon"
HANGS["start"] = "`0`, or `0.2` for one-cycle"


def default(name: str, value: object) -> str:
    """A default as a recipe writes it."""
    if value is PydanticUndefined:
        return HANGS[name]
    if value is None:
        return "not given"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{list(value)}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def tables() -> str:
    """One markdown table for each table of a recipe."""
    lines = []
    for table, model in TABLES.items():
        lines += [
            f"### [{table}]",
            model.__doc__ or "",
            "",
            "| key | default | may be | meaning |",
            "|---|---|---|---|",
        ]
        for name, field in model.model_fields.items():
            kinds = allowed(field.annotation, list(field.metadata)).replace("|", "\\|")
            lines.append(f"| `{name}` | {default(name, field.default)} | {kinds} | {field.description} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(MARK)
    after = rest[rest.index("## What is decayed") :]
    PAGE.write_text(f"{before}{MARK}{tables()}\n{after}", encoding="utf-8", newline="\n")
