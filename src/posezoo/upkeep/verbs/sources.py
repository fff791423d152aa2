"""posezoo sources check: ask each source of each file for existence, size and, if cheap, digest.

``posezoo sources check --format json``::

    sources    list   model, file, source, type (as in model.yml), host (or empty), state (good,
                      dead, refused, changed, unreachable, unchecked), compared (size, digest,
                      ETag, Last-Modified), problem, model_yml, line (or 0)
    counts     object the number of sources by state
    without_source list the files that no source has now: model, file
    failed     list   the model.yml files that cannot be read: name, reason, hint

With ``--dead``, ``sources`` lists only those that are dead, refused, changed or unreachable. The
exit code is 1 if there is such a source, but 4 if all of them are refused. No file is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.cli.selection import select_models
from posezoo.console.console import Console
from posezoo.console.json_projection import project
from posezoo.console.labels import format_count, join
from posezoo.console.report import align_columns, print_json, print_result
from posezoo.core.errors import PosezooError

if TYPE_CHECKING:
    from posezoo.pages.source_check import CheckedSource

EXAMPLES = """
posezoo sources check blazepose-full
posezoo sources check --all
posezoo sources --dead
posezoo sources check --all --registry omz --format sarif
"""

# Most of the time is spent waiting for answers.
_JOBS = 16
# An unreachable host takes a timeout for each attempt.
_ATTEMPTS = 2
# The exit code if sources only refuse this machine, so that a job can tell that from a lost file.
_REFUSED = 4

#: The keys of a source in JSON.
_ROW = "model file source type host state compared problem line model_yml=path"

#: What a source must have, and an example of a mistake, by the state of a bad source.
RULES = {
    "dead": (
        "A source has the file: otherwise a download fails, or needs another source",
        "HTTP 404",
    ),
    "refused": (
        "A source sends the file to this machine: otherwise a login, a right or a certificate"
        " authority is missing here",
        "HTTP 403",
    ),
    "changed": (
        "A source has the declared size and digest: otherwise it is refused",
        "another size",
    ),
    "unreachable": (
        "A source answers: otherwise a download fails, or needs another source",
        "HTTP 503",
    ),
}

FLAGS = (
    Flag(
        "what",
        "check: ask each source for existence, size and, if cheap, digest; then it is good, dead"
        " (it does not have the file), refused (HTTP 401 or 403, or a certificate authority that"
        " this machine does not know), changed (another size or digest, or another ETag or"
        " Last-Modified than when this machine downloaded it), unreachable (no answer, or a wrong"
        " setting on this machine) or unchecked (for example, a package is missing); the exit code"
        " is 1 if one is dead, changed or unreachable, else 4 if one is refused",
        choices=("check",),
        nargs="?",
        default="check",
    ),
    flags.MODELS,
    Flag(
        "--dead",
        "show only the sources from which a file cannot be downloaded now, and the files that have"
        " no other source; without MODEL, of all models",
    ),
    Flag(
        "-j, --jobs N",
        f"number of sources to ask at the same time (default: {_JOBS})",
        flags.whole_number(1, 64),
    ),
    Flag(
        "--attempts N",
        f"number of attempts for a source (default: {_ATTEMPTS})",
        flags.whole_number(1, 100),
    ),
    f"weights_dir stall_timeout header ca_bundle allow_private_redirects {flags.REGISTRY}",
    flags.format_flag(("text", "json", "sarif")),
    "quiet",
)


class _SourcesArgs(flags.ModelsArgs, flags.FormatArgs):
    what: str
    dead: bool
    jobs: int | None
    attempts: int | None


def run(args: _SourcesArgs) -> int:
    """Print the state of each source; 1 or 4 if a file cannot be downloaded from one now."""
    from posezoo.core.layout import ModelLayout
    from posezoo.core.pipeline.zoo_context import download_options, registry_from_settings
    from posezoo.pages.source_check import BAD_STATES, check_sources

    asks_for_all = args.dead and not args.models
    patterns = None if asks_for_all else flags.patterns_from_args(args)
    settings = flags.settings_from_args(args)
    options = download_options(settings)
    options = replace(options, jobs=args.jobs or _JOBS, attempts=args.attempts or _ATTEMPTS)
    with Console(quiet=args.quiet) as console:
        models = select_models(registry_from_settings(settings), patterns, console)
        layout = ModelLayout(settings.weights_dir, settings.weights_dir)
        checked = check_sources(models.models, options, layout=layout, quiet=args.quiet)
    bad = [each for each in checked if each.state in BAD_STATES]
    if args.format == "sarif":
        print_json(_to_sarif(bad))
    else:
        _print_states(args, checked, bad, models.problems)
    if models.problems or any(each.state != "refused" for each in bad):
        return 1
    return _REFUSED if bad else 0


def _print_states(
    args: _SourcesArgs,
    checked: Sequence[CheckedSource],
    bad: Sequence[CheckedSource],
    problems: Sequence[PosezooError],
) -> None:
    states: dict[tuple[str, str], set[str]] = {}
    for each in checked:
        states.setdefault((each.model, each.file), set()).add(each.state)
    lacking = [file for file, found in states.items() if not found & {"good", "unchecked"}]
    answer = {
        "sources": [project(each, _ROW) for each in (bad if args.dead else checked)],
        "counts": Counter(each.state for each in checked),
        "without_source": [{"model": model, "file": file} for model, file in lacking],
        "failed": [project(each, "name=file reason=problem hint") for each in problems],
    }
    lines = _text_lines(checked, bad, only_bad=args.quiet or args.dead)
    gone = [f"{model}: {file}: no source has it now" for model, file in lacking]
    print_result(args.format, answer, *lines, *(gone if args.dead else ()))


def _text_lines(
    checked: Sequence[CheckedSource], bad: Sequence[CheckedSource], *, only_bad: bool
) -> Iterator[str]:
    from posezoo.lint.output_formats import relative_path

    rows = []
    for each in sorted(checked, key=lambda each: each in bad):
        if each in bad:
            note = f"{relative_path(str(each.path))}:{each.line}: {each.problem}"
        else:
            note = ", ".join(each.compared) or each.problem or "exists"
        if each in bad or not only_bad:
            name = f"{each.model}: {each.file}"
            rows.append((each.state, name, each.host or each.type, note))
    if rows:
        yield from align_columns(rows)
    counts = Counter(each.state for each in checked)
    parts = [f"{number} {state}" for state, number in counts.most_common()]
    total = format_count(len(checked), "source")
    yield join(total, ", ".join(parts), separator=": ")


def _to_sarif(bad: Sequence[CheckedSource]) -> dict[str, object]:
    from posezoo.lint.finding import Finding, Severity
    from posezoo.lint.output_formats import to_sarif
    from posezoo.lint.rule import RuleInfo

    rules = [RuleInfo(f"{state}-source", Severity.ERROR, *texts) for state, texts in RULES.items()]
    findings = []
    for each in bad:
        finding = Finding(
            rule=f"{each.state}-source",
            severity=Severity.ERROR,
            model=each.model,
            file=str(each.path),
            line=each.line or 1,
            column=1,
            field=each.file,
            found=each.problem,
            expected="",
            message=f"{each.file}: {each.source}: {each.problem}",
        )
        findings.append(finding)
    return to_sarif(findings, rules)
