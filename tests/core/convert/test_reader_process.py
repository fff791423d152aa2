"""The process that reads published networks: a file that ends it costs one model."""

import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

import posezoo
from fakes.command import assert_success, refusal, run_process
from fakes.command import posezoo as posezoo_here
from fakes.command import posezoo_process as command
from fakes.damaged import crashing_network
from fakes.items import is_running
from fakes.network import HEIGHT, WIDTH, network
from fakes.reader_work import (
    compute_for_ever,
    crash,
    crash_in_step,
    fail,
    hang,
    report_and_return,
    stop_for,
    wait_for_ever,
)
from fakes.waiting import wait_until
from fakes.zoo import declared_file, model_yml, write_model
from posezoo.core.convert import reader_process
from posezoo.core.convert.reader_process import (
    SMALLEST_LIMITS,
    run_in_reader_process,
)
from posezoo.core.errors import ConversionError
from posezoo.core.events import SelfCheckPassed
from posezoo.core.workers.processes import ChildPool


def write_registry(folder, **contents):
    """A registry with these models, whose digests are right, also where the network is damaged."""
    for name, content in contents.items():
        source = folder / "published" / name / "net.tflite"
        source.parent.mkdir(parents=True)
        source.write_bytes(content)
        image = {"name": "image", "shape": [1, HEIGHT, WIDTH, 3], "layout": "NHWC", "color": "RGB"}
        declared = model_yml(files=[declared_file(source)], inputs=[image], outputs=None)
        write_model(folder / "models", name, declared)
    return folder / "models"


def run(folder, *words, command=command):
    places = (
        "--models_dir",
        folder / "models",
        "--weights_dir",
        folder / "out",
        "--cache_dir",
        folder / "c",
    )
    return command(*words, *places)


@pytest.mark.parametrize("where", [(), ("--cluster", "local:2")])
@pytest.mark.parametrize("signal_name", ["SIGFPE", "SIGSEGV"])
def test_a_file_that_ends_its_reader_fails_alone(tmp_path, signal_name, where):
    broken = crashing_network(signal_name)
    write_registry(tmp_path, first=network("tflite"), middle=broken, other=network("tflite"))
    ended = run(tmp_path, "get", "--all", "--precisions", "FP16", *where)
    assert ended.returncode == 1
    assert [Path(line).stem for line in ended.stdout.splitlines()] == ["first", "other"]
    assert all(Path(line).is_file() for line in ended.stdout.splitlines())
    (error,) = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert error.endswith(f"its process was ended by {signal_name}")
    assert ("error: middle: " if where else "middle/net.tflite: ") in error
    assert "hint: the file may be damaged" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "out" / "public" / "middle" / "FP16").exists()


@pytest.fixture(scope="module")
def quick_pool():
    pool = ChildPool(reader_process._call)
    yield pool
    pool.close()


@pytest.fixture
def quick_reader(monkeypatch, quick_pool):
    """The process starts without OpenVINO, for work that needs none; that of other tests runs on."""
    monkeypatch.setattr(reader_process, "_pool", lambda: quick_pool)


@pytest.mark.usefixtures("quick_reader")
@pytest.mark.parametrize("step", ["", "running the IR on the CPU for the self-check"])
def test_an_error_says_what_crashed(step):
    reported = []
    with pytest.raises(ConversionError) as failure:
        run_in_reader_process(crash_in_step, step, source="net.onnx", listener=reported.append)
    problem = f"net.onnx: {step or 'reading it'} failed: its process was ended by SIGSEGV"
    assert failure.value.problem == problem
    assert ("--self_check off" in failure.value.hint) == bool(step)
    assert [event.step for event in reported] == [step][: bool(step)]


def test_a_file_that_changed_after_its_download_is_never_parsed(tmp_path):
    write_registry(tmp_path, net=network("tflite"))
    folders = ("--models_dir", tmp_path / "models", "--weights_dir", tmp_path / "out")
    assert_success(posezoo_here("download", "net", *folders))
    downloaded = tmp_path / "out" / "public" / "net" / "net.tflite"
    right = downloaded.read_bytes()
    # Parsed, it would end the process. It has the declared size, and is as old as the right one.
    attack = crashing_network("SIGSEGV")[: len(right)]
    changed_ns = downloaded.stat().st_mtime_ns
    downloaded.write_bytes(attack.ljust(len(right), b"\0"))
    os.utime(downloaded, ns=(changed_ns, changed_ns))
    convert = ("convert", "net", "--precisions", "FP32", *folders)
    refused = refusal(posezoo_here(*convert))
    assert "net.tflite: its digest differs from the one in model.yml" in refused
    assert "its process was ended" not in refused
    downloaded.write_bytes(right)
    assert_success(posezoo_here(*convert))


