"""posezoo doctor: check the installation; report packages, plug-ins, settings, devices and
problems.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from posezoo.cli.flags import Flag
from posezoo.errors import redact_secrets

EXAMPLES = """
posezoo doctor
posezoo doctor --format json
"""

FLAGS = (
    Flag(
        "--format",
        "the format of the report on the standard output",
        choices=("text", "json"),
        default="text",
    ),
)


def run(args: argparse.Namespace) -> int:
    """Print the report; 1 if there is a problem."""
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
    if diagnosis.plugins:
        print("\nplug-ins (using one runs the code of its package)")
    for plugin in diagnosis.plugins:
        print(f"  {plugin.name:24} {plugin.group:21} {plugin.package}")
    print("\nsettings")
    for setting in diagnosis.settings:
        values = setting.value if isinstance(setting.value, tuple) else (setting.value,)
        text = ", ".join(redact_secrets(str(value)) for value in values if value is not None) or "-"
        print(f"  {setting.name:20} {text:50} {setting.origin}")
    print("\nnpm registries")
    for registry in diagnosis.npm_registries:
        login = ", with a login" if registry.has_login else ""
        print(
            f"  {registry.scope or 'all packages':20} {registry.url or 'none':50}"
            f" {registry.origin}{login}"
        )
    print("\ndevices")
    for name, hardware in diagnosis.devices.items():
        print(f"  {name:8} {hardware}")
    print()
    for problem in diagnosis.problems:
        print(f"problem: {problem.message}\n    fix: {problem.mend}")
    if not diagnosis.problems:
        print("no problems found")
    return 1 if diagnosis.problems else 0
