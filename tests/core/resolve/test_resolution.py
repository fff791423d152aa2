"""Every decision about a model that needs no look at its files, made once and in one order."""

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.conversion import context_of
from fakes.network import network, spec_of
from fakes.zoo import as_yaml, model_yml
from posezoo.cli.lock_entries import collect_entries
from posezoo.core.declarations.model import (
    Decoder,
    Digest,
    Framework,
    ModelSpec,
    Precision,
    RecordedRanges,
    Route,
)
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.errors import ConversionError, InferenceError, LockError, PosezooError
from posezoo.core.layout import ModelLayout
from posezoo.core.lockfile import LockFile
from posezoo.core.registry import Registry, open_registry
from posezoo.core.resolve.input_options import InputOptions
from posezoo.core.resolve.resolution import resolve_model
from posezoo.core.resolve.resolved import Converter

FP32, FP16 = Precision.FP32, Precision.FP16
BOTH = (FP32, FP16)
HIGHER_HRNET = "higher-hrnet-w32-human-pose-estimation"


def context_in(folder, *, lock=None, has_mo=False, allowed=False):
    context = context_of(ModelLayout(folder, folder))
    return replace(
        context,
        settings=replace(context.settings, allow_upstream_code=allowed),
        lock=lock or LockFile(folder / "posezoo.lock"),
        mo_python=Path("python") if has_mo else None,
    )


def foreign(name):
    """A PyTorch model as Open Model Zoo declares it: it names no network."""
    ours = open_registry().find(name)
    assert isinstance(ours, ModelSpec)
    spec = replace(ours, network=None, decoder=None, checkpoint="", composite="")
    elsewhere = Path("other", name, "model.yml")
    return replace(spec, path=elsewhere, upstream_export=("--model-name=HigherHRNet",))


def test_a_model_optimizer_removes_the_obstacle_of_its_route_alone(tmp_path):
    spec = spec_of(network("pb"), tmp_path, mo_args=(("--transformations_config", "a.json"),))
    without = resolve_model(spec, (FP16,), context_in(tmp_path))
    (target,) = without.targets
    assert target.obstacle is not None
    assert (without.route, target.converter) == (Route.MO, Converter.MODEL_OPTIMIZER)
    assert target.obstacle.reason == "transformations-config"
    with_it = resolve_model(spec, (FP16,), context_in(tmp_path, has_mo=True))
    assert with_it.targets[0].obstacle is None
    caffe2 = replace(spec, framework=Framework.CAFFE2)
    (target,) = resolve_model(caffe2, (FP16,), context_in(tmp_path, has_mo=True)).targets
    assert target.obstacle is not None


def test_with_consent_the_converter_reads_what_upstream_code_makes(tmp_path):
    spec = spec_of(
        network("onnx"), tmp_path, has_pre_convert=True, input_model="$conv_dir/made.onnx"
    )
    refused = resolve_model(spec, BOTH, context_in(tmp_path))
    assert (refused.route, refused.runs_upstream_code) == (Route.UPSTREAM_CODE, False)
    allowed = resolve_model(spec, BOTH, context_in(tmp_path, allowed=True))
    assert (allowed.route, allowed.runs_upstream_code) == (Route.UPSTREAM_CODE, True)
    assert (allowed.spec.input_model, allowed.source.input_model) == (
        "$conv_dir/made.onnx",
        "$made_dir/made.onnx",
    )
    assert [target.obstacle for target in allowed.targets] == [None, None]


def test_each_precision_has_its_own_converter(tmp_path):
    spec = spec_of(network("onnx"), tmp_path)
    resolved = resolve_model(spec, (FP16, Precision.FP16_INT8), context_in(tmp_path))
    assert [target.converter for target in resolved.targets] == [
        Converter.OPENVINO,
        Converter.QUANTIZATION,
    ]
    only = replace(spec, mo_args=(("--data_type", "FP16"),))
    first, second = resolve_model(only, BOTH, context_in(tmp_path)).targets
    assert first.obstacle is not None
    assert first.obstacle.why == "its arguments ask for FP16 alone"
    assert second.obstacle is None


def test_int8_without_ranges_is_what_quantize_makes_and_no_other_precision_is(tmp_path):
    ranges = RecordedRanges("6", "ranges.safetensors", Digest("sha384", "0a" * 48))
    spec = spec_of(network("onnx"), tmp_path)
    for each, precision, is_quantized in (
        (spec, Precision.FP16_INT8, True),
        (spec, Precision.FP32_INT8, True),
        (spec, FP16, False),
        (replace(spec, int8_ranges=ranges), Precision.FP16_INT8, False),
        (replace(spec, int8_ranges=ranges), FP16, False),
    ):
        (target,) = resolve_model(each, (precision,), context_in(tmp_path)).targets
        assert (target.converter is Converter.QUANTIZATION) is is_quantized, precision
        assert (target.obstacle is not None) is is_quantized, precision


