"""Flags that several verbs share, and what they become."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.errors import PosezooError
from posezoo.settings import INFERENCE_PRECISIONS, KINDS, Settings, read_settings, to_settings
from posezoo.spec.model import CompositeSpec, ModelSpec, Precision

if TYPE_CHECKING:
    from posezoo.registry import Registry


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Help with its examples left as they are, and room for long flags."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=100)

    def add_argument(self, action: argparse.Action) -> None:
        """Make room for an action; argparse forgets that verbs are indented below their heading."""
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):
            self._action_max_length += self._indent_increment


def add_verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str, examples: str
) -> argparse.ArgumentParser:
    """A verb's parser: one line of what it does, and examples that work as pasted."""
    epilog = "examples:\n" + textwrap.indent(textwrap.dedent(examples).strip(), "  ")
    return verbs.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=epilog,
        formatter_class=HelpFormatter,
    )


def add_model_flags(parser: argparse.ArgumentParser) -> None:
    """Which models: names and globs, or all."""
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="a name or a case-sensitive glob; a composite's name stands for its parts; NAME@TAG is a "
        "variant, NAME@* all of them",
    )
    parser.add_argument("--all", action="store_true", help="every model of the zoo")


def add_checkpoint_flags(parser: argparse.ArgumentParser) -> None:
    """Another checkpoint than the published one, and what else only networks of ours can do."""
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="weights of your own for a network of ours: a .pth, .safetensors or .params whose keys fit",
    )
    parser.add_argument(
        "--model_name",
        metavar="M",
        help="with --checkpoint: what the IR are called (default: as the model or network)",
    )
    parser.add_argument(
        "--dynamic",
        action="store_true",
        help="leave the sizes open that model.yml says, else height and width: for networks of ours",
    )
    parser.add_argument(
        "--keep_onnx", action="store_true", help="also write the ONNX that a checkpoint becomes on the way"
    )


def add_force_flag(parser: argparse.ArgumentParser) -> None:
    """Whether an IR that is there may be replaced, whatever it was made of."""
    parser.add_argument(
        "--force", action="store_true", help="convert again what is up to date, or was made of other weights"
    )


def add_camera_input_flags(parser: argparse.ArgumentParser) -> None:
    """What the IR takes, where a camera's frames go in as they are."""
    parser.add_argument(
        "--input_type",
        choices=("u8", "f16", "f32"),
        help="what the IR takes pictures in; u8: the bytes of a camera's frame, BGR",
    )
    parser.add_argument("--input_layout", choices=("NCHW", "NHWC"), help="how the IR takes pictures")
    parser.add_argument(
        "--resize",
        action="store_true",
        help="the IR takes pictures of any height and width, and resizes them",
    )


def with_camera_input_flags(spec: ModelSpec, args: argparse.Namespace) -> ModelSpec:
    """The model, as the flags of ``add_camera_input_flags`` change it.

    Raises:
        ConversionError: they do not go with it.
    """
    if not (args.input_type or args.input_layout or args.resize):
        return spec
    from posezoo.convert.camera_input import with_camera_input

    return with_camera_input(
        spec, element_type=args.input_type or "", layout=args.input_layout or "", resize=args.resize
    )


def require_single_model(registry: Registry, name: str) -> ModelSpec:
    """The model of this name, which is no composite.

    Raises:
        PosezooError: there is none, or it is a composite.
    """
    model = registry.find(name)
    if isinstance(model, CompositeSpec):
        raise PosezooError(
            f"{name}: is a composite, and a checkpoint goes with one of its parts",
            hint=f"name {' or '.join(model.stages)}",
        )
    return model


def add_models_dir_flag(parser: argparse.ArgumentParser) -> None:
    """Where models are declared."""
    parser.add_argument(
        "--models_dir",
        action="append",
        type=Path,
        metavar="DIR",
        help="a registry of model.yml files in place of posezoo's own; may be given several times",
    )


def add_directory_flags(parser: argparse.ArgumentParser) -> None:
    """Where files come from and go to."""
    add_output_dir_flag(parser)
    add_cache_flags(parser)


def add_output_dir_flag(
    parser: argparse.ArgumentParser, what: str = KINDS["output_dir"].help, default: str = "your cache folder"
) -> None:
    """Where files go to, or lie."""
    parser.add_argument("-o", "--output_dir", type=Path, metavar="DIR", help=f"{what} (default: {default})")


def add_download_dir_flag(parser: argparse.ArgumentParser, default: str) -> None:
    """Where published files lie already."""
    parser.add_argument(
        "-d",
        "--download_dir",
        type=Path,
        metavar="DIR",
        help=f"where the published files lie (default: {default})",
    )


def add_results_dir_flag(parser: argparse.ArgumentParser, what: str, default: str) -> None:
    """Where results go; the model is no result there, so its files and IR have the other flag."""
    parser.add_argument(
        "-o",
        "--output_dir",
        dest="results_dir",
        type=Path,
        metavar="DIR",
        help=f"{what} (default: {default} in your cache folder)",
    )
    parser.add_argument(
        "-d",
        "--download_dir",
        dest="output_dir",
        type=Path,
        metavar="DIR",
        help="where the model's files and IR lie, or go (default: your cache folder)",
    )


