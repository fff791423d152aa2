"""Exports in tests: their files, and models under other names."""

from __future__ import annotations

from dataclasses import replace


def renamed(model, name):
    return replace(model, spec=replace(model.spec, name=name))


def files_below(folder):
    """The files of an export but for its manifest: bytes by name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "posezoo-export.json"
    }
