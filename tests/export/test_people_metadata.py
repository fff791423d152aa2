"""How people are found and cut out, as the metadata of an exported IR say it."""

from dataclasses import replace

import pytest

from posezoo.core.declarations.model import WHOLE_IMAGE, Decoder, PairLimits, People
from posezoo.core.ir.openvino_import import openvino_core
from posezoo.export.decoded import with_decoding
from posezoo.export.people_programs import (
    describe_pipeline,
    render_pipeline,
)
from posezoo.export.target_type import TEMPLATES
from posezoo.run.pipeline_spec import PipelineSpec

KEYPOINTS = {"name": "keypoints", "shape": [1, 17, 3]}
HEATMAPS = {"name": "heatmaps", "shape": [1, 17, 16, 24], "role": "heatmaps"}
FALLBACK = People("finder", "finder", whole_image=0.3)


@pytest.fixture
def chain(make_model):
    """A network for one person with its decoder, and the detector of its people."""

    def make(convention="argmax"):
        decoder = {"name": "heatmap", "convention": convention}
        declared = make_model("net", HEATMAPS, decoder=decoder, skeleton="coco-17")
        model = make_model("net", KEYPOINTS, skeleton="coco-17")
        detections = {"name": "detections", "shape": [1, 1, 200, 7], "role": "detections"}
        finder = make_model("finder", detections, decoder={"name": "detection"})
        finder = replace(finder, spec=with_decoding(finder.spec, Decoder("detection")))
        spec = with_decoding(declared.spec, declared.spec.decoder)
        pipeline = PipelineSpec(spec, people=FALLBACK, detector=finder.spec)
        return replace(model, spec=spec, pipeline=pipeline, detector=finder)

    return make


def test_the_whole_image_is_a_person_only_if_a_detector_finds_nobody(chain):
    facts = describe_pipeline(chain())
    assert facts["detector"] == "finder.xml"
    assert facts["whole_image"] == "0.3"
    assert float(facts["second_score"]) < 0.3 and float(facts["second_look"]) > 1
    model = chain()
    pipeline = PipelineSpec(model.spec, people=People(WHOLE_IMAGE, WHOLE_IMAGE))
    alone = replace(model, detector=None, pipeline=pipeline)
    assert not {"detector", "whole_image", "second_look"} & describe_pipeline(alone).keys()


def test_the_limits_are_those_with_the_detector_that_is_exported(chain):
    detectors = {"finder": PairLimits(min_pose_score=0.15), "other": PairLimits(0.4, 0.3)}
    model = chain()
    people = replace(FALLBACK, detectors=detectors)
    facts = describe_pipeline(replace(model, pipeline=replace(model.pipeline, people=people)))
    assert facts["min_pose_score"] == "0.15"
    # The detector's file has this limit.
    assert facts["detectors"] == '{"finder": {"min_pose_score": 0.15, "min_score": 0.5}}'


def test_openvino_reads_the_metadata_beside_those_that_the_ir_had(chain, tmp_path):
    files = {file.name: file.content for file in render_pipeline(chain(), "models")}
    assert [*files] == [
        f"models/{name}" for name in ("net.bin", "net.xml", "finder.bin", "finder.xml")
    ]
    (tmp_path / "net.xml").write_bytes(files["models/net.xml"])
    (tmp_path / "net.bin").write_bytes(files["models/net.bin"].read_bytes())
    network = openvino_core().read_model(tmp_path / "net.xml")
    assert network.get_rt_info(["posezoo", "pipeline", "crop"]).astype(str) == "affine"
    assert network.get_rt_info(["posezoo", "note"]).astype(str) == "none"


def test_the_metadata_say_bf16_if_run_computes_in_it(chain):
    model = chain()
    finder = model.detector
    finder = replace(finder, spec=replace(finder.spec, compute_types=("bf16",)))
    files = [*render_pipeline(replace(model, detector=finder), "models")]
    stated = {file.name: b"compute_type" in file.content for file in files if ".xml" in file.name}
    assert stated == {"models/net.xml": False, "models/finder.xml": True}


def test_the_program_in_cpp_reads_each_key_but_those_of_model_yml(chain):
    program = (TEMPLATES / "poses.hpp").read_text("utf-8")
    unread = {key for key in describe_pipeline(chain()) if f'"{key}"' not in program}
    assert unread == {"detectors", "photo", "video"}


def test_a_network_that_finds_the_people_itself_has_no_such_metadata(chain):
    model = chain()
    alone = replace(model, pipeline=PipelineSpec(model.spec), detector=None)
    assert describe_pipeline(alone) == {}
