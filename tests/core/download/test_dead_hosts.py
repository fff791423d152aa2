"""With any one of its hosts dead, a model that has another source is downloaded from there."""

import pytest

from fakes.command import assert_success, refusal
from fakes.own_registry import own_registry
from fakes.publishers import host_of, publishers_of
from fakes.soak import soak_repeated

MODELS = own_registry().select(None).models


def hosts_of(spec):
    """The hosts of each file."""
    return [{host_of(source) for source in file.sources} for file in spec.files]


SEVERAL = [spec for spec in MODELS if all(len(hosts) > 1 for hosts in hosts_of(spec))]


def kind_of_sources(spec):
    """Models with the same kinds of sources are downloaded in the same way."""
    return frozenset(tuple(type(source) for source in file.sources) for file in spec.files)


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
            assert_success(ended)
            (written,) = place.rglob(spec.files[0].name)
            assert written.stat().st_size > 0
            (tmp_path / "posezoo.lock").unlink(missing_ok=True)
        world.tunnel.dead = hosts
        error = refusal(world.run("download", spec.full_name, "-o", tmp_path / "none", *options))
        assert "every source failed: " in error
