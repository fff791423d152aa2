"""The command line ``posezoo VERB``.

Exit codes: 0 success · 1 a failure · 2 wrong flags; for the others see ``cli.run_main``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import shlex
import sys
import textwrap
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import takewhile
from mimetypes import guess_type
from pathlib import Path
from typing import NoReturn

from posezoo.cli import run_main
from posezoo.cli.parsers import Args, CommandParser, HelpFormatter, list_in_help
from posezoo.cli.verbs import DAILY, SUMMARIES, VERB_GROUPS, find_verb, plugin_names
from posezoo.console import printing
from posezoo.core.errors import PluginError, PosezooError, suggest
from posezoo.core.other_words import exchange_flags, explain_other_word, find_own_flag
from posezoo.core.versions import version

VERBS = (*DAILY, *(name for name in SUMMARIES if name not in DAILY))

DESCRIPTION = """\
Human-pose models for OpenVINO: download, verify, convert and run them.

  posezoo run                    find poses in two sample photos
  posezoo run --input me.jpg     find poses in your own photo
  posezoo list                   show all models
"""

#: What is true after ^C of the verbs that keep something.
AFTER_INTERRUPT = {
    **dict.fromkeys(
        ("convert", "dataset", "download", "get", "mirror", "prove", "quantize"),
        run_main.RESUMES,
    ),
    "evaluate": (
        "models and the predictions for photos were kept; run the same command again for the rest"
    ),
    "run": (
        "models and the results so far were kept; the same command continues with photos, if they"
        " are many, and begins videos anew"
    ),
}

#: How similar a word is to the verb that is meant: rnu to run, but not serve to prove.
NEAR = 0.65
#: How similar a flag is to the one that is meant: --scale_value, but not --input_model to
#: --input_type.
SAME = 0.8


def create_parser(verb_names: Sequence[str] = VERBS) -> CommandParser:
    """The parser of the whole command line, or of some of its verbs."""
    top = _TopParser(all_verbs=True)
    for name in verb_names:
        top.add_verb(name)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    words = sys.argv[1:] if argv is None else argv
    if "_ARGCOMPLETE" in os.environ:  # a shell asks at each TAB
        return run_main.run_main(_complete)
    args = Args()
    return run_main.run_main(
        partial(_run_verb, words, args), report_error=partial(_report_error, args)
    )


def _complete() -> int:
    from posezoo.cli import shell_completion

    words = os.environ.get("COMP_LINE", "").split(" ")[1:-1]  # before the one that it asks for
    is_verb = bool(words) and find_verb(words[0]) is not None
    top = create_parser(words[:1] if is_verb else (*VERBS, *plugin_names()))
    shell_completion.answer(top, verb_parsers(top).values())
    return 0


def _run_verb(words: Sequence[str], args: Args) -> int:
    """Only the verb's module is imported."""
    if words[:1] == ["help"]:
        words = _verb_of_help(words[1:])
    if not words:
        print(_TopParser().format_help(), end="")
        return 0
    record = None if words[0].startswith("-") else find_verb(words[0])
    if record is None:
        _answer_without_verb(words)
    verb, *others = words
    parser = _TopParser().add_verb(verb)
    # Unlike parse_known_args, this accepts flags between the positional arguments.
    args.words = others
    _, unknown = parser.parse_known_intermixed_args(others, args)
    if unknown:
        _refuse_unknown(unknown, others, verb, parser)
    from posezoo.cli.flags import protect_inputs, require_rules

    require_rules(args)
    protect_inputs(args)
    with run_main.interruptible(AFTER_INTERRUPT.get(verb, "")):
        return record.run(args)


def _verb_of_help(words: Sequence[str]) -> Sequence[str]:
    *names, last = words or ("",)
    if last != "--all":
        return (*words, "--help")
    if names and not find_verb(names[0]):
        return names
    parser = _TopParser().add_verb(names[0]) if names else _TopParser(all_verbs=True)
    print(parser.format_help(), end="")
    sys.exit(0)


