"""A Triton Inference Server of this machine, and what it answers: ``make build/triton-env``."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

_ENV = Path(__file__).parents[1] / "build" / "triton-env"
_PROGRAM = _ENV / "package" / "pytriton" / "tritonserver" / "bin" / "tritonserver"
_LIBRARIES = _ENV / "package" / "nvidia_pytriton.libs"

#: It loads its models before it answers.
_STARTS_WITHIN_S = 120


@contextmanager
def serve(repository: Path) -> Iterator[InferenceServerClient]:
    """A client of a server that has loaded all models of a folder.

    Raises:
        RuntimeError: there is no server, or it does not load them; with what it says.
    """
    if not (_ENV / ".installed").is_file():
        raise RuntimeError("there is no Triton: make build/triton-env")
    port = _find_port()
    command = [_PROGRAM, "--model-repository", repository, "--backend-directory", _ENV / "backends"]
    command += ["--grpc-address", "127.0.0.1", "--grpc-port", port]
    command += ["--allow-http", "false", "--allow-metrics", "false", "--log-info", "false"]
    log = repository.with_name(f"{repository.name}.log")
    environment = {**os.environ, "LD_LIBRARY_PATH": str(_LIBRARIES)}
    with log.open("w") as file:
        server = subprocess.Popen(
            list(map(str, command)), stdout=file, stderr=subprocess.STDOUT, env=environment
        )
    client = InferenceServerClient(f"127.0.0.1:{port}")
    try:
        _wait(server, client, log)
        yield client
    finally:
        client.close()
        server.terminate()
        server.wait()


def ask(
    client: InferenceServerClient, model: str, inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The outputs of a model by name, for arrays by input name."""
    tensors = []
    for name, array in inputs.items():
        tensors.append(InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype)))
        tensors[-1].set_data_from_numpy(array)
    answer = client.infer(model, tensors)
    names = (output.name for output in answer.get_response().outputs)
    return {name: answer.as_numpy(name) for name in names}


def _find_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def _wait(server: subprocess.Popen[bytes], client: InferenceServerClient, log: Path) -> None:
    """Wait until the server is ready."""
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while not _is_ready(client):
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Triton does not start: {log.read_text('utf-8')}")
        time.sleep(0.2)


def _is_ready(client: InferenceServerClient) -> bool:
    try:
        return bool(client.is_server_ready())
    except InferenceServerException:
        return False  # it does not listen yet
