"""The conventions of Open Model Zoo's commands that scripts rely on (README of tools/downloader):
flags, output, model selection.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from glob import has_magic
from pathlib import Path
from typing import Any, NoReturn

from posezoo.cli import flags, parsers, run_main
from posezoo.cli.flags import Flag
from posezoo.cli.selection import select_models, warn_of_deprecated_composites
from posezoo.console import printing
from posezoo.console.labels import join
from posezoo.console.printing import error_lines
from posezoo.console.report import print_lines
from posezoo.core.declarations.model import IR_FOLDERS, ModelSpec, Precision
from posezoo.core.errors import PosezooError, UnknownModelError, printable, suggest
from posezoo.core.ir.provenance import ranges_key
from posezoo.core.pipeline.zoo_context import registry_from_settings
from posezoo.core.registry import (
    Selection,
    named_registry_root,
    open_registry,
    registry_name,
    registry_root,
)
from posezoo.core.settings import WHEEL_REGISTRIES, Setting, Settings, read_settings, to_settings
from posezoo.core.values import frozen
from posezoo.omz.commands.list_file import read_list_file

GROUP = "#" * 16 + "||"
SECTION = "=" * 10
ALARM = "#" * 10

#: The values of --precisions; a file belongs to a precision if its top folder has that name.
PRECISIONS = tuple(sorted(IR_FOLDERS))


#: The flags of Open Model Zoo's commands, in 2021.4 and 2024.6, by the names of their values.
OMZ_FLAGS = (
    "name list all print_all precisions output_dir download_dir cache_dir num_attempts"
    " progress_format jobs python mo add_mo_arg dry_run model_dir dataset_dir pot target_device"
)

#: The flags that the downloader and the converter share.
PROGRESS_FORMAT = Flag(
    "--progress_format",
    "progress as text, or as JSON with one event on each line",
    choices=("text", "json"),
    default="text",
)


def output_dir_flag(summary: str, default: str) -> Flag:
    """--output_dir, with the command's own help text."""
    return Flag("-o, --output_dir DIR", f"{summary} (default: {default})")


#: Flags of older releases, or of copies of the commands, whose place --models_dir takes.
REPLACED_FLAGS = ("-c", "--config", "--model_root")


class OmzError(PosezooError):
    """A failure whose message has the exact text that scripts search for."""


class LineBuffer:
    """Writes the lines about one model, at once or buffered; with a buffer, lines of models do not
    mix.
    """

    def __init__(self, *, buffered: bool = False) -> None:
        self._buffer: list[tuple[bool, str]] | None = [] if buffered else None

    def write_out(self, text: str = "", end: str = "\n") -> None:
        """Write lines to the standard output."""
        lines = map(printable, text.split("\n"))
        self._write(False, "\n".join(lines) + end)

    def write_error(self, text: str) -> None:
        """Write a line to the standard error."""
        self._write(True, printable(text) + "\n")

    def warn(self, message: str) -> None:
        """Write a warning to the standard error, marked as in Open Model Zoo."""
        self.write_error(f"{ALARM} Warning: {printable(message)}")

    def print_error(self, error: PosezooError, mark: str = f"{ALARM} Error: ") -> None:
        """Write a failure to the standard error, marked as in Open Model Zoo."""
        for line in error_lines(error, "" if isinstance(error, OmzError) else mark):
            self.write_error(line)

    def flush(self, onto: LineBuffer | None = None) -> None:
        """Write the buffered lines, to the standard streams or to another buffer."""
        lines = self._buffer or []
        self._buffer = None
        for to_stderr, text in lines:
            (onto or self)._write(to_stderr, text)

    def _write(self, to_stderr: bool, text: str) -> None:
        if self._buffer is not None:
            self._buffer.append((to_stderr, text))
        elif to_stderr:
            printing.print_to_stderr(text.removesuffix("\n"))
        else:
            printing.print_while_read(text, end="", flush=True)


