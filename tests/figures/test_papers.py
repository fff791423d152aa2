"""The papers of models: read from one file, and cited in BibTeX."""

import pytest

from fakes.zoo import as_yaml, model_yml, write_model
from posezoo.core.errors import SpecError
from posezoo.core.registry import Registry
from posezoo.figures.papers import (
    NAME,
    collect_papers,
    format_bibtex,
    format_citation,
    read_papers,
)
from posezoo.pages.cards.registry_pages import render_pages

PAPER = {"key": "doe2020", "title": "On Poses", "authors": ["Jane Doe", "Ann Roe"], "year": 2020}


def papers(tmp_path, content):
    path = tmp_path / "models" / NAME
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else as_yaml(content), "utf-8")
    return read_papers(path)


def test_a_citation_names_the_place_of_publication(tmp_path):
    address = "https://arxiv.org/abs/1908.10357"
    (paper,) = papers(tmp_path, {address: {**PAPER, "booktitle": "Proceedings of Poses"}}).values()
    assert format_bibtex(paper) == (
        "@inproceedings{doe2020,\n  author = {Jane Doe and Ann Roe},\n  title = {{On Poses}},\n"
        "  booktitle = {Proceedings of Poses},\n  year = {2020},\n  eprint = {1908.10357},\n"
        "  archivePrefix = {arXiv},\n  url = {https://arxiv.org/abs/1908.10357},\n}"
    )
    assert format_citation(paper) == "Jane Doe, Ann Roe: On Poses. Proceedings of Poses, 2020."


def test_the_papers_that_a_model_is_based_on_are_cited_after_its_own(tmp_path):
    addresses = ["https://p.invalid/own", "https://p.invalid/method"]
    papers(tmp_path, {address: {**PAPER, "key": address[-3:]} for address in addresses[::-1]})
    origin = {"paper": addresses[0], "based_on": addresses[1:]}
    write_model(tmp_path / "models", "net", model_yml(origin=origin))
    model = Registry([tmp_path / "models"]).find("net")
    assert [paper.address for paper in collect_papers([model])] == addresses
    card = render_pages(tmp_path / "models")["public/net/README.md"]
    assert f"Paper: <{addresses[0]}>, <{addresses[1]}>" in card


def test_a_hostile_title_opens_and_ends_no_group_in_bibtex(tmp_path):
    title = "50 % {of} \\input{x}} all_poses & more"
    (paper,) = papers(tmp_path, {"https://p.invalid/a": {**PAPER, "title": title}}).values()
    entry = format_bibtex(paper)
    assert "title = {{50 \\% of inputx all\\_poses \\& more}}," in entry
    assert entry.count("{") == entry.count("}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"no address": PAPER}, "papers.yml:2:3: no address: the key of a paper is its address"),
        ({"https://p.invalid": {**PAPER, "key": "x}"}}, ".key: expected a key of BibTeX"),
        ({"https://p.invalid": {**PAPER, "authors": []}}, ".authors: is empty"),
        ({"https://p.invalid": {**PAPER, "year": 20200}}, ".year: "),
        ({"https://p.invalid": {**PAPER, "pages": "1"}}, ".pages: unknown key"),
    ],
)
def test_an_error_is_reported_with_its_place(tmp_path, content, message):
    with pytest.raises(SpecError) as error:
        papers(tmp_path, content)
    assert message in str(error.value)