def test_of_a_published_ir_there_is_a_target_for_each_precision_that_is_published(tmp_path):
    spec = open_registry().find("human-pose-estimation-0001")
    resolved = resolve_model(spec, (FP16, Precision.FP32_INT8), context_in(tmp_path))
    assert [(target.precision, target.obstacle) for target in resolved.targets] == [(FP16, None)]
    (target,) = resolve_model(spec, (Precision.FP32_INT8,), context_in(tmp_path)).targets
    assert target.obstacle is not None
    assert target.obstacle.why == "is not published as FP32-INT8"


def test_a_strict_lock_travels_as_the_digests_that_it_agrees_to(tmp_path):
    spec = spec_of(network("onnx"), tmp_path)
    spec.path.write_text(as_yaml(model_yml()), "utf-8")
    LockFile(tmp_path / "posezoo.lock").update(
        lambda entries: {
            entry.key: entry for entry in collect_entries(spec, context_in(tmp_path)).entries
        }
    )
    lock = LockFile(tmp_path / "posezoo.lock", strict=True)
    resolved = resolve_model(spec, (FP16,), context_in(tmp_path, lock=lock))
    agreed = pickle.loads(pickle.dumps(resolved)).targets[0].agreed
    assert agreed.entries == {}
    with pytest.raises(LockError, match=r"tiny-pose: FP16/tiny-pose.xml is not in .*posezoo\.lock"):
        agreed.require_known()
    assert resolve_model(spec, (FP16,), context_in(tmp_path)).targets[0].agreed is None


def test_a_skeleton_that_does_not_fit_the_network_is_refused(tmp_path):
    two_points = Decoder("associative_embedding", skeleton=Skeleton("hand-2", ("thumb", "index")))
    spec = replace(open_registry().find(HIGHER_HRNET), decoder=two_points)
    with pytest.raises(InferenceError, match="the skeleton hand-2 has 2"):
        resolve_model(spec, BOTH, context_in(tmp_path))


def test_a_file_has_the_pin_of_its_first_use(tmp_path):
    spec = spec_of(network("onnx"), tmp_path)
    loose = replace(spec.files[0], size=None, checksum=None, max_size=9999)
    spec = replace(spec, files=(loose,))
    lock = LockFile(tmp_path / "posezoo.lock")
    digest = Digest("sha384", "1" * 96)
    lock.record_first_use(spec, loose, 5, digest)
    (pinned,) = resolve_model(spec, BOTH, context_in(tmp_path, lock=lock)).spec.files
    assert (pinned.size, pinned.checksum) == (5, digest)


def test_only_a_named_model_optimizer_carries_out_other_arguments(tmp_path):
    spec = spec_of(network("pb"), tmp_path)
    inputs = InputOptions(mo_arguments=("--batch=1",))
    with pytest.raises(PosezooError, match="posezoo does not support this argument"):
        resolve_model(spec, BOTH, context_in(tmp_path), inputs=inputs)
    resolved = resolve_model(spec, BOTH, context_in(tmp_path, has_mo=True), inputs=inputs)
    assert resolved.spec.mo_args == (("--batch", "1"),)


@pytest.mark.parametrize("precision", [Precision.FP16_INT8, Precision.FP32_INT8])
def test_int8_has_the_declared_inputs(tmp_path, precision):
    spec = spec_of(network("onnx"), tmp_path)
    precisions = (FP16, precision)
    with pytest.raises(ConversionError, match="INT8 is only made with the inputs and outputs"):
        resolve_model(spec, precisions, context_in(tmp_path), inputs=InputOptions(layout="NHWC"))
    same = InputOptions(layout="NCHW")
    resolved = resolve_model(spec, precisions, context_in(tmp_path), inputs=same)
    assert [target.precision for target in resolved.targets] == [*precisions]
    other = resolve_model(spec, (FP16,), context_in(tmp_path), inputs=InputOptions(layout="NHWC"))
    assert other.spec.inputs[0].ir_layout == "NHWC"


def everything_resolved(registry, tmp_path):
    for spec in registry.select().models:
        for has_mo, allowed in ((False, False), (True, True)):
            context = replace(
                context_in(tmp_path, has_mo=has_mo, allowed=allowed), registry=registry
            )
            yield resolve_model(spec, (*BOTH, Precision.FP16_INT8), context)


def test_every_resolved_model_of_ours_can_be_sent_to_another_process(tmp_path):
    count = 0
    for resolved in everything_resolved(open_registry(), tmp_path):
        count += 1
        assert pickle.loads(pickle.dumps(resolved)) == resolved
    assert count > 100


def test_every_resolved_model_of_open_model_zoo_can_be_sent_to_another_process(shared, tmp_path):
    registry = Registry([shared / "data" / "omz-2021.4" / "models"])
    count = 0
    for resolved in everything_resolved(registry, tmp_path):
        count += 1
        assert pickle.loads(pickle.dumps(resolved)) == resolved
    assert count > 100
