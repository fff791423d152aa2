"""Measure AP, INT8 and speed of the models whose weights are available, and record what
measured.yml lacks.

    benchmarks/measure.py --photos DIR [--kinds accuracy,int8,speed] [--dry_run] [MODEL ...]

It runs posezoo's verbs and prints each command with its reason: a measurement is missing, or it is
of another IR, another OpenVINO or, for a speed, another machine. Each result is recorded at once,
so a run that was interrupted continues where it stopped. Models whose files cannot be downloaded
are left out, except that the speed of posezoo's own networks is measured on generated weights.

The people of a top-down model are found as its model.yml declares; further APs are of the whole
image as one person, and of the annotated boxes. All are in f32, so that computers can be compared;
that of the usual pipeline in FP16, and its speeds, are also in the type in which posezoo run
computes. INT8 is calibrated on two thirds of the photos; its
AP is measured on all of them, as that of FP32 is.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from posezoo.core.declarations.model import WHOLE_IMAGE, Model, ModelSpec, Precision
from posezoo.core.errors import import_cv2
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.settings import DECLARED, read_settings, to_settings
from posezoo.core.versions import package_version
from posezoo.figures.comparison import int8_ratio
from posezoo.figures.measured import (
    ANNOTATED_BOXES,
    DETECTOR_PRECISION,
    SHOWN,
    TARGET_SIZE,
    Measurement,
    digest_irs,
    load_measurements,
)
from posezoo.figures.measurement_selection import executed_type, is_of_run
from posezoo.poses.people import people_from
from posezoo.quantize.quantization_plan import explain_unsupported
from posezoo.run.machine import Machine
from posezoo.run.pipeline_spec import is_quantized_here, resolve_pipeline

RESULTS = Path("build/measure")
ANNOTATIONS = "person_keypoints.json"
KINDS = ("accuracy", "int8", "speed")
FP32, FP16, INT8 = Precision.FP32, Precision.FP16, Precision.FP16_INT8

#: The further heights, or shorter sides, of the models that take images of other sizes; the
#: declared one lies between.
HEIGHTS = {
    "human-pose-estimation-0001": (256, 480),
    "movenet-multipose": (192, 320),
    "posenet-mobilenet-v1": (321, 513),
    "tf-pose-mobilenet-v2-small": (256, 480),
}

#: INT8 has at least this share of the AP of FP32, or is not worth it.
MIN_INT8_RATIO = 0.97

#: Speeds are measured only if other programs use at most this share of the machine.
MAX_BUSY = 0.1

#: A speed that other work disturbed is not recorded, but measured again, up to this many times.
ATTEMPTS = 3


class Measurer:
    """Measures one model after the other.

    Attributes:
        notes: models without available files, and those that INT8 changes too much.
        problems: the commands that failed, each with the error.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self._photos, self._kinds, self._is_dry_run = args.photos, args.kinds, args.dry_run
        self._models_dir = ["--models_dir", str(args.models_dir)] if args.models_dir else []
        own = {"models_dir": (args.models_dir,)} if args.models_dir else {}
        self._context = open_context(to_settings(read_settings(own)))
        self._openvino = package_version("openvino")
        self._opencv = import_cv2().__version__
        self._machine = Machine.here().describe()
        self.notes: list[str] = []
        self.problems: list[str] = []

    def models(self, patterns: Sequence[str]) -> Iterator[Model]:
        """The models that match: composites, but not their parts, and all variants."""
        selection = self._context.registry.select(patterns or ["*", "*@*"])
        yield from selection.composites
        yield from (model for model in selection.models if not model.composite)

    def prepare(self, model: Model) -> list[Precision]:
        """Download, convert and quantize what is missing; the precisions in which the model is
        here.
        """
        parts = self._context.registry.parts(model)
        wanted = [
            each for each in (FP32, FP16, INT8) if all(each in part.precisions for part in parts)
        ]
        # A publisher's IR may be available in some precisions only.
        groups = [[each] for each in wanted] if any(part.is_ir for part in parts) else [wanted]
        errors = [self._get(model, precisions) for precisions in groups]
        precisions = [each for each in wanted if self._irs(model, each)]
        if not precisions and not (self._is_dry_run and "" in errors):
            self.notes.append(
                f"left out: {model.full_name}: {errors[-1] if errors else 'has no precision'}"
            )
        if precisions and INT8 not in wanted and all(self._quantize(part) for part in parts):
            precisions.append(INT8)
        return precisions

    def measure_accuracy(self, model: Model, precisions: Sequence[Precision]) -> None:
        """Measure and record the AP that is missing or out of date."""
        if "accuracy" not in self._kinds or not self._photos:
            return
        for precision in precisions:
            self._evaluate(model, precision)
        measured = [each for each in load_measurements(model) if each.kind == "accuracy"]
        ratios = [int8_ratio(each, measured) for each in measured if each.precision in precisions]
        least = min((ratio for ratio in ratios if ratio is not None), default=1.0)
        if least < MIN_INT8_RATIO:
            self.notes.append(f"{model.full_name}: INT8 has {least:.0%} of the AP of FP32")

    def measure_speed(self, model: Model, precisions: Sequence[Precision]) -> None:
        """Measure and record the speeds that are missing or out of date, on an idle machine."""
        if "speed" in self._kinds:
            parts = self._context.registry.parts(model)
            self._measure_networks(
                [part for part in parts if precisions or part.network is not None]
            )
            if precisions:
                self._measure_pipelines(model, [each for each in precisions if each is not FP32])

    def _get(self, model: Model, precisions: Sequence[Precision]) -> str:
        """Download and convert what is missing; the error, or an empty text."""
        if self._is_dry_run and all(self._irs(model, each) for each in precisions):
            return ""
        words = ["get", model.full_name, "--precisions", ",".join(precisions), "--attempts", "1"]
        return self._run(words, "not here yet; then it is measured" if self._is_dry_run else "")

    def _quantize(self, part: ModelSpec) -> bool:
        """Make the INT8 IR, and record its displacement from FP32; whether it exists."""
        if explain_unsupported(part, self._context.registry):
            return False
        if "int8" not in self._kinds or not self._photos:
            return bool(self._irs(part, INT8))
        words = ["quantize", part.full_name, "--record", "--images", str(self._photos)]
        words += ["--annotations", str(self._photos / ANNOTATIONS)]
        reason = "" if self._irs(part, INT8) else "not quantized yet"
        error = self._run(words, reason)
        irs = self._irs(part, INT8)
        if not error and irs:  # it may have been up to date, and so not measured
            found = (each for each in load_measurements(part) if each.kind == "quantization")
            reason = self._explain_stale(next(found, None), irs)
            error = self._run([*words, "--force"], reason) if reason else ""
        if error:
            self.notes.append(f"no INT8: {error}")
        return not error and bool(irs)

    def _evaluate(self, model: Model, precision: Precision) -> None:
        """Measure AP, once for each way in which people are found."""
        runs = [
            (*protocol, arithmetic)
            for protocol in self._protocols(model, is_accuracy=True)
            for arithmetic in self._list_types(model, precision, protocol[0])
        ]
        for source, height, words, arithmetic in runs:
            detected_in = self._detector_precision(source, precision)
            irs = [*self._irs(model, precision), *self._detector_irs(source, detected_in)]
            found = (
                each
                for each in load_measurements(model)
                if each.kind == "accuracy"
                and each.precision is precision
                and each.settings.get("people_from", "") == source
                and each.settings.get(DETECTOR_PRECISION, FP16) == detected_in
                and each.settings.get(TARGET_SIZE) == height
                and ("bf16" in executed_type(each)) == (arithmetic == DECLARED)
            )
            if reason := self._explain_stale(next(found, None), irs):
                folder = RESULTS / f"{model.full_name}-{precision}"
                command = ["evaluate", model.full_name, "--precision", precision, *words]
                command += ["--inference_precision", arithmetic, "--record"]
                command += ["--annotations", str(self._photos / ANNOTATIONS)]
                command += ["--images", str(self._photos), "-o", str(folder)]
                if error := self._run(command, reason):
                    self.problems.append(f"{shlex.join(command[:6])}: {error}")

    def _list_types(self, model: Model, precision: Precision, source: str) -> list[str]:
        """The types to compute in: f32, in which computers can be compared, and that of run."""
        if precision is not FP16 or source != people_from(model) or "bf16" not in self._machine:
            return ["f32"]
        pipeline = resolve_pipeline(model, self._context, precision)
        networks = pipeline.networks(self._context.registry)
        has_bf16 = any("bf16" in spec.compute_types for spec, _ in networks)
        return ["f32", DECLARED] if has_bf16 else ["f32"]

    def _measure_networks(self, parts: Sequence[ModelSpec]) -> None:
        """Measure the speed of each network alone, one image at a time and as many as the device
        chooses.
        """
        for part in parts:
            is_generated = part.network is not None and not self._irs(part, FP16)
            reasons = []
            for precision in (FP16, INT8):
                irs = [] if is_generated and precision is FP16 else self._irs(part, precision)
                for hint in (
                    ("LATENCY", "THROUGHPUT") if irs or (is_generated and precision is FP16) else ()
                ):
                    found = self._speeds(part, precision, hint=hint, pipeline=None)
                    reasons.append(self._explain_stale(next(found, None), irs))
            command = ["benchmark", part.full_name, "--generated", "--precisions", f"{FP16},{INT8}"]
            command += ["--inference_precision", DECLARED]
            self._measure_speed([*command, "--num_infer_requests", "1,0"], reasons)

    def _measure_pipelines(self, model: Model, precisions: Sequence[Precision]) -> None:
        """Measure the speed from an image file to drawn poses, with four people and with one."""
        for shown in (4, 1):
            self._measure_pipeline(model, precisions, shown)

    def _measure_pipeline(self, model: Model, precisions: Sequence[Precision], shown: int) -> None:
        for source, height, words in self._protocols(model, is_accuracy=False):
            reasons = []
            for precision in precisions:
                detected_in = self._detector_precision(source, precision)
                irs = [*self._irs(model, precision), *self._detector_irs(source, detected_in)]
                found = (
                    each
                    for each in self._speeds(model, precision, pipeline="read, found, drawn")
                    if each.settings.get("people_from", "") == source
                    and each.settings.get(DETECTOR_PRECISION, FP16) == detected_in
                    and each.settings.get(SHOWN) == shown
                    and each.settings.get(TARGET_SIZE) == height
                )
                reasons.append(self._explain_stale(next(found, None), irs))
            command = ["benchmark", "--pipeline", model.full_name, "--num_infer_requests", "1"]
            command += ["--people", str(shown)]
            command += ["--precisions", ",".join(precisions), "--inference_precision", DECLARED]
            self._measure_speed([*command, *words], reasons)

    def _measure_speed(self, words: Sequence[str], reasons: Sequence[str]) -> None:
        if not any(reasons):
            return
        if (busy := busy_share()) > MAX_BUSY and not self._is_dry_run:
            self.problems.append(
                f"{shlex.join(words)}: other programs use {busy:.0%} of this machine"
            )
            return
        short = ["--seconds", "0.4", "--attempts", "1", "--record"]
        for _ in range(ATTEMPTS):
            error = self._run([*words, *short], next(filter(None, reasons)))
            if "not recorded: the throughput" not in error:
                break
        if "the picture shows" in error:  # the model does not find all of its people
            self.notes.append(f"no speed: {error}")
        elif error:
            self.problems.append(f"{shlex.join(words)}: {error}")

    def _speeds(
        self, model: Model, precision: Precision, **settings: str | None
    ) -> Iterator[Measurement]:
        for each in load_measurements(model):
            is_same = all(each.settings.get(name) == value for name, value in settings.items())
            if (
                (each.kind, each.precision, each.machine)
                == (
                    "speed",
                    precision,
                    self._machine,
                )
                and is_same
                and is_of_run(each, model)
            ):
                yield each

    def _explain_stale(self, found: Measurement | None, irs: Sequence[Path]) -> str:
        """Why a measurement has to be made; empty if it is up to date. Generated weights have no IR
        here.
        """
        if found is None:
            return "not measured yet"
        is_boxes = found.settings.get("of") == "boxes"
        if found.kind == "accuracy" and found.tools.get("opencv") != self._opencv:
            return f"measured with OpenCV {found.tools.get('opencv', '?')}, now {self._opencv}"
        if found.tools.get("openvino") != self._openvino:
            return f"measured with OpenVINO {found.tools.get('openvino')}, now {self._openvino}"
        if found.irs != (digest_irs(irs) if irs else ""):
            return "measured on another IR"
        if found.kind == "accuracy" and not {"PCK", "MPJPE_mm"} & {*found.figures} and not is_boxes:
            return "measured without PCK"
        return ""

    def _protocols(
        self, model: Model, *, is_accuracy: bool
    ) -> Iterator[tuple[str, int | None, list[str]]]:
        """Each way in which people are found, and each size: the settings ``people_from`` and
        ``target_size``, and the flags.
        """
        if model.decoder is None:
            return
        usual = people_from(model)
        yield usual, None, []
        if usual and is_accuracy:
            yield WHOLE_IMAGE, None, ["--detector", "none"]
            yield ANNOTATED_BOXES, None, ["--boxes", "truth"]
        for height in HEIGHTS.get(model.full_name, ()):
            yield usual, height, ["--height" if is_accuracy else "--heights", str(height)]

    def _irs(self, model: Model, precision: Precision) -> list[Path]:
        """The .xml of each part; empty if one of them does not exist."""
        parts = self._context.registry.parts(model)
        irs = [self._context.layout.ir_path(part, precision) for part in parts]
        return (
            irs if all(xml.is_file() and xml.with_suffix(".bin").is_file() for xml in irs) else []
        )

    def _detector_precision(self, name: str, precision: Precision) -> Precision:
        """That of a detector which runs with a model of this precision."""
        if name in ("", ANNOTATED_BOXES, WHOLE_IMAGE):
            return FP16
        detector = self._context.registry.find(name)
        return precision if is_quantized_here(detector, precision, self._context) else FP16

    def _detector_irs(self, name: str, precision: Precision) -> list[Path]:
        if name in ("", ANNOTATED_BOXES, WHOLE_IMAGE):
            return []
        return self._irs(self._context.registry.find(name), precision)

    def _run(self, words: Sequence[str], reason: str) -> str:
        """Run one of posezoo's verbs, and return its error in one line; a dry run does not run it.

        The command is printed if there is a reason for it.
        """
        if reason:
            print(f"{reason}: posezoo {shlex.join(words)}", flush=True)
        if self._is_dry_run:
            return ""
        command = [sys.executable, "-m", "posezoo", *words, *self._models_dir, "--quiet"]
        ended = subprocess.run(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            # Without the flag, a record of another computer stays comparable.
            env=os.environ | {"POSEZOO_INFERENCE_PRECISION": "f32"},
            check=False,
        )
        if ended.returncode in (0, 130):
            if ended.returncode:
                raise KeyboardInterrupt
            return ""
        errors = [line for line in ended.stderr.splitlines() if "error: " in line]
        return errors[-1].partition("error: ")[2] if errors else f"exit code {ended.returncode}"


