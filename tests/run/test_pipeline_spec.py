"""The pipeline of an IR that a model was published as."""

import shutil

import pytest

from fakes import seeker
from fakes.zoo import declared_file, model_yml, write_model
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.registry import open_registry
from posezoo.core.settings import read_settings, to_settings
from posezoo.run.pipeline_spec import find_published
from posezoo.run.subject import Statement, find_subject


@pytest.fixture
def published(tmp_path):
    """A copy of a published IR with another name, and the registry that declares it."""
    ir = seeker.write_ir(tmp_path / "FP16")
    files = [declared_file(path, name=f"FP16/{path.name}") for path in (ir, ir.with_suffix(".bin"))]
    write_model(tmp_path / "registry", "other", model_yml(files=[declared_file(ir)]))
    write_model(
        tmp_path / "registry", "seeker", model_yml(files=files, framework="dldt"), family="intel"
    )
    copied = tmp_path / "copied.xml"
    shutil.copy(ir, copied)
    shutil.copy(ir.with_suffix(".bin"), copied.with_suffix(".bin"))
    return copied, open_registry([tmp_path / "registry"])


def test_a_published_ir_is_known_by_its_bytes_whatever_its_name(published):
    xml, registry = published
    model = find_published(xml, registry)
    assert model is not None and model.name == "seeker"


@pytest.mark.parametrize("suffix", [".xml", ".bin"])
def test_an_ir_of_other_bytes_is_not_the_published_one(published, suffix):
    xml, registry = published
    changed = xml.with_suffix(suffix)
    content = bytearray(changed.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)
    assert find_published(xml, registry) is None


def test_looking_for_it_writes_nothing_beside_the_ir(published):
    xml, registry = published
    before = sorted(xml.parent.iterdir())
    find_published(xml, registry)
    assert sorted(xml.parent.iterdir()) == before


def test_a_published_ir_stays_the_published_model_if_its_own_decoder_is_said_again(published):
    xml, registry = published
    settings = to_settings(read_settings({"models_dir": registry.roots[0]}))
    context = open_context(settings)
    own = find_subject(f"{xml}", context).model.decoder.name
    for decoder in (None, own):
        subject = find_subject(f"{xml}", context, Statement(decoder=decoder))
        assert subject.is_published and subject.model.name == "seeker"
