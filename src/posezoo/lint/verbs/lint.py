"""posezoo lint: check the metadata of a registry with rules, and correct what is known."""

from __future__ import annotations

from pathlib import Path

from posezoo.cli import flags
from posezoo.cli.flags import Flag, Shared
from posezoo.cli.run_main import command_line
from posezoo.core.events import RunStarted

EXAMPLES = """
posezoo lint
posezoo lint my-pose --models_dir my_zoo
posezoo lint --models_dir open_model_zoo/models --format sarif
posezoo lint --models_dir my_zoo --fix --dry_run
posezoo lint --format json > known.json
posezoo lint --changed_since main --baseline known.json
posezoo lint --explain unusual-constant
"""

FLAGS = (
    Shared("models"),
    Flag(
        "--explain RULE",
        "explain what a rule requires and why, with an example; all explains every rule",
    ),
    Flag(
        "--changed_since REV",
        "check only models whose folder, index page, license text, paper or skeleton changed since"
        " this Git revision, and what changed in model.yml without a reason; all models if nothing"
        " changed",
    ),
    Flag(
        "--baseline FILE",
        "do not report the known findings, which --format json wrote to this file",
    ),
    Flag(
        "--artifacts DIR",
        "also check shapes, names, GFLOPs and MParams of the files and IR below DIR",
    ),
    Flag(
        "--fix",
        "change model.yml in place: addresses of pages to those of files, and sizes and SHA-384 of"
        " files that are here with the declared digest; --dry_run only shows the changes",
    ),
    flags.download_dir_flag(),
    "weights_dir cache_dir mirror models_dir",
    flags.format_flag(("text", "json", "sarif", "github")),
    Shared("dry_run", needs="fix"),
    "quiet",
)


class _LintArgs(flags.ModelsArgs, flags.FormatArgs):
    explain: str | None
    changed_since: str | None
    baseline: Path | None
    artifacts: Path | None
    fix: bool
    dry_run: bool


def run(args: _LintArgs) -> int:
    """Print the findings, or the explanation of rules; 1 if a finding is an error."""
    from posezoo.core.registry import open_registry
    from posezoo.lint.metadata_check import explain_rules, run_metadata_check

    if args.explain is not None:
        explain_rules(args.explain)
        return 0
    registry = open_registry(flags.settings_from_args(args).models_dir)
    with flags.console_from_args(args) as console:
        console(RunStarted(command_line(), len(args.models or registry.entries)))
        return run_metadata_check(
            registry,
            args.models or None,
            style=args.format,
            changed_since=args.changed_since,
            baseline=args.baseline,
            artifacts=args.artifacts,
            fixing=flags.context_from_args(args) if args.fix else None,
            is_dry_run=args.dry_run,
        )