def test_the_python_api_raises_one_error_and_works_on(tmp_path, monkeypatch):
    models = write_registry(tmp_path, broken=crashing_network("SIGFPE"), good=network("tflite"))
    monkeypatch.chdir(tmp_path)
    places = {"models_dir": (str(models),), "weights_dir": Path("out"), "cache_dir": tmp_path / "c"}
    for call in (posezoo.get, posezoo.load):
        with pytest.raises(
            ConversionError,
            match=r"net\.tflite: reading it failed: its process was ended by SIGFPE",
        ):
            call("broken", **places)
    events = []
    assert posezoo.get("good", listener=events.append, **places)["good"].is_file()
    assert [event.precision for event in events if isinstance(event, SelfCheckPassed)] == ["FP16"]


def test_a_script_without_a_main_guard_can_convert(tmp_path):
    models = write_registry(tmp_path, good=network("tflite"))
    script = tmp_path / "script.py"
    script.write_text(
        "import posezoo\nprint('once')\n"
        f"print(posezoo.get('good', models_dir=({str(models)!r},), weights_dir={str(tmp_path / 'out')!r},"
        f" cache_dir={str(tmp_path / 'c')!r})['good'])\n"
    )
    ended = run_process([sys.executable, script])
    assert ended.stdout.count("once") == 1
    assert Path(ended.stdout.splitlines()[-1]).is_file(), ended.stderr


@pytest.mark.usefixtures("quick_reader")
def test_one_process_serves_call_after_call(tmp_path, monkeypatch):
    events, processes = [], set()
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        monkeypatch.setenv("WHO", name)
        processes.add(
            run_in_reader_process(report_and_return, "runs", source="net", listener=events.append)
        )
    assert [event.message for event in events] == [
        f"runs in {tmp_path / name} for {name}" for name in ("first", "second")
    ]
    (process,) = processes
    assert process != os.getpid()


def test_a_program_waits_for_its_process_at_its_end():
    code = (
        "import os\nfrom posezoo.core.convert.reader_process import run_in_reader_process\n"
        "print(run_in_reader_process(os.getpid, source='net'))"
    )
    ended = run_process([sys.executable, "-c", code], check=True)
    assert not Path(f"/proc/{int(ended.stdout)}").exists()
    assert ended.stderr == ""


needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports CPU time")


@needs_proc
@pytest.mark.usefixtures("quick_reader")
@pytest.mark.parametrize(
    ("work", "problem"),
    [
        (compute_for_ever, "needed more than its limit of 1 s"),
        (wait_for_ever, "computed little, and did not end within 6 s"),
    ],
)
def test_a_process_is_ended_by_its_cpu_time_or_much_later_by_the_clock(work, problem):
    limits = replace(SMALLEST_LIMITS, seconds=0.6)
    with pytest.raises(
        ConversionError, match=f"(?m)^net: reading it failed: its process {problem}$"
    ):
        run_in_reader_process(work, source="net", limits=limits)


@needs_proc
@pytest.mark.usefixtures("quick_reader")
def test_a_process_that_a_busy_machine_lets_wait_is_not_ended():
    limits = replace(SMALLEST_LIMITS, seconds=0.6)
    assert run_in_reader_process(stop_for, 1.5, source="net", limits=limits) == "done"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system forks no processes")
def test_a_forked_program_has_a_process_of_its_own():
    code = (
        "import os\nfrom posezoo.core.convert.reader_process import run_in_reader_process\n"
        "def call():\n    print(run_in_reader_process(os.getpid, source='net'), flush=True)\n"
        "call()\nif not os.fork():\n    call()\n    raise SystemExit\n"
        "os.wait()\ncall()"
    )
    ended = run_process([sys.executable, "-c", code], check=True)
    first, forked, last = ended.stdout.split()
    assert first == last != forked
    assert ended.stderr == ""


@pytest.mark.usefixtures("quick_reader")
def test_a_process_that_was_killed_is_replaced():
    process = run_in_reader_process(os.getpid, source="net")
    os.kill(process, signal.SIGKILL)
    assert run_in_reader_process(os.getpid, source="net") != process


@pytest.mark.usefixtures("quick_reader")
def test_a_process_that_is_killed_twice_probably_lacked_memory():
    with pytest.raises(
        ConversionError,
        match=r"(?m)^net: reading it failed: its process was ended by SIGKILL, twice$",
    ) as failure:
        run_in_reader_process(crash, signal.SIGKILL, source="net")
    assert failure.value.hint == "is there enough memory?"


@pytest.mark.usefixtures("quick_reader")
def test_the_trace_of_a_bug_is_kept():
    with pytest.raises(ZeroDivisionError) as failure:
        run_in_reader_process(fail, ZeroDivisionError, source="net")
    assert "in fail\n" in str(failure.value.__cause__)


@pytest.mark.usefixtures("quick_reader")
def test_an_interrupt_ends_a_process_that_hangs(tmp_path, monkeypatch):
    started = tmp_path / "started"
    timer = threading.Timer(
        0.1, lambda: (wait_until(started.is_file), signal.raise_signal(signal.SIGINT))
    )
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run_in_reader_process(hang, started, source="net")
    finally:
        signal.signal(signal.SIGINT, handler)
    assert not is_running(int(started.read_text()))
    assert run_in_reader_process(os.getpid, source="net")
