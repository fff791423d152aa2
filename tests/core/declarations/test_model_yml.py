"""model.yml -> ModelSpec, and every mistake answered with its place."""

import re
import time
from dataclasses import fields
from pathlib import Path

import pytest

from fakes.bad_files import ALL, FILE, INPUT, NPM, WHEEL
from fakes.checkout import ROOT
from fakes.waiting import HANG_S
from fakes.zoo import as_yaml, model_yml, omz_yml, write_model
from posezoo.core.declarations.field_types import mapping_schema, names_of
from posezoo.core.declarations.model import (
    ColorOrder,
    CompositeSpec,
    Digest,
    Family,
    FloatLayers,
    Framework,
    License,
    ModelSpec,
    NetworkChoice,
    PublishedAccuracy,
    QuantizationSettings,
    RegexReplace,
    Route,
    UnpackArchive,
)
from posezoo.core.declarations.model_yml import (
    COMPOSITE_KEYS,
    MODEL_KEYS,
    read_composite,
    read_model,
)
from posezoo.core.declarations.routes import select_route
from posezoo.core.declarations.sources import (
    FileSource,
    GoogleDriveSource,
    HttpSource,
    HuggingFaceSource,
    NpmPackageSource,
    PythonPackageSource,
    StorageSource,
)
from posezoo.core.download.source_types import SOURCE_TYPES
from posezoo.core.errors import SpecError
from posezoo.core.versions import release_version


def read_as_net(path):
    return read_model(path, family=Family.PUBLIC, name="net")


def spec_of(tmp_path, **changes):
    return read_as_net(write_model(tmp_path / "models", "net", model_yml(**changes)))


def omz_spec_of(tmp_path, **changes):
    return read_as_net(write_model(tmp_path / "models", "net", omz_yml(**changes)))


def test_every_value_arrives_typed(tmp_path):
    spec = spec_of(
        tmp_path,
        inputs=[
            {
                **INPUT,
                "mean": [1, 2, 3],
                "scale": [4, 5, 6],
                "reverse_input_channels": True,
                "dynamic": ["H"],
                "reshaped": True,
            }
        ],
        decoder={"name": "blazepose", "max_people": 3},
        compute_types=["bf16"],
    )
    assert spec.compute_types == ("bf16",)
    assert spec.files[0].checksum == Digest("sha384", "0" * 96)
    assert spec.inputs[0].mean == (1.0, 2.0, 3.0)
    assert spec.inputs[0].ir_color is ColorOrder.BGR
    assert spec.inputs[0].dynamic == ("H",)
    assert spec.inputs[0].reshaped
    assert spec.decoder is not None
    assert dict(spec.decoder.options) == {"max_people": 3}
    assert spec.subdirectory == "public/net"


def test_what_quantization_leaves_in_floating_point_is_said_with_its_reason(tmp_path):
    settings = {
        "preset": "mixed",
        "max_shift_px": 8,
        "in_float": [
            {"types": ["MVN"], "reason": "one image's statistics"},
            {"layers": ["head/*"], "reason": "x"},
        ],
    }
    spec = spec_of(tmp_path, quantization=settings)
    assert spec.quantization == QuantizationSettings(
        preset="mixed",
        max_shift_px=8.0,
        in_float=(
            FloatLayers("one image's statistics", types=("MVN",)),
            FloatLayers("x", layers=("head/*",)),
        ),
    )
    assert spec_of(tmp_path).quantization is None
    assert spec_of(tmp_path, quantization={}).quantization == QuantizationSettings()


def test_a_file_may_have_several_sources_of_every_kind(tmp_path):
    sources = [
        "https://a.invalid/x",
        {"$type": "http", "url": "http://b.invalid/x"},
        {"$type": "file", "path": "/x"},
        WHEEL,
        NPM,
    ]
    spec = spec_of(tmp_path, files=[{**FILE, "source": sources}])
    assert [type(source) for source in spec.files[0].sources] == [
        HttpSource, HttpSource, FileSource, PythonPackageSource, NpmPackageSource,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("url", "is_windows", "path"),
    [
        ("file:///C:/my%20files/net.onnx", True, "C:/my files/net.onnx"),
        ("file:///C:/net.onnx", False, "/C:/net.onnx"),
        ("file://localhost/srv/net.onnx#1", True, "/srv/net.onnx"),
        ("file:net.onnx?raw=1", False, "net.onnx"),
    ],
)
def test_a_file_url_may_begin_with_a_drive_of_windows(tmp_path, monkeypatch, url, is_windows, path):
    monkeypatch.setattr("posezoo.core.declarations.sources.IS_WINDOWS", is_windows)
    (source,) = spec_of(tmp_path, files=[{**FILE, "source": url}]).files[0].sources
    assert source == FileSource(Path(path))


