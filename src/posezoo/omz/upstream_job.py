"""The program in the sandbox: it limits its memory and time, then runs the code of a model's
authors.

Started by its path with ``python -I`` (``sandbox``), it imports nothing else of posezoo, and reads
a line of JSON.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import runpy
import sys
from collections.abc import Sequence
from typing import Any

#: How many threads the code may start. Linux does not apply this limit to root.
MAX_THREADS = 4096

#: Each pair of sockets and each pipe can keep some 100 KiB in the kernel.
MAX_OPEN_FILES = 256


def main() -> int:
    """Run the job that the standard input describes."""
    job = json.loads(sys.stdin.readline())
    if sys.platform == "win32":
        raise SystemExit("the sandbox exists only for Linux")
    import resource

    memory_bytes = job["memory_bytes"]
    limits = {
        resource.RLIMIT_AS: memory_bytes,  # it counts shared memory too, unlike RLIMIT_DATA
        resource.RLIMIT_FSIZE: memory_bytes,
        resource.RLIMIT_CPU: int(job["seconds"] * (os.cpu_count() or 1)) + 1,
        resource.RLIMIT_NPROC: MAX_THREADS,
        resource.RLIMIT_NOFILE: MAX_OPEN_FILES,
        resource.RLIMIT_CORE: 0,
    }
    for kind, allowed in limits.items():
        _, hard = resource.getrlimit(kind)
        if hard == resource.RLIM_INFINITY or allowed < hard:
            resource.setrlimit(kind, (allowed, allowed))
    if job["task"] == "export":
        _export(job["arguments"])
    else:
        # A script from the model's folder; its arguments are the folders of downloads and of
        # results.
        sys.argv = [job["script"], job["downloads"], job["results"]]
        runpy.run_path(job["script"], run_name="__main__")
    return 0


def _export(requested: dict[str, list[str]]) -> None:
    import torch

    sys.path[:0] = requested.get("--model-path", [])
    module = importlib.import_module(_last_value(requested, "--import-module"))
    network = getattr(module, _last_value(requested, "--model-name"))(
        **_literals(requested.get("--model-param", []))
    )
    if weights := requested.get("--weights"):
        # weights_only: no code in the file is run.
        network.load_state_dict(torch.load(weights[-1], map_location="cpu", weights_only=True))
    network.eval()
    dtype = getattr(torch, requested.get("--inputs-dtype", ["float"])[-1])
    shapes = ast.literal_eval(_last_value(requested, "--input-shapes"))
    if not isinstance(shapes[0], (list, tuple)):
        shapes = (shapes,)
    inputs = tuple(torch.zeros(tuple(shape), dtype=dtype) for shape in shapes)
    options: dict[str, Any] = {
        "dynamo": False,
        **_literals(requested.get("--conversion-param", [])),
    }
    with torch.no_grad():
        torch.onnx.export(
            network,
            inputs,
            _last_value(requested, "--output-file"),
            opset_version=int(requested.get("--opset_version", ["13"])[-1]),
            input_names=_last_value(requested, "--input-names").split(","),
            output_names=_last_value(requested, "--output-names").split(","),
            **options,
        )


def _last_value(requested: dict[str, list[str]], flag: str) -> str:
    if flag not in requested:
        raise SystemExit(f"conversion_to_onnx_args lacks {flag}")
    return requested[flag][-1]


def _literals(texts: Sequence[str]) -> dict[str, object]:
    values = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            values[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            raise SystemExit(f"{name}: {value[:80]!r} is not a literal") from None
    return values


if __name__ == "__main__":
    sys.exit(main())
