"""Every decision about a model that needs no look at its files, made once and in one order."""

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.conversion import context_of
from fakes.network import network, spec_of
from posezoo.core.declarations.model import (
    Decoder,
    Framework,
    Precision,
    Route,
)
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.errors import ConversionError, InferenceError, PosezooError
from posezoo.core.layout import ModelLayout
from posezoo.core.lockfile import LockFile
from posezoo.core.registry import open_registry
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


def test_of_a_published_ir_there_is_a_target_for_each_precision_that_is_published(tmp_path):
    spec = open_registry().find("human-pose-estimation-0001")
    resolved = resolve_model(spec, (FP16, Precision.FP32_INT8), context_in(tmp_path))
    assert [(target.precision, target.obstacle) for target in resolved.targets] == [(FP16, None)]
    (target,) = resolve_model(spec, (Precision.FP32_INT8,), context_in(tmp_path)).targets
    assert target.obstacle is not None
    assert target.obstacle.why == "is not published as FP32-INT8"


def test_a_skeleton_that_does_not_fit_the_network_is_refused(tmp_path):
    two_points = Decoder("associative_embedding", skeleton=Skeleton("hand-2", ("thumb", "index")))
    spec = replace(open_registry().find(HIGHER_HRNET), decoder=two_points)
    with pytest.raises(InferenceError, match="the skeleton hand-2 has 2"):
        resolve_model(spec, BOTH, context_in(tmp_path))


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
