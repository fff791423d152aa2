"""The flags that several verbs share, and the settings and options that are made from their
values.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.cli.parsers import Args, NamedOutput
from posezoo.console.printing import print_to_stderr
from posezoo.core.declarations.model import Framework, Precision, list_frameworks
from posezoo.core.errors import OutputError, PluginError
from posezoo.core.files.output_file import OutputFile
from posezoo.core.operating_system import available_cores
from posezoo.core.settings import (
    INFERENCE_PRECISIONS,
    SETTING_TYPES,
    Settings,
    describe_folders,
    explain_wrong_path,
    read_settings,
    to_settings,
    unknown_variables,
)
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from posezoo.console.console import Console
    from posezoo.core.convert.conversion_plan import ConversionOptions
    from posezoo.core.layout import ModelLayout
    from posezoo.core.pipeline.for_each import Executor
    from posezoo.core.resolve.input_options import InputOptions
    from posezoo.core.resolve.stage_context import Context

# --- Argparse types


def parse_precisions(text: str) -> tuple[Precision, ...]:
    """An argparse type: precisions of an IR in any case, separated by commas."""
    words = {*re.split(r"\s*,\s*", text.strip().upper())} - {""}
    if not words or not words <= set(Precision):
        raise argparse.ArgumentTypeError(f"expected some of {', '.join(Precision)}, got {text!r}")
    return tuple(filter(words.__contains__, Precision))


def parse_precision(text: str) -> Precision:
    """An argparse type: the precision of an IR, in any case."""
    if text.upper() not in list(Precision):
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(Precision)}, got {text!r}")
    return Precision(text.upper())


def number(lowest: float, highest: float) -> Callable[[str], float]:
    """An argparse type: a number from ``lowest`` to ``highest``."""

    def parse(text: str) -> float:
        with contextlib.suppress(ValueError):
            if lowest <= float(text) <= highest:
                return float(text)
        raise argparse.ArgumentTypeError(
            f"expected a number from {lowest:g} to {highest:g}, got {text!r}"
        )

    return parse


#: An argparse type: a score or a share, 0..1.
parse_fraction = number(0, 1)


def whole_number(lowest: int, highest: int = 10**9) -> Callable[[str], int]:
    """An argparse type: a whole number from ``lowest`` to ``highest``."""

    def parse(text: str) -> int:
        is_number = re.fullmatch(r"\d{1,10}", text, re.ASCII)
        if not is_number or not lowest <= int(text) <= highest:
            raise argparse.ArgumentTypeError(
                f"expected a whole number from {lowest} to {highest}, got {text!r}"
            )
        return int(text)

    return parse


def whole_numbers(lowest: int, highest: int) -> Callable[[str], tuple[int, ...]]:
    """An argparse type: different whole numbers, separated by commas."""
    parse_one = whole_number(lowest, highest)

    def parse(text: str) -> tuple[int, ...]:
        return tuple(dict.fromkeys(parse_one(word) for word in text.split(",")))

    return parse


def parse_framework(text: str) -> Framework:
    """An argparse type: a framework of model.yml, also one that an installed package adds."""
    try:
        return Framework(text)
    except ValueError:
        choices = ", ".join(map(repr, map(str, list_frameworks())))
        problem = f"invalid choice: {text!r} (choose from {choices})"
        raise argparse.ArgumentTypeError(problem) from None


def parse_sides(text: str, separator: str, expected: str) -> tuple[int, int]:
    """Two numbers of pixels; ``separator`` is a pattern, ``expected`` names the form in errors."""
    match = re.fullmatch(rf"([1-9]\d{{0,4}}){separator}([1-9]\d{{0,4}})", text)
    if not match:
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    return int(match[1]), int(match[2])


def parse_numbers(text: str) -> tuple[float, ...]:
    """Numbers that are separated by commas or spaces, in brackets or not."""
    try:
        return tuple(float(word) for word in re.split(r"[,\s]+", text.strip(" []()")))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected numbers, got {text!r}") from error


def parse_option(text: str) -> tuple[str, Any]:
    """An argparse type: the name of an option and its value, a number, true, false or a word."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    with contextlib.suppress(ValueError):
        return name, json.loads(value)
    return name, value


