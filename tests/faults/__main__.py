"""Convert the corpus by the command that users type, and count what the self-check finds.

    PYTHONPATH=tests python -m faults [--python OTHER_ENVIRONMENT/bin/python]

This Python writes the networks, by onnx and LiteRT; ``--python`` has posezoo. Without ``--only``,
it also translates a Caffe network. The exit code is 1 if fewer faults are found than ``--found``,
or more right networks are refused than ``--refused``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import openvino
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from fakes.caffe import squeeze_net

from .corpus import Case, Expected, all_cases, write_registry

MISREADING = Path(__file__).with_name("misreading") / "openvino.py"

#: How the self-check begins what it says of an IR; any other failure is none of it.
_REFUSAL = re.compile(r"the FP(16|32) IR ")


def convert(python: str, cases: Sequence[Case], folder: Path) -> dict[str, str]:
    """Convert the cases by one command; why each that failed did, by its name."""
    registry = folder.resolve()
    faults = write_registry(cases, registry)
    shim = registry / "misreading"
    (shim / "put_in").mkdir(parents=True)
    shutil.copy(MISREADING, shim)
    (shim / "faults.json").write_text(json.dumps(faults), "utf-8")
    command = [
        python, "-m", "posezoo", "convert", *(case.name for case in cases), "--format", "json",
        "--models_dir", registry / "models", "--download_dir", registry / "downloads",
        "--weights_dir", registry / "irs", "--quiet",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(shim), "HOME": str(registry / "home")}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=registry, check=False
    )
    if not done.stdout:
        raise SystemExit(f"posezoo convert ended with {done.returncode}: {done.stderr[-2000:]}")
    failures = {each["name"]: each["reason"] for each in json.loads(done.stdout)["failed"]}
    assert done.returncode == bool(failures)
    put_in = {path.name for path in (shim / "put_in").iterdir()}
    expected = {case.name for case in cases if case.misread or case.edit}
    if put_in != expected:
        reasons = {name: failures.get(name, "converted") for name in expected ^ put_in}
        raise SystemExit(f"faults were not put in: {reasons}")
    return failures


def judge(case: Case, reason: str | None, folder: Path) -> str:
    """What became of a case: found, missed, accepted, refused, or broken for another reason."""
    if case.expected is Expected.ACCEPTED:
        return "accepted" if reason is None else "refused"
    if reason is not None:
        return "found" if _REFUSAL.search(reason) else "broken"
    if case.expected is Expected.NOT_WRONG and not is_wrong(case, folder):
        return "found"
    return "missed"


def is_wrong(case: Case, folder: Path) -> bool:
    """Whether the IR of a TFLite computes something else than LiteRT."""
    (image,) = case.file.inputs
    values = np.random.default_rng(0).uniform(0, 255, image.shape).astype(np.float32)
    interpreter = Interpreter(
        model_content=case.file.content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values)
    interpreter.invoke()
    right = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    xml = folder / "irs" / "public" / case.name / "FP32" / f"{case.name}.xml"
    compiled = openvino.Core().compile_model(xml, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    computed = next(iter(compiled(values).values()))
    return bool(np.abs(computed - right).max() > 1e-4 * np.abs(right).max())


def convert_and_judge(
    python: str, cases: Sequence[Case], folder: Path
) -> list[tuple[Case, str, str]]:
    """Each case, what became of it, and why it was refused."""
    failures = convert(python, cases, folder)
    return [
        (case, judge(case, failures.get(case.name), folder), failures.get(case.name, ""))
        for case in cases
    ]


def summarize(verdicts: Mapping[str, int]) -> str:
    faults = verdicts["found"] + verdicts["missed"] + verdicts["broken"]
    right = verdicts["accepted"] + verdicts["refused"]
    return (
        f"{verdicts['found']} of {faults} faults found, {verdicts['refused']} of {right} right"
        " networks refused"
    )


def translates(python: str, folder: Path) -> bool:
    """Whether ``posezoo convert`` makes ONNX of a Caffe network."""
    folder.mkdir()
    squeeze_net().save(folder)
    command = [python, "-m", "posezoo", "convert", "net.prototxt", "net.caffemodel", "-o"]
    done = subprocess.run([*command, "net.onnx"], cwd=folder, check=False)
    return done.returncode == 0 and (folder / "net.onnx").is_file()


def main() -> int:
    """Convert, judge, print and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="the Python that has posezoo")
    parser.add_argument("--found", type=int, default=0, help="the faults that must be found")
    parser.add_argument("--refused", type=int, default=0, help="the right networks that may be")
    parser.add_argument("--only", default="", help="only cases whose title has this text")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="commands at a time")
    args = parser.parse_args()
    python = str(Path.cwd() / args.python)  # a link stays: it tells the environment
    cases = [case for case in all_cases() if args.only in case.title]
    parts = [cases[number :: args.jobs] for number in range(min(args.jobs, len(cases)))]
    verdicts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(args.jobs) as pool:
        folders = [Path(name) / f"part{number}" for number in range(len(parts))]
        for judged in pool.map(partial(convert_and_judge, python), parts, folders):
            for case, verdict, reason in judged:
                verdicts[verdict] += 1
                print(f"{verdict:8}  {case.title}  {reason}")
        is_translated = bool(args.only) or translates(python, Path(name) / "caffe")
    print(summarize(verdicts))
    is_enough = verdicts["found"] >= args.found and verdicts["refused"] <= args.refused
    return int(not is_enough or not is_translated or verdicts["broken"] > 0)


if __name__ == "__main__":
    sys.exit(main())