def add_precision_flag(parser: argparse.ArgumentParser) -> None:
    """Which IR of a model is used."""
    parser.add_argument(
        "--precision",
        type=parse_precision,
        default=Precision.FP16,
        help="FP32 or FP16 IR, or FP16-INT8 of a model that is published so or was quantized (default: FP16)",
    )


def add_dry_run_flag(parser: argparse.ArgumentParser) -> None:
    """Look before you leap."""
    parser.add_argument(
        "--dry_run", action="store_true", help="print what would be done; touch nothing, ask no server"
    )


def add_cache_flags(parser: argparse.ArgumentParser) -> None:
    """Where files come from."""
    parser.add_argument("--cache_dir", type=Path, metavar="DIR", help=KINDS["cache_dir"].help)
    parser.add_argument(
        "--mirror",
        action="append",
        metavar="DIR|URL",
        help="a folder or an address laid out like the cache, asked first; may be given several times",
    )
    add_retry_flags(parser)


def add_retry_flags(parser: argparse.ArgumentParser) -> None:
    """How long a server is waited for."""
    parser.add_argument(
        "--attempts", "--num_attempts", type=_setting("attempts"), metavar="N", help=KINDS["attempts"].help
    )
    add_http_flags(parser)


def add_http_flags(parser: argparse.ArgumentParser) -> None:
    """How servers are talked to."""
    parser.add_argument(
        "--stall_timeout",
        type=_setting("stall_timeout"),
        metavar="SECONDS",
        help=f"{KINDS['stall_timeout'].help} (default: 30)",
    )
    parser.add_argument(
        "--header",
        action="append",
        metavar="HOST=NAME: VALUE",
        help=f"{KINDS['header'].help.removesuffix(' (HOST=NAME: VALUE)')}; may be given several times; "
        "POSEZOO_HEADER keeps it out of the list of processes",
    )
    parser.add_argument("--ca_bundle", type=Path, metavar="FILE", help=KINDS["ca_bundle"].help)
    for name in ("allow_http", "allow_private_redirects"):
        parser.add_argument(f"--{name}", action="store_true", default=None, help=KINDS[name].help)


def add_verify_flag(parser: argparse.ArgumentParser) -> None:
    """Whether what was found good before is read again."""
    parser.add_argument(
        "--verify",
        action="store_true",
        help="read and hash the files that are here, also those that were found good before",
    )


def add_download_flags(parser: argparse.ArgumentParser) -> None:
    """How many files are fetched at once, by how many connections, and who is trusted."""
    parser.add_argument(
        "-j", "--jobs", type=_setting("jobs"), metavar="N", help=f"{KINDS['jobs'].help} (default: 1)"
    )
    add_connections_flag(parser)
    add_trust_flag(parser)


def add_connections_flag(parser: argparse.ArgumentParser) -> None:
    """By how many connections one file comes."""
    parser.add_argument(
        "--connections",
        type=_setting("connections"),
        metavar="N",
        help=f"{KINDS['connections'].help} (default: 1)",
    )


def add_lock_flags(parser: argparse.ArgumentParser) -> None:
    """Where it stands what was agreed to, and whether anything else is refused."""
    add_lock_file_flag(parser)
    parser.add_argument("--locked", action="store_true", default=None, help=KINDS["locked"].help)


def add_lock_file_flag(parser: argparse.ArgumentParser) -> None:
    """Where it stands what was agreed to."""
    parser.add_argument(
        "--lock",
        type=Path,
        metavar="FILE",
        help=f"{KINDS['lock'].help} (default: posezoo.lock beside the posezoo.cfg in use, else here)",
    )


def add_trust_flag(parser: argparse.ArgumentParser) -> None:
    """Whether a source may be taken at its word, once."""
    add_lock_flags(parser)
    parser.add_argument(
        "--trust_on_first_use",
        action="store_true",
        help="take what comes for a file whose publisher states no checksum; the lock holds it from then on",
    )


def add_mo_flag(parser: argparse.ArgumentParser) -> None:
    """Who converts what OpenVINO of today does not read."""
    parser.add_argument("--mo", type=Path, metavar="PATH", help=KINDS["mo"].help)


def require_model_optimizer(args: argparse.Namespace) -> None:
    """Make sure that what --mo names is a Model Optimizer, whether or not a selected model needs it.

    A setting is looked at only where a model needs it: it is not said for these models.

    Raises:
        ConversionError: it is none.
    """
    if args.mo is None:
        return
    from posezoo.convert.model_optimizer import find_model_optimizer

    find_model_optimizer(args.mo, getattr(args, "python", None))


