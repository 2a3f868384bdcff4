"""The house holds: imports run one way, one room writes files, and nothing executes what it reads."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "src" / "convscope").rglob("*.py"))


def test_imports_run_one_way() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as main; main()", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 kept, 0 broken" in done.stdout


def full_name(node: ast.expr) -> str:
    """`os.path.join` for the expression that says so; "?" for what is called or indexed in between."""
    match node:
        case ast.Name(name):
            return name
        case ast.Attribute(value, name):
            return f"{full_name(value)}.{name}"
    return "?"


def imported(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for: `np` for numpy, `replace` for os.replace."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    """Every call with its full name, imports resolved."""
    names = imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, dot, rest = full_name(node.func).partition(".")
            yield node, names.get(first, first) + dot + rest


# Nothing executes what it reads

EXECUTES = {"eval", "exec", "compile", "__import__", "builtins.eval", "builtins.exec", "runpy.run_path"}
EXECUTING_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal", "joblib", "code"}
LOADS = {"torch.load", "torch.jit.load", "torch.hub.load", "torch.package.PackageImporter", "yaml.load"}


def executing(source: str) -> list[str]:
    """Where a source could run what it read. `module.eval()`, which sets a network's mode, is no such place."""
    tree = ast.parse(source)
    found = [f"line {node.lineno}: {name}" for node, name in calls(tree) if name in EXECUTES | LOADS]
    for node in ast.walk(tree):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
            found += [f"line {node.lineno}: {n.name}" for n in node.names if f"{node.module}.{n.name}" in LOADS]
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            if not (isinstance(node.value, ast.Constant) and node.value.value is False):
                found.append(f"line {node.value.lineno}: allow_pickle")
        elif isinstance(node, ast.keyword) and node.arg == "shell":
            found.append(f"line {node.value.lineno}: shell")
        found += [f"line {node.lineno}: {m}" for m in modules if m.partition(".")[0] in EXECUTING_MODULES]  # type: ignore[attr-defined]
    return found


#: The one place that opens PyTorch's own files, in a child process, with `weights_only=True` written out.
LEGACY = ROOT / "src" / "convscope" / "weights" / "legacy.py"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_nothing_executes_what_it_reads(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    found = executing(source)
    if path == LEGACY:
        loads = [node for node, name in calls(ast.parse(source)) if name == "torch.load"]
        assert [ast.unparse(k.value) for node in loads for k in node.keywords if k.arg == "weights_only"] == ["True"]
        assert found == [f"line {loads[0].lineno}: torch.load"]
    else:
        assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "eval(text)",
        "exec(text)",
        "import pickle",
        "from pickle import loads",
        "import torch\ntorch.load(path)",
        "import torch as t\nt.load(path)",
        "from torch import load\nload(path)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "import numpy as np\nnp.load(path, allow_pickle=flag)",
        "import builtins\nbuiltins.eval(text)",
        "import subprocess\nsubprocess.run(text, shell=True)",
    ],
)
def test_the_search_finds_it(source: str) -> None:
    assert executing(source)


@pytest.mark.parametrize("source", ["network.eval()", "self.network.train().eval()", "np.load(p, allow_pickle=False)"])
def test_the_search_lets_this_pass(source: str) -> None:
    assert executing(source) == []


# One room writes files

WRITES = {
    f"{module}.{name}"
    for module, names in {
        "os": (
            "replace rename renames remove unlink rmdir removedirs mkdir makedirs truncate ftruncate write link symlink"
        ),
        "shutil": "move rmtree copy copy2 copyfile copyfileobj copytree make_archive unpack_archive",
        "tempfile": "mkstemp mkdtemp NamedTemporaryFile TemporaryFile TemporaryDirectory",
        "torch": "save",
        "safetensors.torch": "save_file save_model",
        "safetensors.numpy": "save_file",
    }.items()
    for name in names.split()
}
WRITING_METHODS = {
    "write_text",
    "write_bytes",
    "mkdir",
    "rmdir",
    "unlink",
    "touch",
    "symlink_to",
    "hardlink_to",
    "tofile",
}
#: Writers that take a path or an open file. They may be called with a file that `files.writing` opened, or io.BytesIO.
FILE_WRITERS = {
    f"numpy.{name}" for name in ("save", "savez", "savez_compressed", "savetxt", "memmap", "lib.format.open_memmap")
}