def _parse_cluster(text: str) -> str:
    if re.fullmatch(r"local(:[1-9]\d{0,2})?|(?!local:)(\w+://)?[^\s/]+:\d{1,5}", text):
        return text
    raise argparse.ArgumentTypeError(
        "expected local, local:N, or the address of a Dask scheduler such as tcp://HOST:8786, got"
        f" {text!r}"
    )


def local_path(text: str) -> Path:
    """An argparse type: a path on this machine."""
    problem = explain_wrong_path(text)
    if problem:
        raise argparse.ArgumentTypeError(problem)
    return Path(text)


# --- Flags as data

#: The types of values, by their placeholders in the help.
TYPES: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(("DIR", "FILE", "PATH"), local_path),
    "H,W": partial(parse_sides, separator="[,x]", expected="height and width such as 368,432"),
    "P[,P]": parse_precisions,
}


#: Placeholders that contain one of these words stand for a path or an address.
_PATHS = re.compile("DIR|FILE|PATH|INPUT|IMAGE|PHOTO|PYTHON|URL|XML")


def _refuse_empty(parse: Callable[[str], object], text: str) -> object:
    """Parse a path. An empty one is a variable of the shell without a value, and ``Path`` would
    take it for the working folder.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a path, got an empty text")
    return parse(text)


def _refuse_flag(count: int, text: str) -> str:
    """Refuse a flag among the values of another one, which Python 3.13 takes for a value."""
    if text.startswith("--"):
        raise argparse.ArgumentTypeError(f"expected {count} arguments")
    return text


#: The file or folder of a result, which has no signs.
RESULT = OutputFile()


@frozen
class Flag:
    """A flag or a positional argument."""

    #: Its spellings and the placeholder of its value, as in ``-o, --output DIR``. A flag without
    #: placeholder, type and choices is a switch.
    usage: str
    help: str  # the help text
    #: Makes the value from the text (default: the type that ``TYPES`` has for the placeholder).
    type: Callable[[str], object] | None = None
    default: object = None  # the value if the flag is not given; a switch is then False
    choices: Container[str] | None = None  # the allowed values
    repeats: bool = False  # whether the flag may be given several times
    nargs: str | int | None = None  # the number of values, as in argparse
    #: The name of the value in the parsed arguments (default: the last spelling).
    dest: str | None = None
    required: bool | None = None  # whether the flag must be given
    #: Its spellings in Open Model Zoo's tools, and what users of other tools try: accepted, but not
    #: shown.
    former: str = ""
    #: If it names a result.
    output: OutputFile | None = None
    #: Of these one must be given, too; and these cannot be: names of values, or NAME=VALUE for a
    #: flag that has this value.
    needs: str = ""
    excludes: str = ""

    @property
    def spellings(self) -> list[str]:
        """The spellings of a flag, or the name of a positional argument."""
        spellings = re.split(r"(?<!,) ", self.usage, maxsplit=1)[0]
        return spellings.split(", ")

    def spell(self, value: str = "") -> str:
        """The flag as errors name it, with its value if it must have that one: as the user typed
        it if that is in ``former``.
        """
        if self.usage.startswith("-"):
            typed = {word.partition("=")[0] for word in sys.argv}
            formers = (each for each in self.former.split(", ") if each in typed)
            return f"{next(formers, self.spellings[-1])} {value}".rstrip()
        return value or self.usage.split()[-1]

    def add_to(self, parser: argparse._ActionsContainer) -> None:
        """Add the flag to a parser or a group."""
        options: dict[str, Any] = {}
        for name in ("type", "default", "choices", "nargs", "dest", "required"):
            value = getattr(self, name)
            if value is not None:
                options[name] = value
        placeholder = self.usage.removeprefix(", ".join(self.spellings)).strip()
        if placeholder:
            options.setdefault("type", TYPES.get(placeholder))
            options["metavar"] = placeholder
            if isinstance(self.nargs, int):
                options["metavar"] = tuple(placeholder.split())
                options["type"] = partial(_refuse_flag, self.nargs)
        elif isinstance(self.choices, tuple) and not self.usage.startswith("-"):
            options["metavar"] = f"{{{','.join(self.choices)}}}"  # errors show it, too
        if _PATHS.search(placeholder):
            options["type"] = partial(_refuse_empty, options.get("type") or str)
        if self.repeats:
            options["action"] = "append"
        elif self.usage.startswith("-") and not any((placeholder, self.type, self.choices)):
            options["action"] = "store_true"
        action = parser.add_argument(*self.spellings, help=self.help, **options)
        # For protect_inputs and require_rules.
        action.flag = self  # type: ignore[attr-defined]
        if self.former:
            options |= {"dest": action.dest, "default": argparse.SUPPRESS}
            if not action.option_strings:  # that of a positional argument has one value
                options.pop("nargs", None)
            spellings = self.former.split(", ")
            parser.add_argument(*spellings, help=argparse.SUPPRESS, **options)


@frozen
class Shared:
    """Shared flags, by their names, with the verb's own rules for them."""

    names: str
    needs: str = ""
    excludes: str = ""

    @property
    def flags(self) -> dict[str, Flag]:
        """The flags by their names.

        Raises:
            PluginError: no shared flag has a name.
        """
        rules = {key: text for key in ("needs", "excludes") if (text := getattr(self, key))}
        found = {}
        for name in self.names.split():
            if name not in FLAGS:
                raise PluginError(
                    f"no shared flag is called {name}",
                    hint="a text in flags names shared flags, without hyphens; any other is a Flag",
                )
            found[name] = replace(FLAGS[name], **rules)
        return found


