"""What the tests do with the targets of `posezoo export`, as docs/export.md says it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from posezoo.export.target_type import ExportTarget
from posezoo.export.targets import TARGETS


@dataclass(frozen=True)
class TargetCheck:
    """The check of one target."""

    text: str  # full sentences
    run_with: tuple[
        str, ...
    ] = ()  # the models whose export is run; of others, only files are checked


#: What ``str.format`` replaces in the texts of a record.
_REPLACED = {"next_step": {"folder", "name"}, "needs": {"name"}, "sets_type": {"name"}}


def find_mistake(name: str, target: ExportTarget) -> str:
    """What is wrong with the texts of a target's record, or of its check, and what to edit; empty if nothing is."""
    module = TARGETS.builtin[name].removeprefix("posezoo.").partition(":")[0]
    record = f"the record of {name} in {module.replace('.', '/')}.py"
    if not target.summary or target.summary != target.summary.strip(" .\n"):
        return (
            f"write the summary of {record} as a phrase without a full stop: docs/export.md adds it"
        )
    for field, replaced in _REPLACED.items():
        unknown = sorted({*re.findall(r"\{(\w*)\}", getattr(target, field))} - replaced)
        if unknown:
            known = " and ".join(f"{{{each}}}" for each in sorted(replaced))
            return f"{field} of {record} has {{{unknown[0]}}}: only {known} are replaced"
    if name not in CHECKS:
        return f"add {name} to CHECKS of tests/checked_exports.py: docs/export.md says how it is checked"
    if not re.search(
        r"\btests (run|check|compare|build) .*\.", CHECKS[name].text, re.IGNORECASE | re.DOTALL
    ):
        return (
            f"say of {name} in CHECKS of tests/checked_exports.py what tests do with its files, in full sentences:"
            " Tests run ..., Tests check ..., Tests compare ..."
        )
    return ""


CHECKS = {
    "folder": TargetCheck(
        "Tests run the sample with and without posezoo. With `--decode`, the folder also has the detector of a network"
        " for one person, and the sample runs both.",
        run_with=(
            "pose-landmark-full-mediapipe",
            "pose-detection-mediapipe",
            "movenet-singlepose-lightning-int8",
            "tf-pose-mobilenet-v2-small",
            "human-pose-estimation-0001",
            "person-detection-retail-0013",
        ),
    ),
    "ovms": TargetCheck(
        "Tests check config.json against the JSON Schema in Model Server's src/schema.cpp.",
    ),
    "triton": TargetCheck(
        "Tests compare config.pbtxt with the IR by the rules of the backend. `make exports` runs Triton 2.51.0 with its"
        " OpenVINO backend r25.12.",
    ),
    "modelapi": TargetCheck(
        "Tests run the sample with Model API, and compare its keypoints and boxes with posezoo's.",
        run_with=("person-detection-retail-0013",),
    ),
    "dlstreamer": TargetCheck(
        "Of detectors, it runs `--detector person-detection-retail-0013`. DL Streamer was not run: tests compare the files with the rules in its source code."
        " keypoints_hrnet uses the highest cells without refinement; with `--decode`, the IR refines them"
        " itself. The pipeline then prints tensors as JSON, in pixels of the network's input.",
    ),
    "cpp": TargetCheck(
        "Each IR takes bytes and contains its decoder. A network for one person is exported with its"
        " detector, and the program runs both. Tests build the project with the Python package openvino without warnings, and"
        " compare its JSON with that of `posezoo run` in f32: all keypoints are at most 0.1 px apart. For BlazePose,"
        " 9 of 10 are, and some are 1 px apart, because it is sensitive to small differences.",
        run_with=(
            "tf-pose-mobilenet-v2-small",
            "human-pose-estimation-0001",
            "movenet-singlepose-lightning-int8",
            "blazepose-full",
        ),
    ),
    "onnx": TargetCheck(
        "The ONNX file contains the decoder; it takes bytes and returns people. If an operation cannot be written as"
        " ONNX, the export fails. A network for one person is exported with its detector. NAME.json has the metadata"
        " that an IR would have. If a network finds everybody itself, such as movenet-multipose, a program in another"
        " language only fits the picture as NAME.json says, runs the ONNX once, and maps the keypoints back. Tests run"
        " the program on 17 photos, and compare the people of movenet-thunder with those of `posezoo run`: at least 995"
        " of 1,000 keypoints are at most 0.1 px apart.",
    ),
}
