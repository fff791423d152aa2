import hashlib
import json
import os
import pickle
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import posezoo
from fakes.checkout import ROOT
from fakes.command import assert_success, run_process
from fakes.conversion import (
    PRECISIONS,
    convert_model,
    convert_to_fp16,
    is_up_to_date,
    plan_conversion,
)
from fakes.network import (
    HEIGHT,
    KINDS,
    MEAN,
    OUTPUT_SHAPE,
    OUTPUTS,
    SCALE,
    WIDTH,
    downloaded,
    network,
    spec_of,
)
from posezoo.core.declarations.model import (
    ColorOrder,
    Decoder,
    Framework,
    Input,
    Output,
    Precision,
)
from posezoo.core.errors import ConversionError
from posezoo.core.events import (
    ConversionFinished,
    ConversionStarted,
    ConversionUpToDate,
    SelfCheckFinished,
    SelfCheckPassed,
    WarningIssued,
)
from posezoo.core.ir.openvino_import import import_openvino

FP32, FP16 = Precision.FP32, Precision.FP16
DETECTOR = "4c90f7348ab99aff5b7b9290d6b4d0336a7fc8540dbc93e5d2708545a2f05f7fef22870a5e59cd75734f5c8d0a46a95b"
LANDMARK = "a8a38dcd76b222dfef056b10c3bb5aba8d1ef5b5a8dee48d44e830cacd907a3d015f469111bac4618b92f0644354e121"


def tiny(root, *, kind="tflite", content=None, **changes):
    """A downloaded model of two layers: its spec and its layout."""
    content = network(kind) if content is None else content
    spec = spec_of(content, root, **changes)
    return spec, downloaded(spec, content, root)


def blazepose(mirror, root, sha384, *, size, scale, mean=()):
    """A downloaded model of BlazePose, as the zoo declares it."""
    content = (mirror / "1" / sha384[:2] / sha384[2:]).read_bytes()
    image = Input("input_1", (1, size, size, 3), "NHWC", ColorOrder.RGB, mean, scale, True)
    spec = spec_of(content, root, name=f"blazepose-{size}", inputs=(image,), outputs=())
    return spec, downloaded(spec, content, root)


def detector(mirror, root):
    return blazepose(mirror, root, DETECTOR, size=224, mean=(127.5,) * 3, scale=(127.5,) * 3)


def landmark(mirror, root):
    return blazepose(mirror, root, LANDMARK, size=256, scale=(255.0,) * 3)