class _OmzParser(parsers.SafeParser):
    """Reads an abbreviation as Open Model Zoo's parser does, although there are more flags here."""

    def _get_option_tuples(self, option_string: str) -> list[Any]:
        matches = super()._get_option_tuples(option_string)
        return [match for match in matches if match[0].dest in OMZ_FLAGS.split()] or matches

    def error(self, message: str) -> NoReturn:
        if not set(REPLACED_FLAGS).isdisjoint(message.split()):
            message += " (--models_dir names the folder of model.yml files)"
        super().error(message)


class OmzArgs(parsers.Args):
    """The values of the flags of all commands."""

    name: str | None
    list: Path | None
    print_all: bool
    release: str  # as for ``OmzCommand.main``


class PrecisionsArgs(OmzArgs):
    """The value of ``--precisions``."""

    precisions: str | None


@frozen
class OmzCommand:
    """One of the commands."""

    name: str  # its name, as the help shows it
    summary: str  # what it does
    verb: str  # what it does with models, for the help of the flags that select them
    run: Callable[[Any], int]  # does the work, and returns the exit code
    #: Its flags besides those that select models.
    own_flags: Sequence[Flag | flags.Shared | str] = ()
    #: An error message if the flags contradict each other, for any model; empty if not.
    contradiction: Callable[[Any], str] = lambda args: ""
    after_interrupt: str = ""  # what is true after ^C, if something is kept

    def create_parser(self) -> argparse.ArgumentParser:
        """The parser of the command."""
        parser = _OmzParser(
            prog=self.name, description=self.summary, formatter_class=parsers.HelpFormatter
        )
        flags.add_flags(
            parser,
            Flag(
                "--name PAT[,PAT...]",
                f"{self.verb} the models whose names match one of these case-sensitive globs; the"
                " name of a composite selects its parts",
            ),
            Flag(
                "--list FILE.LST",
                f"{self.verb} the models whose names match a glob in this file, which has one on"
                " each line; # begins a comment",
                Path,
            ),
            Flag("--all", f"{self.verb} all models"),
            Flag("--print_all", "print the names of all models and exit; ignore other flags"),
            flags.REGISTRY,
            *self.own_flags,
        )
        parser.set_defaults(parser=parser)
        return parser

    def main(self, argv: Sequence[str] | None = None, *, release: str = "") -> int:
        """Run the command, or print all names; return the exit code.

        Args:
            release: Open Model Zoo's registry that is meant by default; empty for posezoo's own.
        """

        def work() -> int:
            args = self.create_parser().parse_args(argv, OmzArgs())
            args.release = release
            reason = self.contradiction(args)
            if reason:
                args.parser.error(reason)
            if not args.print_all:
                flags.require_rules(args)
                flags.protect_inputs(args)
                with run_main.interruptible(self.after_interrupt):
                    return self.run(args)
            print_lines(*_all_names(args))
            return 0

        return run_main.run_main(work, report_error=LineBuffer().print_error)


def _all_names(args: OmzArgs) -> list[str]:
    """What --print_all prints; no model.yml is read."""
    settings = to_settings(omz_settings_from_args(args))
    release = _meant_release(args, settings)
    if release:
        _with_release(settings, release)
        return _names_of_release(release)
    registry = registry_from_settings(settings)
    if registry.empty_message:
        raise UnknownModelError(registry.empty_message, hint="check --models_dir")
    return registry.names()  # parts but not composites


def omz_settings_from_args(
    args: OmzArgs, overrides: Mapping[str, object] | None = None
) -> dict[str, Setting]:
    """The effective settings without --jobs, each with its origin; overrides are of flags with
    another name or meaning here.
    """
    return read_settings(flags.given_settings(args, {"jobs": None, **(overrides or {})}))


