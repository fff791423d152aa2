"""posezoo VERB: the verbs.

Exit codes: 0 all done · 1 something failed · 2 wrong flags; the others stand in ``cli.door``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from posezoo.cli import run_main
from posezoo.cli.flags import HelpFormatter
from posezoo.errors import PosezooError, suggest

#: In the order of a model's life; each is a module with ``add_parser(verbs)`` and ``run(args) -> int``.
VERBS = (
    "list",
    "info",
    "plan",
    "download",
    "convert",
    "get",
    "quantize",
    "run",
    "demo",
    "evaluate",
    "dataset",
    "cache",
    "benchmark",
    "compare",
    "gallery",
    "verify",
    "lock",
    "licenses",
    "mirror",
    "new",
    "record",
    "card",
    "doctor",
    "completion",
    "shims",
)

DESCRIPTION = """\
A human-pose model zoo for OpenVINO: fetch, verify, convert and run its models.

  posezoo run                       poses on two sample photos, with the zoo's default model
  posezoo run --input me.jpg        poses on your own photo
  posezoo list                      what there is
"""


def create_parser(verbs_wanted: Sequence[str] = VERBS) -> argparse.ArgumentParser:
    """The parser of the whole command line, or of some of its verbs."""
    top = argparse.ArgumentParser(
        prog="posezoo",
        description=DESCRIPTION,
        epilog="posezoo VERB --help shows a verb's flags and examples",
        formatter_class=HelpFormatter,
    )
    top.add_argument("--version", action=_VersionAction, nargs=0, help="show the version and exit")
    verbs = top.add_subparsers(metavar="VERB", required=True, title="verbs")
    for name in verbs_wanted:
        module = import_module(f"posezoo.cli.verbs.{name}")
        verb = module.add_parser(verbs)
        verb.set_defaults(run=module.run, parser=verb)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""

    words = sys.argv[1:] if argv is None else argv
    args = argparse.Namespace()

    def work() -> int:
        # Nobody who has named a verb waits for the modules of all the others.
        top = create_parser(words[:1] if words and words[0] in VERBS else VERBS)
        if words and words[0] not in VERBS and (near := suggest(words[0], VERBS)):
            top.error(f"argument VERB: invalid choice: '{words[0]}': {near}")
        _, unknown = top.parse_known_args(words, args)
        if unknown:
            _refuse(args.parser, unknown)
        code: int = args.run(args)
        return code

    def tell(error: PosezooError) -> None:
        run_main.print_error(error)
        if getattr(args, "format", "text") == "json":
            print(json.dumps({"error": {"problem": error.problem, "hint": error.hint}}, indent=2))

    return run_main.run_main(work, report_error=tell)


def _refuse(verb: argparse.ArgumentParser, unknown: Sequence[str]) -> NoReturn:
    """End with the verb's usage, and with the flags that are nearest to those that it does not know."""
    known = [flag for action in verb._actions for flag in action.option_strings]
    hints = [suggest(word.partition("=")[0], known) for word in unknown if word.startswith("-")]
    verb.error("; ".join((f"unrecognized arguments: {' '.join(unknown)}", *filter(None, hints))))


class _VersionAction(argparse.Action):
    """Look the version up only when it is asked for: importlib.metadata costs 30 ms."""

    def __call__(self, parser: argparse.ArgumentParser, *_args: object, **_kwargs: object) -> None:
        from posezoo.versions import version

        print(f"posezoo {version()}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
