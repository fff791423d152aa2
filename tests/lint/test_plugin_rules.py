"""Installed packages add lint rules by entry points of the group posezoo.lint_rules."""

from __future__ import annotations

import json
from contextlib import ExitStack

import pytest

from fakes.omz_zoo import write_omz_zoo
from fakes.plugin_package import plugin_package
from posezoo.cli.main import main
from posezoo.errors import PluginError
from posezoo.lint.rules import load_rules

CODE = """\
from posezoo.lint.finding import RuleViolation, Severity
from posezoo.lint.rule import defined_rules, rule

@rule("short-name", "The name of a model has ten characters.", "pose-a", severity=Severity.WARNING)
def short_name(view):
    if len(view.name) < 10:
        yield RuleViolation(view.location(), f"{view.name} is too short")

RULES = defined_rules(globals())
TWICE = (short_name, short_name)
"""


@pytest.fixture
def install(tmp_path):
    """A function that installs a package with an entry point."""
    with ExitStack() as installed:

        def install_plugin(value: str) -> None:
            line = f"posezoo.lint_rules: extra = {value}"
            installed.enter_context(
                plugin_package(tmp_path, line, name="extra-rules", extra_rules=CODE)
            )
            load_rules.cache_clear()

        yield install_plugin
    load_rules.cache_clear()


@pytest.mark.parametrize("attribute", ["short_name", "RULES"])
def test_an_entry_point_is_a_rule_or_a_tuple_of_rules(install, tmp_path, capsys, attribute):
    install(f"extra_rules:{attribute}")
    models = write_omz_zoo(tmp_path / "zoo" / "models")
    assert main(["verify", "--metadata", "--models_dir", str(models), "--format", "json"]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert {(finding["rule"], finding["model"]) for finding in findings} == {
        ("short-name", "pose-a"),
        ("short-name", "pose-b"),
    }


@pytest.mark.parametrize(
    ("attribute", "problem"),
    [
        ("TWICE", "the plug-in extra .* short-name exists already"),
        ("CODE", "cannot be imported"),
        ("__name__", "is not a Rule"),
    ],
)
def test_an_entry_point_that_is_no_new_rule_is_an_error(install, attribute, problem):
    install(f"extra_rules:{attribute}")
    with pytest.raises(PluginError, match=problem):
        load_rules()