def test_of_several_digests_the_strongest_names_the_file_and_the_others_are_kept(tmp_path):
    digests = {"md5": "B" * 32, "sha256": "A" * 64}
    (file,) = spec_of(tmp_path, files=[{**FILE, **digests, "size": "3"}]).files
    assert file.checksum == Digest("sha384", FILE["checksum"])
    assert file.also == (Digest("sha256", "a" * 64), Digest("md5", "b" * 32))
    assert file.size == 3


def test_an_md5_is_no_pin(tmp_path):
    (file,) = spec_of(tmp_path, files=[{**FILE, "checksum": "unknown", "md5": "b" * 32}]).files
    assert not file.is_pinned
    assert file.also == (Digest("md5", "b" * 32),)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("https://models.invalid/LICENSE", License(url="https://models.invalid/LICENSE")),
        ("GNU GPL-3", License("GNU GPL-3")),
        ("ftp://models.invalid/LICENSE", License("ftp://models.invalid/LICENSE")),
        (None, License()),
    ],
)
def test_a_license_is_an_address_a_name_or_missing(tmp_path, stated, expected):
    assert omz_spec_of(tmp_path, license=stated).license == expected


@pytest.mark.parametrize("failed", ALL.values(), ids=ALL)
def test_a_mistake_is_one_line_with_its_place(tmp_path, failed):
    path = write_model(tmp_path / "models", "net", failed.content)
    start_time = time.perf_counter()
    with pytest.raises(SpecError) as caught:
        read_model(path, family=Family.PUBLIC, name="net")
    assert time.perf_counter() - start_time < HANG_S
    assert caught.value.field == failed.field
    assert failed.problem in caught.value.problem
    assert re.match(rf"{re.escape(str(path))}:\d+:\d+: ", caught.value.problem)
    assert caught.value.problem.isprintable()


DRIVE = {"$type": "google_drive", "id": "1V9Iz0ZYy9m8VeaspfKECDW0NKlGsYmO1"}


def test_open_model_zoos_form_is_read_into_the_same_values(tmp_path):
    spec = omz_spec_of(tmp_path)
    assert spec.framework is Framework.ONNX
    assert spec.license == License(url="https://models.invalid/LICENSE")
    assert [(port.name, port.shape, port.layout) for port in spec.inputs] == [
        ("image", (1, 3, 4, 6), "NCHW")
    ]
    assert [output.name for output in spec.outputs] == ["heatmaps"]
    assert spec.source_name == spec.files[0].name


def test_the_publishers_own_source_is_tried_last(tmp_path):
    (file,) = omz_spec_of(tmp_path).files
    assert file.sources == (
        HttpSource("https://models.invalid/net.onnx"),
        GoogleDriveSource(DRIVE["id"]),
    )


def test_a_source_may_be_a_repository_at_a_commit_or_a_store(tmp_path):
    hub = {
        "$type": "huggingface",
        "repository": "pose-lab/vit",
        "file": "onnx/net.onnx",
        "revision": "0" * 40,
    }
    sources = [hub, "s3://models/net.onnx", "sftp://me@host/net.onnx"]
    file = {"name": "net.onnx", "size": 3, "sha256": "0" * 64, "source": sources}
    assert omz_spec_of(tmp_path, files=[file]).files[0].sources == (
        HuggingFaceSource("pose-lab/vit", "onnx/net.onnx", "0" * 40),
        StorageSource("s3://models/net.onnx"),
        StorageSource("sftp://me@host/net.onnx"),
    )


def test_an_input_may_be_known_by_its_layout_or_its_shape_alone(tmp_path):
    info = [{"name": "a", "layout": "NCHW"}, {"name": "b", "shape": [1, 7]}, {"name": "c"}]
    inputs = omz_spec_of(
        tmp_path, input_info=info, model_optimizer_args=None, framework="dldt"
    ).inputs
    assert [(port.name, port.shape, port.layout) for port in inputs] == [
        ("a", (), "NCHW"),
        ("b", (1, 7), ""),
        ("c", (), ""),
    ]


