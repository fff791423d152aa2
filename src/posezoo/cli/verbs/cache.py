"""posezoo cache: what is kept by digest, whether it still is what it was, and what may go.

``posezoo cache list|verify|prune --format json``::

    cache_dir    str
    bytes        int   of the entries below
    entries      list  those that are there; with verify the damaged ones, with prune those that go:
                       path, algorithm, digest, size, changed (ISO 8601, UTC) and files (``model: file``)

Exit code 1 where verify finds a damaged entry.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.cli import flags
from posezoo.cli.report import Console
from posezoo.cli.terminal_text import align_columns

if TYPE_CHECKING:
    from posezoo.download.cache_entries import CacheEntry

EXAMPLES = """
posezoo cache list
posezoo cache verify
posezoo cache prune --dry_run
posezoo cache prune --older_than 90 --damaged
"""

_DAY_S = 86400.0


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The verb's flags."""
    parser = flags.add_verb(verbs, "cache", "look after the files that are kept by their digest", EXAMPLES)
    parser.add_argument(
        "what",
        choices=("list", "verify", "prune"),
        help="list what is there; verify: read all of it, name what is damaged; prune: remove what no model "
        "of the zoo names, and what killed runs left",
    )
    parser.add_argument(
        "--damaged", action="store_true", help="with prune: also what is damaged; all of it is read"
    )
    parser.add_argument(
        "--older_than", type=_days, metavar="DAYS", help="with prune: also what was written longer ago"
    )
    parser.add_argument("--everything", action="store_true", help="with prune: all entries")
    parser.add_argument("--cache_dir", type=Path, metavar="DIR", help="the cache (default: your own)")
    flags.add_flags(parser, "models_dir")
    parser.add_argument(
        "--dry_run", action="store_true", help="with prune: tell what would go, remove nothing"
    )
    flags.add_format_flags(parser)
    return parser


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected days, got {text!r}") from error
    if not 0 <= days <= 36500:
        raise argparse.ArgumentTypeError(f"expected 0 to 36500 days, got {text}")
    return days


def run(args: argparse.Namespace) -> int:
    """Look into the cache, and clear it where that is asked for."""
    from posezoo.download.cache_entries import file_names_by_digest, list_entries
    from posezoo.registry import open_registry

    if args.what != "prune" and (
        args.damaged or args.everything or args.dry_run or args.older_than is not None
    ):
        args.parser.error("--damaged, --older_than, --everything and --dry_run go with prune")
    settings = flags.settings_from_args(args)
    registry = open_registry(settings.models_dir)
    selection = registry.select(None)
    with Console(quiet=args.quiet) as console:
        for problem in selection.problems:  # its files might look as if nobody named them
            console.warn(problem.problem)
        kept = list_entries(settings.cache_dir, file_names_by_digest(selection.models))
        code: int = _WAYS[args.what](args, settings.cache_dir, kept, console)
    return code


def _list(args: argparse.Namespace, root: Path, kept: Sequence[CacheEntry], _console: Console) -> int:
    _answer(args, root, kept, f"{len(kept)} files")
    return 0


def _verify(args: argparse.Namespace, root: Path, kept: Sequence[CacheEntry], console: Console) -> int:
    damaged = [each for each in kept if each.is_damaged()]
    _answer(args, root, damaged, f"{len(damaged)} of {len(kept)} files are damaged")
    if damaged:
        console.print_line(
            "a download notices that and fetches it again; posezoo cache prune --damaged removes it"
        )
    return 1 if damaged else 0


def _prune(args: argparse.Namespace, root: Path, kept: Sequence[CacheEntry], _console: Console) -> int:
    from posezoo.download.cache_entries import remove_entries

    since = time.time() - args.older_than * _DAY_S if args.older_than is not None else 0.0
    going = [
        each
        for each in kept
        if args.everything or not each.names or each.changed < since or (args.damaged and each.is_damaged())
    ]
    if not args.dry_run:
        remove_entries(root, going)
    _answer(
        args, root, going, f"{len(going)} of {len(kept)} files {'would go' if args.dry_run else 'are gone'}"
    )
    return 0


_WAYS: dict[str, Callable[[argparse.Namespace, Path, Sequence[CacheEntry], Console], int]] = {
    "list": _list,
    "verify": _verify,
    "prune": _prune,
}


def _answer(args: argparse.Namespace, root: Path, kept: Sequence[CacheEntry], summary: str) -> None:
    size = sum(each.size for each in kept)
    if args.format == "json":
        answer = {"cache_dir": str(root), "bytes": size, "entries": [_row(each) for each in kept]}
        print(json.dumps(answer, indent=2))
        return
    rows = [
        (
            f"{each.size / 1e6:.1f} MB",
            _when(each)[:10],
            str(each.digest),
            ", ".join(each.names) or "no model's",
        )
        for each in kept
    ]
    for line in align_columns(rows, right=frozenset({0})) if rows else ():
        print(line)
    print(f"{root}: {summary}{f', {size / 1e6:.1f} MB' if kept else ''}")


def _row(kept: CacheEntry) -> dict[str, Any]:
    return {
        "path": str(kept.path),
        "algorithm": kept.digest.algorithm,
        "digest": kept.digest.value,
        "size": kept.size,
        "changed": _when(kept),
        "files": list(kept.names),
    }


def _when(kept: CacheEntry) -> str:
    return datetime.fromtimestamp(kept.changed, timezone.utc).isoformat(timespec="seconds")
