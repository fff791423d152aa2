"""PyTorch's two forms, written by torch.save itself and held against torch.load."""

import enum
from argparse import Namespace
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from pathlib import PurePosixPath

import numpy as np
import pytest

from fakes.when_used import import_when_used
from posezoo.core.errors import CheckpointError
from posezoo.networks import checkpoints

torch = import_when_used("torch")

FORMS = {"zip": True, "legacy": False}
KINDS = [
    "float64",
    "float32",
    "float16",
    "bfloat16",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "bool",
]


@pytest.fixture(params=FORMS.values(), ids=FORMS)
def save(request, tmp_path):
    def save(value, **options):
        path = tmp_path / "net.pth"
        torch.save(value, path, _use_new_zipfile_serialization=request.param, **options)
        return path

    return save


def same(found, requested):
    assert list(found) == list(requested)
    for name, tensor in requested.items():
        tensor = tensor.detach()
        expected = tensor.float() if tensor.dtype is torch.bfloat16 else tensor
        np.testing.assert_array_equal(found[name], expected.numpy(), strict=True)
        assert found[name].flags.aligned


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_and_shape_is_read_value_by_value(save, kind):
    torch.manual_seed(3)
    written = {}
    for shape in ((), (1,), (3, 5), (2, 3, 4, 1), (0, 3)):
        values = (torch.randn(2, *shape) * 50).to(getattr(torch, kind))
        written[f"0.{shape}"] = values[0].clone()
        written[f"1.{shape}"] = values[1].clone()
        written[f"half of both.{shape}"] = values[1]
    same(checkpoints.read_checkpoint(save(written)), written)


def test_a_network_with_shared_transposed_and_sliced_weights_is_read_as_by_torch_load(save):
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.Conv2d(8, 8, 1)
    )
    net = net.to(memory_format=torch.channels_last)
    net.register_buffer("turned", torch.arange(12.0).reshape(3, 4).t())
    net.register_buffer("cut", torch.arange(12.0)[3:9:2])
    net.register_parameter("tied", net[0].weight)
    path = save(net.state_dict())
    same(checkpoints.read_checkpoint(path), torch.load(path, weights_only=True))


def test_parameters_are_their_tensors_and_other_values_are_left_out(save):
    parameter = torch.nn.Parameter(torch.ones(2))
    marked = torch.nn.Parameter(torch.zeros(2))
    marked.origin = "a stranger"
    written = {"a": parameter, "b": marked, "epoch": 3, "extra": None}
    same(checkpoints.read_checkpoint(save(written)), {"a": parameter, "b": marked})


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_of_pickle_is_understood(save, protocol):
    written = {f"layer{number}.weight": torch.ones(2) * number for number in range(300)}
    same(checkpoints.read_checkpoint(save(written, pickle_protocol=protocol)), written)


def test_only_the_weights_of_training_checkpoints_are_read(save):
    net = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    path = save(
        {
            "iter": 370000,
            "current_epoch": 279,
            "optimizer": optimizer.state_dict(),
            "milestones": Counter({100: 1}),
            "best": np.float64(0.4),
            "seen": np.int64(9),
            "kinds": {1, 2},
            "device": torch.device("cpu"),
            "size": net.weight.shape,
            "dtype": torch.float32,
            "state_dict": net.state_dict(),
        }
    )
    same(checkpoints.read_checkpoint(path), net.state_dict())


