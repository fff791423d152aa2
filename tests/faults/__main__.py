"""Convert the corpus by the commands that users type, once by name and once by FILE, and count what
the self-check finds.

    PYTHONPATH=tests python -m faults [--python OTHER_ENVIRONMENT/bin/python]

This Python writes the networks, by onnx and LiteRT; ``--python`` has posezoo. Without ``--only``,
it also translates a Caffe network. The exit code is 1 if fewer faults are found in either way than
``--found``, or more right networks are refused, or cannot be compared, than ``--refused``.
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
from typing import Any

import numpy as np
import openvino
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from fakes.caffe import squeeze_net
from posezoo.core.ir.provenance import EQUAL, NOT_COMPARABLE

from .corpus import Case, Expected, all_cases, write_registry

MISREADING = Path(__file__).with_name("misreading")

#: How a case is given to posezoo, and what becomes of it: why it was refused, or that it cannot be
#: compared; nothing if it is equal.
BY_NAME, BY_FILE = "by name", "by FILE"
Outcomes = dict[str, str]

#: What a command ended with: its ``code``, ``output`` and ``errors``.
Ended = Mapping[str, Any]

AS_JSON = ("--format", "json", "--quiet")

#: How the self-check begins what it says of an IR; any other failure is none of it.
_REFUSAL = re.compile(r"the FP(16|32) IR ")


def convert(python: str, cases: Sequence[Case], folder: Path) -> dict[str, Outcomes]:
    """Convert the cases by one command by their names, and each as a file."""
    registry = folder.resolve()
    faults = write_registry(cases, registry)
    shim = registry / "misreading"
    shutil.copytree(MISREADING, shim)
    (shim / "faults.json").write_text(json.dumps(faults), "utf-8")
    ways = {BY_NAME: [name_all(cases, registry)], BY_FILE: list_commands(cases, registry)}
    for way in ways:
        (shim / way).mkdir()
    # In one process: to start Python and OpenVINO takes as long as to convert ten networks.
    environment = {**os.environ, "PYTHONPATH": str(shim), "HOME": str(registry / "home")}
    done = subprocess.run(
        [python, shim / "run_commands.py"], input=json.dumps(ways), capture_output=True, text=True,
        env=environment, cwd=registry, check=False,
    )  # fmt: skip
    if not done.stdout:
        raise SystemExit(f"posezoo convert ended with {done.returncode}: {done.stderr[-2000:]}")
    ended = json.loads(done.stdout)
    outcomes = {
        BY_NAME: read_names(cases, registry, *ended[BY_NAME]),
        BY_FILE: read_files(cases, registry, ended[BY_FILE]),
    }
    expected = {case.name for case in cases if case.misread or case.edit}
    for way, by_case in outcomes.items():
        put_in = {path.name for path in (shim / way).iterdir()}
        if put_in != expected:
            reasons = {name: by_case.get(name, "equal") for name in expected ^ put_in}
            raise SystemExit(f"faults were not put in {way}: {reasons}")
    return outcomes


def name_all(cases: Sequence[Case], registry: Path) -> list[str]:
    """The words after ``posezoo`` that convert the models of a registry: in FP32 alone, as the
    check of FP16 also begins with it. Files are converted as a user does it, to FP16.
    """
    folders = {"models": "models", "download": "downloads", "weights": "irs"}
    words = ["convert", *(case.name for case in cases), *AS_JSON, "--precisions", "FP32"]
    for kind, folder in folders.items():
        words += [f"--{kind}_dir", str(registry / folder)]
    return words


def read_names(cases: Sequence[Case], registry: Path, ended: Ended) -> Outcomes:
    """What became of each model of a registry."""
    if not ended["output"]:
        raise SystemExit(f"posezoo convert ended with {ended['code']}: {ended['errors'][-2000:]}")
    outcomes = {each["name"]: each["reason"] for each in json.loads(ended["output"])["failed"]}
    assert ended["code"] == bool(outcomes)
    for case in cases:
        record = xml_of(case, registry, BY_NAME).with_name("provenance.json")
        if record.is_file():
            proof = json.loads(record.read_text("utf-8"))["self_check"]["proof"]
            outcomes |= {case.name: proof} if proof != EQUAL else {}
    return outcomes


def read_files(cases: Sequence[Case], registry: Path, all_ended: Sequence[Ended]) -> Outcomes:
    """What became of each file."""
    outcomes = {}
    for case, ended in zip(cases, all_ended, strict=True):
        answer = json.loads(ended["output"])
        assert (ended["code"] != 0) == ("error" in answer)
        if ended["code"]:
            assert not xml_of(case, registry, BY_FILE).exists()
            outcomes[case.name] = answer["error"]["problem"]
        elif answer["proof"] != EQUAL:
            outcomes[case.name] = answer["proof"]
    return outcomes


def list_commands(cases: Sequence[Case], registry: Path) -> list[list[str]]:
    """The words after ``posezoo`` that convert the file of each case."""
    commands = []
    for case in cases:
        output = xml_of(case, registry, BY_FILE)
        output.parent.mkdir(exist_ok=True)
        original = registry / "downloads" / "public" / case.name / f"net.{case.file.ending}"
        words = ["convert", str(original), "-o", str(output), *AS_JSON]
        for kind in ("mean", "scale"):
            if kind in case.preprocessing:
                words += [f"--{kind}_values", *map(str, case.preprocessing[kind])]
        if case.preprocessing.get("reverse_input_channels"):
            words.append("--reverse_input_channels")
        commands.append(words)
    return commands


def xml_of(case: Case, folder: Path, way: str) -> Path:
    """The IR that posezoo makes of a case."""
    if way == BY_FILE:
        return folder / "irs_of_files" / f"{case.name}.xml"
    return folder / "irs" / "public" / case.name / "FP32" / f"{case.name}.xml"


def judge(case: Case, outcome: str | None, xml: Path) -> str:
    """What became of a case: found, missed, accepted, refused, not compared, or broken for another
    reason.
    """
    if outcome == NOT_COMPARABLE:
        return "not compared"
    if case.expected is Expected.ACCEPTED:
        return "accepted" if outcome is None else "refused"
    if outcome is not None:
        return "found" if _REFUSAL.search(outcome) else "broken"
    if case.expected is Expected.NOT_WRONG and not is_wrong(case, xml):
        return "found"
    return "missed"


def is_wrong(case: Case, xml: Path) -> bool:
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
    compiled = openvino.Core().compile_model(xml, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    computed = next(iter(compiled(values).values()))
    # The weights of a file's IR are in FP16.
    return bool(np.abs(computed - right).max() > 1e-2 * np.abs(right).max())


def convert_and_judge(
    python: str, cases: Sequence[Case], folder: Path
) -> list[tuple[Case, str, str, str]]:
    """Each case, the way it was given, what became of it, and why it was refused."""
    return [
        (case, way, judge(case, outcomes.get(case.name), xml_of(case, folder, way)),
         outcomes.get(case.name, ""))
        for way, outcomes in convert(python, cases, folder).items()
        for case in cases
    ]  # fmt: skip


def summarize(verdicts: Mapping[tuple[bool, str], int]) -> str:
    """The line on the cases that were given in one way."""
    faults = sum(count for (is_fault, _), count in verdicts.items() if is_fault)
    right = sum(verdicts.values()) - faults
    return (
        f"{verdicts[True, 'found']} of {faults} faults found, {count_doubted(verdicts)} of {right}"
        " right networks refused"
    )


def count_doubted(verdicts: Mapping[tuple[bool, str], int]) -> int:
    """The right networks that are refused, or cannot be compared."""
    return verdicts[False, "refused"] + verdicts[False, "not compared"]


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
    verdicts: dict[str, Counter[tuple[bool, str]]] = {BY_NAME: Counter(), BY_FILE: Counter()}
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(args.jobs) as pool:
        folders = [Path(name) / f"part{number}" for number in range(len(parts))]
        for judged in pool.map(partial(convert_and_judge, python), parts, folders):
            for case, way, verdict, reason in judged:
                verdicts[way][case.expected is not Expected.ACCEPTED, verdict] += 1
                print(f"{verdict:12}  {way}  {case.title}  {reason}")
        is_translated = bool(args.only) or translates(python, Path(name) / "caffe")
    is_good = is_translated
    for way, counts in verdicts.items():
        print(f"{way}: {summarize(counts)}")
        is_good &= counts[True, "found"] >= args.found and count_doubted(counts) <= args.refused
        is_good &= counts[True, "broken"] == 0
    return int(not is_good)


if __name__ == "__main__":
    sys.exit(main())
