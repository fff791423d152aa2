"""The demo's flags: those of Open Model Zoo's human_pose_estimation_demo.py, and ours."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from posezoo.cli import flags
from posezoo.settings import INFERENCE_PRECISIONS
from posezoo.spec.model import Precision

#: What Open Model Zoo's page named, and OpenVINO has no longer.
GONE = {
    "FPGA": "OpenVINO ended with it after 2020.3: use GPU or CPU",
    "HDDL": "OpenVINO ended with it after 2022.3: use NPU, GPU or CPU",
    "MYRIAD": "OpenVINO ended with it after 2022.3: use NPU, GPU or CPU",
}

ARCHITECTURES = ("ae", "higherhrnet", "openpose", "topdown", "blazepose", "auto")

#: As Open Model Zoo's: a video of a camera that was forgotten ends somewhere.
LIMIT = 1000


def add_demo_flags(parser: argparse.ArgumentParser) -> None:
    """All of them."""
    parser.usage = "%(prog)s -m MODEL -i INPUT [options]   (-h lists them)"
    parser.add_argument(
        "-m",
        "--model",
        required=True,
        metavar="MODEL",
        help="a model of the zoo (fetched and converted where that is to be done), an .xml, or a checkpoint "
        "that a network of the zoo reads",
    )
    parser.add_argument(
        "-i",
        "--input",
        required=True,
        metavar="INPUT",
        help="a picture, a folder, a quoted glob, a video, a camera's number, or an address (http, rtsp)",
    )
    _add_model(parser.add_argument_group("model"))
    _add_inference(parser.add_argument_group("inference"))
    _add_pictures(parser.add_argument_group("input and output"))
    _add_foreign(parser.add_argument_group("an .xml that does not say how it wants its pictures"))
    flags.add_flags(parser, "detector", "models_dir")
    flags.add_format_flags(parser)


def _add_model(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-at",
        "--architecture_type",
        choices=ARCHITECTURES,
        default="auto",
        metavar="TYPE",
        help=f"how outputs become poses: {', '.join(ARCHITECTURES)} (default: auto, as the model says)",
    )
    group.add_argument(
        "--precision",
        type=flags.parse_precision,
        default=Precision.FP16,
        metavar="P",
        help="of the IR of a model of the zoo: FP16, FP32, or what else it is published in (default: FP16)",
    )
    group.add_argument(
        "--tsize",
        type=_whole(1, 8192),
        metavar="PIXELS",
        help="how large pictures are seen: the height for openpose, the shorter side for ae and higherhrnet "
        "(default: as the IR's own input)",
    )
    group.add_argument(
        "-t",
        "--prob_threshold",
        type=flags.parse_fraction,
        default=0.1,
        metavar="S",
        help="poses and keypoints count from this score on (default: 0.1)",
    )


def _add_inference(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-d",
        "--device",
        type=_device,
        metavar="DEVICE",
        help="of OpenVINO; HETERO:, MULTI: and AUTO: too (default: CPU); posezoo doctor lists them",
    )
    group.add_argument(
        "--inference_precision",
        choices=INFERENCE_PRECISIONS,
        metavar="P",
        help=f"arithmetic: {', '.join(INFERENCE_PRECISIONS)} (default: f32)",
    )
    group.add_argument(
        "-nireq",
        "--num_infer_requests",
        type=_whole(0, 1024),
        default=0,
        metavar="N",
        help="frames in the works at once (default: 0, as many as the device does best with)",
    )
    group.add_argument(
        "-nstreams",
        "--num_streams",
        type=_streams,
        metavar="N",
        help="inferences side by side: a number, AUTO, or DEVICE:N,DEVICE:N (default: the device's choice)",
    )
    group.add_argument(
        "-nthreads",
        "--num_threads",
        type=_whole(0, 4096),
        default=0,
        metavar="N",
        help="of the CPU (default: 0, its cores)",
    )


def _add_pictures(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-loop",
        "--loop",
        nargs="?",
        type=_whole(1, 1 << 30),
        const=0,
        default=1,
        metavar="N",
        help="play the input N times; for ever where no number is given",
    )
    group.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="PATH",
        help="where annotated frames go: a picture for a picture, a folder for a folder, a video for a video",
    )
    group.add_argument(
        "-limit",
        "--output_limit",
        type=_whole(0, 1 << 30),
        default=LIMIT,
        metavar="N",
        help=f"frames to write at most; 0 for all (default: {LIMIT})",
    )
    group.add_argument(
        "--output_resolution",
        type=_resolution,
        metavar="WxH",
        help="make frames smaller until they fit, on the screen and in files, such as 1280x720",
    )
    group.add_argument("-no_show", "--no_show", action="store_true", help="no window")
    group.add_argument(
        "-u",
        "--utilization_monitors",
        type=_monitors,
        default=frozenset(),
        metavar="LETTERS",
        help="what to draw into frames: c CPU on average, d each core, m memory, h their history; these keys "
        "show and hide it",
    )
    group.add_argument(
        "-r",
        "--raw_output_message",
        action="store_true",
        help="print a line for each pose: its score, then x, y and score of each keypoint",
    )
    group.add_argument("--json", type=Path, metavar="FILE", help="write the keypoints of each frame as JSON")
    group.add_argument("--coco", type=Path, metavar="FILE", help="write them as COCO's keypoint results")


def _add_foreign(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--layout", type=_layout, metavar="LAYOUT", help="NCHW or NHWC")
    group.add_argument(
        "--reverse_input_channels", action="store_true", default=None, help="it wants RGB, not BGR"
    )
    for flag, verb in (("--mean_values", "subtract"), ("--scale_values", "divide by")):
        group.add_argument(
            flag,
            nargs="+",
            type=_numbers,
            metavar="V",
            help=f"{verb} these, one for each channel or one for all, such as 127.5 127.5 127.5",
        )


def image_input_options(args: argparse.Namespace) -> dict[str, Any]:
    """What was said of how an .xml wants its pictures, by the attributes of ``LoadOptions``."""
    said = {
        "layout": args.layout,
        "reverse_input_channels": args.reverse_input_channels,
        "mean": _flat(args.mean_values),
        "scale": _flat(args.scale_values),
    }
    return {name: value for name, value in said.items() if value is not None}


def _flat(groups: list[tuple[float, ...]] | None) -> tuple[float, ...] | None:
    return None if groups is None else tuple(number for group in groups for number in group)


#: The flags by the names that ``foreign`` gives.
FOREIGN = {
    "layout": "--layout",
    "reverse_input_channels": "--reverse_input_channels",
    "mean": "--mean_values",
    "scale": "--scale_values",
}


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        number = int(text) if text.isascii() and text.lstrip("-").isdecimal() else None
        if number is None or not lowest <= number <= highest:
            raise argparse.ArgumentTypeError(
                f"expected a whole number from {lowest} to {highest}, got {text!r}"
            )
        return number

    return whole


def _device(text: str) -> str:
    for name in re.split(r"[^A-Z]+", text.upper()):
        if name in GONE:
            raise argparse.ArgumentTypeError(f"{name}: {GONE[name]} (posezoo doctor lists what is here)")
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a device, such as CPU or AUTO:GPU,CPU")
    return text


def _streams(text: str) -> str:
    number = r"([1-9]\d{0,3}|AUTO)"
    if not re.fullmatch(rf"{number}|[A-Za-z.\d]+:{number}(,[A-Za-z.\d]+:{number})*", text):
        raise argparse.ArgumentTypeError(f"expected 4, AUTO, or CPU:4,GPU:2, got {text!r}")
    return text


def _resolution(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d{0,4})[xX]([1-9]\d{0,4})", text)
    if not found:
        raise argparse.ArgumentTypeError(f"expected width and height as 1280x720, got {text!r}")
    return int(found[1]), int(found[2])


def _layout(text: str) -> str:
    """Open Model Zoo's forms: NCHW, [NCHW], input:NCHW, input[NCHW]."""
    layout = re.sub(r"^.*[\[:]", "", text.strip().rstrip("]")).upper()
    if layout not in ("NCHW", "NHWC"):
        raise argparse.ArgumentTypeError(f"expected NCHW or NHWC, got {text!r}")
    return layout


def _numbers(text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(word) for word in re.split(r"[,\s]+", text.strip(" []()")))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected numbers, got {text!r}") from error
    return numbers


def _monitors(text: str) -> frozenset[str]:
    unknown = set(text.lower()) - set("cdmh ,")
    if unknown or not text:
        raise argparse.ArgumentTypeError(f"expected some of the letters c, d, m, h, got {text!r}")
    return frozenset(text.lower()) & set("cdmh")
