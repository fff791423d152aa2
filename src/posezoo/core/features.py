"""What the features of posezoo add to the core.

The core names no feature: here it names the places where features take part.
``posezoo/__init__.py`` names their parts, before any module of the core asks for one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

#: The tables to which features add any number of parts: those of each ``FeatureParts``, and of each
#: ``LazyTable`` to which features add.
TABLES = frozenset(
    {
        "completers",
        "diagnoses",
        "posezoo.formats",
        "posezoo.source_types",
        "registries",
        "sidecars",
    }
)
#: The steps that one feature does: those of each ``Hook``.
HOOKS = frozenset(
    {
        "compared_rows",
        "converter_program",
        "file_explanation",
        "graph_decoder",
        "int8_maker",
        "model_description",
        "onnx_rewriting",
        "own_networks",
        "quantization_yml",
        "remote_executor",
        "sample_photos",
        "upstream_code",
        "upstream_steps",
        "wheel_registry",
    }
)

#: ``package.module:ATTRIBUTE`` by name, for each of ``TABLES``, and for ``HOOKS``, by "hooks".
PARTS: dict[str, Mapping[str, str]] = {}


def add_parts(parts: Mapping[str, Mapping[str, str]]) -> None:
    """Fill ``PARTS``.

    Raises:
        LookupError: the names are not those of ``TABLES`` and ``HOOKS``.
    """
    _require_same("table", parts, TABLES | {"hooks"})
    _require_same("hook", parts["hooks"], HOOKS)
    PARTS.update(parts)


def require_place(kind: str, name: str, declared: Collection[str]) -> None:
    """Check that a place of the core is declared.

    Raises:
        LookupError: ``declared`` lacks it.
    """
    if name not in declared:
        raise LookupError(f"core/features.py declares no {kind} {name}")


def _require_same(kind: str, names: Collection[str], declared: Collection[str]) -> None:
    for name in names:
        require_place(kind, name, declared)
    for name in declared:
        if name not in names:
            raise LookupError(f"no feature names a part for the {kind} {name}")
