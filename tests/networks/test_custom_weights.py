import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fakes.checkpoints import params
from posezoo.core.convert.conversion_plan import refuse_to_replace
from posezoo.core.declarations.model import (
    Decoder,
    Digest,
    Family,
    Framework,
    License,
    ModelSpec,
    NetworkChoice,
    Output,
    Precision,
    PublishedAccuracy,
    PublishedMetrics,
    SourceFile,
    Training,
    UnknownKey,
)
from posezoo.core.declarations.skeleton import LimbField, Skeleton
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.errors import (
    CheckpointError,
    ConversionError,
    InferenceError,
    PosezooError,
    UnknownModelError,
)
from posezoo.core.ir.provenance import conversion_key
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import open_registry
from posezoo.networks import NETWORKS
from posezoo.networks.custom_weights import (
    spec_with_checkpoint,
    with_dynamic_shape,
    with_known_network,
)


def save(path, shapes):
    """A checkpoint of zeros in these shapes."""
    path.write_bytes(params({key: np.zeros(shape, np.float32) for key, shape in shapes.items()}))
    return path


def keys(tmp_path, *, stages=1, heatmaps=19):
    """A checkpoint with the few keys that tell Lightweight OpenPose's arguments."""
    return save(
        tmp_path / "net.params",
        {
            "initial_stage.heatmaps.1.0.weight": (heatmaps, 2, 1, 1),
            "initial_stage.pafs.1.0.weight": (38, 2, 1, 1),
            **{f"refinement_stages.{stage}.x.weight": (1, 1) for stage in range(stages)},
        },
    )


PUBLISHED = ModelSpec(
    name="openpose",
    family=Family.PUBLIC,
    path=None,
    description="A network.",
    task="human_pose_estimation",
    framework=Framework.PYTORCH,
    license=License("MIT"),
    files=(),
    inputs=(NETWORKS["lightweight_openpose"].input,),
    outputs=(
        Output("stage_1_output_0_pafs", (1, 38, 32, 57), "NCHW", "pafs"),
        Output("stage_1_output_1_heatmaps", (1, 19, 32, 57), "NCHW", "heatmaps"),
    ),
    decoder=Decoder("openpose"),
    skeleton="openpose-18",
    network=NetworkChoice("lightweight_openpose", {"refinement_stages": 1}),
    checkpoint="checkpoint_iter_370000.pth",
)


def test_a_network_s_checkpoint_becomes_a_model_with_the_network_s_ends(tmp_path):
    model = spec_with_checkpoint("lightweight_openpose", keys(tmp_path, stages=3))
    assert (model.name, model.subdirectory) == (
        "lightweight_openpose",
        "public/lightweight_openpose",
    )
    assert model.inputs == (NETWORKS["lightweight_openpose"].input,)
    assert [port.name for port in model.outputs] == [
        "stage_3_output_0_pafs",
        "stage_3_output_1_heatmaps",
    ]
    assert model.network.arguments["refinement_stages"] == 3


def test_weights_of_the_published_form_keep_all_that_the_model_says_but_its_license(tmp_path):
    model = spec_with_checkpoint(PUBLISHED, keys(tmp_path))
    assert model.outputs == PUBLISHED.outputs
    assert (model.decoder, model.skeleton) == (PUBLISHED.decoder, "openpose-18")
    assert model.license == License()


@pytest.mark.parametrize(
    "name", ["human-pose-estimation-3d-0001", "higher-hrnet-w32-human-pose-estimation"]
)
def test_a_model_of_another_registry_gets_the_network_of_ours_of_its_name_and_size(name):
    ours = open_registry().find(name)
    theirs = replace(ours, path=Path("theirs/model.yml"), network=None, checkpoint="", decoder=None)
    known = with_known_network(theirs)
    assert (known.network, known.checkpoint) == (ours.network, ours.checkpoint)
    assert known.decoder == ours.decoder
    files = tuple(replace(file, size=(file.size or 0) + 1) for file in theirs.files)
    other = replace(theirs, files=files)
    assert with_known_network(other) is other