def handles(tree: ast.Module) -> set[str]:
    """The names that stand for files which may be written: bound by `with files.writing(...)` or to `io.BytesIO()`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.With):
            for item in node.items:
                call = item.context_expr
                if isinstance(call, ast.Call) and full_name(call.func).endswith(("writing", "BytesIO")):
                    found.add(full_name(item.optional_vars) if item.optional_vars else "")
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            named = {full_name(target) for target in node.targets}
            found |= named if full_name(node.value.func).endswith("BytesIO") else set()
    return found


def mode(node: ast.Call, place: int) -> str:
    """The mode of an `open`: its argument at `place` or by name; what can't be read off counts as writing."""
    given = [node.args[place]] if len(node.args) > place else [k.value for k in node.keywords if k.arg == "mode"]
    if not given:
        return "r"
    return given[0].value if isinstance(given[0], ast.Constant) and isinstance(given[0].value, str) else "w"


OPENERS = {"open", "io.open", "os.fdopen", "gzip.open", "bz2.open", "lzma.open", "zipfile.ZipFile", "tarfile.open"}


def writes(node: ast.Call, name: str, allowed: set[str]) -> bool:
    """Whether this call changes the disk, as far as its text tells."""
    last = name.rpartition(".")[2]
    method = isinstance(node.func, ast.Attribute)
    first = node.args[0] if node.args else None
    given = first is not None and full_name(first) in allowed
    if name in WRITES:
        return True
    if name == "webbrowser.open":
        return False
    if name == "os.open":  # the null device keeps nothing
        return first is None or full_name(first) != "os.devnull"
    if name in FILE_WRITERS:
        values = [*node.args, *(keyword.value for keyword in node.keywords)]
        reads = name.endswith("memmap") and any(isinstance(v, ast.Constant) and v.value == "r" for v in values)
        return not reads and not given
    if name in OPENERS:
        return not given and bool(set(mode(node, 1)) & set("wax+"))
    if name.startswith(("convscope.files", "PIL.Image.open")) or not method:
        return False
    if last == "open":
        return bool(set(mode(node, 0)) & set("wax+"))
    if last in ("rename", "replace"):  # Path.replace takes one argument, str.replace two
        return len(node.args) == 1 and not node.keywords
    if last in ("save", "savefig"):  # a path that stands there; a path in a name can't be told from an open file
        return isinstance(first, ast.Constant | ast.JoinedStr)
    return last in WRITING_METHODS


def writing(source: str) -> list[str]:
    """Where a source writes a file by other means than the room `files`."""
    tree = ast.parse(source)
    allowed = handles(tree)
    return [f"line {node.lineno}: {name}" for node, name in calls(tree) if writes(node, name, allowed)]


ELSEWHERE = [path for path in SOURCES if path.parent.name != "files" and path.name != "files.py"]


@pytest.mark.parametrize("path", ELSEWHERE, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_only_the_room_files_writes(path: Path) -> None:
    assert writing(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "open(path, 'w')",
        "open(path, mode='ab')",
        "open(path, flags)",
        "path.open('wb')",
        "path.open(mode='r+')",
        "path.write_text('a')",
        "path.write_bytes(b'a')",
        "path.mkdir(parents=True)",
        "path.rename(other)",
        "path.replace(other)",
        "path.unlink()",
        "import os\nos.replace(a, b)",
        "from os import replace\nreplace(a, b)",
        "import os\nos.open(path, flags)",
        "import shutil\nshutil.rmtree(path)",
        "import shutil as s\ns.move(a, b)",
        "import numpy as np\nnp.save(path, array)",
        "import numpy as np\nnp.savez(path, a=array)",
        "import numpy as np\nnp.memmap(path, mode='w+')",
        "import safetensors.torch\nsafetensors.torch.save_file(t, path)",
        "from safetensors.torch import save_file\nsave_file(t, path)",
        "import torch\ntorch.save(t, path)",
        "import tempfile\ntempfile.mkdtemp()",
        "array.tofile(path)",
        "figure.savefig('a.svg')",
        "import zipfile\nzipfile.ZipFile(path, 'w')",
        "import os\nos.fdopen(os.dup(1), 'w')",
    ],
)
def test_the_search_finds_the_writing(source: str) -> None:
    assert writing(source)


@pytest.mark.parametrize(
    "source",
    [
        "open(path)",
        "open(path, 'rb')",
        "path.open('rb')",
        "from PIL import Image\nImage.open(path)",
        "text.replace('a', 'b')",
        "import dataclasses\ndataclasses.replace(record, a=1)",
        "import numpy as np\nwith files.writing(path) as file:\n    np.savez(file, a=array)",
        "import io, numpy as np\nfile = io.BytesIO()\nnp.save(file, array)",
        "import numpy as np\nnp.memmap(path, mode='r')",
        "from convscope import files\nfiles.write_text(path, 'a')",
        "import tarfile\ntarfile.open(path, 'r:*')",
        "import os\nos.open(os.devnull, os.O_WRONLY)",
        "import io, zipfile\nfile = io.BytesIO()\nzipfile.ZipFile(file, 'w')",
    ],
)
def test_the_search_lets_reading_pass(source: str) -> None:
    assert writing(source) == []