def busy_share() -> float:
    """The share of the processors' time that programs use while this one waits; 0 where it is not
    known.
    """

    def read_times() -> tuple[int, int]:
        times = [
            int(word)
            for word in Path("/proc/stat").read_text(encoding="utf-8").split("\n")[0].split()[1:9]
        ]
        return sum(times), times[3] + times[4]  # idle, and waiting for a disk

    if not Path("/proc/stat").is_file():
        return 0.0
    total, idle = read_times()
    time.sleep(0.5)
    total_after, idle_after = read_times()
    return 1 - (idle_after - idle) / max(total_after - total, 1)


def main() -> int:
    """Measure all models, and print notes and problems at the end."""
    command = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    command.add_argument(
        "models", nargs="*", metavar="MODEL", help="names or globs (default: all models)"
    )
    command.add_argument(
        "--photos", type=Path, required=True, help=f"folder of photos, with {ANNOTATIONS}"
    )
    command.add_argument(
        "--kinds",
        type=lambda text: text.split(","),
        default=KINDS,
        help=f"what to measure, separated by commas (default: {','.join(KINDS)})",
    )
    command.add_argument(
        "--dry_run", action="store_true", help="only print the commands and their reasons"
    )
    command.add_argument(
        "--models_dir", type=Path, help="a registry to use instead of posezoo's own"
    )
    args = command.parse_args()
    if unknown := set(args.kinds) - set(KINDS):
        command.error(f"--kinds: unknown: {', '.join(sorted(unknown))}")
    if not (args.photos / ANNOTATIONS).is_file():
        print(f"{args.photos / ANNOTATIONS} does not exist: AP and INT8 are not measured")
        args.photos = None
    RESULTS.mkdir(parents=True, exist_ok=True)
    measurer = Measurer(args)
    try:
        prepared = [(model, measurer.prepare(model)) for model in measurer.models(args.models)]
        for model, precisions in prepared:
            measurer.measure_accuracy(model, precisions)
        for model, precisions in prepared:
            measurer.measure_speed(model, precisions)
    except KeyboardInterrupt:
        print(
            "interrupted: what was measured is recorded; run it again to continue", file=sys.stderr
        )
        return 130
    for line in measurer.notes:
        print(line)
    for line in measurer.problems:
        print(f"problem: {line}", file=sys.stderr)
    return 1 if measurer.problems else 0


if __name__ == "__main__":
    sys.exit(main())
