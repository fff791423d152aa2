"""papers.yml of a registry: the papers that its models come from, and how they are cited."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from posezoo.registry import root_of
from posezoo.spec.model import ModelSpec
from posezoo.spec.reader import Node, read
from posezoo.spec.values import line, listed, matching

NAME = "papers.yml"

_KEYS = ("key", "title", "authors", "booktitle", "journal", "year")
#: What BibTeX takes as the name of an entry.
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9:_-]{0,99}")
_ARXIV = re.compile(r"https?://arxiv\.org/abs/(\d{4}\.\d{4,5})")
_FIRST_YEAR, _LAST_YEAR = 1900, 2100


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper; ``booktitle`` or ``journal`` says where it was published, if anywhere but at its address."""

    address: str
    key: str
    title: str
    authors: tuple[str, ...]  # first names first
    year: int
    booktitle: str = ""
    journal: str = ""


def read_papers(path: Path) -> dict[str, Paper]:
    """The papers of a papers.yml by their addresses; none where it is not there.

    Raises:
        SpecError: the first thing in the file that cannot be meant, with its place.
    """
    if not path.is_file():
        return {}
    return {address: _paper(address, node) for address, node in read(path).fields()}


def papers_of(parts: Iterable[ModelSpec]) -> tuple[Paper, ...]:
    """The papers of some models of one registry, each once; those that nobody told of are left out."""
    models = tuple(parts)
    known = read_papers(root_of(models[0]) / NAME) if models else {}
    addresses = dict.fromkeys(model.origin.paper for model in models)
    return tuple(known[address] for address in addresses if address in known)


def bibtex(paper: Paper) -> str:
    """The paper as an entry for BibTeX."""
    where = {"booktitle": paper.booktitle, "journal": paper.journal}
    kind = "inproceedings" if paper.booktitle else "article" if paper.journal else "misc"
    eprint = _ARXIV.fullmatch(paper.address)
    fields = {
        "author": " and ".join(map(_tamed, paper.authors)),
        "title": f"{{{_tamed(paper.title)}}}",
        **{name: _tamed(text) for name, text in where.items()},
        "year": str(paper.year),
        "eprint": eprint.group(1) if eprint else "",
        "archivePrefix": "arXiv" if eprint else "",
        "url": paper.address,
    }
    lines = [f"  {name} = {{{text}}}," for name, text in fields.items() if text]
    return "\n".join([f"@{kind}{{{paper.key},", *lines, "}"])


def reference(paper: Paper) -> str:
    """The paper as a line of a list of references."""
    where = paper.booktitle or paper.journal
    return f"{', '.join(paper.authors)}: {paper.title}. {f'{where}, ' if where else ''}{paper.year}."


def _paper(address: str, node: Node) -> Paper:
    fields = node.fields(_KEYS)
    where = {name: fields.get(name) for name in ("booktitle", "journal")}
    authors = listed(fields["authors"], line)
    if not authors:
        raise fields["authors"].error("is empty: a paper has at least one author")
    return Paper(
        address=_address(address, node),
        key=matching(fields["key"], _KEY, "a key of BibTeX: letters, digits, and : _ - after the first"),
        title=line(fields["title"]),
        authors=authors,
        year=fields["year"].integer(minimum=_FIRST_YEAR, maximum=_LAST_YEAR),
        **{name: line(said) for name, said in where.items() if said is not None},
    )


def _address(text: str, node: Node) -> str:
    if not re.fullmatch(r"https?://[^\s{}]+", text):
        raise node.error("the key of a paper is its address, http(s)://...")
    return text


def _tamed(text: str) -> str:
    """A text that BibTeX shows as it is: nothing in it opens or ends anything."""
    text = re.sub(r"[{}\\]", "", text)
    return re.sub(r"([&%$#_])", r"\\\1", text)