class FlagGroup:
    """Flags below a heading, ``folded`` to their names in --help; or, without a title, flags that
    exclude each other.
    """

    def __init__(
        self, *flags: Flag, title: str = "", description: str | None = None, folded: bool = False
    ) -> None:
        self.flags = flags
        self.title = title
        self.description = description
        self.folded = folded

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        """Add the flags to a parser."""
        container: argparse._ActionsContainer
        if self.title:
            container = parser.add_argument_group(self.title, self.description)
            # For CommandParser.print_help.
            container.folded = self.folded  # type: ignore[attr-defined]
        else:
            container = parser.add_mutually_exclusive_group()
        for flag in self.flags:
            flag.add_to(container)


def format_flag(choices: Sequence[str] = ("text", "json")) -> Flag:
    """--format: the form of the result."""
    return Flag(
        "--format",
        "the format of the result on the standard output (default: text)",
        default="text",
        choices=choices,
    )


def weights_dir_flag(summary: str, former: str = "-o, --output_dir") -> Flag:
    """--weights_dir, the folder of the models' files and IR, with the verb's own help text."""
    return Flag("--weights_dir DIR", f"{summary} (default: your cache folder)", former=former)


def download_dir_flag(default: str = "the folder of --weights_dir") -> Flag:
    """--download_dir, the folder of the published files."""
    return Flag("-d, --download_dir DIR", f"folder of the published files (default: {default})")


def output_flag(
    summary: str,
    default: str,
    *,
    output: OutputFile | None = RESULT,
) -> Flag:
    """--output, the folder of a verb's results; ``output`` is None if the verb itself keeps other
    files there.
    """
    text = f"{summary} (default: {default})"
    return Flag("-o, --output DIR", text, former="--output_dir", output=output)


