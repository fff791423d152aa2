import numpy as np
import pytest

from posezoo.core.errors import CheckpointError
from posezoo.networks import checkpoints
from posezoo.networks.checkpoints.key_matching import compare_keys, explain_mmpose

WANTED = {"conv1.weight": (4, 3, 3, 3), "conv1.bias": (4,), "bn1.num_batches_tracked": ()}


def tensors(**changes):
    found = {"conv1.bias": np.ones(4, "f4"), "conv1.weight": np.ones((4, 3, 3, 3), "f4")}
    return {key: array for key, array in {**found, **changes}.items() if array is not None}


def test_matching_tensors_come_in_the_network_s_order():
    found = checkpoints.match_tensors(tensors(**{"bn1.num_batches_tracked": np.array(7)}), WANTED)
    assert list(found) == list(WANTED)
    assert found["bn1.num_batches_tracked"] == 7


def test_a_single_number_may_be_saved_with_the_shape_1():
    # As PyTorch before 0.4 saved it; load_state_dict accepts it, too.
    found = tensors(**{"bn1.num_batches_tracked": np.array([7])})
    assert not compare_keys(found, WANTED)
    counter = checkpoints.match_tensors(found, WANTED)["bn1.num_batches_tracked"]
    assert (counter.shape, counter.item()) == ((), 7)
    with pytest.raises(CheckpointError, match=r"num_batches_tracked \(2, not a single number\)"):
        checkpoints.match_tensors(tensors(**{"bn1.num_batches_tracked": np.array([7, 8])}), WANTED)


def test_all_differences_are_reported_at_once_with_the_nearest_key():
    requested = {**WANTED, "head.0.weight": (17, 4), "tail.bias": (1,)}
    found = tensors(
        **{
            "conv1.bias": np.ones(8, "f4"),
            "conv1.weigth": np.ones(1),
            "conv1.weight": None,
            "zzz": np.ones(1),
        }
    )
    with pytest.raises(CheckpointError) as failure:
        checkpoints.match_tensors(found, requested)
    assert failure.value.problem == (
        "does not fit the network: "
        "3 missing: conv1.weight (did you mean conv1.weigth?), head.0.weight, tail.bias; "
        "2 unexpected: conv1.weigth (did you mean conv1.weight?), zzz; "
        "1 of another shape: conv1.bias (8, not 4)"
    )
    assert "another variant" in failure.value.hint


def test_only_the_first_keys_of_another_network_are_named():
    requested = {f"stage{number}.conv.weight": (1,) for number in range(2000)}
    found = {f"layer{number}.conv.weight": np.ones(1) for number in range(2000)}
    with pytest.raises(CheckpointError) as failure:
        checkpoints.match_tensors(found, requested)
    assert "2000 missing: stage0.conv.weight" in failure.value.problem
    assert failure.value.problem.count("and 1995 more") == 2
    assert len(failure.value.problem) < 5000
    differences = compare_keys(found, requested)
    assert (len(differences.missing), len(differences.unexpected)) == (2000, 2000)


def test_a_key_that_moves_the_cursor_is_shown_escaped():
    with pytest.raises(CheckpointError) as failure:
        checkpoints.match_tensors({"\x1b[2J\n": np.ones(1)}, {})
    assert failure.value.problem.isprintable()


def test_a_prefix_of_all_keys_is_named():
    wrapped = {f"model.net.{key}": value for key, value in tensors().items()} | {
        "loss.weight": np.ones(1)
    }
    with pytest.raises(CheckpointError) as failure:
        checkpoints.match_tensors(wrapped, WANTED)
    assert (
        failure.value.hint
        == "all keys exist, but begin with model.net.: save them without this prefix"
    )
    del wrapped["model.net.conv1.bias"]
    with pytest.raises(CheckpointError) as failure:
        checkpoints.match_tensors(wrapped, WANTED)
    assert "another network, or was renamed" in failure.value.hint


@pytest.mark.parametrize("head", ["head", "keypoint_head"])
def test_names_of_mmpose_are_recognized(head):
    found = {"backbone.a.weight": np.ones(1), f"{head}.a.weight": np.ones(1)}
    with pytest.raises(CheckpointError) as failure:
        checkpoints.match_tensors(found, WANTED)
    assert failure.value.hint.startswith("export it with MMDeploy: python tools/deploy.py ")


@pytest.mark.parametrize(
    "names",
    [
        ("backbone.stage2.0.branches.0.0.conv1.weight", "head.final_layer.weight"),  # HRNet
        ("backbone.pos_embed", "head.final_layer.weight"),  # ViTPose
        ("backbone.backbone.stem.conv.conv.weight", "head.stems.0.conv.weight"),  # YOLOX
        ("conv1.weight", "head.weight"),
    ],
)
def test_no_network_that_the_zoo_reads_is_sent_to_mmdeploy(names):
    assert explain_mmpose(names) == ""
