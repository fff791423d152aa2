"""Installed packages add lint rules by entry points of the group posezoo.lint_rules."""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest

from fakes.omz_zoo import write_omz_zoo
from fakes.plugin_package import plugin_package
from posezoo.cli.main import main
from posezoo.core.errors import PluginError
from posezoo.core.plugins import LazyTable
from posezoo.lint import rules
from posezoo.lint.rule import rule
from posezoo.lint.rules import load_rules

CODE = """\
from posezoo.lint.finding import RuleViolation, Severity
from posezoo.lint.rule import defined_rules, rule

@rule("short-name", "The name of a model has ten characters.", "pose-a", severity=Severity.WARNING)
def short_name(view):
    if len(view.name) < 10:
        yield RuleViolation(view.location(), f"{view.name} is too short")

RULES = defined_rules(globals())

@rule("long-name", "The name of a model has at most 99 characters.", "pose" * 30)
def long_name(view):
    if len(view.name) > 99:
        yield RuleViolation(view.location(), f"{view.name} is too long")

TWICE = (short_name, short_name)
FAULT = (rule("fault", "The code of a rule has no fault.", "pose")(lambda view: [1 / 0]),)
"""


@pytest.fixture
def install(tmp_path):
    """A function that installs a package with an entry point."""
    with ExitStack() as installed:

        def install_plugin(value):
            line = f"posezoo.lint_rules: extra = {value}"
            installed.enter_context(
                plugin_package(tmp_path, line, name="extra-rules", extra_rules=CODE)
            )
            load_rules.cache_clear()

        yield install_plugin
    load_rules.cache_clear()


@pytest.mark.parametrize("value", ["extra_rules", "extra_rules:short_name", "extra_rules:RULES"])
def test_an_entry_point_is_a_module_with_rules_or_a_rule_or_a_tuple_of_rules(
    install, tmp_path, capsys, value
):
    install(value)
    models = write_omz_zoo(tmp_path / "zoo" / "models")
    assert main(["lint", "--models_dir", str(models), "--format", "json"]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert {(finding["rule"], finding["model"]) for finding in findings} == {
        ("short-name", "pose-a"),
        ("short-name", "pose-b"),
    }


def test_a_rule_exists_wherever_it_is_in_its_module(install):
    install("extra_rules")
    assert {"short-name", "long-name"} <= load_rules().keys()


def test_a_rule_whose_code_fails_is_named_with_its_package(install, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    install("extra_rules:FAULT")
    models = write_omz_zoo(tmp_path / "zoo" / "models")
    assert main(["lint", "--models_dir", str(models)]) == 3
    shown = capsys.readouterr().err
    plugin = "the plug-in extra (posezoo.lint_rules) of the package extra-rules"
    assert f"a bug in {plugin}: ZeroDivisionError" in shown
    assert "please report them to its makers" in shown


def test_an_id_that_two_of_our_modules_have_names_both(tmp_path, monkeypatch):
    modules = {"names": "own_names", "sizes": "own_sizes"}
    code = CODE.partition("TWICE")[0]
    with plugin_package(tmp_path, **dict.fromkeys(modules.values(), code)):
        monkeypatch.setattr(rules, "FAMILIES", LazyTable("posezoo.lint_rules", object, modules))
        load_rules.cache_clear()
        with pytest.raises(PluginError, match="own_sizes: short-name exists already in own_names"):
            load_rules()
    load_rules.cache_clear()


def test_each_module_of_rules_is_in_the_table():
    folder = Path(rules.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    unlisted = modules - set(rules.FAMILIES.builtin)
    assert not unlisted, f"add to _MODULES in lint/rules/__init__.py: {unlisted}"


def test_a_decorator_without_parentheses_says_so():
    def short_name(view):
        return iter(())

    with pytest.raises(TypeError, match=r"the decorator needs parentheses: @rule\(\)"):
        rule(short_name)


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