def _setting_flag(name: str) -> Flag:
    """A path is checked when the settings are read, any other value by argparse."""
    kind = SETTING_TYPES[name]

    def parse(text: str) -> object:
        try:
            return kind.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    spelling = "-j, --jobs" if name == "jobs" else kind.flag or f"--{name}"
    usage = f"{spelling} {kind.metavar}".rstrip()
    former = _OMZ_SPELLINGS.get(name, "")
    if kind.repeats:
        text = f"{kind.help}; may be given several times"
        return Flag(usage, text, repeats=True, dest=name)
    has_own_type = bool(kind.metavar) and kind.metavar not in TYPES
    return Flag(usage, kind.help, parse if has_own_type else None, former=former)


#: What Open Model Zoo's tools call the flags of settings.
_OMZ_SPELLINGS = {"attempts": "--num_attempts", "weights_dir": "-o, --output_dir"}

_SHARED = (
    Flag("--all", "all models", excludes="models"),
    Flag(
        "--as MODEL|FILE",
        "for an .xml or .onnx without such metadata: prepare its images and decode its outputs as"
        " for the original of this model, or as a model.yml says, which posezoo new drafts",
        dest="like",
    ),
    Flag(
        "--checkpoint FILE",
        "your own weights for one of posezoo's networks: a .pth, .safetensors or .params file whose"
        " keys fit",
        excludes="all",
    ),
    Flag(
        "--cluster ADDRESS|local[:N]",
        "work in several processes: N of this machine (default: its number of cores), or the"
        " workers of a Dask scheduler, such as tcp://HOST:8786; each process computes with one"
        " thread, so use one process for each core",
        _parse_cluster,
    ),
    Flag(
        "--decode",
        "put the decoder into the IR: its outputs are then keypoints (people, keypoints, x y"
        " score), or boxes of a detector, and scores, in pixels of the image that it takes",
    ),
    Flag(
        "--dry_run",
        "print what would be done; nothing is changed, and no weights are downloaded. Requests are"
        " sent only to read a registry of --registry for the first time",
    ),
    Flag(
        "--dynamic",
        "make the sizes dynamic that model.yml names (default: height and width); only for"
        " posezoo's own networks",
    ),
    Flag(
        "--force",
        "convert again, even if the IR is up to date or was made from other weights",
    ),
    Flag(
        "--inference_precision",
        SETTING_TYPES["inference_precision"].help,
        str.lower,
        choices=INFERENCE_PRECISIONS,
    ),
    format_flag(),
    Flag("--input_layout", "the layout of the image input", choices=("NCHW", "NHWC")),
    Flag(
        "--input_type",
        "the element type of the image input; u8 is for camera frames: bytes in BGR order",
        choices=("u8", "f16", "f32"),
    ),
    Flag(
        "--decoder NAME",
        "what turns the outputs of the .xml or .onnx into poses, such as heatmap or simcc (default:"
        " as the file states, or as its outputs show)",
    ),
    Flag(
        "--decoder_options NAME=VALUE",
        "options of the decoder, such as min_score=0.2 (default: as the model declares)",
        parse_option,
        nargs="+",
        default=(),
    ),
    Flag(
        "--height PX",
        "resize images to this height, or their shorter side to it, depending on the decoder; for"
        " models that find all people at once (default: as the model declares)",
        whole_number(32, 4096),
    ),
    Flag(
        "--log FILE",
        "append each event to this file at once: one JSON object per line with time, event,"
        " model, stage, worker, seconds and bytes",
        output=OutputFile(('{"time": "', '"event": "', '"stage": "', '"worker": "'), appends=True),
    ),
    Flag(
        "--masks",
        "also find the pixels of each person, draw them, and write them to JSON as COCO's"
        " run-length encoding; for BlazePose",
    ),
    Flag(
        "--max_people N",
        "with --decode: the number of people in the outputs; rows without a person are 0 (default:"
        " as many as the network finds)",
        whole_number(1, 1000),
        needs="decode",
    ),
    Flag(
        "--min_person_score S",
        "the minimum score, 0 to 1, of a person; if a person detector runs, of its detections"
        " (default: the decoder's)",
        parse_fraction,
    ),
    Flag(
        "--min_score S",
        "with --decode: the minimum score of a person, 0 to 1 (default: the decoder's)",
        parse_fraction,
        needs="decode",
    ),
    Flag(
        "--model_name M",
        "with --checkpoint: the name of the IR (default: the name of the model or network)",
    ),
    Flag(
        "--precision",
        "precision of the IR: FP32, FP16, or FP16-INT8 if the model has that: published, made with"
        " ranges in the registry, or quantized. The person detector is then INT8, too, if it has"
        " ranges or was quantized, else FP16 (default: FP16)",
        parse_precision,
        former="--precisions",
    ),
    Flag(
        "--precisions P[,P]",
        "precisions of the IR: FP32, FP16, or another one that the model is published in (default: "
        "FP32,FP16)",
        default=(Precision.FP32, Precision.FP16),
    ),
    Flag(
        "models MODEL",
        "a name or a case-sensitive glob; the name of a composite selects its parts; NAME@TAG"
        " selects a variant, NAME@* all variants",
        nargs="*",
    ),
    Flag("-q, --quiet", "show only warnings and errors"),
    Flag(
        "--record",
        "also write the measurements to measured.yml, beside the model.yml; only for a registry of"
        " your own, or a checkout",
    ),
    Flag("-v, --verbose", "show each comparison of an IR with its original"),
    Flag("--reverse_input_channels", "the input of the .xml or .onnx is RGB, not BGR"),
    *(
        Flag(
            f"{flag} V",
            f"{verb} these values, one for each channel or one for all, such as 127.5 127.5 127.5",
            parse_numbers,
            nargs="+",
        )
        for flag, verb in (("--mean_values", "subtract"), ("--scale_values", "divide by"))
    ),
    Flag("--resize", "make an IR that accepts images of any height and width, and resizes them"),
    Flag(
        "--self_check",
        "nodes compares an IR with its original at every tensor that both have, not only at the"
        " outputs (ONNX and TFLite); off writes IR without a comparison, which would find errors of"
        " the reader, of the preprocessing and of the weights",
        choices=("outputs", "nodes", "off"),
    ),
    Flag(
        "--skeleton FILE|NAME",
        "the names of the network's keypoints, limbs and sigmas: a skeleton's YAML file, or one of"
        " posezoo's skeletons (default: as the model or IR declares)",
    ),
    Flag(
        "--trust_on_first_use",
        "accept a file whose publisher states no checksum; its checksum is then recorded in"
        " posezoo.lock",
    ),
)