def test_what_is_done_to_the_files_is_read_in_its_order(tmp_path):
    archive = {**FILE, "name": "sub/net.zip"}
    steps = [
        {"$type": "unpack_archive", "format": "zip", "file": "sub/net.zip"},
        {
            "$type": "regex_replace",
            "file": "sub/a.py",
            "pattern": "dim: 12",
            "replacement": "dim: 7",
            "count": 1,
        },
        {"$type": "regex_replace", "file": "sub/a.py", "pattern": "import cv2", "replacement": ""},
    ]
    spec = omz_spec_of(
        tmp_path,
        files=[archive],
        postprocessing=steps,
        model_optimizer_args=["--input_model=$dl_dir/sub/a.pb"],
    )
    assert spec.postprocessing == (
        UnpackArchive("sub/net.zip", "zip"),
        RegexReplace("sub/a.py", "dim: 12", "dim: 7", 1),
        RegexReplace("sub/a.py", "import cv2", ""),
    )
    assert spec.source_name == "sub/a.pb"


def test_a_packed_data_file_names_the_script_that_lists_its_members(tmp_path):
    files = [{**FILE, "name": name} for name in ("net.data", "loader.js")]
    step = {"$type": "unpack_archive", "format": "emscripten", "file": "net.data"}
    spec = omz_spec_of(tmp_path, files=files, postprocessing=[{**step, "index": "loader.js"}])
    assert spec.postprocessing == (UnpackArchive("net.data", "emscripten", "loader.js"),)
    for changes, problem in (
        ({}, "emscripten needs an index"),
        ({"format": "zip", "index": "loader.js"}, "zip has no index"),
        ({"index": "other.js"}, r"other\.js is not listed under files"),
    ):
        with pytest.raises(SpecError, match=problem):
            omz_spec_of(tmp_path, files=files, postprocessing=[{**step, **changes}])


def test_of_several_files_the_original_is_the_one_that_the_arguments_name(tmp_path):
    files = [{**FILE, "name": name} for name in ("net.prototxt", "net.caffemodel")]
    arguments = ["--input_proto=$dl_dir/net.prototxt", "--input_model=$dl_dir/net.caffemodel"]
    spec = omz_spec_of(tmp_path, files=files, model_optimizer_args=arguments, framework="caffe")
    assert spec.source_name == spec.files[1].name
    assert spec.mo_args == (("--input_proto", "$dl_dir/net.prototxt"),)


def test_a_checkpoint_of_one_of_our_networks_is_the_original(tmp_path):
    network = {"name": "higher_hrnet", "width": 32, "deep": True, "mode": "nearest"}
    spec = spec_of(
        tmp_path, files=[FILE, {**FILE, "name": "w.pth"}], network=network, checkpoint="w.pth"
    )
    assert spec.network == NetworkChoice(
        "higher_hrnet", {"width": 32, "deep": True, "mode": "nearest"}
    )
    assert spec.source_name == spec.files[1].name


def test_a_checkpoint_may_lie_in_an_archive_and_wins_over_what_upstreams_code_would_make(tmp_path):
    spec = omz_spec_of(
        tmp_path,
        files=[{**FILE, "name": "net.zip"}],
        postprocessing=[{"$type": "unpack_archive", "format": "zip", "file": "net.zip"}],
        model_optimizer_args=["--input_model=$conv_dir/net.onnx"],
        network={"name": "higher_hrnet"},
        checkpoint="sub/w.pth",
    )
    assert spec.source_name == spec.checkpoint == "sub/w.pth"


def test_a_checkpoint_that_upstream_code_makes_needs_its_consent(tmp_path):
    spec = spec_of(tmp_path, framework="onnx", checkpoint="$conv_dir/net.onnx")
    assert (spec.input_model, spec.checkpoint) == ("$conv_dir/net.onnx", "")
    assert spec.inputs and select_route(spec)[0] is Route.UPSTREAM_CODE


def test_a_variant_says_what_differs_and_the_first_is_the_default(tmp_path):
    small = {"files": [{**FILE, "name": "small.tflite"}], "inputs": [{"shape": [1, 2, 3, 3]}]}
    spec = spec_of(
        tmp_path, variants={"f63d42ac": {"files": [FILE]}, "ccd24037": small}, files=None
    )
    (other,) = spec.variants
    assert [(each.full_name, each.tag, each.is_default) for each in (spec, other)] == [
        ("net", "f63d42ac", True), ("net@ccd24037", "ccd24037", False),
    ]  # fmt: skip
    assert spec.files[0].name == "net.tflite"
    assert other.files[0].name == "small.tflite"
    assert (spec.inputs[0].shape, other.inputs[0].shape) == ((1, 4, 6, 3), (1, 2, 3, 3))
    assert other.inputs[0].layout == "NHWC"  # as it is said once for both
    assert other.outputs == spec.outputs
    assert (spec.subdirectory, other.subdirectory) == ("public/net", "public/net@ccd24037")


