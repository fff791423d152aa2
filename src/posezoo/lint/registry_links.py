"""Where the relative links of a registry's pages lead, and which files were not copied with the registry."""

from __future__ import annotations

import os.path
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

from posezoo.registry import Registry

#: So many folders of models show whether images and scripts were copied with them.
SAMPLE_SIZE = 20
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}:|//|#|@")


class RegistryLinks:
    """The targets of links, each looked up on disk once.

    Args:
        registry: its roots and models.
        links: the folder and the target of every link on the cards.
    """

    def __init__(self, registry: Registry, links: Iterable[tuple[Path, str]]) -> None:
        self._registry = registry
        self._links = links
        self._exists: dict[str, bool] = {}

    def exists(self, path: str) -> bool:
        """Whether there is a file or a folder."""
        if path not in self._exists:
            try:
                self._exists[path] = os.path.exists(path)
            except ValueError:
                self._exists[path] = False
        return self._exists[path]

    def resolve(self, folder: Path, target: str) -> str | None:
        """The path that a relative link on a page in this folder leads to; None for any other link."""
        target = target.partition("#")[0].partition("?")[0]
        if not target or _ADDRESS.match(target) or "\x00" in target:
            return None
        if target.startswith("/"):
            root = next(root for root in self._registry.roots if folder.is_relative_to(root))
            return os.path.normpath(f"{root.parent}{target}")
        return os.path.normpath(f"{folder}/{target}")

    @cached_property
    def counts(self) -> Mapping[str, Counter[str]]:
        """How many links lead to each path, by kind of path."""
        counts: dict[str, Counter[str]] = {}
        for folder, target in self._links:
            if (path := self.resolve(folder, target)) is not None:
                counts.setdefault(self.kind(path), Counter())[path] += 1
        return counts

    def kind(self, path: str) -> str:
        """What a path is copied with: ``cards`` of models, ``files`` beside them, a folder, or others."""
        for root in self._registry.roots:
            if path.startswith(f"{root}{os.sep}"):
                return "cards" if path.endswith(".md") else "files"
            if path.startswith(f"{root.parent}{os.sep}"):
                name = path[len(str(root.parent)) + 1 :].partition(os.sep)[0]
                return name if self.exists(f"{root.parent}/{name}") else "beside"
        return "outside"

    def was_not_copied(self, kind: str) -> bool:
        """Whether files of a kind are missing because only a part of the repository was copied."""
        return kind in ("outside", "beside") or (kind == "files" and self._has_only_metadata)

    @cached_property
    def _has_only_metadata(self) -> bool:
        folders = sorted({entry.path.parent for entry in self._registry.entries.values()})[:SAMPLE_SIZE]
        files = (path for folder in folders for path in folder.iterdir() if path.suffix)
        return len(folders) >= SAMPLE_SIZE and all(path.suffix in (".md", ".yml") for path in files)
