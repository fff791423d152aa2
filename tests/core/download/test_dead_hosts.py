"""With any one of its hosts dead, a model that has another source is downloaded from there."""

from __future__ import annotations

import pytest

from fakes.own_registry import own_registry
from fakes.publishers import host_of, publishers_of
from fakes.soak import soak_repeated
from posezoo.core.declarations.model import ModelSpec

MODELS = own_registry().select(None).models


def hosts_of(spec: ModelSpec) -> list[set[str]]:
    """The hosts of each file."""
    return [{host_of(source) for source in file.sources} for file in spec.files]


SEVERAL = [spec for spec in MODELS if all(len(hosts) > 1 for hosts in hosts_of(spec))]


#: Some of their files have a second host: no other copy could be compared with the digests of the others.
PARTLY = {"human-pose-estimation-0001"}


def test_only_these_models_have_a_second_host_for_a_part_of_their_files():
    """If you find another host of the other files, remove the name."""
    partly = {
        spec.name
        for spec in MODELS
        if spec not in SEVERAL and any(len(hosts) > 1 for hosts in hosts_of(spec))
    }
    assert partly == PARTLY


def test_the_models_with_a_second_host_are_these():
    """If you find another host of a model, add the model."""
    families = ("face-detection-", "face-landmark", "hand-landmark-", "hand-recrop",
                "higher-hrnet-", "human-pose-estimation-3d-", "iris", "movenet-lightning",
                "movenet-multipose", "movenet-thunder", "nanodet", "palm-detection-",
                "person-detection-", "pose-detection-", "pose-landmark-", "posenet-", "rtmo-",
                "rtmpose-", "rtmw-", "selfie-segmentation", "single-human-pose-")  # fmt: skip
    assert [spec for spec in MODELS if spec.name.startswith(families)] == SEVERAL


def kind_of_sources(spec: ModelSpec) -> object:
    """Models with the same kinds of sources are downloaded in the same way."""
    return frozenset(tuple(type(source) for source in file.sources) for file in spec.files)


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec",
    soak_repeated([pytest.param(spec, id=spec.full_name) for spec in SEVERAL], kind_of_sources),
)
def test_any_one_host_of_a_model_may_be_dead(spec, tmp_path, monkeypatch):
    hosts = set[str]().union(*hosts_of(spec))
    with publishers_of(tmp_path, hosts, monkeypatch) as world:
        world.publish(spec, {file.name: f"weights of {spec.name}".encode() for file in spec.files})
        options = ("--trust_on_first_use", "--lock", tmp_path / "posezoo.lock")
        for host in hosts:
            world.tunnel.dead = {host}
            place = tmp_path / "out" / host
            caches = ("--cache_dir", tmp_path / "cache" / host)
            ended = world.run("download", spec.full_name, "-o", place, *options, *caches)
            assert ended.returncode == 0, ended.stdout + ended.stderr
            (written,) = place.rglob(spec.files[0].name)
            assert written.stat().st_size > 0
            (tmp_path / "posezoo.lock").unlink(missing_ok=True)
        world.tunnel.dead = hosts
        ended = world.run("download", spec.full_name, "-o", tmp_path / "none", *options)
        assert ended.returncode == 1, ended.stdout
        assert "every source failed: " in ended.stderr
