"""posezoo doctor: what is installed, set and seen, what does not fit, and how to mend it."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from posezoo.cli import flags
from posezoo.errors import redact_secrets

EXAMPLES = """
posezoo doctor
posezoo doctor --format json
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The verb's flags."""
    parser = flags.add_verb(
        verbs, "doctor", "show versions, settings and devices, and what does not fit", EXAMPLES
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how to answer")
    return parser


def run(args: argparse.Namespace) -> int:
    """Print the diagnosis; 1 where something does not fit."""
    from posezoo.doctor import diagnose
    from posezoo.settings import read_settings_leniently

    diagnosis = diagnose(*read_settings_leniently())
    if args.format == "json":
        print(redact_secrets(json.dumps(asdict(diagnosis), indent=2, default=str)))
        return 1 if diagnosis.problems else 0
    print(f"posezoo {diagnosis.posezoo}, Python {diagnosis.python}, {diagnosis.system}")
    print("\npackages")
    for package in diagnosis.packages:
        print(f"  {package.name:24} {package.version or '-':14} {package.purpose}")
    print("\nsettings")
    for setting in diagnosis.settings:
        print(f"  {setting.name:20} {_shown(setting.value):50} {setting.origin}")
    print("\ndevices")
    for name, hardware in diagnosis.devices.items():
        print(f"  {name:8} {hardware}")
    print()
    for problem in diagnosis.problems:
        print(f"problem: {problem.message}\n   mend: {problem.mend}")
    if not diagnosis.problems:
        print("everything fits together")
    return 1 if diagnosis.problems else 0


def _shown(value: Any) -> str:
    """A value in words; a mirror's password is nobody's business."""
    values = value if isinstance(value, tuple) else (value,)
    return ", ".join(redact_secrets(str(each)) for each in values if each is not None) or "-"