def member(digits):
    return {"net.params": {"$type": "sha1", "value": digits}}


@pytest.mark.parametrize(
    ("changes", "pinned", "weak", "pin"),
    [
        ({}, True, False, "SHA-384 000000000000…"),
        (
            {"contains": member("A" * 40), "checksum": None},
            True,
            True,
            "SHA-1 aaaaaaaaaaaa… of net.params",
        ),
        ({"contains": member("a" * 40)}, True, False, "SHA-384 000000000000…"),
        ({"contains": member("ccd24037"), "checksum": None}, False, True, "no pin"),
        ({"checksum": "unknown"}, False, True, "no pin"),
        (
            {"contains": {"net.onnx": {"$type": "sha256", "value": "b" * 64}}, "checksum": None},
            True,
            False,
            "SHA-256 bbbbbbbbbbbb… of net.onnx",
        ),
    ],
)
def test_a_file_is_pinned_by_what_is_known_of_it(tmp_path, changes, pinned, weak, pin):
    said = {**FILE, "name": "net.zip", "size": "unknown", "max_size": 9, **changes}
    (file,) = spec_of(tmp_path, files=[{k: v for k, v in said.items() if v is not None}]).files
    assert (file.size, file.read_limit) == (None, 9)
    assert (file.is_pinned, file.is_weakly_pinned, file.pin_text) == (pinned, weak, pin)


def test_what_the_publisher_says_is_read_with_its_units(tmp_path):
    accuracy = [
        {"metric": "AP", "value": 0.663, "AP50": 0.892, "flip": True},
        {"metric": "MPJPE", "value": 100.45},
    ]
    spec = spec_of(
        tmp_path, published={"accuracy": accuracy, "gflops": 18.998}, license_note="Un-\nclear."
    )
    assert spec.published.accuracy == (
        PublishedAccuracy("AP", 0.663, flip=True, ap50=0.892),
        PublishedAccuracy("MPJPE", 100.45),
    )
    assert (spec.published.gflops, spec.published.mparams) == (18.998, None)
    assert spec.license_note == "Un- clear."


def test_what_upstreams_code_would_make_is_named_and_never_run(tmp_path):
    trap = tmp_path / "models" / "public" / "net" / "pre-convert.py"
    trap.parent.mkdir(parents=True)
    trap.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    export = ["--model-path=$config_dir", '--model-param=weights=r"$dl_dir/net.onnx"']
    spec = omz_spec_of(
        tmp_path,
        conversion_to_onnx_args=export,
        model_optimizer_args=["--input_model=$conv_dir/net.onnx"],
    )
    assert spec.has_pre_convert
    assert spec.upstream_export == tuple(export)
    assert spec.source_name == "$conv_dir/net.onnx"
    assert not (tmp_path / "ran").exists()


def test_a_downloaded_file_may_be_named_in_the_folder_of_what_upstreams_code_makes(tmp_path):
    spec = omz_spec_of(tmp_path, model_optimizer_args=["--input_model=$conv_dir/net.onnx"])
    assert spec.input_model == "$dl_dir/net.onnx"
    assert spec.source_name == spec.files[0].name


def test_what_is_written_into_the_ir_keeps_its_types(tmp_path):
    info = {
        "model_type": "SSD",
        "confidence_threshold": 0.5,
        "masks": [0, 1],
        "nested": {"yes": True},
    }
    assert dict(omz_spec_of(tmp_path, model_info=info).model_info) == {
        "model_type": "SSD", "confidence_threshold": 0.5, "masks": (0, 1), "nested": {"yes": True},
    }  # fmt: skip


def test_an_unknown_key_of_open_model_zoos_form_is_left_out_with_a_warning(tmp_path):
    file = {
        "name": "net.onnx",
        "size": 3,
        "checksum": "0" * 96,
        "source": "https://models.invalid/net.onnx",
    }
    spec = omz_spec_of(
        tmp_path,
        files=[{**file, "oroginal_source": DRIVE}],
        input_info=[{"name": "image", "shape": [1, 3, 4, 6], "mean": [1, 2, 3]}],
    )
    assert spec.files[0].sources == (HttpSource("https://models.invalid/net.onnx"),)
    assert spec.inputs[0].mean == ()
    assert {str(key).removeprefix(str(spec.path)) for key in spec.unknown_keys} == {
        ":8:3: files[0].oroginal_source: unknown key, left out; did you mean original_source?",
        ":18:3: input_info[0].mean: unknown key, left out",
    }


