"""The flags of verify --metadata, which verify and verifier.py share."""

from __future__ import annotations

from pathlib import Path

from posezoo.cli.flags import Flag, FormatArgs
from posezoo.core.files.output_file import OutputFile

#: What each baseline has near its beginning.
BASELINE_SIGNS = ('{\n "findings": [',)
FORMATS = ("text", "json", "sarif", "github")

METADATA_FLAGS = (
    Flag(
        "--metadata",
        "compare model.yml, cards, accuracy-check.yml and index pages with each other; "
        "needs no weights and no network",
        excludes="registries device",
    ),
    Flag(
        "--explain RULE",
        "explain what a rule of --metadata requires and why, with an example; all explains every"
        " rule",
    ),
    Flag(
        "--changed_since, --changed-since REV",
        "with --metadata: check only models whose folder, index page, license text, paper or"
        " skeleton changed since this Git revision, and what changed in model.yml without a"
        " reason; all models if nothing changed",
        needs="metadata",
    ),
    Flag(
        "--baseline FILE",
        "with --metadata: do not report the known findings, which are listed in this file",
        needs="metadata",
    ),
    Flag(
        "--write_baseline FILE",
        "with --metadata: write all findings to this file, for --baseline",
        output=OutputFile(signs=BASELINE_SIGNS, renews="baseline"),
        needs="metadata",
    ),
    Flag(
        "--artifacts DIR",
        "with --metadata: also check shapes, names, GFLOPs and MParams of the files and IR"
        " below DIR",
        needs="metadata",
    ),
)


FIX_FLAG = Flag(
    "--fix",
    "with --metadata: change model.yml in place: addresses of pages to those of files, and sizes"
    " and SHA-384 of files that are here with the declared digest; --dry_run only shows the"
    " changes",
    needs="metadata",
)


class MetadataArgs(FormatArgs):
    """The values of ``METADATA_FLAGS`` and ``--format``."""

    metadata: bool
    explain: str | None
    changed_since: str | None
    baseline: Path | None
    write_baseline: Path | None
    artifacts: Path | None


def wants_metadata_check(args: MetadataArgs) -> bool:
    """Whether the metadata is checked, and not files and IR."""
    if args.metadata or args.explain is not None:
        return True
    if args.format not in ("text", "json"):
        args.parser.error(f"--format {args.format} requires --metadata")
    return False
