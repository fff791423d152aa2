"""posezoo compare: show how far keypoints move between two models, precisions or sizes.

With ``--format json``, the output is an object::

    first, second    str     the model, precision, and height, if one is named
    images           int     the images of --input
    by_both          int     people whom both find, by a keypoint similarity of 0.5 or more
    only_by_first, only_by_second    int    people whom only one finds
    keypoints        int     keypoints of these people that both see
    of_image         object  median and p90 (the 90th percentile) of how far these keypoints move,
                             in pixels of the image; null if there are none
    of_input         object  the same in pixels of the first model's input; where it is the crop of
                             a person, the crop's size is estimated from the keypoints. null also
                             if the size of the input varies
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.console.json_projection import to_json
from posezoo.console.report import print_result
from posezoo.core.declarations.model import Precision
from posezoo.core.declarations.model_files import is_network_file
from posezoo.core.errors import import_cv2

if TYPE_CHECKING:
    from posezoo.console.console import Console
    from posezoo.core.resolve.stage_context import Context
    from posezoo.pages.keypoint_moves import ComparedModel

EXAMPLES = """
posezoo compare --keypoints movenet-thunder --precisions FP16,FP16-INT8 --input photos/
posezoo compare --keypoints human-pose-estimation-0001 --heights 256,368 --input 'photos/*.jpg'
posezoo compare --keypoints blazepose-full blazepose-lite --input photos/
"""

USAGE = "%(prog)s --keypoints MODEL [MODEL] --input INPUT [options]"

FLAGS = (
    Flag(
        "models MODEL",
        "two models, or one with two --precisions or --heights: names, or an .xml, .onnx or"
        " checkpoint",
        nargs="*",
    ),
    Flag(
        "--keypoints",
        "run both on your images, and print the distances between the keypoints with the same names"
        " that are visible in both results",
        needs="input",
    ),
    Flag("-i, --input INPUT", "images, folders or globs", nargs="+"),
    Flag(
        "--precisions P[,P]",
        "the precisions of the IR (default: FP16)",
        default=(Precision.FP16,),
    ),
    Flag(
        "--heights PX[,PX]",
        "resize images to this height, or their shorter side to it, depending on the decoder; for"
        " models that find all people at once",
        flags.whole_numbers(32, 4096),
    ),
    flags.weights_dir_flag("folder of the models' files and IR"),
    f"{flags.REGISTRY} {flags.FORMAT}",
)


class _CompareArgs(flags.ConversionArgs):
    keypoints: bool
    input: list[str] | None
    heights: tuple[int, ...] | None


def run(args: _CompareArgs) -> int:
    """Run two models on the user's images, and print how far keypoints move."""
    from posezoo.core.registry import TAG_MARK
    from posezoo.pages.keypoint_moves import compare_keypoints, format_moves
    from posezoo.run.video.run_inputs import expand_image_paths

    if not args.keypoints:
        args.parser.error("--keypoints is missing")
    for text in args.models:
        _, _, tag = text.partition(TAG_MARK)
        if tag in [*Precision]:
            args.parser.error(f"{text}: {tag} is a precision: write --precisions {tag}")
    variants = list(product(args.models, args.precisions, args.heights or (None,)))
    if len(variants) != 2:
        args.parser.error(
            f"--keypoints compares two, not {len(variants)}: name two models, or one and two of"
            " --precisions or --heights"
        )
    import_cv2()
    context = flags.context_from_args(args)
    with flags.console_from_args(args) as console:
        paths = expand_image_paths(args.input or (), console.warn)
        first, second = (_load(*variant, args, context, console) for variant in variants)
        moves = compare_keypoints(first, second, paths)
    print_result(args.format, to_json(moves), *format_moves(moves))
    return 0


def _load(
    text: str,
    precision: Precision,
    height: int | None,
    args: _CompareArgs,
    context: Context,
    console: Console,
) -> ComparedModel:
    from posezoo.pages.keypoint_moves import ComparedModel
    from posezoo.run.load import Loader, default_runtime
    from posezoo.run.runtime.runtime_config import LoadOptions
    from posezoo.run.subject import find_subject
    from posezoo.run.verbs.run_flags import name_target_size, statement_from_args

    is_stated = args.precisions != (Precision.FP16,) or not is_network_file(text)
    said = statement_from_args(args, height=height, precision=precision if is_stated else None)
    subject = find_subject(text, context, said)
    options = LoadOptions(default_runtime(context.settings))
    with name_target_size("--heights", height):
        estimator = Loader(context, listener=console).prepare(subject).compile(options)
    words = (text, "" if subject.file else str(precision), f"height {height}" if height else "")
    return ComparedModel(" ".join(filter(None, words)), estimator)
