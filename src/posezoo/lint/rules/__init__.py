"""The rules, one module a family: each has a table of its own, and here they are one."""

from __future__ import annotations

from posezoo.lint.rule import Rule
from posezoo.lint.rules import (
    accuracy_check,
    converter_arguments,
    declared_files,
    descriptions,
    index_metrics,
    license_terms,
    links,
    metrics,
    native_format,
    preprocessing_rules,
    shapes_and_names,
)

_FAMILIES = (
    declared_files, converter_arguments, native_format, shapes_and_names, preprocessing_rules, accuracy_check,
    metrics, index_metrics, license_terms, links, descriptions,
)  # fmt: skip

RULES: dict[str, Rule] = {rule.id: rule for family in _FAMILIES for rule in family.RULES}
