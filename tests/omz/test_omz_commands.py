"""Open Model Zoo's commands: what scripts rely on, and what is better than in Open Model Zoo."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from fakes.checkout import ROOT
from fakes.command import (
    assert_quiet_success,
    assert_success,
    omz_tool,
    posezoo,
    printed,
    printed_alone,
    refusal,
    run_process,
)
from fakes.network import network
from fakes.when_used import needs
from fakes.zoo import (
    declared_file,
    model_yml,
    omz_yml,
    onnx_yml,
    write_composite,
    write_model,
    write_small_zoo,
)
from posezoo.core.registry import open_registry
from posezoo.core.resolve.input_options import with_added_mo_args
from posezoo.core.settings import WHEEL_REGISTRIES
from posezoo.omz.commands import info_dumper

TOOLS = ROOT / "tools" / "downloader"


@pytest.fixture
def zoo(tmp_path):
    """Two models, a composite of two parts and one published as IR; their files are on this machine."""
    root = write_small_zoo(tmp_path) / "models"
    write_composite(root, "whole", ["second", "first"])
    origin = tmp_path / "origin" / "ir.tflite"
    origin.write_bytes(b"ir" * 1000)
    files = [declared_file(origin, name=f"{each}/ir.xml") for each in ("FP16", "FP32")]
    write_model(root, "ir", model_yml(files=files, framework="dldt"), family="intel")
    return tmp_path


def run(name, zoo, *args, **environ):
    return omz_tool(name, *args, "--models_dir", zoo / "models", cwd=zoo, **environ)


def events(ended):
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_files_of_a_model_at_any_depth_go_to_the_same_path(zoo):
    file = declared_file(zoo / "origin" / "a.tflite")
    write_model(zoo / "models", "vendor/2026/own", model_yml(files=[file]), family="")
    assert_success(run("downloader", zoo, "--name", "own", "-o", "out"))
    assert (zoo / "out" / "vendor" / "2026" / "own" / "a.tflite").is_file()
    (facts,) = json.loads(run("info_dumper", zoo, "--name", "own").stdout)
    assert facts["subdirectory"] == "vendor/2026/own"


def test_only_all_skips_a_file_without_a_pin_and_it_skips_no_other_failure(zoo):
    loose = {**declared_file(zoo / "origin" / "a.tflite"), "size": "unknown", "checksum": "unknown"}
    write_model(zoo / "models", "loose", model_yml(files=[{**loose, "max_size": 10**6}]))
    (zoo / "origin" / "b.tflite").unlink()
    every = run("downloader", zoo, "--all", "-o", "out")
    assert every.returncode == 1
    assert every.stdout.endswith("SKIPPED (no pin):\nloose\nFAILED:\nb\n")
    named = run("downloader", zoo, "--name", "loose,b", "-o", "out")
    assert named.stdout.endswith("FAILED:\nloose\nb\n") and "SKIPPED" not in named.stdout


def test_files_go_to_the_working_folder_in_open_model_zoos_layout(zoo):
    output = printed_alone(run("downloader", zoo, "--name", "a,whole"))
    assert (zoo / "public" / "a" / "a.tflite").read_bytes() == b"a" * 1000
    assert (zoo / "public" / "whole" / "second" / "second.tflite").is_file()
    lines = output.splitlines()
    assert lines[:4] == [
        "################|| Downloading a ||################",
        "",
        f"========== Downloading {zoo}/public/a/a.tflite",
        "... 100%, 0 KB, " + lines[3].split("KB, ")[1],
    ]
    assert lines.index("################|| Downloading second ||################") < lines.index(
        "################|| Downloading first ||################"
    )


def test_nothing_is_written_outside_the_output_folder(zoo):
    run("downloader", zoo, "--all", "-o", "out")
    assert {path.name for path in zoo.iterdir()} == {"origin", "models", "licenses", "out"}
    assert [path for path in Path(os.environ["HOME"]).rglob("*") if path.is_file()] == []


def test_a_verified_file_is_kept_and_reported(zoo):
    run("downloader", zoo, "--name", "a")
    shutil.rmtree(zoo / "origin")
    output = printed(run("downloader", zoo, "--name", "a"))
    assert f"========== Keeping {zoo}/public/a/a.tflite (it is here and verified)" in output


def test_lines_name_the_cache_or_the_mirror(zoo):
    run("downloader", zoo, "--name", "a", "-o", "one", "--cache_dir", "cache")
    shutil.rmtree(zoo / "origin")
    cached = run("downloader", zoo, "--name", "a", "-o", "two", "--cache_dir", "cache")
    assert "========== Retrieving two/public/a/a.tflite from the cache\n" in cached.stdout
    for mirrored in (
        run("downloader", zoo, "--name", "a", "-o", "three", "--mirror", "cache"),
        run("downloader", zoo, "--name", "a", "-o", "four", POSEZOO_MIRROR="cache"),
    ):
        assert "public/a/a.tflite from cache\n" in mirrored.stdout


def test_a_failure_has_its_reason_in_json_and_does_not_stop_other_models(zoo):
    (zoo / "origin" / "a.tflite").write_bytes(b"other")
    ended = run("downloader", zoo, "--name", "a,b", "--progress_format", "json")
    assert ended.returncode == 1
    told = events(ended)
    assert all(next(iter(event)) == "$type" for event in told)
    ends = {each["model"]: each for each in told if each["$type"] == "model_download_end"}
    assert ends["b"]["successful"] is True
    assert ends["a"]["successful"] is False
    assert "a.tflite" in ends["a"]["reason"]
    assert ended.stderr.startswith("########## Error: a.tflite: ")


def test_an_invalid_model_yml_is_an_error_only_if_it_is_selected(zoo):
    write_model(zoo / "models", "bad", "files: [")
    beside = run("downloader", zoo, "--name", "a")
    assert_success(beside)
    assert beside.stderr == ""
    every = run("downloader", zoo, "--all")
    assert every.returncode == 1
    assert every.stdout.endswith("FAILED:\nbad\n")
    assert run("downloader", zoo, "--print_all").stdout.split() == [
        "a",
        "b",
        "bad",
        "first",
        "ir",
        "second",
    ]


def test_an_unreadable_list_is_one_line_of_error(zoo):
    (zoo / "models.lst").write_text("a\n'b\n")
    quotes = run("downloader", zoo, "--list", "models.lst")
    assert (quotes.returncode, quotes.stderr) == (
        1,
        "########## Error: models.lst:2: No closing quotation\n  hint: close the quotes\n",
    )
    (zoo / "models.lst").write_bytes(b"\xff\xfe")
    assert "is not UTF-8" in run("downloader", zoo, "--list", "models.lst").stderr
    assert "cannot be read: Is a directory" in run("downloader", zoo, "--list", zoo).stderr


def test_the_hint_is_the_most_similar_name(zoo):
    ended = run("info_dumper", zoo, "--name", "whol")
    assert ended.stderr == 'No matching models: "whol"\n  hint: did you mean whole?\n'


@pytest.fixture
def convertible(tmp_path):
    """A model whose file is here, ready to be converted."""
    needs("openvino")
    (tmp_path / "net.onnx").write_bytes(network("onnx"))
    write_model(tmp_path / "models", "net", onnx_yml(declared_file(tmp_path / "net.onnx")))
    assert_success(run("downloader", tmp_path, "--name", "net"))
    return tmp_path


def test_the_converter_draws_a_card_unless_no_card_is_given(convertible):
    folder = convertible / "public" / "net"
    output = printed_alone(
        run("converter", convertible, "--name", "net", "--precisions", "FP16", "--no_card")
    )
    assert output.startswith("========== Converting net to IR (FP16)\nFP16 self-check passed")
    assert output.endswith("\n\n")
    assert (folder / "FP16" / "net.xml").is_file()
    assert not (folder / "README.md").exists()
    again = run("converter", convertible, "--name", "net")
    assert "========== Keeping net (FP16): it is up to date\n" in again.stdout
    assert "========== Converting net to IR (FP32)\n" in again.stdout
    assert "Self-Check" in (folder / "README.md").read_text("utf-8")


def test_a_dry_run_of_what_cannot_be_converted_fails_as_the_real_run_does(convertible):
    (convertible / "net.params").write_bytes(b"params")
    files = [declared_file(convertible / "net.params")]
    write_model(convertible / "models", "old", model_yml(framework="mxnet", files=files))
    assert_success(run("downloader", convertible, "--name", "old"))
    real, dry = (
        run("converter", convertible, "--name", "old,net", *flags) for flags in ((), ("--dry_run",))
    )
    assert (real.returncode, dry.returncode) == (1, 1)
    assert dry.stdout.endswith("\nFAILED:\nold\n")
    assert "(DRY RUN) Keeping net (FP16): it is up to date" in dry.stdout
    assert dry.stderr == real.stderr


def test_a_dry_run_before_the_download_only_warns(convertible):
    shutil.rmtree(convertible / "public")
    ended = run("converter", convertible, "--name", "net", "--dry_run")
    assert_success(ended)
    assert "Warning: " in ended.stderr


def test_a_model_that_is_published_as_ir_needs_no_model_optimizer(zoo):
    for named in ("missing.py", "origin", sys.executable):
        output = printed_alone(run("converter", zoo, "--name", "ir", "--mo", named))
        assert "Skipping ir (no conversions defined)" in output
        ended = run("converter", zoo, "--name", "ir,a", "--mo", named)
        assert ended.returncode == 1 and named in ended.stderr, ended.stderr


def test_a_model_optimizer_that_is_not_there_and_not_needed_is_a_marked_warning(convertible):
    missing = convertible / "mo"
    ended = run("converter", convertible, "--name", "net", "--mo", missing)
    assert_success(ended)
    assert ended.stderr == f"########## Warning: --mo {missing}: there is no such file\n"


def test_the_hint_of_an_unknown_name_prints_all_names_that_were_searched(tmp_path):
    for registry in WHEEL_REGISTRIES:
        folder = tmp_path / "posezoo" / "registries" / registry / "models"
        write_model(folder, f"of-{registry[4:] or '2024.6'}", omz_yml())
    cache = {"XDG_CACHE_HOME": str(tmp_path)}
    ended = omz_tool("downloader", "--name", "qqqqq", cwd=tmp_path, **cache)
    problem, hint = ended.stderr.splitlines()
    assert (ended.returncode, problem) == (1, 'No matching models: "qqqqq"')
    words = hint.removeprefix("  hint: ").removesuffix(" names them all").split()
    names = omz_tool("downloader", *words, cwd=tmp_path, **cache).stdout.splitlines()
    assert {"of-2024.6", "of-2022.1", "of-2021.4", "movenet-thunder"} <= set(names)
    ended = omz_tool(
        "downloader", "--name", "qqqqq", "--registry", "posezoo", cwd=tmp_path, **cache
    )
    assert ended.stderr.endswith("hint: --print_all --registry posezoo names them all\n")


def test_a_stand_in_means_its_release_unless_a_registry_or_folder_is_named(
    zoo, monkeypatch, capsys
):
    release = "omz@2022.1"
    write_model(zoo / "posezoo" / "registries" / release / "models", "of-2022.1", omz_yml())
    monkeypatch.setenv("XDG_CACHE_HOME", str(zoo))

    def list_names(*flags):
        assert info_dumper.main(["--print_all", *flags], release=release) == 0
        return capsys.readouterr().out.split()

    assert list_names() == ["of-2022.1"]
    assert list_names("--models_dir", str(zoo / "models")) == ["a", "b", "first", "ir", "second"]
    assert "movenet-thunder" in list_names("--registry", "posezoo")


def test_additional_model_optimizer_arguments_are_applied(convertible):
    run("converter", convertible, "--name", "net", "--precisions", "FP32", "-o", "plain")
    arguments = ("--add_mo_arg=--mean_values=[1,2,3]", "--add-mo-arg=--silent")
    assert_quiet_success(
        run(
            "converter",
            convertible,
            "--name",
            "net",
            "--precisions",
            "FP32",
            "-o",
            "meant",
            *arguments,
        )
    )
    plain, meant = (
        convertible / folder / "public/net/FP32/net.bin" for folder in ("plain", "meant")
    )
    assert meant.stat().st_size > plain.stat().st_size
    wrong = run("converter", convertible, "--name", "net", "--add_mo_arg=--mean_values=[1,2]")
    assert (wrong.returncode, wrong.stdout) == (1, "\nFAILED:\nnet\n")
    assert "Error: --add_mo_arg=--mean_values=[1,2]: gives 2 values for image" in wrong.stderr
    refused = refusal(run("converter", convertible, "--name", "net", "--add_mo_arg=--batch=2"))
    assert "--add_mo_arg=--batch=2: posezoo does not support this argument" in refused
    refused = refusal(run("converter", convertible, "--name", "net", "--add_mo_arg=--nonsense"))
    assert "--add_mo_arg=--nonsense: --nonsense is no argument of Model Optimizer" in refused
    nearly = run("converter", convertible, "--name", "net", "--add_mo_arg=--input_shapes=[1,3,4,6]")
    assert "did you mean --input_shape?" in nearly.stderr


def test_additional_arguments_reshape_transpose_and_cut_the_network(convertible):
    from posezoo.core.ir.openvino_import import import_openvino

    arguments = [
        "--input_shape=[1,3,18,24]",
        "--layout=image(nchw->nhwc)",
        "--output=pafs",
        "--static_shape",
        "--disable_nhwc_to_nchw",
        "--data_type=FP16",
    ]
    flags = [f"--add_mo_arg={argument}" for argument in arguments]
    assert_quiet_success(
        run("converter", convertible, "--name", "net", "--precisions", "FP16", "-o", "ir", *flags)
    )
    ir = import_openvino().Core().read_model(convertible / "ir/public/net/FP16/net.xml")
    assert list(ir.input("image").shape) == [1, 18, 24, 3]
    assert [port.any_name for port in ir.outputs] == ["pafs"]
    other = refusal(
        run("converter", convertible, "--name", "net", "--precisions", "FP32", "-o", "ir", *flags)
    )
    assert "its arguments ask for FP16 alone" in other


def test_another_input_size_leaves_the_output_shapes_open():
    spec = open_registry().find("mobile_pose_mobilenetv3_small")
    smaller = with_added_mo_args(spec, ["--input_shape=[1,3,128,96]"])
    assert [port.shape for port in smaller.inputs] == [(1, 3, 128, 96)]
    assert [(port.name, port.shape) for port in smaller.outputs] == [("heatmaps", ())]
    same = with_added_mo_args(spec, ["--input_shape=[1,3,256,192]"])
    assert [port.shape for port in same.inputs] == [port.shape for port in spec.inputs]
    assert same.outputs == spec.outputs


def test_the_info_dumper_has_the_keys_of_2021_and_2024(zoo):
    facts = json.loads(run("info_dumper", zoo, "--name", "ir,whole").stdout)
    assert [fact["name"] for fact in facts] == ["ir", "second", "first"]
    assert {
        "name", "composite_model_name", "description", "framework", "license_url", "precisions",
        "quantization_output_precisions", "subdirectory", "task_type", "accuracy_config", "model_config",
        "input_info", "model_stages", "files",
    } <= set(facts[0])  # fmt: skip
    assert facts[0]["precisions"] == ["FP16", "FP32"]
    assert facts[0]["subdirectory"] == "intel/ir"
    assert facts[1]["composite_model_name"] == "whole"
    assert facts[1]["files"][0]["size_bytes"] == 6000
    assert facts[1]["license_url"] == "https://spdx.org/licenses/Apache-2.0.html"


def test_the_info_dumper_says_what_input_info_says(tmp_path):
    declared = [
        {"name": "image_batch", "shape": [1, 160, 160, 3], "layout": "NHWC"},
        {"name": "phase_train", "shape": [1]},  # frozen
        {"name": "0", "layout": "NS"},
    ]
    arguments = ["--freeze_placeholder_with_value=phase_train->False", "--input_model=$dl_dir/a.pb"]
    yml = omz_yml(framework="tf", model_optimizer_args=arguments, input_info=declared)
    yml |= {"description": "Faces,\nin two lines.\n", "quantizable": True}
    write_model(tmp_path / "models", "facenet", yml)
    output = printed(omz_tool("info_dumper", "--all", "--models_dir", tmp_path / "models"))
    (fact,) = json.loads(output)
    shown = [{key: port[key] for key in ("name", "shape", "layout")} for port in fact["input_info"]]
    assert shown == [{"shape": [], "layout": "", **port} for port in declared]
    assert fact["description"] == "Faces,\nin two lines.\n"
    assert fact["quantization_output_precisions"] == ["FP16-INT8", "FP32-INT8"]


@pytest.mark.parametrize("name", ["downloader", "converter", "info_dumper"])
def test_the_scripts_run_from_a_checkout_without_installation(tmp_path, name):
    # -S leaves out what is installed, and our own editable install with it; PyYAML is all that reading needs.

    libraries = tmp_path / "libraries"
    libraries.mkdir()
    shutil.copytree(Path(yaml.__file__).parent, libraries / "yaml")
    command = [sys.executable, "-S", str(TOOLS / f"{name}.py"), "--print_all"]
    environ = {**os.environ, "PYTHONPATH": str(libraries)}
    output = printed(
        run_process(
            command,
            cwd=tmp_path,
            env=environ,
        )
    )
    assert "pose-detection-mediapipe" in output.split()


def test_print_all_imports_nothing_heavy():
    """In one process: what none of the commands has imported is not there after the last one."""
    names = ("downloader", "converter", "info_dumper")
    runs = [
        f"from posezoo.omz.commands.{name} import main\nmain(['--print_all'])" for name in names
    ]
    heavy = "{'requests', 'numpy', 'openvino', 'yaml', 'tqdm', 'subprocess'}"
    code = "\n".join(["import sys", *runs, f"print(*{heavy} & set(sys.modules), file=sys.stderr)"])
    ended = run_process([sys.executable, "-c", code], check=True)
    # Python 3.10's platform imports it.
    allowed = {"subprocess"} if sys.version_info < (3, 11) else set()
    assert set(ended.stderr.split()) <= allowed


def test_parallel_conversions_make_the_same_ir(mirror, tmp_path):
    names = ("pose-detection-mediapipe", "pose-landmark-full-mediapipe")
    environ = {"POSEZOO_MIRROR": str(mirror)}
    fetched = omz_tool(
        "downloader", "--name", "blazepose-full", "-o", "dl", cwd=tmp_path, **environ
    )
    assert_success(fetched)
    made = {}
    for jobs in ("1", "2", "auto"):
        args = ("--name", ",".join(names), "-d", "dl", "-o", f"ir-{jobs}", "-j", jobs)
        ended = omz_tool("converter", *args, cwd=tmp_path)
        assert_success(ended)
        made[jobs] = {
            str(path.relative_to(tmp_path / f"ir-{jobs}")): path.read_bytes()
            for path in (tmp_path / f"ir-{jobs}").rglob("*")
            if path.suffix in (".xml", ".bin")
        }
    assert len(made["1"]) == 8
    assert made["1"] == made["2"] == made["auto"]


def test_a_model_that_was_downloaded_in_one_precision_verifies(mirror, tmp_path):
    args = ("--name", "person-detection-retail-0013", "-o", tmp_path)
    fetched = omz_tool(
        "downloader", *args, "--precisions", "FP16", cwd=tmp_path, POSEZOO_MIRROR=str(mirror)
    )
    assert_success(fetched)
    words = ("verify", "person-detection-retail-0013", "--weights_dir", tmp_path)
    assert_success(posezoo(*words, cwd=tmp_path))
    (xml,) = tmp_path.rglob("*.xml")
    xml.write_bytes(bytes(xml.stat().st_size))
    ended = posezoo(*words, cwd=tmp_path)
    assert ended.returncode == 1
    repairs = f"posezoo download person-detection-retail-0013 --weights_dir {tmp_path}"
    assert f"{repairs} repairs the first" in ended.stdout