#: The flags of the settings and the other flags that several verbs share, by the names of their
#: values.
FLAGS: dict[str, Flag] = {name: _setting_flag(name) for name in SETTING_TYPES}
FLAGS |= {flag.spellings[-1].removeprefix("--"): flag for flag in _SHARED}

# The names of flags that are added together.
MODELS = "models all"
FORMAT = "format quiet"
CLUSTER = "cluster log"
CAMERA_INPUT = "input_type input_layout resize"
#: What follows the network.
PIPELINE = "as decoder_options detector height"
#: What a model.yml says of a network of the user's, for a first try without one.
DESCRIPTION = "decoder skeleton reverse_input_channels mean_values scale_values"
DECODE = "decode max_people min_score"
CHECKPOINT = "checkpoint model_name skeleton self_check dynamic"
LIMITS = "conversion_timeout conversion_memory require_proof"
CONVERTER_LIMITS = f"mo allow_upstream_code {LIMITS}"
CONVERTERS = f"{CONVERTER_LIMITS} verbose"
CONVERSION = f"precisions {CONVERTERS}"
HTTP = "stall_timeout header allow_http allow_private_redirects"
CACHE = f"cache_dir mirror attempts {HTTP}"
LOCK = "lock locked"
TRUST = f"{LOCK} trust_on_first_use"
DOWNLOAD = f"jobs connections {TRUST}"
INFERENCE = "device inference_precision"
REGISTRY = "models_dir registries"


