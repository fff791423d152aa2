"""Founding models as their users get them: downloader.py, then converter.py, from a server to proven IR.

The weights are generated and the registry is a copy that is pinned to them; all else is what is shipped.
"""

import shutil

import pytest

from fakes.command import assert_success, omz_tool
from fakes.founding import assert_ir_is_as_the_original, checkpoint_of, serve
from fakes.own_registry import own_registry
from fakes.server import Server
from fakes.soak import soak
from fakes.weights import conditioned
from posezoo.core.declarations.sources import HttpSource

REGISTRY = own_registry()

# Those of 2026 are on Hugging Face, and have tests of their own.
FOUNDING = [
    spec
    for spec in REGISTRY.select(None).models
    if spec.network is not None and isinstance(spec.files[0].sources[0], HttpSource)
]
TAGS = [variant for spec in FOUNDING for variant in spec.variants]
UNPINNED = [spec for spec in FOUNDING if not spec.files[0].is_pinned]

# It takes 5 s.
SMALL = "mobile_pose_mobilenetv3_small"

#: MXNet's file, a training's state without a pin, and a plain state. upkeep/test_proof.py holds all against PyTorch.
BY_COMMANDS = (SMALL, "lightweight-openpose-mobilenet-v1", "human-pose-estimation-3d-0001")


class Place:
    """A publisher's server, a registry that names it, and a user's folder."""

    def __init__(self, folder, server):
        self.server, self.models, self.out = server, folder / "models", folder / "out"
        self._lock = folder / "posezoo.lock"

    def publish(self, spec, checkpoint):
        serve(spec, checkpoint, self.server, self.models)

    def downloader(self, *args):
        return self._run("downloader", *args, "-o", str(self.out))

    def converter(self, *args):
        return self._run("converter", *args, "-d", str(self.out))

    def _run(self, tool, *args):
        places = ("--models_dir", str(self.models), "--lock", str(self._lock))
        return omz_tool(tool, *args, *places)


@pytest.fixture
def place(tmp_path):
    with Server() as server:
        yield Place(tmp_path, server)
    shutil.rmtree(tmp_path)  # a gigabyte, of the largest


def becomes_ir(place, spec, checkpoint):
    """Published, downloaded, converted; a model without a pin only by trust."""
    place.publish(spec, checkpoint)
    trust = () if spec.files[0].is_pinned else ("--trust_on_first_use",)
    for ended in (
        place.downloader("--name", spec.full_name, *trust),
        place.converter("--name", spec.full_name),
    ):
        assert_success(ended)
    assert_ir_is_as_the_original(spec, place.out)


def generated(spec):
    """A network of the model's, with untrained weights."""
    assert spec.network is not None
    return conditioned(spec.network.name)


@pytest.mark.parametrize(
    "spec",
    [
        # The others go the same way in upkeep/test_proof.py.
        pytest.param(spec, id=spec.name) if spec.name == SMALL else soak(spec, id=spec.name)
        for spec in FOUNDING
        if spec.name in BY_COMMANDS
    ],
)
def test_a_founding_model_becomes_ir(place, spec):
    becomes_ir(place, spec, checkpoint_of(spec.name, generated(spec)))


@pytest.mark.parametrize(
    "spec",
    [
        # The tag of the deepest network takes as long as all others, and is declared as they are.
        pytest.param(spec, id=spec.full_name)
        if spec.name == SMALL
        else soak(spec, id=spec.full_name)
        for spec in TAGS
        if "resnet152" not in spec.name
    ],
)
def test_a_tag_becomes_ir_of_its_own_size(place, spec):
    becomes_ir(place, spec, checkpoint_of(spec.name, generated(spec)))


def test_what_mxnet_itself_wrote_becomes_ir(place, shared):
    content = (shared / "data" / "checkpoints" / f"{SMALL}.params").read_bytes()
    becomes_ir(place, next(spec for spec in FOUNDING if spec.name == SMALL), content)


@pytest.fixture
def crowd(place):
    """All founding models with all their tags, of some bytes that are no weights."""
    for spec in (*FOUNDING, *TAGS):
        place.publish(spec, b"weights")
    return place


def test_all_brings_what_is_pinned_and_names_what_is_not(crowd):
    ended = crowd.downloader("--all")
    assert ended.returncode == 1
    assert ended.stdout.endswith(f"SKIPPED (no pin):\n{UNPINNED[0].name}\n") and len(UNPINNED) == 1
    for spec in FOUNDING:
        checkpoint = crowd.out / spec.subdirectory / spec.checkpoint
        assert checkpoint.is_file() is (spec not in UNPINNED)


@pytest.mark.parametrize(
    "spec", [pytest.param(spec, id=spec.full_name) for spec in (*UNPINNED, *TAGS[:1])]
)
def test_what_has_no_pin_is_not_even_asked_for_untold(crowd, spec):
    ended = crowd.downloader("--name", spec.full_name)
    assert ended.returncode == 1
    assert ended.stdout.endswith(f"FAILED:\n{spec.full_name}\n")
    assert "no checksum" in ended.stderr and "--trust_on_first_use" in ended.stderr
    assert crowd.server.requests == []