def add_upstream_code_flag(parser: argparse.ArgumentParser) -> None:
    """Consent, which no setting gives."""
    parser.add_argument(
        "--allow_upstream_code",
        action="store_true",
        help="run code that comes with a model where only that makes the file to convert: in a process that "
        "is shut in, as far as the system can; it is told before it runs",
    )


def add_precisions_flag(parser: argparse.ArgumentParser) -> None:
    """Which IR."""
    parser.add_argument(
        "--precisions",
        type=parse_precisions,
        metavar="P[,P]",
        default=(Precision.FP32, Precision.FP16),
        help="FP32, FP16, or what else a model is published in (default: FP32,FP16)",
    )


def add_detector_flag(parser: argparse.ArgumentParser) -> None:
    """Who finds people for models that see one at a time."""
    parser.add_argument(
        "--detector",
        metavar="MODEL",
        help="who finds people for a model that sees one at a time (default: person-detection-retail-0013; "
        "for MoveNet nobody); none: the whole image is one person",
    )


def add_inference_flags(parser: argparse.ArgumentParser) -> None:
    """What models run on, and in what arithmetic."""
    parser.add_argument(
        "--device", metavar="DEVICE", help="OpenVINO device (default: CPU); posezoo doctor lists them"
    )
    parser.add_argument(
        "--inference_precision",
        choices=INFERENCE_PRECISIONS,
        help="arithmetic (default: f32; default leaves the choice to the device: bf16 on many CPUs, "
        "which moves keypoints by some pixels)",
    )


def add_estimator_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of every verb that downloads a model and runs it on images."""
    add_detector_flag(parser)
    add_inference_flags(parser)
    add_cache_flags(parser)
    add_trust_flag(parser)
    add_models_dir_flag(parser)
    add_format_flags(parser)


def add_format_flags(parser: argparse.ArgumentParser, formats: Sequence[str] = ("text", "json")) -> None:
    """How the answer is written."""
    parser.add_argument(
        "--format", choices=formats, default="text", help="how to answer on the standard output"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="tell only warnings and errors")


def settings_from_args(args: argparse.Namespace, **others: Any) -> Settings:
    """The settings in force: flag > POSEZOO_* > posezoo.cfg > default.

    Args:
        args: what was given.
        others: settings whose flags are called otherwise; None where they were not given.

    Raises:
        SettingsError: a value cannot be used.
    """
    flags = {**given_settings(args), **others}
    return to_settings(read_settings({name: value for name, value in flags.items() if value is not None}))


def registry_arguments(args: argparse.Namespace) -> list[str]:
    """The flags that name the registry, as a command that is hinted at needs them again."""
    return [word for folder in args.models_dir or () for word in ("--models_dir", str(folder))]


def given_settings(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given as flags."""
    said = {name: value for name, value in vars(args).items() if name in KINDS and value is not None}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}


def patterns_from_args(args: argparse.Namespace) -> Sequence[str] | None:
    """The names and globs that select models; None for all of them; wrong usage where nothing is said."""
    if args.all and args.models:
        args.parser.error("either name models or say --all")
    if not args.all and not args.models:
        args.parser.error("name a model, or say --all (posezoo list shows them)")
    return None if args.all else list(args.models)


def _setting(name: str) -> Any:
    """An argparse type that reads a value as the setting of that name does."""

    def parse(text: str) -> Any:
        try:
            return KINDS[name].parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse


def parse_precisions(text: str) -> tuple[Precision, ...]:
    """An argparse type: precisions of IR, with commas between.

    Raises:
        argparse.ArgumentTypeError: there is no such precision.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    wrong = [word for word in words if word not in list(Precision)]
    if wrong or not words:
        raise argparse.ArgumentTypeError(f"expected some of {', '.join(Precision)}, got {text!r}")
    return tuple(precision for precision in Precision if precision in words)


def parse_precision(text: str) -> Precision:
    """An argparse type: the precision of an IR.

    Raises:
        argparse.ArgumentTypeError: there is no such precision.
    """
    if text not in list(Precision):
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(Precision)}, got {text!r}")
    return Precision(text)


def parse_fraction(text: str) -> float:
    """An argparse type: a score, or a part of something.

    Raises:
        argparse.ArgumentTypeError: it is no number from 0 to 1.
    """
    try:
        number = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, got {text!r}") from error
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, got {text}")
    return number


def whole_number(lowest: int, highest: int = 10**9) -> Callable[[str], int]:
    """An argparse type: a whole number within bounds."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"\d{1,10}", text, re.ASCII) or not lowest <= int(text) <= highest:
            raise argparse.ArgumentTypeError(
                f"expected a whole number from {lowest} to {highest}, got {text!r}"
            )
        return int(text)

    return parse


def parse_image_size(text: str) -> tuple[int, int]:
    """An argparse type: height and width, in pixels."""
    found = re.fullmatch(r"([1-9]\d{0,4})[,x]([1-9]\d{0,4})", text)
    if not found:
        raise argparse.ArgumentTypeError(f"expected height and width such as 368,432, got {text!r}")
    return int(found[1]), int(found[2])