WRAPPINGS = {
    "state_dict": lambda state: {"state_dict": state, "model": "hrnet"},
    "model_state_dict": lambda state: {"epoch": 1, "model_state_dict": state},
    "model": lambda state: {"model": state},
    "model.state_dict": lambda state: {"model": {"state_dict": state}},
    "module.": lambda state: {f"module.{key}": each for key, each in state.items()},
    "the only dict with tensors": lambda state: {"pose_net": state, "epoch": 1},
    "compiled": lambda state: {f"_orig_mod.{key}": each for key, each in state.items()},
    "compiled, of several devices": lambda state: {
        f"module._orig_mod.module.{key}": state[key] for key in state
    },
    "checkpointed activations": lambda state: {
        key.replace(".", "._checkpoint_wrapped_module.", 1): each for key, each in state.items()
    },
    "sharded": lambda state: {f"_fsdp_wrapped_module.{key}": state[key] for key in state},
    "averaged": lambda state: {
        **{f"module.{key}": each for key, each in state.items()},
        "n_averaged": torch.tensor(5),
    },
    "profiled": lambda state: {
        **state,
        "total_ops": torch.ones(1),
        "a.total_params": torch.ones(1),
    },
    "with a loss": lambda state: {**state, "criterion.sigmas": torch.ones(17)},
    "module. twice": lambda state: {
        "state_dict": {f"module.module.{key}": state[key] for key in state}
    },
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_weights_are_unwrapped(save, wrapping):
    state = OrderedDict([("b.module.weight", torch.ones(2)), ("a.bias", torch.zeros(1))])
    same(checkpoints.read_checkpoint(save(WRAPPINGS[wrapping](state))), state)


def test_a_checkpoint_without_weights_is_refused_with_its_keys(save):
    with pytest.raises(
        CheckpointError, match=r"(?m)no named tensors, but 'generator', 'teacher', 'epoch'$"
    ) as failure:
        states = {"generator": {"a": torch.ones(1)}, "teacher": {"a": torch.zeros(1)}}
        checkpoints.read_checkpoint(save({**states, "epoch": 1}))
    assert "state_dict" in failure.value.hint


class Level(enum.Enum):
    """A class that nobody else has."""

    HIGH = 1


class Config(dict):
    """A dict of a class that nobody else has."""


IGNORED = {
    "a namespace": Namespace(lr=1e-3, output=PurePosixPath("out")),
    "an array": np.arange(5.0),
    "a number of numpy": np.float64(0.5),
    "an array of a structure": {"history": [np.full(17, 0.05, np.float32)]},
    "a date": datetime(2026, 1, 1, tzinfo=timezone.utc),
    "a span of time": timedelta(seconds=1),
    "an enumeration": Level.HIGH,
    "a dict of a class": Config(a=1, b=[2]),
    "a default dict": defaultdict(list, loss=[1.0]),
    "a queue": deque([1, 2]),
    "a set": frozenset((1, 2)),
    "a fraction": Fraction(1, 3),
    "itself": Config(),
}
IGNORED["itself"].update(me=IGNORED["itself"], pair=(IGNORED["itself"], 1))


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_objects_beside_the_weights_are_ignored(save, protocol, monkeypatch):
    state = {"a.weight": torch.ones(2), "b": torch.zeros(1)}
    path = save({"meta": IGNORED, "state_dict": state}, pickle_protocol=protocol)
    monkeypatch.setattr(Config, "__setitem__", lambda *_: pytest.fail("an object was made"))
    same(checkpoints.read_checkpoint(path), state)


REFUSED = {
    "a whole module": (lambda: torch.nn.Linear(2, 2), "'torch.nn.modules.linear.Linear'"),
    "a namespace alone": (lambda: {"args": Namespace(a=1)}, "'argparse.Namespace'"),
    "a sparse tensor": (
        lambda: {"a": torch.eye(3).to_sparse()},
        r"'torch\._utils\._rebuild_sparse_tensor'",
    ),
    "complex numbers": (
        lambda: {"a": torch.ones(2, dtype=torch.complex64)},
        "'torch.ComplexFloatStorage'",
    ),
    "numbers of 8 bits": (
        lambda: {"a": torch.ones(2).to(torch.float8_e4m3fn)},
        "'torch.float8_e4m3fn'",
    ),
    "numpy's arrays": (lambda: {"a": np.ones(2)}, r"multiarray\._reconstruct'"),
    "an expanded tensor": (lambda: {"a": torch.ones(1).expand(5)}, "extends beyond its storage"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_tensor_of_a_special_class_is_refused_by_its_name(save, kind):
    make, named = REFUSED[kind]
    with pytest.raises(CheckpointError, match=named) as failure:
        checkpoints.read_checkpoint(save(make()))
    assert "weights_only" not in f"{failure.value.problem} {failure.value.hint}"
    assert "safe_globals" not in f"{failure.value.problem} {failure.value.hint}"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_torchscript_archive_is_refused_as_a_program(tmp_path):
    torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)).save(str(tmp_path / "net.pth"))
    with pytest.raises(CheckpointError, match="a TorchScript archive, which contains a program"):
        checkpoints.read_checkpoint(tmp_path / "net.pth")


def test_cut_anywhere_it_is_refused(save):
    path = save({"a.weight": torch.ones(3), "b.weight": torch.ones(2, dtype=torch.int64)})
    content = path.read_bytes()
    for kept in [*range(1, len(content), 13), *range(len(content) - 130, len(content))]:
        path.write_bytes(content[:kept])
        with pytest.raises(CheckpointError, match=f"{path.name}: "):
            checkpoints.read_checkpoint(path)


def test_a_byte_changed_anywhere_gives_an_array_or_a_clear_error(save):
    path = save({"state_dict": {"a.weight": torch.ones(3), "b": torch.ones(2, dtype=torch.int64)}})
    content = path.read_bytes()
    for at in range(0, len(content), 3):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x81]) + content[at + 1 :])
        try:
            found = checkpoints.read_checkpoint(path)
        except CheckpointError as error:
            assert error.problem.isprintable()
        else:
            assert all(array.size <= 5 for array in found.values())