def _answer_without_verb(words: Sequence[str]) -> NoReturn:
    top = _TopParser()
    if not words[0].startswith("-"):
        hint = _hint_for_word(words[0]) or "posezoo help --all shows all verbs"
        top.error(f"no verb is called '{words[0]}'", hint)
    top.verbs.required = False
    top.parse_known_args(list(takewhile(lambda word: word.startswith("-") and word != "-", words)))
    top.error(f"{words[0]} is no verb: flags come after the verb", _hint_for_leading_flag(words))


def _hint_for_leading_flag(words: Sequence[str]) -> str:
    verb = next((word for word in words if find_verb(word)), "")
    others = list(words)
    if verb:
        others.remove(verb)
    elif {"-i", "--input"}.intersection(words):
        verb = "run"
    if not verb:
        return "posezoo help --all shows all verbs"
    return shlex.join(["posezoo", verb, *others])


def _hint_for_word(word: str) -> str:
    kind = guess_type(word)[0] or ""
    is_folder = os.sep in word and os.path.isdir(word)
    if kind.startswith(("image/", "video/")) or "://" in word or is_folder:
        is_missing = "://" not in word and not os.path.lexists(word)
        missing = f"there is no file {word} here; " if is_missing else ""
        return f"{missing}to find the poses in it: posezoo run --input {shlex.quote(word)}"
    verbs = (*VERBS, *plugin_names())
    # Those that begin with it, or have about as many letters: prune is not run.
    near = [
        verb
        for verb in verbs
        if verb.startswith(word) or abs(len(verb) - len(word)) * 3 <= len(word)
    ]
    return explain_other_word(word) or suggest(word, near, cutoff=NEAR)


def _refuse_unknown(
    unknown: Sequence[str], words: Sequence[str], verb: str, parser: CommandParser
) -> NoReturn:
    # Python 3.13 takes the value of an unknown flag for a positional argument, earlier ones do not.
    shown = [word for word in unknown if word.startswith("-")] or unknown
    hint = _correct_command(words, shown, verb, parser)
    if not hint:
        hint = "; ".join(filter(None, map(explain_other_word, shown)))
    takes_images = "--input" in _shown_flags(parser)
    if takes_images and not any(word.startswith("-") for word in (*unknown, *words)):
        hint = _put_images_last(words, verb)
    parser.error(f"unrecognized arguments: {' '.join(shown)}", hint)


def _correct_command(
    words: Sequence[str], unknown: Sequence[str], verb: str, parser: CommandParser
) -> str:
    """The command with right flags in place of unknown ones: those of other programs, and
    misspelt ones; empty if it would not run either.
    """
    verb_flags = _shown_flags(parser)
    corrected = list(words)
    for flag in (word.partition("=")[0] for word in unknown):
        if near := _find_near(flag, verb_flags):
            corrected = [re.sub(f"^{re.escape(flag)}(?==|$)", near, word) for word in corrected]
    corrected = exchange_flags(corrected)
    args = Args()
    with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(SystemExit, PosezooError):
        _, still_unknown = parser.parse_known_intermixed_args(corrected, args)
        if not still_unknown and _fits_model(args):
            return shlex.join(["posezoo", verb, *corrected])
    return ""


def _find_near(flag: str, verb_flags: Sequence[str]) -> str:
    """The flag of the verb that a misspelt or shortened flag means; empty if none is sure."""
    from difflib import get_close_matches

    from posezoo.cli.flags import FLAGS

    if {flag.removesuffix("s"), f"{flag}s"}.intersection(verb_flags):  # list has --precision
        return next(each for each in verb_flags if each.rstrip("s") == flag.rstrip("s"))
    if find_own_flag(flag) is not None or flag.removeprefix("--") in FLAGS:
        return ""
    begun = [each for each in verb_flags if len(flag) > 4 and each.startswith(flag)]
    near = begun or get_close_matches(flag, verb_flags, n=1, cutoff=SAME)
    return near[0] if len(near) == 1 else ""