def infer(xml, feed):
    ov = import_openvino()
    compiled = ov.Core().compile_model(xml, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    results = compiled(feed)
    return {min(port.names): results[port] for port in compiled.outputs}


def digests_below(folder):
    """SHA-256 of every .xml and .bin, by path below the folder."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".xml", ".bin"))
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
    }


def in_a_child(script, *arguments, **environment):
    """Run a script in a fresh process that knows posezoo and the fakes; its last line, as JSON."""
    tests, source = ROOT / "tests", Path(posezoo.__file__).parents[1]
    folders = os.pathsep.join(filter(None, [str(source), str(tests), os.environ.get("PYTHONPATH")]))
    child = run_process(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": folders, **environment},
    )
    assert_success(child)
    return json.loads(child.stdout.splitlines()[-1]), child.stderr


@pytest.mark.parametrize(
    ("kind", "runtime"), [("tflite", "LiteRT "), ("onnx", "ONNX Runtime "), ("pb", "OpenVINO ")]
)
def test_one_conversion_makes_both_precisions_and_reports_them(tmp_path, kind, runtime):
    spec, layout = tiny(tmp_path, kind=kind)
    events = []
    converted = convert_model(spec, layout, listener=events.append)
    assert converted.irs == {precision: layout.ir_path(spec, precision) for precision in PRECISIONS}
    weights = {each: xml.with_suffix(".bin").stat().st_size for each, xml in converted.irs.items()}
    assert weights[FP16] < 0.75 * weights[FP32]
    warnings = [WarningIssued] if kind == "pb" else []  # only OpenVINO reads such a graph
    assert [type(event) for event in events] == [
        ConversionStarted,
        SelfCheckPassed,
        SelfCheckPassed,
        *warnings,
        SelfCheckFinished,
        ConversionFinished,
    ]
    assert isinstance(events[1], SelfCheckPassed)
    assert isinstance(events[2], SelfCheckPassed)
    assert events[1].reference.startswith(runtime)
    assert events[1].difference < 1e-5
    assert events[1].difference <= events[1].tolerance < 1e-4
    # The FP16 IR is the FP32 IR with rounded constants, and what the rounding changes is reported apart.
    assert (events[2].difference, events[2].tolerance) == (
        events[1].difference,
        events[1].tolerance,
    )
    assert events[2].reference == f"{events[1].reference}, before rounding to FP16"
    assert events[1].rounding is None
    assert events[2].rounding is not None
    assert 1e-6 < events[2].rounding < 1e-2
    assert events[2].rounded_output.removesuffix(":0") in OUTPUTS
    assert events[-1] == ConversionFinished("tiny-pose", True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_ir_takes_the_image_as_it_is(tmp_path, kind):
    """An image in BGR 0..255 must give what the bare network gives for the prepared picture."""
    spec, layout = tiny(tmp_path, kind=kind)
    xml = convert_model(spec, layout, precisions=[FP32]).irs[FP32]
    image = np.random.default_rng(5).integers(0, 256, (1, HEIGHT, WIDTH, 3)).astype(np.float32)
    prepared = (image[..., ::-1] - np.array(MEAN, np.float32)) / np.array(SCALE, np.float32)
    if kind == "onnx":
        image, prepared = image.transpose(0, 3, 1, 2), prepared.transpose(0, 3, 1, 2)
    bare = infer(layout.file_path(spec, spec.files[0]), [np.ascontiguousarray(prepared)])
    baked = infer(xml, {"image": np.ascontiguousarray(image)})
    assert [name.removesuffix(":0") for name in bare] == list(OUTPUTS)
    for reference, actual in zip(bare.values(), baked.values(), strict=True):
        np.testing.assert_allclose(actual, reference, atol=1e-4 * np.abs(reference).max())


def test_declared_outputs_may_be_a_subset_or_in_another_order(tmp_path):
    spec, layout = tiny(
        tmp_path, outputs=tuple(Output(name, OUTPUT_SHAPE, "NHWC") for name in reversed(OUTPUTS))
    )
    model = import_openvino().Core().read_model(convert_to_fp16(spec, layout))
    assert [port.any_name for port in model.outputs] == ["pafs", "heatmaps"]
    assert [str(port.node.layout) for port in model.outputs] == ["[N,H,W,C]", "[N,H,W,C]"]
    assert str(model.input("image").node.layout) == "[N,H,W,C]"

    one = replace(spec, outputs=(Output("heatmaps", OUTPUT_SHAPE),))
    model = import_openvino().Core().read_model(convert_to_fp16(one, layout))
    assert [port.any_name for port in model.outputs] == ["heatmaps"]


def test_the_ir_describes_itself(tmp_path):
    spec, layout = tiny(tmp_path, skeleton="coco-17")
    decoder = Decoder("openpose", {"threshold": 0.1, "stride": 8})
    xml = convert_to_fp16(spec, layout, decoder=decoder)
    model = import_openvino().Core().read_model(xml)
    facts = {
        name: model.get_rt_info(["posezoo", name]).astype(str)
        for name in model.get_rt_info("posezoo").astype(dict)
    }
    assert json.loads(facts.pop("sources")) == {
        "tiny.tflite": f"sha384:{spec.files[0].checksum.value}"
    }
    assert json.loads(facts.pop("decoder_options")) == {"stride": 8, "threshold": 0.1}
    assert facts == {
        "model": "tiny-pose",
        "conversion_format": "2",
        "mean": "100 120 140",
        "scale": "50 60 70",
        "reverse_input_channels": "true",
        "color": "BGR",
        "layout": "NHWC",
        "decoder": "openpose",
        "skeleton": "coco-17",
    }
    text = xml.read_text()
    assert str(tmp_path) not in text
    assert 'name="tiny-pose"' in text
    assert "conversion_parameters" not in text


def test_the_record_beside_the_ir_has_its_sources_and_its_self_check(tmp_path):
    spec, layout = tiny(tmp_path)
    xml = convert_model(spec, layout).irs[FP16]
    record = json.loads(layout.provenance_path(spec, FP16).read_text())
    for path in (xml, xml.with_suffix(".bin")):
        entry = record["files"][path.name]
        assert entry == {
            "size": path.stat().st_size,
            "sha384": hashlib.sha384(path.read_bytes()).hexdigest(),
        }
    assert record["self_check"]["seeds"] == [1, 2]
    assert set(record["self_check"]["outputs"]) == set(OUTPUTS)
    assert 0 < record["self_check"]["outputs"]["pafs"]["difference"] < 2e-2


def test_blazepose_computes_litert_s_outputs_for_noise_and_a_photo(mirror, shared, tmp_path):
    stored = np.load(shared / "facts" / "reference" / "runtimes" / "blazepose.litert-2.3.npz")
    for part, (spec, layout), back in (
        ("pose-detection", detector(mirror, tmp_path), lambda prepared: prepared * 127.5 + 127.5),
        ("pose-landmark-full", landmark(mirror, tmp_path), lambda prepared: prepared * 255),
    ):
        irs = convert_model(spec, layout).irs
        for image in ("noise", "photo"):
            bgr = np.ascontiguousarray(back(stored[f"{part}/{image}/input"])[..., ::-1]).astype(
                np.float32
            )
            for precision, tolerance in ((FP32, 1e-3), (FP16, 2e-2)):
                outputs = infer(irs[precision], {"input_1": bgr})
                expected = [
                    name.split("/")[-1] for name in stored if name.startswith(f"{part}/{image}/Id")
                ]
                assert list(outputs) == expected
                for name, values in outputs.items():
                    reference = stored[f"{part}/{image}/{name}"]
                    assert (
                        np.abs(values - reference).max() <= tolerance * np.abs(reference).max()
                    ), (
                        part,
                        name,
                    )


CONVERT_INTO = """
import json, os, sys
from pathlib import Path
os.sched_setaffinity(0, set(list(os.sched_getaffinity(0))[: int(sys.argv[1])]))
from core.convert.test_conversion import detector, landmark, digests_below, tiny
from fakes.conversion import convert_model
models = {"tiny": tiny, "tiny-onnx": lambda root: tiny(root / "onnx", kind="onnx"),
          "tiny-tf": lambda root: tiny(root / "tf", kind="pb"), "detector": lambda root: detector(Path(sys.argv[3]), root),
          "landmark": lambda root: landmark(Path(sys.argv[3]), root)}
for name in sys.argv[4:]:
    convert_model(*models[name](Path(sys.argv[2])), self_check=False)
print(json.dumps(digests_below(Path(sys.argv[2]))))
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux's CPU affinity")
def test_the_same_original_gives_the_same_bytes_in_any_process_order_folder_and_number_of_cpus(
    mirror, tmp_path
):
    models = ("detector", "tiny-onnx", "landmark", "tiny", "tiny-tf")
    first, _ = in_a_child(CONVERT_INTO, 1, tmp_path / "a", mirror, *models)
    second, _ = in_a_child(CONVERT_INTO, 2, tmp_path / "b" / "deeper", mirror, *reversed(models))
    assert len(first) == 20
    assert first == second


def test_threads_that_convert_for_the_first_time_at_once_do_not_wait_for_each_other(tmp_path):
    script = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from core.convert.test_conversion import digests_below, tiny
from fakes.conversion import convert_model
models = [tiny(Path(sys.argv[1]) / str(n) / kind, kind=kind) for n in range(4) for kind in ("tflite", "onnx", "pb")]
with ThreadPoolExecutor(4) as pool:
    list(pool.map(lambda model: convert_model(*model), models))
print(json.dumps([digests_below(Path(sys.argv[1]) / str(n)) for n in range(4)]))
"""
    first, *others = in_a_child(script, tmp_path)[0]
    assert len(first) == 12
    assert all(other == first for other in others)


def test_an_up_to_date_ir_is_kept_without_importing_openvino_or_numpy(tmp_path):
    spec, layout = tiny(tmp_path)
    convert_model(spec, layout)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    # Handed over as a pickle: what makes the fakes imports numpy.
    script = """
import json, pickle, sys
spec, layout = pickle.load(open(sys.argv[1], "rb"))
from fakes.conversion import convert_model, is_up_to_date
from posezoo.core.declarations.model import Precision
events = []
assert is_up_to_date(spec, layout, Precision.FP16)
convert_model(spec, layout, listener=lambda event: events.append(type(event).__name__))
heavy = [name for name in ("numpy", "openvino", "ai_edge_litert", "requests") if name in sys.modules]
print(json.dumps([events, heavy]))
"""
    pickled = tmp_path.parent / f"{tmp_path.name}.pickle"
    pickled.write_bytes(pickle.dumps((spec, layout)))
    (events, heavy), _ = in_a_child(script, pickled)
    assert events == ["ConversionUpToDate"]
    assert heavy == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize(
    "changes",
    [
        {
            "inputs": (
                Input(
                    "image",
                    (1, HEIGHT, WIDTH, 3),
                    "NHWC",
                    ColorOrder.RGB,
                    (1.0, 2.0, 3.0),
                    (),
                    True,
                ),
            )
        },
        {"outputs": (Output("pafs", OUTPUT_SHAPE),)},
        {"decoder": Decoder("heatmap", {"threshold": 0.2})},
        {"skeleton": "coco-17"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_changed_argument_converts_again(tmp_path, changes):
    spec, layout = tiny(tmp_path)
    old = convert_to_fp16(spec, layout).read_bytes()
    changed = replace(spec, **changes)
    assert not is_up_to_date(changed, layout, FP16)
    assert convert_to_fp16(changed, layout).read_bytes() != old
    assert is_up_to_date(changed, layout, FP16)


def test_an_ir_without_self_check_is_made_again_if_a_check_is_requested(tmp_path):
    spec, layout = tiny(tmp_path)
    events = []
    convert_model(spec, layout, self_check=False, precisions=[FP16], listener=events.append)
    assert not any(isinstance(event, SelfCheckPassed) for event in events)
    assert is_up_to_date(spec, layout, FP16)
    untouched = layout.ir_path(spec, FP16).stat().st_mtime_ns
    convert_model(spec, layout, precisions=[FP16], listener=events.append)
    assert isinstance(events[-3], SelfCheckPassed)
    assert layout.ir_path(spec, FP16).stat().st_mtime_ns == untouched


def test_force_converts_again_and_keeps_equal_files(tmp_path):
    spec, layout = tiny(tmp_path)
    xml = convert_model(spec, layout, self_check=False).irs[FP16]
    inode = xml.stat().st_ino
    events = []
    convert_model(spec, layout, force=True, self_check=False, listener=events.append)
    assert events[0] == ConversionStarted("tiny-pose", (FP32, FP16))
    assert xml.stat().st_ino == inode


def test_unsupported_arguments_are_named(tmp_path):
    spec, layout = tiny(tmp_path, mo_args=(("--batch", "2"), ("--silent", ""), ("--batch", "3")))
    with pytest.raises(ConversionError, match=r"an argument of its model\.yml: --batch, --s"):
        convert_model(spec, layout)


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_no_telemetry_no_trace_of_a_runtime_in_the_home_folder_and_no_noise(tmp_path, kind):
    home = tmp_path / "home"
    home.mkdir()
    script = """
import json, os, sys
from pathlib import Path
from core.convert.test_conversion import tiny
from fakes.conversion import convert_model
del os.environ["ORT_DISABLE_TELEMETRY"]  # as on a user's machine
os.environ["HOME"] = sys.argv[3]  # the tests' own modules may have set another one
convert_model(*tiny(Path(sys.argv[1]), kind=sys.argv[2]))
print(json.dumps([name for name, module in sys.modules.items() if "telemetry" in name and module
                  and "openvino_telemetry" in name]))
"""
    imported, noise = in_a_child(script, tmp_path / "zoo", kind, home)
    assert imported == []
    assert noise == ""
    assert [path for path in home.rglob("*") if not path.is_dir()] == []


def test_model_info_is_written_into_the_ir_as_open_model_zoo_does(tmp_path):
    content = network("onnx")
    info = {
        "model_type": "SSD",
        "confidence_threshold": 0.5,
        "labels": ("a", "b"),
        "anchors": (12.0, 16.5),
    }
    spec = spec_of(content, tmp_path, model_info=info)
    layout = downloaded(spec, content, tmp_path)
    ir = import_openvino().Core().read_model(convert_to_fp16(spec, layout))
    said = {name: ir.get_rt_info(["model_info", name]).value for name in info}
    assert said == {
        "model_type": "SSD",
        "confidence_threshold": "0.5",
        "labels": "a b",
        "anchors": "12 16.5",
    }
    changed = replace(spec, model_info={**info, "model_type": "YOLO"})
    assert {
        step.reason for step in plan_conversion(changed, layout, [FP16], self_check=False).irs
    } == {"model.yml or the flags have changed"}


@pytest.mark.parametrize(
    ("name", "bad", "reason"),
    [
        (b"image", b"\xff\xfe", "a name that is not UTF-8"),
        (b"kernel0", b"\xff\xfe", "a name that is not UTF-8"),
        (b"stem", b"\x01\x02", "a character that XML does not allow"),
        (b"kernel0", b"\x01\x02", "a character that XML does not allow"),
    ],
)
def test_a_name_that_no_ir_can_have_is_an_error(tmp_path, name, bad, reason):
    content = network("onnx").replace(name, bad + name[len(bad) :])
    spec, layout = tiny(
        tmp_path, kind="onnx", content=content, framework=Framework.ONNX, outputs=()
    )
    with pytest.raises(ConversionError, match=reason):
        convert_model(spec, layout)
    assert not list(layout.output_dir.rglob("*.xml"))


@pytest.mark.parametrize("suffix", [".xml", ".bin"])
def test_a_damaged_ir_is_made_again(tmp_path, suffix):
    spec, layout = tiny(tmp_path)
    damaged = convert_model(spec, layout, self_check=False).irs[FP16].with_suffix(suffix)
    good = damaged.read_bytes()
    damaged.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    events = []
    convert_model(spec, layout, self_check=False, listener=events.append)
    assert damaged.read_bytes() == good
    assert events[0] == ConversionUpToDate("tiny-pose", (FP32,))
    assert ConversionStarted("tiny-pose", (FP16,)) in events
