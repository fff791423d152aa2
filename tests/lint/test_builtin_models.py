"""What posezoo's own registry must have, and another one need not: others use it, and tests and pages show it."""

import pytest

from fakes.command import json_of, posezoo
from fakes.zoo import file_yml, model_yml, write_model
from posezoo.figures.rehearsals import row_digest

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
    ended = posezoo("lint", "net", "--models_dir", models, "--format", "json")
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


@pytest.mark.parametrize(
    "address",
    [
        {"$type": "file", "path": "/home/ann/net.tflite"},
        {"$type": "file", "path": "net.tflite"},
        "https://192.168.1.7/net.tflite",
        "https://localhost/net.tflite",
        "https://nas/net.tflite",
        "https://nas.local/net.tflite",
        "https://models.example.com/net.tflite",
        "https://host.example/net.tflite",
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


CLAIM = {"metric": "AP", "value": 0.7, "dataset": "COCO val2017", "boxes": "annotated"}
ORIGIN = {"repository": "https://github.com/owner/net", "paper": "https://arxiv.org/abs/2204.12484"}


@pytest.fixture
def declare_copy(declare, tmp_path):
    """declare_copy(changes, others): the findings in a model, checked alone, beside another one with the other values."""

    def find(changes, others, measured=("", "")):
        models = tmp_path / "models"
        other = {"files": [file_yml("other.tflite")], "description": "Another model.", **others}
        path = write_model(models, "other", model_yml(**other))
        for name, text in zip(("net", "other"), measured, strict=True):
            path.parent.with_name(name).mkdir(exist_ok=True)
            path.parent.with_name(name).joinpath("measured.yml").write_text(text or "{}")
        return declare(changes)

    return find


def accuracy(origin=None, **changes):
    return {"published": {"accuracy": [{**CLAIM, **changes}]}, "origin": origin}


def test_an_accuracy_that_was_copied_from_another_model_is_found(declare_copy):
    findings, elsewhere = declare_copy(accuracy(ORIGIN), accuracy(ORIGIN))
    ((rule, message),) = findings
    assert rule == "copied-accuracy"
    assert message.startswith(
        "AP 0.7 of COCO val2017 is that of other, too: take it from the publisher's"
    )
    assert elsewhere == []
    foreign = {**ORIGIN, "repository": "https://github.com/someone/else"}
    (finding,) = declare_copy(accuracy(foreign), accuracy(ORIGIN))[0]
    assert finding == (rule, message)


SPEED = """speed:
  - precision: FP16
    machine: a machine
    weights: generated
    figures: {throughput_fps: 46.5469}
"""
ACCURACY = """accuracy:
  - precision: FP16
    settings: {dataset: person_keypoints, images: 17}
    figures: {"AP": 0.4}
    irs: d07d07b12891e180
"""
COMPLEXITY = "complexity:\n  - precision: FP16\n    figures: {gflops: 0.5, mparams: 0.000001}\n"


@pytest.mark.parametrize("records", [SPEED, ACCURACY, SPEED + ACCURACY])
def test_records_that_were_copied_from_another_model_are_found(declare_copy, records):
    findings, elsewhere = declare_copy({}, {}, measured=(records, COMPLEXITY + records))
    ((rule, message),) = findings
    assert rule == "copied-records"
    assert " that other has, too, such as this" in message
    assert elsewhere == []


@pytest.mark.parametrize(
    ("note", "named"),
    [
        ("The weights are under CC-BY-NC-4.0.", "CC-BY-NC-4.0"),
        ("The authors state MIT for the code.", "MIT"),
        ("Under the AGPL-3.0, says the package.", "AGPL-3.0"),
        ("The authors publish it under Apache-2.0; the package states MIT.", ""),
        ("The file has no license text; ask its authors.", ""),
    ],
)
def test_a_note_on_the_license_names_the_one_that_is_stated(declare, note, named):
    findings, elsewhere = declare({"license_note": note})
    message = f"license_note names {named}, and license.spdx is Apache-2.0"
    assert findings == ([("license-note", message)] if named else [])
    assert elsewhere == []


BSD = (
    "Copyright 2026 The tests\n\nRedistribution and use in source and binary forms, with or without modification"
    + (", are permitted. " * 30)
)


@pytest.mark.parametrize(
    ("spdx", "terms", "actual"),
    [
        (
            "CC-BY-4.0",
            "Creative Commons Attribution-NonCommercial 4.0 International",
            "CC-BY-NC-4.0",
        ),
        (
            "ISC",
            "This is free and unencumbered software released into the public domain",
            "Unlicense",
        ),
        (
            "BSD-2-Clause",
            f"{BSD}\nused to endorse or promote products derived from it",
            "BSD-3-Clause",
        ),
        ("BSD-3-Clause", BSD, "BSD-2-Clause"),
    ],
)
def test_the_text_of_a_similar_license_is_another_one(declare, spdx, terms, actual):
    license = {"spdx": spdx, "text": "Apache-2.0-Tests.txt"}
    both = declare({"license": license}, f"Copyright 2026 The tests\n\n{terms}\n")
    message = f"license: Apache-2.0-Tests.txt is the text of {actual}, not of {spdx}"
    assert both == ([("license-kind", message)], [("license-kind", message)])


def test_a_registry_with_a_table_of_rehearsals_has_a_row_of_each_model(declare, tmp_path):
    (tmp_path / "models").mkdir()
    table = tmp_path / "models" / "rehearsed.tsv"
    table.write_text("model\tdeclared\nother\t0123\n")
    findings, _ = declare({})
    ((rule, message),) = findings
    assert rule == "rehearsed" and "make rehearse REHEARSE=net writes it" in message
    digest = row_digest("net", {"declared": "0123"})
    row = f"net\t0123\t{digest}"
    table.write_text(f"model\tdeclared\tdigest\nother\t0\t0\n{row}\n")
    assert declare({}) == ([], [])


@pytest.mark.parametrize(("old", "new"), [("yes", "failed"), ("net\t", "net\t0"), ("\tdigest", "")])
def test_a_row_of_the_table_of_rehearsals_that_was_changed_is_found(declare, tmp_path, old, new):
    cells = {"declared": "0123", "get": "yes"}
    text = f"model\tdeclared\tget\tdigest\nnet\t0123\tyes\t{row_digest('net', cells)}\n"
    table = tmp_path / "models" / "rehearsed.tsv"
    table.parent.mkdir()
    table.write_text(text)
    assert declare({}) == ([], [])
    table.write_text(text.replace(old, new))
    found, _ = declare({})
    assert found == [
        ("rehearsed", "the row of net was changed: make rehearse REHEARSE=net writes it")
    ]


@pytest.mark.parametrize(
    ("arithmetic", "expected"), [("bf16", []), ("f32", ["bf16"]), ("bf16,i8", ["bf16"])]
)
def test_a_type_of_the_computation_without_a_measurement_is_found(
    declare, tmp_path, arithmetic, expected
):
    folder = tmp_path / "models" / "public" / "net"
    folder.mkdir(parents=True)
    (folder / "measured.yml").write_text(
        "accuracy:\n  - precision: FP16\n    figures: {AP: 0.5}\n"
        f'    settings: {{arithmetic: "{arithmetic}", dataset: x, images: 17}}\n'
    )
    declared = {**MOVENET, "people": {"photo": "none"}}
    assert declare(declared) == ([], [])
    found, elsewhere = declare({**declared, "compute_types": ["bf16"]})
    assert found == elsewhere
    assert [rule for rule, _ in found] == ["measured-types"] * len(expected)
    assert all("measured.yml has no accuracy in bf16" in message for _, message in found)