def test_what_their_publisher_says_of_other_weights_is_not_said_of_these(tmp_path):
    other = replace(PUBLISHED, tag="bbbbbbbb")
    said = replace(
        PUBLISHED,
        license_note="Unclear.",
        published=PublishedMetrics(
            (PublishedAccuracy("AP", 0.4),), gflops=30.0, known_difference="Of other weights."
        ),
        training=Training("https://x.invalid/train.sh"),
        tag="aaaaaaaa",
        is_default=False,
        variants=(other,),
    )
    model = spec_with_checkpoint(said, keys(tmp_path))
    assert (model.license_note, model.published, model.training) == (
        "",
        PublishedMetrics(),
        Training(),
    )
    assert (model.variants, model.subdirectory) == ((), "public/openpose@aaaaaaaa")
    named = spec_with_checkpoint(said, keys(tmp_path), "mine")
    assert (named.full_name, named.tag, named.subdirectory) == ("mine", "", "public/mine")


def test_other_keypoints_have_neither_the_decoder_nor_the_skeleton(tmp_path):
    model = spec_with_checkpoint(PUBLISHED, keys(tmp_path, heatmaps=15))
    assert (model.decoder, model.skeleton) == (None, "")


def test_another_number_of_heatmaps_keeps_a_decoder_that_takes_any(tmp_path):
    path = save(tmp_path / "mine.params", {"final_layer.weight": (12, 32, 1, 1)})
    declared = replace(
        PUBLISHED,
        network=NetworkChoice("hrnet"),
        outputs=(Output("heatmaps", (1, 17, 64, 48), "NCHW", "heatmaps"),),
        decoder=Decoder("heatmap", {"convention": "quarter"}),
        skeleton="coco-17",
    )
    for model, decoder in ((declared, declared.decoder), ("hrnet", Decoder("heatmap"))):
        mine = spec_with_checkpoint(model, path)
        numbered = replace(decoder, skeleton=SKELETONS["keypoints-12"])
        assert (mine.decoder, mine.skeleton) == (numbered, "keypoints-12")
        assert (
            "its 12 keypoints are only numbered: skeleton in a model.yml names them"
            in mine.assumption
        )


BODY = Skeleton("body", tuple(f"joint{place}" for place in range(12)))


def test_a_declared_skeleton_wins_and_must_have_the_networks_number_of_keypoints(tmp_path):
    path = save(tmp_path / "mine.params", {"final_layer.weight": (12, 32, 1, 1)})
    mine = spec_with_checkpoint("hrnet", path, skeleton=BODY)
    assert (mine.decoder, mine.skeleton) == (Decoder("heatmap", skeleton=BODY), "body")
    assert not mine.assumption
    with pytest.raises(InferenceError, match="finds 12 keypoints, and the skeleton short has 11"):
        spec_with_checkpoint("hrnet", path, skeleton=Skeleton("short", BODY.keypoints[:11]))


def test_openpose_needs_the_fields_of_its_limbs(tmp_path):
    path = keys(tmp_path, heatmaps=13)
    with pytest.raises(InferenceError, match="body has no fields"):
        spec_with_checkpoint("lightweight_openpose", path, skeleton=BODY)
    fields = tuple(LimbField((place, place + 1), 2 * place) for place in range(11))
    with pytest.raises(InferenceError, match=r"38 channels of PAFs, and the fields .* end at 22"):
        spec_with_checkpoint("lightweight_openpose", path, skeleton=replace(BODY, fields=fields))


def test_other_classes_have_no_labels(tmp_path):
    path = save(tmp_path / "weights.params", {"fc.weight": (7, 512)})
    network = NetworkChoice("resnet18", names=("data", "prob"))
    labelled = replace(
        PUBLISHED,
        network=network,
        outputs=(Output("prob", ()),),
        model_info={"labels": ("cat",) * 1000},
    )
    found = spec_with_checkpoint(labelled, path)
    assert found.network == NetworkChoice("resnet18", {"classes": 7}, ("data", "prob"))
    assert [output.name for output in found.outputs] == ["prob"]
    assert not found.model_info


def test_a_model_says_which_sizes_may_be_open():
    wide = replace(PUBLISHED, inputs=(replace(PUBLISHED.inputs[0], dynamic=("W",)),))
    model = with_dynamic_shape(wide)
    assert model.inputs[0].shape == (1, 3, 256, -1)
    assert [port.shape for port in model.outputs] == [(1, 38, 32, -1), (1, 19, 32, -1)]
    # What may be open is no reason to convert again: what is open is.
    assert (
        conversion_key(wide, None) == conversion_key(PUBLISHED, None) != conversion_key(model, None)
    )


