"""What posezoo's own registry must have, and another one need not: others use it, and tests and pages show it."""

import pytest

from fakes.command import json_of, posezoo
from fakes.own_registry import own_registry
from fakes.zoo import file_yml, model_yml, write_model
from posezoo.lint.registry_view import RegistryView
from posezoo.lint.rule import defined_rules
from posezoo.lint.rules import builtin_models, native_format

TERMS = f"""Copyright 2026 The tests

Apache License Version 2.0
{"The terms and conditions of the license. " * 10}
END OF TERMS AND CONDITIONS
"""
MOVENET = {
    "decoder": {"name": "movenet"},
    "skeleton": "coco-17",
    "outputs": [{"name": "output", "shape": [1, 1, 17, 3], "role": "keypoints"}],
}


def check(models):
    ended = posezoo("verify", "--metadata", "net", "--models_dir", models, "--format", "json")
    return [(each["rule"], each["message"]) for each in json_of(ended)["findings"]]


@pytest.fixture
def declare(tmp_path, monkeypatch):
    """declare(changes, terms): the findings in a model of posezoo's registry; and in the same one of another zoo."""

    def find(changes, terms=TERMS):
        models = tmp_path / "models"
        write_model(models, "net", model_yml(**changes))
        (tmp_path / "licenses" / "Apache-2.0-Tests.txt").write_text(terms)
        elsewhere = check(models)
        monkeypatch.setattr("posezoo.lint.registry_view.builtin_models_dir", lambda: models)
        return check(models), elsewhere

    return find


def source(address):
    return {"files": [file_yml(source=address)]}


def test_a_complete_model_has_no_finding(declare):
    people = {"people": {"photo": "none", "video": "tracking"}}
    assert declare({**MOVENET, **people}) == ([], [])


@pytest.mark.parametrize(
    "address",
    [
        {"$type": "file", "path": "/home/ann/net.tflite"},
        {"$type": "file", "path": "net.tflite"},
        "https://192.168.1.7/net.tflite",
        "https://localhost/net.tflite",
        "https://nas/net.tflite",
        "https://nas.local/net.tflite",
        "s3://bucket/net.tflite",
    ],
)
def test_a_source_that_only_its_author_reaches_is_refused(declare, address):
    findings, elsewhere = declare(source(address))
    ((rule, message),) = findings
    assert rule == "reachable-source" and "others cannot reach: publish the file" in message
    assert elsewhere == []


def test_an_address_of_ipv6_may_be_public(declare):
    assert declare(source("https://[2606:4700::6810:85e5]/net.tflite")) == ([], [])


@pytest.mark.parametrize("decoder", ["movenet", "heatmap", "simcc"])
def test_a_model_for_one_person_says_how_people_are_found(declare, decoder):
    findings, elsewhere = declare({**MOVENET, "decoder": {"name": decoder}})
    (message,) = [message for rule, message in findings if rule == "stated-people"]
    assert message.startswith("people: is missing: state what finds them, such as people: {photo: ")
    assert "stated-people" not in dict(elsewhere)


@pytest.mark.parametrize(
    ("spdx", "terms"),
    [
        ("Apache-2.0", "Copyright 2026 The tests\n"),
        ("Apache-2.0", "Copyright 2026 The tests\n\nSee the license of the project.\n"),
        ("MIT", "MIT License\n\nCopyright (c) 2026 The tests\n"),
        ("BSD-3-Clause", "Copyright 2026 The tests. All rights reserved.\n"),
        ("ISC", "Copyright 2026 The tests\n"),
        ("GPL-3.0-only", "Copyright 2026 The tests\n\nGNU GENERAL PUBLIC LICENSE Version 3\n"),
    ],
)
def test_a_license_is_its_whole_text(declare, spdx, terms):
    license = {"license": {"spdx": spdx, "text": "Apache-2.0-Tests.txt"}}
    findings, elsewhere = declare(license, terms)
    assert findings == [
        (
            "license-kind",
            f"license: Apache-2.0-Tests.txt lacks the terms of {spdx}: below the line of the holder,"
            " write the whole text",
        )
    ]
    assert elsewhere == []


def test_a_registry_with_a_table_of_rehearsals_has_a_row_of_each_model(declare, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "rehearsed.tsv").write_text("model\tdeclared\nother\t0123\n")
    findings, _ = declare({})
    ((rule, message),) = findings
    assert rule == "rehearsed" and "make rehearse REHEARSE=net writes it" in message
    (tmp_path / "models" / "rehearsed.tsv").write_text("model\tdeclared\nnet\t0123\n")
    assert declare({}) == ([], [])


def test_posezoos_own_models_keep_these_rules():
    rules = (*defined_rules(vars(builtin_models)), native_format.license_kind)
    views = RegistryView(own_registry()).models.values()
    found = [
        (view.name, each.message) for view in views for rule in rules for each in rule.find(view)
    ]
    assert found == []
