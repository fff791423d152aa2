"""All lint rules by id, from this package and from installed plug-ins, and the check of a registry.

They find mistakes that only a comparison of two places shows, need no weights and no internet
access, and hostile texts do not make them slow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import islice
from types import ModuleType

from posezoo.core.errors import PluginError
from posezoo.core.plugins import LazyTable
from posezoo.lint.finding import Finding, Severity, create_finding
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import Rule, defined_rules

#: The largest number of findings of one rule in one model, so that a hostile card cannot fill the
#: screen.
MAX_FINDINGS = 50

#: A rule that finds the cause of what others find comes before them.
_MODULES = (
    "declared_files", "contradictions", "native_format", "builtin_models", "decoder_rules",
    "preprocessing_rules", "preparation_rules", "metrics", "shapes_and_names",
    "card_text", "card_commands", "page_rules", "registry_files",
)  # fmt: skip
#: Each part is a module, all of whose rules count, or one rule, or a tuple of rules.
FAMILIES = LazyTable(
    "posezoo.lint_rules", object, {name: f"posezoo.lint.rules.{name}" for name in _MODULES}
)


@cache
def load_rules() -> Mapping[str, Rule]:
    """Every rule by its id; a PluginError if a plug-in has no rule, or one that already exists."""
    rules: dict[str, Rule] = {}
    for name, part in FAMILIES.items():
        if isinstance(part, ModuleType):
            part = defined_rules(vars(part))
        for rule in part if isinstance(part, tuple) else (part,):
            if not isinstance(rule, Rule) or rule.id in rules:
                problem = f"{rule!r} is not a Rule"
                if isinstance(rule, Rule):
                    problem = f"{rule.id} exists already in {rules[rule.id].find.__module__}"
                if name in FAMILIES.builtin:
                    raise PluginError(f"{FAMILIES.builtin[name]}: {problem}")
                raise PluginError(
                    f"the plug-in {name} ({FAMILIES.group}): {problem}",
                    hint="update or remove its package",
                )
            rules[rule.id] = rule
    return rules


def check_models(models: Iterable[ModelView]) -> Iterator[Finding]:
    """Every finding in these models."""
    for model in models:
        reported: set[str] = set()  # the rules with findings, and the files with errors
        for rule in load_rules().values():
            if not reported.isdisjoint(rule.unless):
                continue
            for violation in islice(rule.find(model), MAX_FINDINGS):
                finding = create_finding(rule.id, rule.severity, model.name, violation)
                # Pages that were drawn before a mistake that another rule has found.
                if rule.id != "drawn-card" or finding.file not in reported:
                    yield finding
                reported.add(rule.id)
                if finding.severity is Severity.ERROR:
                    reported.add(finding.file)
