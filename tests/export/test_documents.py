"""The documents of an export: where it is copied, a reader finds the license and how to use it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from posezoo.core.declarations.model import WHOLE_IMAGE, Framework, People
from posezoo.export.decoded import with_decoding
from posezoo.export.target_type import ExportFolder, render_files
from posezoo.export.targets import TARGETS

DETECTIONS = {"name": "detections", "shape": [1, 1, 200, 7], "role": "detections"}
HEATMAPS = {"name": "heatmaps", "shape": [1, 17, 16, 24], "role": "heatmaps"}
WITHOUT_F32 = {"triton"}


@pytest.fixture
def taken_model(make_model):
    """Makes a model that a target takes, with a license; the second argument is its decoder."""

    def make(target):
        if target == "modelapi":
            model = make_model("net", DETECTIONS, decoder={"name": "detection"})
        else:
            model = make_model("net", HEATMAPS, decoder={"name": "heatmap"}, skeleton="coco-17")
        if TARGETS.find(target).inputs:
            model = replace(model, spec=with_decoding(model.spec, model.spec.decoder))
        # The license is that of a converted IR.
        model.xml.with_name("provenance.json").write_text("{}")
        return model

    return make


def documents(target, model):
    """The texts by the ends of their paths, and the name of the folder or file before it."""
    files = render_files(TARGETS.find(target), [model], ExportFolder({}))
    names = ("LICENSE", "NOTICE", "README.md")
    found = [file for file in files if file.name != "README.md" and file.name.endswith(names)]
    return {
        file.name.removeprefix("models/")[len("net/") :]: file.content.decode() for file in found
    }


#: A file in the text of a record.
FILE_NAME = re.compile(r"[\w-]+\.(?:hpp|js|json|pbtxt|py|sh|yaml|yml)\b")


@pytest.mark.parametrize("target", TARGETS.names())
def test_every_export_has_its_license_and_says_how_to_use_it(taken_model, target):
    model = taken_model(target)
    texts = documents(target, model)
    assert texts.keys() == {"LICENSE", "NOTICE", "README.md"}, (
        f"render of the record of {target} in export/ also yields render_documents"
    )
    assert "The terms." in texts["LICENSE"] and "Copyright 2026 The tests" in texts["NOTICE"]
    readme = texts["README.md"]
    assert "- `image`: [1, 3, 64, 96], f32, NCHW, BGR" in readme
    assert f"- `{model.outputs[0].name}`: {list(model.outputs[0].shape)}, f32" in readme
    assert TARGETS.find(target).next_step.format(folder='"$PWD"', name="net") in readme
    needs = TARGETS.find(target).needs
    assert needs, (
        f"add needs to the record of {target} in export/: what users must have before they use it"
    )
    assert f"{needs.format(name='net')} Then, in the folder" in readme, (
        f"render of {target} in export/ yields render_documents, whose README.md has its needs"
    )
    assert ("computes in f32, as posezoo does" in readme) == (target not in WITHOUT_F32), (
        f"add sets_type to the record of {target} in export/: what sets the type of the computation;"
        " if nothing can, add it to WITHOUT_F32 of tests/export/test_documents.py"
    )
    record = TARGETS.find(target)
    named = {*FILE_NAME.findall(f"{record.next_step} {record.sets_type}")}
    files = render_files(record, [model], ExportFolder({}))
    missing = named - {Path(file.name).name for file in files}
    assert not missing, (
        f"next_step or sets_type of the record of {target} in export/ names {sorted(missing)}, which it does not write"
    )
    # The AP of one model on one machine says nothing about another.
    _, heading, measured = readme.partition("Precision of the computation")
    assert heading and not re.search(r"\b0\.\d\d", measured)
    assert "{" not in readme.replace("${", "")


def test_a_reader_learns_how_a_picture_becomes_the_input(make_model):
    model = make_model("net", HEATMAPS, decoder={"name": "heatmap"}, skeleton="coco-17")
    readme = documents("triton", model)["README.md"]
    assert "keeps its aspect ratio, places it in the middle, and fills the rest with 0." in readme
    people = People(WHOLE_IMAGE, WHOLE_IMAGE)
    alone = replace(model, pipeline=replace(model.pipeline, people=people))
    readme = documents("triton", alone)["README.md"]
    assert "It takes one person at a time: your program must find the people" in readme
    assert '`posezoo.decode("heatmap", ...)` makes poses of them.' in readme
    published = replace(model.spec.inputs[0], mean=(127.5,), scale=(127.5,))
    model = replace(model, spec=replace(model.spec, inputs=(published,), framework=Framework.DLDT))
    part = replace(model, spec=replace(model.spec, decoder=None, composite="whole"))
    assert "`posezoo run whole` makes poses of them" in documents("triton", part)["README.md"]
    assert "without its mean [127.5] and scale [127.5]" in documents("triton", model)["README.md"]


def test_the_readme_of_a_folder_is_its_card_with_one_title(taken_model):
    readme = documents("folder", taken_model("folder"))["README.md"]
    lines = readme.partition("\n---\n")[2].splitlines()  # after the metadata for model hubs
    assert [line for line in lines if line.startswith("# ")] == ["# net"]
    chapters = [line for line in lines if line.startswith("## ")]
    assert len(set(chapters)) == len(chapters)
    here = lines.index("## This folder")
    assert {line.split()[0] for line in lines[here + 1 :] if line.startswith("#")} == {"###"}


def test_a_reader_learns_what_to_do_before_the_first_command(taken_model):
    readme = documents("onnx", taken_model("onnx"))["README.md"]
    assert readme.index("`pip install onnxruntime ") < readme.index("sample.py PICTURE")
