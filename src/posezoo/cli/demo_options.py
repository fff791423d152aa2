"""The demo's flags: those of Open Model Zoo's human_pose_estimation_demo.py, and posezoo's own."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from posezoo.cli import flags
from posezoo.settings import INFERENCE_PRECISIONS
from posezoo.spec.model import Precision

#: Devices that Open Model Zoo's documentation names, and that OpenVINO no longer supports.
GONE = {
    "FPGA": "OpenVINO's last version for it is 2020.3: use GPU or CPU",
    "HDDL": "OpenVINO's last version for it is 2022.3: use NPU, GPU or CPU",
    "MYRIAD": "OpenVINO's last version for it is 2022.3: use NPU, GPU or CPU",
}

ARCHITECTURES = ("ae", "higherhrnet", "openpose", "topdown", "blazepose", "auto")

#: The same default as in Open Model Zoo. It ends the video of a camera that the user forgot to stop.
DEFAULT_LIMIT = 1000


def add_demo_flags(parser: argparse.ArgumentParser) -> None:
    """Add all flags of the demo."""
    parser.usage = "%(prog)s -m MODEL -i INPUT [options]   (-h lists them)"
    parser.add_argument(
        "-m",
        "--model",
        required=True,
        metavar="MODEL",
        help="a model of the zoo (downloaded and converted if necessary), an .xml, or a checkpoint for a "
        "network of the zoo",
    )
    parser.add_argument(
        "-i",
        "--input",
        required=True,
        metavar="INPUT",
        help="an image, a folder, a quoted glob, a video, a camera's number, or an address (http, rtsp)",
    )
    _add_model(parser.add_argument_group("model"))
    _add_inference(parser.add_argument_group("inference"))
    _add_input_and_output(parser.add_argument_group("input and output"))
    _add_xml_input(parser.add_argument_group("an .xml that does not describe its input"))
    flags.add_flags(parser, "detector", "models_dir")
    flags.add_format_flags(parser)


def _add_model(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-at",
        "--architecture_type",
        choices=ARCHITECTURES,
        default="auto",
        metavar="TYPE",
        help=f"the decoder of the outputs: {', '.join(ARCHITECTURES)} (default: auto, the model's own)",
    )
    group.add_argument(
        "--precision",
        type=flags.parse_precision,
        default=Precision.FP16,
        metavar="P",
        help="of the IR of a model of the zoo: FP16, FP32, or another published precision (default: FP16)",
    )
    group.add_argument(
        "--tsize",
        type=flags.whole_number(1, 8192),
        metavar="PIXELS",
        help="the size that images are resized to: the height for openpose, the shorter side for ae and "
        "higherhrnet (default: the IR's own)",
    )
    group.add_argument(
        "-t",
        "--prob_threshold",
        type=flags.parse_fraction,
        default=0.1,
        metavar="S",
        help="the minimum score of poses and keypoints (default: 0.1)",
    )


def _add_inference(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-d",
        "--device",
        type=_device,
        metavar="DEVICE",
        help="OpenVINO device, also HETERO:, MULTI: and AUTO: (default: CPU); posezoo doctor lists them",
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
        type=flags.whole_number(0, 1024),
        default=0,
        metavar="N",
        help="frames that are processed at the same time (default: 0, the device's optimal number)",
    )
    group.add_argument(
        "-nstreams",
        "--num_streams",
        type=_streams,
        metavar="N",
        help="parallel inferences: a number, AUTO, or DEVICE:N,DEVICE:N (default: the device's choice)",
    )
    group.add_argument(
        "-nthreads",
        "--num_threads",
        type=flags.whole_number(0, 4096),
        default=0,
        metavar="N",
        help="threads of the CPU (default: 0, its cores)",
    )


def _add_input_and_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-loop",
        "--loop",
        nargs="?",
        type=flags.whole_number(1),
        const=0,
        default=1,
        metavar="N",
        help="play the input N times; endlessly without a number",
    )
    group.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="PATH",
        help="where annotated frames go: an image for an image, a folder for a folder, a video for a video",
    )
    group.add_argument(
        "-limit",
        "--output_limit",
        type=flags.whole_number(0),
        default=DEFAULT_LIMIT,
        metavar="N",
        help=f"the maximum number of frames to write; 0 for all (default: {DEFAULT_LIMIT})",
    )
    group.add_argument(
        "--output_resolution",
        type=_resolution,
        metavar="WxH",
        help="the largest size of frames on the screen and in files, such as 1280x720",
    )
    group.add_argument("-no_show", "--no_show", action="store_true", help="show no window")
    group.add_argument(
        "-u",
        "--utilization_monitors",
        type=_monitors,
        default=frozenset(),
        metavar="LETTERS",
        help="what to draw into frames: c CPU on average, d each core, m memory, h their history; the same "
        "keys show and hide them",
    )
    group.add_argument(
        "-r",
        "--raw_output_message",
        action="store_true",
        help="print a line for each pose: its score, then x, y and score of each keypoint",
    )
    group.add_argument("--json", type=Path, metavar="FILE", help="write the keypoints of each frame as JSON")
    group.add_argument("--coco", type=Path, metavar="FILE", help="write them as COCO's keypoint results")


def _add_xml_input(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--layout", type=_layout, metavar="LAYOUT", help="NCHW or NHWC")
    group.add_argument(
        "--reverse_input_channels", action="store_true", default=None, help="its input is RGB, not BGR"
    )
    for flag, verb in (("--mean_values", "subtract"), ("--scale_values", "divide by")):
        group.add_argument(
            flag,
            nargs="+",
            type=_numbers,
            metavar="V",
            help=f"{verb} these, one for each channel or one for all, such as 127.5 127.5 127.5",
        )


#: The flags that describe the input of an .xml file.
INPUT_FLAGS = ("--layout", "--reverse_input_channels", "--mean_values", "--scale_values")


def given_input_flags(args: argparse.Namespace) -> list[str]:
    """The flags of ``INPUT_FLAGS`` that the user gave."""
    return [flag for flag in INPUT_FLAGS if getattr(args, flag[2:]) is not None]


def flatten(groups: list[tuple[float, ...]] | None) -> tuple[float, ...] | None:
    """All values of a flag such as ``--mean_values 1,2 3`` in one tuple; None if the flag is not given."""
    return None if groups is None else tuple(number for group in groups for number in group)


def _device(text: str) -> str:
    for name in re.split(r"[^A-Z]+", text.upper()):
        if name in GONE:
            raise argparse.ArgumentTypeError(f"{name}: {GONE[name]} (posezoo doctor lists what is here)")
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a device such as CPU or AUTO:GPU,CPU")
    return text


def _streams(text: str) -> str:
    number = r"([1-9]\d{0,3}|AUTO)"
    if not re.fullmatch(rf"{number}|[A-Za-z.\d]+:{number}(,[A-Za-z.\d]+:{number})*", text):
        raise argparse.ArgumentTypeError(f"expected 4, AUTO, or CPU:4,GPU:2, got {text!r}")
    return text


def _resolution(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d{0,4})[xX]([1-9]\d{0,4})", text)
    if not match:
        raise argparse.ArgumentTypeError(f"expected width and height as 1280x720, got {text!r}")
    return int(match[1]), int(match[2])


def _layout(text: str) -> str:
    """Parse a layout in Open Model Zoo's forms: NCHW, [NCHW], input:NCHW, input[NCHW]."""
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