def shared(names: str, **rules: str) -> list[Flag]:
    """The shared flags of these names, for a ``FlagGroup``; ``rules`` as for ``Shared``."""
    return [*Shared(names, **rules).flags.values()]


#: The section whose flags --help of a verb explains; of the others it only gives the names.
EXPLAINED = "inputs and outputs of the IR"

#: The flags that many verbs share, below headings of their own after a verb's other flags.
SECTIONS = {
    EXPLAINED: f"{CAMERA_INPUT} {DECODE}",
    "the pipeline": PIPELINE,
    "downloads": f"{CACHE} jobs connections",
    "trust": TRUST,
    "registry": REGISTRY,
    "conversion": CONVERTERS,
    "a first try of an .xml or .onnx that no model.yml describes": DESCRIPTION,
}


# What a command's class of arguments inherits, if it has these flags.


class ModelsArgs(Args):
    """The values of ``MODELS``."""

    models: list[str]


class FormatArgs(Args):
    """The values of ``FORMAT``."""

    format: str


class ConversionArgs(ModelsArgs, FormatArgs):
    """The values of ``MODELS``, ``CONVERSION`` and ``FORMAT``."""

    precisions: tuple[Precision, ...]


class InputArgs(Args):
    """The values of ``CAMERA_INPUT`` and ``DECODE``."""

    input_type: str | None
    input_layout: str | None
    resize: bool
    decode: bool
    max_people: int | None
    min_score: float | None


class SkeletonArgs(Args):
    """The value of ``--skeleton``."""

    skeleton: str | None


class PipelineArgs(Args):
    """The values of ``PIPELINE``."""

    like: str | None
    detector: str | None


class ProofArgs(Args):
    """The value of ``--self_check``."""

    self_check: str | None


class CheckpointArgs(SkeletonArgs, ProofArgs):
    """The values of ``CHECKPOINT``."""

    model_name: str | None


class DescriptionArgs(SkeletonArgs):
    """The values of ``DESCRIPTION``."""

    decoder: str | None
    reverse_input_channels: bool
    mean_values: list[tuple[float, ...]] | None
    scale_values: list[tuple[float, ...]] | None


def add_flags(parser: argparse.ArgumentParser, *flags: Flag | FlagGroup | Shared | str) -> None:
    """Add flags to a parser; a text contains names of flags in ``FLAGS``, separated by spaces."""
    in_sections = " ".join(SECTIONS.values()).split()
    named = {}
    for flag in flags:
        if isinstance(flag, (Flag, FlagGroup)):
            flag.add_to(parser)
            continue
        group = flag if isinstance(flag, Shared) else Shared(flag)
        try:
            members = group.flags
        except PluginError as error:
            raise error.within(parser.prog) from error
        for name, member in members.items():
            named[name] = member
            if name not in in_sections:
                member.add_to(parser)
    for title, names in SECTIONS.items():
        inside = [named[name] for name in names.split() if name in named]
        if inside:
            FlagGroup(*inside, title=title, folded=title != EXPLAINED).add_to(parser)


def _flags_of(parser: argparse.ArgumentParser) -> dict[str, Flag]:
    """The flags of a parser by the names of their values."""
    flags = ((action.dest, getattr(action, "flag", None)) for action in parser._actions)
    return {name: flag for name, flag in flags if flag}


def require_rules(args: Args) -> None:
    """End with a usage error if a flag is given without what it needs, or with what it excludes."""
    flags = _flags_of(args.parser)
    given = spell_given(args)

    def holds(rule: str) -> bool:
        name, equals, value = rule.partition("=")
        return f"{vars(args)[name]}" == value if equals else name in given

    def spell(rule: str) -> str:
        name, _, value = rule.partition("=")
        return flags[name].spell(value)

    for name, spelling in given.items():
        needed = flags[name].needs.split()
        if needed and not any(map(holds, needed)):
            args.parser.error(f"{spelling} requires {' or '.join(map(spell, needed))}")
        for other in filter(holds, flags[name].excludes.split()):
            args.parser.error("either {} or {}".format(*sorted((spelling, spell(other)))))


