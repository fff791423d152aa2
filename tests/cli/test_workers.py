"""converter.py --jobs: models in processes of their own; one that fails or is killed stops no other."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.checkout import ROOT
from fakes.command import heed_interrupts, run_process
from fakes.items import children_of
from fakes.network import network
from fakes.waiting import HANG_S, wait_until
from fakes.zoo import declared_file, onnx_yml, write_model


@pytest.fixture
def zoo(tmp_path):
    """Two models that can be converted, and one with the file of another model."""
    for name in ("first", "broken", "second"):
        source = tmp_path / "public" / name / "net.onnx"
        source.parent.mkdir(parents=True)
        source.write_bytes(network("onnx"))
        declared = {**declared_file(source), "source": "https://models.invalid/net.onnx"}
        write_model(tmp_path / "models", name, onnx_yml(declared))
        if name == "broken":
            source.write_bytes(b"broken")
    return tmp_path


def command(zoo, *args):
    tool = ROOT / "tools" / "downloader" / "converter.py"
    return [
        sys.executable,
        tool,
        "--all",
        "--models_dir",
        zoo / "models",
        "-d",
        zoo,
        "-o",
        zoo / "out",
        *args,
    ]


def converter(zoo, *args):
    return run_process(command(zoo, *args), timeout=120)


@pytest.mark.parametrize("jobs", ["1", "2", "auto"])
def test_a_failure_stops_no_other_model_and_the_summary_has_its_reason(zoo, jobs):
    ended = converter(zoo, "--jobs", jobs)
    assert ended.returncode == 1
    assert ended.stdout.endswith("FAILED:\nbroken\n")
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("########## Failed: broken: ")
    assert "has 6 bytes, model.yml declares" in last
    made = {path.relative_to(zoo / "out").as_posix() for path in (zoo / "out").rglob("*.xml")}
    assert made == {
        f"public/{name}/{half}/{name}.xml"
        for name in ("first", "second")
        for half in ("FP16", "FP32")
    }


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_in_json_each_line_is_an_event_and_the_last_one_names_each_failure_with_its_reason(
    zoo, jobs
):
    ended = converter(zoo, "--jobs", jobs, "--progress_format", "json")
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    ends = {
        each["model"]: each["successful"]
        for each in told
        if each["$type"] == "model_conversion_end"
    }
    assert ends == {"first": True, "second": True, "broken": False}
    assert told[-1]["$type"] == "conversion_end"
    assert told[-1]["converted"] == ["first", "second"]
    (failure,) = told[-1]["failed"]
    assert failure["name"] == "broken"
    assert "has 6 bytes, model.yml declares" in failure["reason"]
    # The folder is the one that converter.py reads (-d), not the one of the IR.
    assert (
        failure["hint"]
        == f"posezoo download broken --models_dir {zoo / 'models'} --weights_dir {zoo}"
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_all_processes(zoo, number, code):
    process = subprocess.Popen(
        command(zoo, "--jobs", "2"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=heed_interrupts,
    )
    wait_until(lambda: len(children_of(process.pid)) >= 2)
    children = children_of(process.pid)
    process.send_signal(number)
    _, said = process.communicate(timeout=HANG_S)
    assert process.returncode == code, said.decode()
    assert b"Traceback" not in said
    wait_until(
        lambda: not any(Path(f"/proc/{child}").exists() for child in children),
        "the end of the children",
    )


def test_the_model_of_a_killed_process_is_converted_by_another(zoo):
    (zoo / "models" / "public" / "broken" / "model.yml").unlink()
    process = subprocess.Popen(
        command(zoo, "--jobs", "2"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: children_of(process.pid))
    os.kill(min(children_of(process.pid)), signal.SIGKILL)
    _, said = process.communicate(timeout=HANG_S)
    assert (process.returncode, said) == (0, "")
    assert {path.stem for path in (zoo / "out").rglob("*.xml")} == {"first", "second"}


def test_the_summary_names_each_model_once(zoo):
    ended = converter(zoo, "--precisions", "FP32", "--add_mo_arg=--data_type=FP16")
    assert (
        ended.stderr.splitlines()[-1]
        == "########## Failed: second: its arguments ask for FP16 alone"
    )
