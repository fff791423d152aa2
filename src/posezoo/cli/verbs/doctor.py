"""posezoo doctor: check the installation; report packages, plug-ins, settings, devices and
problems.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from posezoo.cli.flags import FormatArgs
from posezoo.console.report import print_lines, print_text
from posezoo.core.errors import redact_secrets
from posezoo.core.settings import read_settings, unknown_variables

if TYPE_CHECKING:
    from posezoo.core.diagnosis import DefaultReport, Diagnosis

EXAMPLES = """
posezoo doctor
posezoo doctor --format json
"""

FLAGS = ("format",)


def run(args: FormatArgs) -> int:
    """Print the report; 1 if there is a problem, which a missing extra is not."""
    from posezoo.core.diagnosis import diagnose

    problems = list(unknown_variables(os.environ))
    diagnosis = diagnose(read_settings(report=problems.append), problems)
    if args.format == "json":
        print_text(redact_secrets(json.dumps(asdict(diagnosis), indent=2, default=str)))
    else:
        print_lines(*_text_lines(diagnosis))
    return 1 if diagnosis.problems else 0


def _text_lines(diagnosis: Diagnosis) -> Iterator[str]:
    yield f"posezoo {diagnosis.posezoo}, Python {diagnosis.python}, {diagnosis.system}"
    yield ""
    yield "packages"
    for package in diagnosis.packages:
        yield f"  {package.name:24} {package.version or '-':14} {package.purpose}"
    if diagnosis.plugins:
        yield ""
        yield "plug-ins (using one runs the code of its package)"
    for plugin in diagnosis.plugins:
        yield f"  {plugin.name:24} {plugin.group:21} {plugin.package}"
    yield ""
    yield "settings"
    for setting in diagnosis.settings:
        yield f"  {setting.name:20} {_value_text(setting.value):50} {setting.origin}"
    yield ""
    yield "package indexes and folders of wheels"
    for index in diagnosis.package_indexes:
        yield f"  {redact_secrets(index)}"
    yield ""
    yield "npm registries"
    for registry in diagnosis.npm_registries:
        scope = registry.scope or "all packages"
        login = ", with a login" if registry.has_login else ""
        yield f"  {scope:20} {registry.url or 'none':50} {registry.origin}{login}"
    yield ""
    if diagnosis.default:
        yield from _default_lines(diagnosis.default)
        yield ""
    yield "devices"
    for name, hardware in diagnosis.devices.items():
        yield f"  {name:8} {hardware}"
    yield ""
    yield from _issue_lines(diagnosis)


def _issue_lines(diagnosis: Diagnosis) -> Iterator[str]:
    for missing in diagnosis.not_installed:
        yield missing.message
        yield f"    to add it: {missing.mend}"
    for note in diagnosis.notes:
        yield f"note: {note.message}"
        yield f"    to change it: {note.mend}"
    for problem in diagnosis.problems:
        yield f"problem: {problem.message}"
        yield f"    fix: {problem.mend}"
    if not diagnosis.problems:
        yield "no problems found"


def _default_lines(default: DefaultReport) -> Iterator[str]:
    yield "default model"
    yield f"  {default.name or 'none yet'}: {default.why}"
    for name, state in default.models.items():
        yield f"  {name:24} {redact_secrets(state)}"
    if default.file:
        yield f"  {'the choice is kept in':24} {default.file}"


def _value_text(value: object) -> str:
    values = value if isinstance(value, tuple) else (value,)
    text = ", ".join(redact_secrets(f"{each}") for each in values if each is not None)
    return text or "-"