def spell_given(args: Args) -> dict[str, str]:
    """How the flags that are given are spelled, by the names of their values."""
    values = vars(args)
    return {
        name: flag.spell()
        for name, flag in _flags_of(args.parser).items()
        if (value := values.get(name)) not in (None, (), [], flag.default) and value is not False
    }


def refuse_flags(args: Args, names: str, reason: str) -> None:
    """End with a usage error if one of these flags is given, which what is named cannot use."""
    if given := given_flags(args, names):
        args.parser.error(f"{given}: {reason}")


def protect_inputs(args: Args) -> None:
    """As ``cli.named_outputs.protect_inputs``."""
    outputs = []
    for name, flag in _flags_of(args.parser).items():
        value = vars(args).get(name)
        if flag.output and value is not None and f"{value}" != "-":
            outputs.append(NamedOutput(flag.spellings[-1], Path(f"{value}"), flag.output))
    if outputs:
        from posezoo.cli import named_outputs

        named_outputs.protect_inputs(outputs, args)


# --- Settings and options from the values


def settings_from_args(args: Args, overrides: Mapping[str, object] | None = None) -> Settings:
    """The settings: override > flag > POSEZOO_* > posezoo.cfg > default; None counts as not
    given.
    """
    for error in unknown_variables(os.environ):
        _print_once(f"warning: {error.problem}{f'; {error.hint}' if error.hint else ''}")
    settings = read_settings(given_settings(args, overrides))
    if folders := describe_folders(settings):  # also with --quiet: it decides what a name means
        _print_once(f"note: this command uses {folders}")
    return to_settings(settings)


_print_once = cache(print_to_stderr)


def context_from_args(args: Args, overrides: Mapping[str, object] | None = None) -> Context:
    """Open the context of the effective settings; a flag that the verb does not have counts as not
    given.
    """
    from posezoo.core.pipeline.zoo_context import open_context

    return open_context(
        settings_from_args(args, overrides),
        download_dir=args.download_dir,
        trust_on_first_use=args.trust_on_first_use,
    )


def executor_from_args(args: Args, context: Context, *folders: Path | None) -> Executor:
    """Where the work on models is done, from ``--cluster`` unless this is a dry run; it writes to
    the ``folders``.
    """
    from posezoo.core.pipeline.for_each import CLUSTER, Executor

    if args.cluster is None or args.dry_run:
        return Executor()
    name, _, count = args.cluster.partition(":")
    if name == "local":
        return Executor(int(count or available_cores()), in_processes=True)
    model_yml = next((entry.path for entry in context.registry.entries.values()), None)
    layout = context.layout
    used = (layout.output_dir, layout.download_dir, model_yml, _used_lock(context), *folders)
    needed = [path for path in used if path is not None]
    return CLUSTER.part.executor(args.cluster, context, needed)


def _used_lock(context: Context) -> Path | None:
    lock = context.lock.path
    if lock.is_file():
        return lock
    return lock.parent if context.download_options.first_use else None


def console_from_args(args: Args) -> Console:
    """The console of a verb that handles models, from ``--quiet``, ``--verbose`` and ``--log``."""
    from posezoo.console.console import Console

    log = None
    if args.log and not args.dry_run:  # in a dry run nothing happens
        from posezoo.console.event_log import EventLog

        log = EventLog(args.log)
    return Console(quiet=args.quiet, verbose=args.verbose, log=log)


def given_settings(args: Args, overrides: Mapping[str, object] | None = None) -> dict[str, object]:
    """The values of the settings' flags, in the form that ``read_settings`` takes."""
    given: dict[str, object] = {}
    for name, value in vars(args).items():
        if name in SETTING_TYPES and value is not False:  # else it is a switch
            given[name] = tuple(value) if isinstance(value, list) else value
    given |= overrides or {}
    return given