def omz_patterns_from_args(args: OmzArgs) -> list[str] | None:
    """The patterns that select models; None selects all. Wrong flags exit with code 2."""
    given = [args.all, args.name is not None, args.list is not None]
    if sum(given) > 1:
        args.parser.error('at most one of "--all", "--name" or "--list" can be specified')
    if args.all:
        return None
    if args.list is not None:
        return read_list_file(args.list)
    if args.name is None:
        args.parser.error('one of "--print_all", "--all", "--name" or "--list" must be specified')
    return args.name.split(",")


def select_omz_models(
    args: OmzArgs, settings: Settings | None = None
) -> tuple[Settings, Selection]:
    """The settings, with the registries that are needed, and the models that the flags select.

    Errors in these models' files are shown at once. Names that posezoo's registry lacks are looked
    up in Open Model Zoo's, unless the settings name folders or registries. An OmzError if a pattern
    matches no name.

    In the stand-in for a release of openvino-dev, all models are the release's, and other releases
    answer only what it lacks.
    """
    output = LineBuffer()
    settings = settings or to_settings(omz_settings_from_args(args))
    patterns = omz_patterns_from_args(args)
    release = _meant_release(args, settings)
    globs = []
    if release:
        globs = list(filter(has_magic, patterns or ()))
    search = _ReleaseSearch(settings, patterns or (), globs)
    if release and (patterns is None or globs):
        search.open(_with_release(settings, release))
    if release and patterns is None:
        patterns = _names_of_release(release)
    if not settings.models_dir and not settings.registries:
        search.search(release, output)
    search.require_all_found()
    selection = select_models(search.registry, patterns, output)
    warn_of_deprecated_composites(selection, output)
    if globs:
        models = search.registry.select(globs).models
        counts = Counter(registry_name(registry_root(spec)) for spec in models)
        by_registry = ", ".join(f"{count} from {name}" for name, count in counts.items())
        output.warn(f"{', '.join(globs)}: {by_registry}")
    return search.settings, selection


class _ReleaseSearch:
    def __init__(self, settings: Settings, patterns: Sequence[str], globs: Sequence[str]) -> None:
        self._globs = globs  # those that all releases are searched for
        self.missing = list(patterns)
        self._searched: list[str] = []  # the releases that the user did not name
        self.not_searched = ""  # why releases were not searched, for a hint
        self.open(settings)
        self.names = list(self.registry.entries)  # of everything that was searched

    def open(self, settings: Settings) -> None:
        self.settings = settings
        self.registry = registry_from_settings(settings)
        self.missing = [
            pattern for pattern in self.missing if not self.registry.matches_any(pattern)
        ]

    def search(self, release: str, output: LineBuffer) -> None:
        """Search the releases, this one first, for what is missing; for globs search them all."""
        first = f"the models of {release}" if release else "posezoo's own models"
        for name in sorted(WHEEL_REGISTRIES, key=lambda name: name != release):
            if name in self.settings.registries or not (self.missing or self._globs):
                continue
            try:
                patterns, others = self._look_in(name)
            except PosezooError as error:
                reason = join(error.problem, error.hint, separator="; ")
                self.not_searched = f"Open Model Zoo's own models were not searched: {reason}"
                if self._globs and not self.missing:  # then no error will show that reason
                    output.warn(f"{name} was not searched: {error.problem}")
                break
            names = [pattern for pattern in patterns if pattern not in self._globs]
            if names and name != release:
                output.warn(f"{', '.join(names)}: not among {first}; taken from --registry {name}")
            if others:
                # The release is not opened for these.
                globs = ", ".join(self._globs)
                also = self._registry_flags(name)
                output.warn(f"{globs}: {name} also has {', '.join(others)}: {also}")

    def _registry_flags(self, *names: str) -> str:
        registries = dict.fromkeys((*self.settings.registries, *names))
        return " ".join(f"--registry {registry}" for registry in registries)

    def require_all_found(self) -> None:
        if not self.missing:
            return
        hint = self.registry.empty_message or suggest(self.missing[0], self.names)
        hint = join(hint, self.not_searched, separator="; ")
        if not hint:
            registries = self._registry_flags(*self._searched)
            hint = join("--print_all", registries, "names them all", separator=" ")
        raise OmzError(f'No matching models: "{self.missing[0]}"', hint=hint)

    def _look_in(self, name: str) -> tuple[list[str], list[str]]:
        wider = replace(self.settings, registries=(*self.settings.registries, name))
        registry = registry_from_settings(wider)
        self.names += registry.entries
        self._searched.append(name)
        patterns = [pattern for pattern in self.missing if registry.matches_any(pattern)]
        if patterns:
            self.open(wider)
        others = [model for model in registry.entries if model not in self.registry.entries]
        matching = [
            model for model in others if any(fnmatchcase(model, glob) for glob in self._globs)
        ]
        return patterns, matching


