"""Cases are measured in their own processes, after a warm-up."""

import os
import signal

import numpy as np
import pytest

from fakes.irs import write_ir
from fakes.items import children_of
from posezoo.core.declarations.model import Precision
from posezoo.core.errors import InferenceError
from posezoo.core.events import BenchmarkProgress, BenchmarkStarted
from posezoo.measure.benchmarking.benchmark_process import (
    BenchmarkProcess,
    run_rounds,
)
from posezoo.measure.benchmarking.workloads import (
    BenchmarkCase,
    NetworkWorkload,
)
from posezoo.run.runtime.runtime_config import RuntimeConfig

pytest.importorskip("openvino", reason="needs openvino")

SHORT_S = 0.02


@pytest.fixture(scope="session")
def ir(tmp_path_factory):
    """It takes 1x3x64x96 and gives 1x2x8x12."""
    return write_ir(tmp_path_factory.mktemp("ir") / "small.xml", {"heatmaps": (1, 2, 8, 12)})


def case(ir, *, batch=1, requests=1, device="CPU", **runtime):
    workload = NetworkWorkload(ir, batch)
    return BenchmarkCase(
        "small",
        Precision.FP32,
        workload,
        RuntimeConfig(device=device, requests=requests, **runtime),
    )


def last(case, **options):
    """The result after the last round."""
    *_, result = run_rounds(case, SHORT_S, **options)
    return result


def test_throughput_latency_and_requests_are_consistent(ir):
    result = last(case(ir, requests=2, batch=4))
    least, middle, greatest = (
        result.throughput_fps.least,
        result.throughput_fps.median,
        result.throughput_fps.greatest,
    )
    assert 0 < least <= middle <= greatest
    p50, p90, p99 = result.latency_ms
    assert 0 < p50 <= p90 <= p99
    assert (result.info.requests, result.info.batch, len(result.rounds)) == (2, 4, 5)
    for each in result.rounds:  # Little's law: the runs in progress are the rate times the latency
        under_way = each.throughput_fps / 4 * np.mean(each.latencies_ms) / 1000
        assert under_way == pytest.approx(2, rel=0.3)
    assert result.info.compile_s > 0
    assert (result.info.device, result.info.executed_precision) == ("CPU", "f32")


def test_after_each_round_the_result_so_far_is_given_and_then_reported(ir):
    events = []
    counts = []
    for result in run_rounds(case(ir), SHORT_S, listener=events.append):
        counts.append((len(result.rounds), len(events)))
    assert counts == [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]
    started, *ended = events
    assert isinstance(started, BenchmarkStarted)
    assert started.name == "small (FP32, batch 1, 1 request)"
    assert all(isinstance(each, BenchmarkProgress) for each in ended)
    assert [each.round for each in ended] == [1, 2, 3, 4, 5]


def test_a_measurement_names_everything_that_its_values_depend_on(ir):
    from datetime import date

    result = last(case(ir, requests=2, threads=1))
    measurement = result.to_measurement()
    assert measurement.settings == {
        "device": "CPU",
        "inference_precision": "f32",
        "executed_precision": "f32",
        "requests": 2,
        "streams": 1,
        "hint": "THROUGHPUT",
        "threads": 1,
        "batch": 1,
    }
    assert (measurement.kind, measurement.precision, measurement.date) == (
        "speed",
        Precision.FP32,
        date.today().isoformat(),
    )
    assert measurement.figures["rounds"] == 5
    assert measurement.tools.keys() == {"openvino", "posezoo"}
    assert " core" in measurement.machine


def test_a_missing_device_is_refused_by_name(ir):
    with pytest.raises(InferenceError, match="no device 'cpu' was found"):
        last(case(ir, device="cpu"))


def test_a_process_that_dies_is_reported_with_its_exit_code(ir):
    before = children_of(os.getpid())
    with BenchmarkProcess(case(ir)) as worker:
        (child,) = children_of(os.getpid()) - before
        os.kill(child, signal.SIGKILL)
        with pytest.raises(
            InferenceError, match=r"small .*: its process was ended by SIGKILL"
        ) as error:
            worker.run(0.01)
    assert "smaller batch" in error.value.hint


class Broken:
    """A workload with a bug."""

    description = "broken"

    def load(self, runtime):
        raise KeyError("heatmaps")


def test_a_bug_in_the_child_is_raised_in_the_parent():
    with pytest.raises(
        RuntimeError, match=r"small \(FP16, broken, 1 request\): KeyError: 'heatmaps'"
    ):
        last(BenchmarkCase("small", Precision.FP16, Broken(), RuntimeConfig()))


def test_no_process_outlives_an_abandoned_measurement(ir):
    before = children_of(os.getpid())
    rounds = run_rounds(case(ir), SHORT_S)
    next(rounds)
    assert len(children_of(os.getpid()) - before) == 1
    rounds.close()
    assert not children_of(os.getpid()) - before