def registry_arguments(args: Args) -> list[str]:
    """The flags that select the registry, for use in a suggested command."""
    words: list[str] = []
    for folder in args.models_dir or ():
        words += ("--models_dir", f"{folder}")
    for name in args.registries or ():
        words += ("--registry", name)
    return words


def patterns_from_args(args: ModelsArgs) -> Sequence[str] | None:
    """The names and globs that select models; None for --all. Without both, exit with code 2."""
    if not args.all and not args.models:
        args.parser.error("name a model, or use --all (posezoo list shows all models)")
    if args.all:
        return None
    return list(args.models)


def require_weights_folder(layout: ModelLayout) -> None:
    """Raise an OutputError if --weights_dir names no folder: nothing would be compared."""
    if not layout.output_dir.is_dir():
        problem = f"--weights_dir: {layout.output_dir} does not exist"
        raise OutputError(problem, hint="posezoo get makes it")


def require_model_optimizer(args: Args, *, mark: str = "warning:") -> None:
    """Raise a ConversionError if --mo names a file that is no Model Optimizer, or warn, with
    ``mark``, if it does not exist.

    A value from posezoo.cfg or the environment is checked only if a model needs it. The ``mo`` of
    our stand-in for openvino-dev is ignored, since old scripts name whatever ``mo`` is installed.
    """
    if args.mo is None:
        return
    from posezoo.core.convert.converter_program import FINDER

    if not args.mo.exists():  # a model that needs it reports an error
        print_to_stderr(f"{mark} --mo {args.mo}: there is no such file")
    elif FINDER.part.is_stand_in(args.mo):
        return
    elif args.dry_run:
        FINDER.part.inspect(args.mo, args.python)
    else:
        FINDER.part.find(args.mo, args.python)


def require_suffix(args: Args, path: Path | None, suffixes: Sequence[str]) -> None:
    """End with a usage error if the file of ``--output`` is given and its name ends otherwise."""
    if path and path.suffix not in suffixes:
        ends = " or ".join(suffixes)
        args.parser.error(f"--output: expected a name that ends with {ends}, got {path}")


def given_flags(args: Args, names: str) -> str:
    """The flags of these names that are given, separated by commas."""
    given = spell_given(args)
    dests = [FLAGS[name].dest or name if name in FLAGS else name for name in names.split()]
    return ", ".join(given[dest] for dest in dests if dest in given)


def parse_channel_values(
    args: Args, name: str, groups: Sequence[tuple[float, ...]] | None
) -> tuple[float, ...] | None:
    """The values of a flag such as ``--mean_values 1,2 3`` in one tuple: one, or one for each
    channel; or None.
    """
    if groups is None:
        return None
    values = tuple(chain.from_iterable(groups))
    if len(values) not in (1, 3):
        args.parser.error(f"--{name}: expected one number, or one for each of 3 channels")
    if name == "scale_values" and 0 in values:
        args.parser.error("--scale_values: expected divisors, and nothing is divided by 0")
    return values


def input_options_from_args(args: InputArgs) -> InputOptions:
    """The options for the inputs and outputs of the IR: ``CAMERA_INPUT``, ``DECODE`` and others."""
    from posezoo.core.resolve.input_options import InputOptions

    return InputOptions(
        mo_arguments=tuple(args.add_mo_arg),
        element_type=args.input_type or "",
        layout=args.input_layout or "",
        resize=args.resize,
        dynamic=args.dynamic,
        decode=args.decode,
        max_people=args.max_people,
        min_score=args.min_score,
        target_size=args.height,
        decoder_options=tuple(args.decoder_options),
    )


def conversion_options_from_args(args: ProofArgs) -> ConversionOptions:
    """How IR are made, from ``--force`` and ``CHECKPOINT``."""
    from posezoo.core.convert.conversion_plan import ConversionOptions

    return ConversionOptions(
        force=args.force,
        self_check=args.self_check != "off",
        by_nodes=args.self_check == "nodes",
    )
