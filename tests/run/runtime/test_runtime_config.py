"""The requested properties reach the devices, also those that are not available here."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from fakes.irs import write_ir
from posezoo.core.errors import InferenceError
from posezoo.run.runtime.compiled_network import CompiledNetwork
from posezoo.run.runtime.runtime_config import RuntimeConfig, require_device

F32 = {"INFERENCE_PRECISION_HINT": "f32"}
LATENCY, THROUGHPUT = {"PERFORMANCE_HINT": "LATENCY"}, {"PERFORMANCE_HINT": "THROUGHPUT"}
UNBOUND = {"ENABLE_CPU_PINNING": "NO"}


@pytest.mark.parametrize(
    ("runtime", "config"),
    [
        (RuntimeConfig(), {**LATENCY, **F32}),
        (RuntimeConfig(inference_precision="default"), LATENCY),
        (RuntimeConfig(requests=4), {**THROUGHPUT, **F32, **UNBOUND}),
        (RuntimeConfig(requests=0), {**THROUGHPUT, **F32, **UNBOUND}),
        (RuntimeConfig("GPU", requests=4), {**THROUGHPUT, **F32}),
        (
            RuntimeConfig("AUTO:GPU,CPU", requests=4),
            {**THROUGHPUT, **F32, "DEVICE_PROPERTIES_CPU": UNBOUND},
        ),
        (
            RuntimeConfig(streams="2", threads=3),
            {**LATENCY, **F32, "NUM_STREAMS": "2", "INFERENCE_NUM_THREADS": "3"},
        ),
        (
            RuntimeConfig(threads=1),
            {**LATENCY, **F32, "INFERENCE_NUM_THREADS": "1", **UNBOUND},
        ),
        (RuntimeConfig("GPU", streams="2", threads=3), {**LATENCY, **F32, "NUM_STREAMS": "2"}),
        (RuntimeConfig("NPU", cache_dir=Path("kept")), {**LATENCY, **F32, "CACHE_DIR": "kept"}),
        (RuntimeConfig(cache_dir=Path("kept")), {**LATENCY, **F32}),
        (RuntimeConfig("BATCH:CPU", requests=0), {**THROUGHPUT, **F32, **UNBOUND}),
        (
            RuntimeConfig("HETERO:GPU,CPU", streams="2"),
            {
                **LATENCY,
                **F32,
                "DEVICE_PROPERTIES_GPU": {"NUM_STREAMS": "2"},
                "DEVICE_PROPERTIES_CPU": {"NUM_STREAMS": "2"},
            },
        ),
        (
            RuntimeConfig("MULTI:CPU(4),GPU(2)", streams="CPU:4,GPU:2", threads=8),
            {
                **LATENCY,
                **F32,
                "DEVICE_PROPERTIES_CPU": {"INFERENCE_NUM_THREADS": "8", "NUM_STREAMS": "4"},
                "DEVICE_PROPERTIES_GPU": {"NUM_STREAMS": "2"},
            },
        ),
        (
            RuntimeConfig("AUTO:-GPU,CPU", streams="GPU.0:2"),
            {**LATENCY, **F32, "DEVICE_PROPERTIES_GPU.0": {"NUM_STREAMS": "2"}},
        ),
    ],
)
def test_each_device_gets_its_own_properties(runtime, config):
    assert runtime.to_openvino_config() == config


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"requests": -1}, "requests: expected 0 or more, got -1"),
        ({"threads": -2}, "threads: expected 0 or more"),
        (
            {"streams": "many"},
            "streams: expected a number, AUTO, or one for each device, got 'many'",
        ),
        ({"streams": "0"}, "streams: expected"),
        ({"streams": "CPU:"}, "streams: expected"),
        ({"streams": ":3"}, "streams: expected"),
    ],
)
def test_invalid_values_are_refused(said, problem):
    with pytest.raises(InferenceError, match=problem):
        RuntimeConfig(**said).to_openvino_config()


@pytest.fixture
def other_devices(monkeypatch):
    """An OpenVINO that sees other devices."""
    pytest.importorskip("openvino")
    core = SimpleNamespace(available_devices=("CPU", "GPU.0", "GPU.1", "NPU"))
    monkeypatch.setattr("openvino.Core", lambda: core)
    require_device.cache_clear()
    yield
    require_device.cache_clear()


@pytest.mark.parametrize(
    "device",
    [
        "GPU",
        "GPU.1",
        "NPU",
        "HETERO:GPU,CPU",
        "MULTI:GPU.0,GPU.1",
        "AUTO",
        "AUTO:NPU,CPU",
        "BATCH:GPU",
    ],
)
def test_devices_other_than_the_cpu_are_let_through(device, other_devices):
    require_device(device)
    with pytest.raises(InferenceError, match=f"no device 'X{device}' was found"):
        require_device(f"X{device}")


def test_a_device_that_is_not_here_is_named_with_those_that_are(other_devices):
    with pytest.raises(
        InferenceError, match=r"no device 'MYRIAD' was found, only CPU, GPU\.0, GPU\.1, NPU"
    ):
        require_device("MYRIAD")


@pytest.mark.parametrize("device", ["CPU", "AUTO:CPU", "BATCH:CPU", "HETERO:CPU", "MULTI:CPU"])
@pytest.mark.parametrize("streams", ["1", "CPU:1"])
def test_a_virtual_device_passes_the_requested_properties_on(tmp_path, device, streams):
    pytest.importorskip("openvino")
    ir = write_ir(tmp_path / "net.xml", {"sums": (1, 17, 8, 12)})
    assert CompiledNetwork(ir, RuntimeConfig(device, requests=2, streams=streams)).streams == 1
