"""Networks, runs and answers in a notebook: what they show, and the example, carried out by Jupyter's own kernel."""

from __future__ import annotations

import base64
import html
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

import convscope as cs
from convscope import notebook

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "look_inside.ipynb"
NET = "conv 3x3 4, relu, maxpool 2, gap, dense"


class Shell:
    """As much of IPython's shell as registering needs."""

    def __init__(self) -> None:
        self.display_formatter = DisplayFormatter()


@pytest.fixture
def shown() -> Any:
    shell = Shell()
    notebook.register(shell)

    def form(value: object) -> str:
        found = shell.display_formatter.format(value)[0].get("text/html", "")  # type: ignore[no-untyped-call]
        assert isinstance(found, str)
        return html.unescape(found)

    return form


def test_a_plain_process_touches_nothing_of_ipython() -> None:
    program = (
        "import sys, convscope; print([n for n in sys.modules if n in ('IPython', 'convscope.notebook', 'torch')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "[]"


def test_every_form_is_of_a_type_that_exists() -> None:
    import importlib

    for (module, name), form in notebook.FORMS.items():
        assert isinstance(getattr(importlib.import_module(module), name), type)
        assert callable(getattr(notebook, form))


def test_a_network_shows_its_layers_and_its_figure(shown: Any) -> None:
    page = shown(cs.Network(NET, input=(8, 8, 1), classes=3))
    assert "conv 3x3 4 same" in page
    svg = re.search("data:image/svg\\+xml;base64,([A-Za-z0-9+/=]+)", page)
    assert svg is not None
    assert "8×8×4" in base64.b64decode(svg[1]).decode("utf-8")
    assert "8 x 8 x 4" in page


def test_pictures_answers_and_scores(shown: Any) -> None:
    data = cs.data("digits")
    page = shown(data.train)
    assert len(re.findall("<img", page)) == 24
    assert f"{len(data.train.labels)} pictures, 10 classes" in page.replace("\u00a0", " ")
    net = cs.Network(NET, input=(8, 8, 1), classes=10)
    classifier = cs.Classifier(net, data.preprocess, data.classes)
    said = classifier.predict(data.validation.images[0])
    page = shown(said)
    assert all(label in page for label, _ in said.top(5))
    score = cs.evaluate(classifier, data.validation)
    assert f"{score.k} of {score.n}" in shown(score)


def test_a_run_without_a_report_is_left_to_its_plain_text(tmp_path: Path) -> None:
    run = cs.train(
        "digits", network=cs.Network(NET, input=(8, 8, 1), classes=10), epochs=1, quiet=True, out=tmp_path / "a"
    )
    shell = Shell()
    notebook.register(shell)
    format = shell.display_formatter.format
    assert "test pictures are recognised" in html.unescape(format(run)[0]["text/html"])  # type: ignore[no-untyped-call]
    (tmp_path / "a" / "report.html").unlink()
    assert list(format(run)[0]) == ["text/plain"]  # type: ignore[no-untyped-call]


def test_a_look_and_its_trace(shown: Any) -> None:
    data = cs.data("digits")
    classifier = cs.Classifier(cs.Network(NET, input=(8, 8, 1), classes=10), data.preprocess, data.classes)
    look = cs.explain(classifier, np.asarray(data.validation.images[0]))
    trace = look.trace("conv1", cell=(4, 4))
    assert f"{trace.value:.4g}" in shown(trace)
    assert "conv1" in shown(look)
    assert "Integrated gradients for " in shown(look.attribute("integrated-gradients"))


def test_frames_run_no_script_and_ask_no_host(shown: Any) -> None:
    page = shown(cs.Network(NET, input=(8, 8, 1), classes=3))
    assert 'sandbox=""' in page
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!data:|#)', page.replace("srcdoc=", "doc="))


@pytest.mark.slow
def test_the_example_runs_as_it_stands(tmp_path: Path) -> None:
    told = nbformat.read(EXAMPLE, as_version=4)  # type: ignore[no-untyped-call]
    assert not any(cell.get("outputs") for cell in told.cells), "outputs don't belong into the repository"
    spec = tmp_path / "kernels" / "python3"
    spec.mkdir(parents=True)
    about = {"argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(about | {"display_name": "Python 3"}), encoding="utf-8")
    manager = AsyncKernelManager(kernel_name="python3")
    manager.kernel_spec_manager.kernel_dirs = [str(tmp_path / "kernels")]
    NotebookClient(told, km=manager, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    cells = [cell for cell in told.cells if cell.cell_type == "code"]
    forms = [html.unescape(out.data.get("text/html", "")) for cell in cells for out in cell.outputs if "data" in out]
    k, n = cs.Run(tmp_path / "runs" / "notebook").test.k, cs.Run(tmp_path / "runs" / "notebook").test.n  # type: ignore[union-attr]
    assert k / n > 0.8
    assert any(f"{k} of {n}" in form for form in forms)
    printed = next(out.text for cell in cells for out in cell.outputs if "look.trace" in cell.source and "text" in out)
    value = float(re.split(r"[ \n]", printed)[0])
    assert any(f"{value:.4g}" in form for form in forms)
    assert "integrated gradients" in forms[-1].lower()