def _meant_release(args: OmzArgs, settings: Settings) -> str:
    """The registry that the stand-in stands for, unless the user names folders or registries."""
    return "" if settings.models_dir or settings.registries else args.release


def _with_release(settings: Settings, release: str) -> Settings:
    wider = replace(settings, registries=(release,))
    try:
        registry_from_settings(wider)
    except PosezooError as error:
        alone = "--registry posezoo has posezoo's own models alone"
        error.hint = join(error.hint, alone, separator="; ")
        raise
    return wider


def _names_of_release(release: str) -> list[str]:
    registry = open_registry([named_registry_root(release)])
    if release == "omz@2021.4":
        return registry.names()
    return [entry.name for entry in registry.entries.values() if not entry.composite]


def names_of_unreadable(selection: Selection) -> list[str]:
    """The names of the models whose files cannot be read, for the list below FAILED:."""
    return [Path(problem.file).parent.name for problem in selection.problems]


def precisions_from_args(args: PrecisionsArgs) -> frozenset[str]:
    """The precisions that --precisions names; all known precisions if the flag is not given."""
    if args.precisions is None:
        return frozenset(PRECISIONS)
    words = args.precisions.split(",")
    requested = frozenset(map(str.upper, words))
    unknown = {word for word in words if word.upper() not in PRECISIONS}
    if unknown:
        raise OmzError(
            f"Unknown precisions specified: {', '.join(sorted(unknown))}.",
            hint=f"known: {', '.join(PRECISIONS)}",
        )
    return requested


def convertible_precisions(spec: ModelSpec) -> frozenset[str]:
    """The precisions that the converter makes on request: FP16 and FP32, and FP16-INT8 with ranges;
    none of a published IR.
    """
    if spec.is_ir:
        return frozenset()
    made = {Precision.FP16, Precision.FP32}
    if ranges_key(spec, Precision.FP16_INT8):
        made.add(Precision.FP16_INT8)
    return frozenset(made)


def available_precisions(spec: ModelSpec) -> frozenset[str]:
    """The precisions of a model: those of the folders of a published IR, or FP16 and FP32 by
    conversion.
    """
    if not spec.is_ir:
        return frozenset({"FP16", "FP32"})
    folders = frozenset(file.name.split("/")[0] for file in spec.files)
    return folders.intersection(PRECISIONS) or frozenset(PRECISIONS)  # other files go with all


def print_failures(names: Sequence[str], *, skipped: Sequence[str] = (), text: bool = True) -> int:
    """List the models that failed, and those that --all skipped for lack of a pin; return the exit
    code.
    """
    if skipped and text:
        print_lines("SKIPPED (no pin):", *skipped)
    if names and text:
        print_lines("FAILED:", *names)
    printing.flush_output()
    return 1 if names or skipped else 0


def parse_positive(text: str) -> int:
    """An argparse type: a whole number of at least 1."""
    if text.isdecimal() and 0 < int(text) < 1 << 31:
        return int(text)
    raise argparse.ArgumentTypeError(f"must be a positive integer (got {text!r})")