@pytest.mark.parametrize(
    "ours",
    [
        {"decoder": {"name": "openpose"}},
        {"license": {"spdx": "MIT", "text": "x.txt"}},
        {"requires_posezoo": "0.3"},
    ],
)
def test_an_unknown_key_beside_one_of_ours_is_left_out_too(tmp_path, ours):
    spec = omz_spec_of(tmp_path, descripton="x", **ours)
    assert [key.name for key in spec.unknown_keys] == ["descripton"]


def test_a_model_that_needs_a_later_posezoo_is_refused_before_its_keys_are_read(tmp_path):
    with pytest.raises(SpecError) as caught:
        omz_spec_of(tmp_path, requires_posezoo="97.1", framework="of next year")
    assert "requires_posezoo: needs posezoo 97.1 or newer, and this is " in caught.value.problem
    with pytest.raises(SpecError, match=r"expected a version such as 0\.4, got '>=0\.3'"):
        omz_spec_of(tmp_path, requires_posezoo=">=0.3")
    own = ".".join(release_version().split(".")[:2])
    assert omz_spec_of(tmp_path, requires_posezoo=own).unknown_keys == ()


def test_yaml_1_1s_yes_is_read_where_open_model_zoo_writes_it(tmp_path):
    text = as_yaml(omz_yml()) + "quantizable: yes\nquantized: INT8\n"
    spec = read_as_net(write_model(tmp_path / "models", "net", text))
    assert spec.quantizable
    assert spec.quantized == "INT8"


def test_a_composite_of_the_older_generation_has_the_folders_below_it(tmp_path):
    path = tmp_path / "composite-model.yml"
    path.write_text("task_type: detection\n")
    for part in ("second", "first", "no-model"):
        (tmp_path / part).mkdir()
    (tmp_path / "second" / "model.yml").touch()
    (tmp_path / "first" / "model.yml").touch()
    assert read_composite(path, family=Family.PUBLIC, name="ab").stages == ("first", "second")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("task_type: detection\nstages: []\n", "needs its parts"),
        ("task_type: detection\n", "needs its parts"),
        ("stages: [a]\n", "task_type is missing"),
        ("task_type: detection\nstages: [../x]\n", "is not a model name"),
        ("task_type: detection\nstages: [a, a]\n", "is given twice"),
        ("task_type: detection\nstages: [a]\nstages_order: [a]\n", "given in addition to stages"),
        (
            "task_type: detection\nstages: [a]\nrequires_posezoo: '97'\n",
            "needs posezoo 97 or newer",
        ),
    ],
)
def test_a_bad_composite_says_why(tmp_path, content, problem):
    path = tmp_path / "composite-model.yml"
    path.write_text(content)
    with pytest.raises(SpecError, match=problem):
        read_composite(path, family=Family.PUBLIC, name="ab")


def test_each_key_has_an_attribute_that_takes_its_value():
    # Open Model Zoo's inputs and arguments become other attributes.
    for keys, spec_class, replaced in (
        (MODEL_KEYS, ModelSpec, {"input_info", "model_optimizer_args", "frozen_inputs"}),
        (COMPOSITE_KEYS, CompositeSpec, {"stages_order"}),
    ):
        replaced = {*replaced, "requires_posezoo"}  # it only refuses
        attributes = {field.name for field in fields(spec_class)}
        missing = {key.attribute or key.name for key in keys} - attributes - replaced
        assert not missing, f"add to {spec_class.__name__} in core/declarations/model.py: {missing}"


def test_the_page_shows_each_key_and_each_type_of_source():
    page = (ROOT / "docs" / "model_yml.md").read_text("utf-8")
    names = {
        *names_of(COMPOSITE_KEYS),
        *_keys_in(mapping_schema(MODEL_KEYS)),
        *SOURCE_TYPES.builtin,
    }
    missing = sorted(name for name in names if not re.search(rf"(?<!\w){re.escape(name)}\b", page))
    assert not missing, f"show in an example of docs/model_yml.md: {missing}"


def _keys_in(schema):
    """The keys of a schema's mappings, and of those within them."""
    keys = set(schema.get("properties", ()))
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
    inner += [schema[key] for key in ("items", "additionalProperties") if key in schema]
    for each in inner:
        keys |= _keys_in(each) if isinstance(each, dict) else set()
    return keys