def _fits_model(args: Args) -> bool:
    """Whether the decoder of the model that is named takes the size and the options that are given;
    it raises if there is no such model or option.
    """
    options = dict(args.decoder_options)
    name = vars(args).get("like") or args.model
    if args.height is None and not options:
        return True
    if not name:
        return False
    from posezoo.cli.flags import context_from_args
    from posezoo.poses.decoders import find_decoder, resolve_options

    decoder = context_from_args(args).registry.find(name).decoder
    if decoder is None:
        return False
    resolve_options(decoder, options)
    return args.height is None or find_decoder(decoder.name).approach == "bottom-up"


def _put_images_last(words: Sequence[str], verb: str) -> str:
    """The command with the images in it behind --input; empty if it names none."""
    files = [word for word in words if Path(word).is_file()]
    images = [word for word in files if (guess_type(word)[0] or "").startswith(("image", "video"))]
    others = [word for word in words if word not in images]
    return shlex.join(["posezoo", verb, *others, "--input", *images]) if images else ""


def _report_error(args: Args, error: PosezooError) -> None:
    from posezoo.console.report import print_json

    printing.print_error(error)
    if vars(args).get("format") == "json":
        print_json({"error": error.to_json()})


def verb_parsers(top: CommandParser) -> Mapping[str, CommandParser]:
    """The parsers of the verbs, by name."""
    assert isinstance(top, _TopParser)
    return top.verbs.choices


def _shown_flags(parser: argparse.ArgumentParser) -> list[str]:
    """The flags that the help shows, which excludes the spellings of Open Model Zoo's tools."""
    shown = (action for action in parser._actions if action.help != argparse.SUPPRESS)
    return [flag for action in shown for flag in action.option_strings]


class _TopParser(CommandParser):
    def __init__(self, *, all_verbs: bool = False) -> None:
        self.all_verbs = all_verbs
        super().__init__(
            prog="posezoo",
            description=DESCRIPTION,
            epilog=(
                "posezoo VERB --help shows a verb's flags and examples;"
                " posezoo help --all shows all verbs"
            ),
            formatter_class=HelpFormatter,
        )
        self.add_argument(
            "--version", action=_VersionAction, nargs=0, help="show the version and exit"
        )
        self.verbs = self.add_subparsers(metavar="VERB", required=True, parser_class=CommandParser)

    def add_verb(self, name: str) -> CommandParser:
        from posezoo.cli.flags import FLAGS, add_flags

        record = find_verb(name)
        assert record
        verb: CommandParser = self.verbs.add_parser(
            name,
            usage=record.usage,
            help=record.summary,
            description=f"{record.summary[0].upper()}{record.summary[1:]}.",
            epilog="examples:\n" + textwrap.indent(record.examples.strip(), "  "),
            formatter_class=HelpFormatter,
        )
        add_flags(verb, *record.flags)
        if "--quiet" not in verb._option_string_actions:  # each verb accepts it
            FLAGS["quiet"].add_to(verb)
        verb.set_defaults(parser=verb)
        verb.full_help = f"posezoo help {name} --all"
        return verb

    def format_help(self) -> str:
        groups = {"daily work": {name: SUMMARIES[name] for name in DAILY}}
        if self.all_verbs:
            added = {name: _summary_of_plugin(name) for name in plugin_names()}
            groups = {**VERB_GROUPS, "installed packages": added}
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, [])
        formatter.add_text(self.description)
        for title, summaries in groups.items():
            formatter.start_section(title)
            formatter.add_arguments([list_in_help(*summary) for summary in summaries.items()])
            formatter.end_section()
        formatter.start_section("options")
        formatter.add_arguments(self._optionals._group_actions)
        formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()


def _summary_of_plugin(name: str) -> str:
    try:
        verb = find_verb(name)
    except PluginError as error:  # the others can still be used
        return error.problem
    return verb.summary if verb else ""


class _VersionAction(argparse.Action):
    """Reads the version only if --version is given, since importing importlib.metadata takes 30
    ms.
    """

    def __call__(self, parser: argparse.ArgumentParser, *_args: object, **_kwargs: object) -> None:
        print(f"posezoo {version()}")
        parser.exit()
