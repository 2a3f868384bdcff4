"""Predictions of ONNX Runtime or of OpenVINO, of a batch that lies in memory.

The network's source is exported with PyTorch, with the batch as a fixed number. The precision is said: OpenVINO takes
bfloat16 by itself where the processor has AMX, unless it is told not to.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from protocol import Step, serve, settings
from source import load


def exported(asked: dict[str, Any], folder: str) -> str:
    """An ONNX file of the network."""
    height, width, channels = asked["input"]
    path = f"{folder}/network.onnx"
    x = torch.zeros(asked["batch"], channels, height, width)
    torch.onnx.export(load(Path(asked["source"])).Net().eval(), (x,), path, dynamo=True, verbose=False)
    return path


def on_onnxruntime(path: str, x: np.ndarray, asked: dict[str, Any]) -> tuple[Step, str, dict[str, str]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = asked["threads"]
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: x}
    return lambda: session.run(None, feed), "float32", {"onnxruntime": onnxruntime.__version__}


def on_openvino(path: str, x: np.ndarray, asked: dict[str, Any]) -> tuple[Step, str, dict[str, str]]:
    import openvino

    settings = {"INFERENCE_NUM_THREADS": asked["threads"], "PERFORMANCE_HINT": "LATENCY"}
    if asked["manner"] == "float32":
        settings["INFERENCE_PRECISION_HINT"] = "f32"
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(path), "CPU", settings)
    request = compiled.create_infer_request()
    request.set_input_tensor(openvino.Tensor(x, shared_memory=True))
    precision = str(compiled.get_property("INFERENCE_PRECISION_HINT"))
    way = {"<Type: 'bfloat16'>": "bfloat16", "<Type: 'float32'>": "float32"}.get(precision, precision)
    return request.infer, way, {"openvino": openvino.__version__}


def main() -> None:
    asked = settings()
    torch.set_num_threads(asked["threads"])
    height, width, channels = asked["input"]
    x = np.random.default_rng(0).standard_normal((asked["batch"], channels, height, width)).astype("float32")
    with tempfile.TemporaryDirectory() as folder:
        path = exported(asked, folder)
        make = on_onnxruntime if asked["runtime"] == "onnxruntime" else on_openvino
        predict, way, versions = make(path, x, asked)
        serve(predict, lambda: None, way=way, versions=versions)


if __name__ == "__main__":
    main()
