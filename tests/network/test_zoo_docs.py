"""docs/zoo.md: its table is the networks' own, and what it says of sizes holds. (Its commands: tests/test_docs.py.)"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

from convscope.network.build import Network
from convscope.network.cost import total_parameters
from convscope.network.shapes import resolve
from convscope.network.source import text_of
from convscope.notation import parse, write_out

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "zoo.md").read_text(encoding="utf-8")


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("zoo_table", DOCS / "zoo_table.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_the_networks() -> None:
    module = script()
    assert f"{module.MARK}{module.table()}{module.MARK}" in PAGE, "run `python docs/zoo_table.py`"


def test_the_example() -> None:
    found = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert found
    namespace: dict[str, object] = {}
    exec(compile(found[1], "docs/zoo.md", "exec"), namespace)
    network = namespace["network"]
    assert isinstance(network, Network)
    assert (network.input, network.sizes.classes) == ((64, 64, 3), 10)


def test_what_is_said_of_vgg16_and_small_pictures() -> None:
    text = text_of("vgg16")
    assert text.count("avgpool to=7x7\n") == 1
    plain = resolve(write_out(parse(text)), (32, 32, 3), 10)
    without = resolve(write_out(parse(text.replace("avgpool to=7x7\n", ""))), (32, 32, 3), 10)
    assert round(total_parameters(plain) / 1e6) == 134
    assert "134 million parameters" in PAGE
    dense = [next(row for row in sizes.rows if row.item.name == "dense1").before for sizes in (plain, without)]
    assert [h * w * c for h, w, c in dense] == [25_088, 512]
