"""All lint rules by id: those of the modules here, and those of installed plug-ins."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from posezoo.errors import PluginError
from posezoo.lint.rule import Rule
from posezoo.plugins import LazyTable

#: Each part is one rule or a tuple of rules.
FAMILIES: LazyTable[object] = LazyTable(
    "posezoo.lint_rules",
    object,
    {
        "declared_files": "posezoo.lint.rules.declared_files:RULES",
        "converter_arguments": "posezoo.lint.rules.converter_arguments:RULES",
        "native_format": "posezoo.lint.rules.native_format:RULES",
        "shapes_and_names": "posezoo.lint.rules.shapes_and_names:RULES",
        "preprocessing_rules": "posezoo.lint.rules.preprocessing_rules:RULES",
        "accuracy_check": "posezoo.lint.rules.accuracy_check:RULES",
        "metrics": "posezoo.lint.rules.metrics:RULES",
        "index_metrics": "posezoo.lint.rules.index_metrics:RULES",
        "license_terms": "posezoo.lint.rules.license_terms:RULES",
        "links": "posezoo.lint.rules.links:RULES",
        "descriptions": "posezoo.lint.rules.descriptions:RULES",
    },
)


@cache
def load_rules() -> Mapping[str, Rule]:
    """Every rule by its id.

    Raises:
        PluginError: a plug-in cannot be imported, is no rule, or has a rule that exists already.
    """
    rules: dict[str, Rule] = {}
    for name, part in FAMILIES.items():
        for rule in part if isinstance(part, tuple) else (part,):
            if not isinstance(rule, Rule) or rule.id in rules:
                problem = f"{rule.id} exists already" if isinstance(rule, Rule) else f"{rule!r} is no Rule"
                raise PluginError(
                    f"the plug-in {name} ({FAMILIES.group}): {problem}", hint="update or remove its package"
                )
            rules[rule.id] = rule
    return rules
