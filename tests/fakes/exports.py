"""Exports in tests: their files, and models under other names."""

from __future__ import annotations

from dataclasses import replace

DOCUMENTS = ("README.md", "NOTICE")


def documents_of(*names):
    """The paths of the documents that each export of these models has; LICENSE is there if posezoo has it."""
    return {f"{name}/{document}" for name in names for document in DOCUMENTS}


def renamed(model, name):
    return replace(model, spec=replace(model.spec, name=name))


def files_below(folder):
    """The files of an export but for its manifest: bytes by name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "posezoo-export.json"
    }
