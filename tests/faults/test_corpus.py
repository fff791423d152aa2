"""A part of the corpus in this process; ``make faults`` converts all of it in README's environment."""

from __future__ import annotations

import json
import re
from collections import Counter

import openvino
import pytest

from fakes.command import posezoo
from fakes.pages import ROOT
from faults.__main__ import BY_FILE, BY_NAME, judge, list_commands, xml_of
from faults.corpus import Expected, all_cases, write_registry
from posezoo.core.ir.provenance import EQUAL

#: One fault and one right network of each format and kind, and one that the outputs do not show.
CHOSEN = {
    "onnx pyramid, coordinates of a linear resize": "found",
    "onnx faint_branch, ReLU dropped": "missed",
    "onnx masked_twin 0": "accepted",
    "tflite fused, fused RELU6 for RELU": "found",
    "tflite rounded 0": "accepted",
    "onnx any_size, sides exchanged": "found",
    "onnx mixed_batch, softmax of all images": "found",
    "onnx vision_transformer, GELU by tanh": "found",
    "onnx token_sequence, ids from a smaller table": "found",
    "onnx types, threshold of a mask": "found",
    "onnx types 0": "accepted",
    "onnx one_image 0": "accepted",
    "onnx squares_only 0": "accepted",
    "onnx short_sequence 0": "accepted",
    "onnx logarithms 0": "accepted",
    "tflite dynamic_range 0": "accepted",
}


@pytest.fixture(scope="module")
def cases():
    return list(all_cases())


def test_faults_are_found_and_right_networks_accepted(
    cases, tmp_path, monkeypatch, in_this_process
):
    chosen = [case for case in cases if case.title in CHOSEN]
    misread = write_registry(chosen, tmp_path)["misread"]
    for owner, name in ((openvino.Core, "read_model"), (openvino.frontend.FrontEnd, "load")):
        read = getattr(owner, name)
        monkeypatch.setattr(
            owner,
            name,
            lambda self, source, *, _read=read: _read(self, misread.get(str(source), source)),
        )
    names = [case.name for case in chosen]
    models, downloads, irs = (tmp_path / each for each in ("models", "downloads", "irs"))
    folders = ["--models_dir", models, "--download_dir", downloads, "--weights_dir", irs]
    ended = posezoo("convert", *names, "--format", "json", "--precisions", "FP32", *folders)
    assert ended.stdout, ended.stderr
    reasons = {each["name"]: each["reason"] for each in json.loads(ended.stdout)["failed"]}
    verdicts = {
        case.title: judge(case, reasons.get(case.name), xml_of(case, tmp_path, BY_NAME))
        for case in chosen
    }
    assert verdicts == CHOSEN
    verdicts = {}
    for case, words in zip(chosen, list_commands(chosen, tmp_path), strict=True):
        ended = posezoo(*words)
        assert ended.stdout, ended.stderr
        answer = json.loads(ended.stdout)
        outcome = answer["error"]["problem"] if "error" in answer else answer["proof"]
        outcome = None if outcome == EQUAL else outcome
        verdicts[case.title] = judge(case, outcome, xml_of(case, tmp_path, BY_FILE))
    assert verdicts == CHOSEN


def test_the_counts_of_the_page_are_the_bars_of_make_faults(cases):
    (bars,) = re.findall(
        r"-m faults --found (\d+) --refused (\d+)", (ROOT / ".ci" / "more.mk").read_text()
    )
    page = " ".join((ROOT / "docs" / "explanations" / "proof.md").read_text("utf-8").split())
    counts = Counter(case.expected for case in cases)
    faults = len(cases) - counts[Expected.ACCEPTED]
    assert page.count(f"{bars[0]} of {faults} faults") == 2  # by name and by FILE
    assert page.count(f"{bars[1]} of {counts[Expected.ACCEPTED]} right") == 2
