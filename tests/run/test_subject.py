"""One value of what the user names and says of it, made and checked by one function."""

import pytest

import posezoo
from fakes.irs import write_ir
from posezoo.core.declarations.model import Precision
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.errors import InferenceError, PosezooError
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.settings import read_settings, to_settings
from posezoo.run.subject import Kind, Statement, find_subject
from posezoo.run.subject_values import list_values

pytest.importorskip("openvino")
HEATMAPS = {"maps": (1, 17, 16, 24)}


@pytest.fixture(scope="module")
def context():
    return open_context(to_settings(read_settings({})))


@pytest.fixture(scope="module")
def xml(tmp_path_factory):
    return write_ir(tmp_path_factory.mktemp("irs") / "net.xml", HEATMAPS, image=(1, 3, 64, 96))


def test_a_statement_that_a_file_cannot_use_is_named(xml):
    with pytest.raises(PosezooError, match="tag: only for a model") as caught:
        posezoo.load(xml, tag="x", listener=None)
    assert caught.value.exit_code == 2


def test_a_skeleton_of_another_number_of_keypoints_does_not_fit(xml, context):
    said = Statement(skeleton=SKELETONS["blazepose-33"])
    with pytest.raises(InferenceError, match="finds 17 keypoints") as caught:
        find_subject(f"{xml}", context, said)
    assert caught.value.exit_code == 2


def test_an_error_of_the_file_itself_is_no_wrong_usage(tmp_path, context):
    silent = write_ir(tmp_path / "net.xml", HEATMAPS, states_images=False)
    with pytest.raises(InferenceError, match="does not say how images are prepared") as caught:
        find_subject(f"{silent}", context, Statement(detector="none"))
    assert caught.value.exit_code == 1


def test_a_file_of_any_size_gets_that_of_the_model_it_is_like(tmp_path, context):
    outputs = {"dets": (1, 100, 5), "labels": (1, 100)}
    image = (1, 3, -1, -1)
    file = write_ir(tmp_path / "net.xml", outputs, image=image, states_images=False)
    subject = find_subject(f"{file}", context, Statement(like="rtmdet-nano"))
    assert subject.kind is Kind.FILE
    assert subject.graph.inputs == {"image": (1, 3, 320, 320)}


def test_a_file_has_a_precision_of_its_own(xml, context):
    assert find_subject(f"{xml}", context, Statement(precision=Precision.FP32)).graph
    with pytest.raises(PosezooError, match=r"precision FP16: .*net\.xml is in FP32"):
        find_subject(f"{xml}", context, Statement(precision=Precision.FP16))


def test_what_overrules_the_metadata_of_a_file_is_said(tmp_path, context):
    says = {("model_info", "mean_values"): "128", ("model_info", "scale_values"): "255"}
    file = write_ir(tmp_path / "net.xml", HEATMAPS, image=(1, 3, 64, 96), info=says)
    same = find_subject(f"{file}", context, Statement(mean_values=(128.0,)))
    other = find_subject(f"{file}", context, Statement(mean_values=(1.0,)))
    assert (same.doubt, other.doubt) == ("", f"mean_values: overrule what {file} states")
    sources = {each.name: (each.value, each.source) for each in list_values(other)}
    assert sources["mean"] == ((1.0,), "mean_values")
    assert sources["scale"] == ((255.0,), "model_info")
    assert sources["decoder"] == ("heatmap", "the network")
