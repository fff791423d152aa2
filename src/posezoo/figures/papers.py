"""The papers that describe models, as listed in a registry's papers.yml, and their citations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from posezoo.core.declarations.field_types import (
    LINE,
    Key,
    integer,
    list_of,
    matching,
    names_of,
    read_keys,
    required_key,
)
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.declarations.yaml_nodes import parse_yaml, read_yaml_bytes
from posezoo.core.registry import registry_root
from posezoo.core.values import frozen

NAME = "papers.yml"

_BIBTEX_KEY = matching(
    re.compile(r"[A-Za-z][A-Za-z0-9:_-]{0,99}"),
    "a key of BibTeX: letters, digits, and : _ - after the first",
)
_KEYS = (
    required_key("key", _BIBTEX_KEY),
    required_key("title", LINE),
    required_key(
        "authors", list_of(LINE, minimum=1, empty="is empty: a paper has at least one author")
    ),
    Key("booktitle", LINE),
    Key("journal", LINE),
    required_key("year", integer(1900, 2100)),
)
_NAMES = names_of(_KEYS)
_ARXIV = re.compile(r"https?://arxiv\.org/abs/(\d{4}\.\d{4,5})")


@frozen
class Paper:
    """A paper; ``booktitle`` or ``journal`` says where it was published, unless it is only at its
    address.
    """

    address: str
    key: str
    title: str
    authors: tuple[str, ...]  # given names first
    year: int
    booktitle: str = ""
    journal: str = ""


def read_papers(path: Path) -> Mapping[str, Paper]:
    """The papers of a papers.yml by address, none if it is missing; a SpecError at the first
    mistake.
    """
    if not path.is_file():
        return {}
    return _parse_papers(read_yaml_bytes(path), str(path))


# The card of each model of a registry needs its only papers.yml.
@lru_cache(maxsize=16)
def _parse_papers(content: bytes, file: str) -> Mapping[str, Paper]:
    papers = {}
    for address, node in parse_yaml(content, file).as_mapping().items():
        if not re.fullmatch(r"https?://[^\s{}]+", address):
            raise node.make_error("the key of a paper is its address, http(s)://...")
        papers[address] = Paper(address, **read_keys(node.as_mapping(_NAMES), _KEYS))
    return papers


def collect_papers(parts: Iterable[ModelSpec]) -> tuple[Paper, ...]:
    """The papers of models of one registry, each once; papers that are not in papers.yml are left
    out.
    """
    models = tuple(parts)
    if not models:
        return ()
    papers = read_papers(registry_root(models[0]) / NAME)
    addresses = dict.fromkeys(address for model in models for address in model.origin.papers)
    return tuple(papers[address] for address in addresses if address in papers)


def format_bibtex(paper: Paper) -> str:
    """The paper as an entry for BibTeX."""
    where = {"booktitle": paper.booktitle, "journal": paper.journal}
    kind = "inproceedings" if paper.booktitle else "article" if paper.journal else "misc"
    eprint = _ARXIV.fullmatch(paper.address)
    fields = {
        "author": " and ".join(map(_escape_bibtex, paper.authors)),
        "title": f"{{{_escape_bibtex(paper.title)}}}",
        **{name: _escape_bibtex(text) for name, text in where.items()},
        "year": str(paper.year),
        "eprint": eprint.group(1) if eprint else "",
        "archivePrefix": "arXiv" if eprint else "",
        "url": paper.address,
    }
    lines = [f"  {name} = {{{text}}}," for name, text in fields.items() if text]
    return "\n".join([f"@{kind}{{{paper.key},", *lines, "}"])


def format_citation(paper: Paper) -> str:
    """The paper as a line of a reference list."""
    where = paper.booktitle or paper.journal
    return (
        f"{', '.join(paper.authors)}: {paper.title}. {f'{where}, ' if where else ''}{paper.year}."
    )


def _escape_bibtex(text: str) -> str:
    # Nothing in the text may open or end a group.
    text = re.sub(r"[{}\\]", "", text)
    return re.sub(r"([&%$#_])", r"\\\1", text)
