"""The command line ``posezoo VERB``.

Exit codes: 0 success · 1 a failure · 2 wrong flags; for the others see ``cli.run_main``.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Mapping, Sequence
from importlib import import_module

from posezoo.cli import run_main, shell_completion
from posezoo.cli.flags import CommandParser, HelpFormatter, add_flags
from posezoo.errors import PosezooError, suggest

#: The verbs below the headings of the help. Each is a module with ``SUMMARY``, ``EXAMPLES``,
#: ``FLAGS`` and ``run(args) -> int``; some have their own ``USAGE``.
VERB_GROUPS = {
    "use models": ("run", "demo", "export"),
    "find and make models": (
        *("list", "info", "card", "plan", "get", "download", "pull", "convert", "quantize"),
    ),
    "measure models": ("evaluate", "benchmark", "compare", "dataset"),
    "publish models": ("gallery", "licenses", "bom", "push"),
    "operate an installation": (
        "doctor",
        "verify",
        "lock",
        "cache",
        "mirror",
        "completion",
        "shims",
    ),
    "maintain a registry": ("new", "record", "sources"),
}
VERBS = tuple(name for names in VERB_GROUPS.values() for name in names)

DESCRIPTION = """\
Human-pose models for OpenVINO: download, verify, convert and run them.

  posezoo run                    find poses in two sample photos
  posezoo run --input me.jpg     find poses in your own photo
  posezoo list                   show all models
"""

#: What to use in place of flags of Open Model Zoo's commands, which their users try with our verbs.
OMZ_FLAGS = {
    "--name": "give the names without a flag",
    "--list": "give the names without a flag",
    "-m": "give the name without a flag",
    "--model": "give the name without a flag",
    "--print_all": "posezoo list shows all names",
    "--precisions": "posezoo get has this flag",
    "--add_mo_arg": "omz_converter has this flag: posezoo shims writes that command",
}

#: Why a verb lacks a flag that similar verbs have.
WITHOUT = {
    "export --cluster": (
        "export writes one folder for all models; get, which makes their IR, takes --cluster"
    ),
    "verify --cluster": (
        "verify reads this machine's files; --metadata compares all models with each other"
    ),
}


def create_parser(verb_names: Sequence[str] = VERBS) -> CommandParser:
    """The parser of the whole command line, or of some of its verbs."""
    top = _TopParser(
        prog="posezoo",
        description=DESCRIPTION,
        epilog="posezoo VERB --help shows a verb's flags and examples",
        formatter_class=HelpFormatter,
    )
    top.add_argument("--version", action=_VersionAction, nargs=0, help="show the version and exit")
    verbs = top.add_subparsers(metavar="VERB", required=True, parser_class=CommandParser)
    for name in verb_names:
        module = import_module(f"posezoo.cli.verbs.{name}")
        verb = verbs.add_parser(
            name,
            usage=getattr(module, "USAGE", None),
            help=module.SUMMARY,
            description=f"{module.SUMMARY[0].upper()}{module.SUMMARY[1:]}.",
            epilog="examples:\n" + textwrap.indent(module.EXAMPLES.strip(), "  "),
            formatter_class=HelpFormatter,
        )
        add_flags(verb, *module.FLAGS)
        verb.set_defaults(run=module.run, parser=verb)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    completed = shell_completion.completed_words()
    words = completed if completed is not None else sys.argv[1:] if argv is None else argv
    args = argparse.Namespace()

    def work() -> int:
        # If the first word is a verb, the modules of the other verbs are not imported.
        top = create_parser(words[:1] if words and words[0] in VERBS else VERBS)
        if completed is not None:
            shell_completion.answer(top, verb_parsers(top).values())
        if words and words[0] not in VERBS and not words[0].startswith("-"):
            top.error(f"no verb is called '{words[0]}'", suggest(words[0], VERBS))
        _, unknown = top.parse_known_args(words, args)
        if unknown:
            known = _shown_flags(args.parser)
            hints = []
            for flag in (word.partition("=")[0] for word in unknown if word.startswith("-")):
                if flag.removesuffix("s") in known:  # list has --precision
                    hints.append(suggest(flag, known))
                else:
                    why = WITHOUT.get(f"{words[0]} {flag}")
                    hints.append(
                        why or OMZ_FLAGS.get(flag) or _verbs_with(flag) or suggest(flag, known)
                    )
            args.parser.error(
                f"unrecognized arguments: {' '.join(unknown)}", "; ".join(filter(None, hints))
            )
        code: int = args.run(args)
        return code

    def report_error(error: PosezooError) -> None:
        run_main.print_error(error)
        if getattr(args, "format", "text") == "json":
            print(json.dumps({"error": {"problem": error.problem, "hint": error.hint}}, indent=2))

    return run_main.run_main(work, report_error=report_error)


def verb_parsers(top: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """The parsers of the verbs, by name."""
    verbs = next(
        action for action in top._actions if isinstance(action, argparse._SubParsersAction)
    )
    parsers: Mapping[str, argparse.ArgumentParser] = verbs.choices
    return parsers


def _shown_flags(parser: argparse.ArgumentParser) -> list[str]:
    """The flags that the help shows, which excludes the spellings of earlier versions."""
    shown = (action for action in parser._actions if action.help != argparse.SUPPRESS)
    return [flag for action in shown for flag in action.option_strings]


def _verbs_with(flag: str) -> str:
    verbs = verb_parsers(create_parser()).items()
    having = [name for name, verb in verbs if flag in _shown_flags(verb)]
    if not having:
        return ""
    if len(having) > 3:
        return f"{', '.join(having[:3])} and other verbs have this flag"
    return f"{' and '.join(having)} {'have' if having[1:] else 'has'} this flag"


class _TopParser(CommandParser):
    """Its help shows the verbs below the headings of ``VERB_GROUPS``."""

    def format_help(self) -> str:
        """The help of the whole command line."""
        (verbs,) = (
            action for action in self._actions if isinstance(action, argparse._SubParsersAction)
        )
        shown = {action.dest: action for action in verbs._choices_actions}
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, [])
        formatter.add_text(self.description)
        for title, names in VERB_GROUPS.items():
            formatter.start_section(title)
            formatter.add_arguments([shown[name] for name in names if name in shown])
            formatter.end_section()
        formatter.start_section("options")
        formatter.add_arguments(self._optionals._group_actions)
        formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()


class _VersionAction(argparse.Action):
    """Reads the version only if --version is given, since importing importlib.metadata takes 30
    ms.
    """

    def __call__(self, parser: argparse.ArgumentParser, *_args: object, **_kwargs: object) -> None:
        from posezoo.versions import version

        print(f"posezoo {version()}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