def test_what_cannot_be_meant_is_one_line(tmp_path):
    with pytest.raises(UnknownModelError) as unknown:
        spec_with_checkpoint("lightweight_openpos", keys(tmp_path))
    assert unknown.value.hint == "did you mean lightweight_openpose?"
    with pytest.raises(PosezooError, match=r"no model can be called '\.\./mine'"):
        spec_with_checkpoint("lightweight_openpose", keys(tmp_path), "../mine")
    with pytest.raises(CheckpointError, match=r"nowhere\.pth: does not exist"):
        spec_with_checkpoint("lightweight_openpose", tmp_path / "nowhere.pth")
    with pytest.raises(
        ConversionError,
        match="openpose: is published as pytorch, and is not one of posezoo's networks",
    ):
        spec_with_checkpoint(replace(PUBLISHED, network=None), keys(tmp_path))


def test_an_ir_without_a_record_of_these_weights_is_not_replaced(tmp_path):
    model = spec_with_checkpoint("lightweight_openpose", keys(tmp_path))
    layout = ModelLayout(tmp_path, tmp_path, checkpoint=tmp_path / "net.params")
    refuse_to_replace(model, layout)
    xml = layout.ir_path(model, Precision.FP16)
    xml.parent.mkdir(parents=True)
    xml.touch()
    with pytest.raises(ConversionError, match=r"\.xml: is the IR of another checkpoint") as refused:
        refuse_to_replace(model, layout)
    assert "--model_name" in refused.value.hint


def recorded(layout, model, sources):
    """An IR that was made of these files, as far as its record tells."""
    xml = layout.ir_path(model, Precision.FP32)
    xml.parent.mkdir(parents=True, exist_ok=True)
    xml.touch()
    files = {name: {"size": 0, "sha384": ""} for name in (xml.name, f"{xml.stem}.bin")}
    record = {"key": {"sources": sources}, "files": files, "self_check": None}
    layout.provenance_path(model, Precision.FP32).write_text(json.dumps(record))


def test_published_weights_replace_older_ones_of_theirs_but_none_of_the_user_s_own(tmp_path):
    layout = ModelLayout(tmp_path, tmp_path)
    published = replace(PUBLISHED, path=tmp_path / "models" / "public" / "openpose" / "model.yml")
    recorded(layout, PUBLISHED, {"checkpoint_iter_360000.pth": "sha384:00"})
    refuse_to_replace(PUBLISHED, layout)
    recorded(layout, PUBLISHED, {"checkpoint": "sha384:00"})
    with pytest.raises(ConversionError, match=r"\.xml: is the IR of another checkpoint") as caught:
        refuse_to_replace(published, layout)
    assert caught.value.hint == f"posezoo get openpose --weights_dir {tmp_path} --force replaces it"


def test_published_weights_may_take_the_place_of_the_same_weights_from_a_file_of_the_user_s(
    tmp_path,
):
    layout = ModelLayout(tmp_path, tmp_path)
    published = replace(PUBLISHED, path=tmp_path / "models" / "public" / "openpose" / "model.yml")
    file = SourceFile("net.pth", 3, Digest("sha384", "00"), ())
    recorded(layout, PUBLISHED, {"checkpoint": "sha384:00"})
    refuse_to_replace(replace(PUBLISHED, files=(file,)), layout)
    with pytest.raises(ConversionError, match="is the IR of another checkpoint"):
        other = replace(file, checksum=Digest("sha384", "01"))
        refuse_to_replace(replace(published, files=(other,)), layout)


def test_an_unknown_key_of_model_yml_does_not_refuse_own_weights(tmp_path):
    """Open Model Zoo's format may have keys that we do not know: they are left out."""
    from posezoo.core.pipeline.get import check_own_weights

    mine = spec_with_checkpoint("lightweight_openpose", keys(tmp_path))
    assert mine.decoder is None
    events = []
    unknown = UnknownKey("model.yml", 3, 1, "x", "")
    check_own_weights(replace(mine, unknown_keys=(unknown,)), events.append)
    assert events == []
    with pytest.raises(InferenceError, match="limbs are unknown"):
        check_own_weights(replace(mine, assumption="its limbs are unknown"), events.append)
