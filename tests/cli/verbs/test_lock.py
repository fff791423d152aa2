"""posezoo lock and --locked, as their users run them."""

import hashlib
import json
import re
import shutil
import sys

import pytest
import yaml

from fakes.command import (
    assert_quiet_success,
    assert_success,
    misuse,
    omz_tool,
    posezoo,
    printed,
    printed_alone,
    refusal,
    refusal_alone,
    run_process,
)
from fakes.irs import write_ir
from fakes.network import network
from fakes.server import Server
from fakes.when_used import needs
from fakes.zoo import declared_file, model_yml, onnx_yml, write_composite, write_model


@pytest.fixture
def zoo(tmp_path):
    """Two models and a composite of one part, each of one file that lies on this machine."""
    for name in ("a", "b", "part"):
        (tmp_path / f"{name}.tflite").write_bytes(name.encode() * 1000)
        place = f"whole/{name}" if name == "part" else name
        write_model(
            tmp_path / "models",
            place,
            model_yml(files=[declared_file(tmp_path / f"{name}.tflite")]),
        )
    write_composite(tmp_path / "models", "whole", ["part"])
    return tmp_path


def run(zoo, *args):
    return posezoo(*args, "--models_dir", zoo / "models", "-o", zoo / "out", cwd=zoo)


def tool(zoo, name, *args):
    return omz_tool(name, *args, "--models_dir", zoo / "models", cwd=zoo)


def entries(zoo):
    return [json.loads(line) for line in (zoo / "posezoo.lock").read_text().splitlines()]


def write_entries(zoo, entries):
    (zoo / "posezoo.lock").write_text("".join(json.dumps(each) + "\n" for each in entries))


def test_what_is_locked_is_had_and_nothing_else(zoo):
    locked = printed_alone(run(zoo, "lock", "a", "whole"))
    assert locked.splitlines()[-1] == f"5 lines of {zoo}/posezoo.lock written".replace(
        f"{zoo}/", ""
    )
    assert [(entry["model"], entry["file"]) for entry in entries(zoo)] == [
        ("a", "a.tflite"),
        ("a", "model.yml"),
        ("part", "model.yml"),
        ("part", "part.tflite"),
        ("whole", "composite-model.yml"),
    ]
    assert_success(run(zoo, "download", "a", "whole", "--locked"))
    refused = refusal(run(zoo, "download", "a", "b", "--locked"))
    assert "error: b: model.yml is not in posezoo.lock, and --locked allows nothing else" in refused
    assert (
        f"hint: posezoo lock b --models_dir {zoo}/models records the files as they are now"
        in refused
    )
    assert not (zoo / "out" / "public" / "b").exists()


def test_a_dry_run_and_a_check_say_what_would_change_and_write_nothing(zoo):
    planned = printed(run(zoo, "lock", "a", "--dry_run"))
    assert planned.endswith("would write 2 lines of posezoo.lock\n")
    assert not (zoo / "posezoo.lock").exists()
    run(zoo, "lock", "a")
    before = (zoo / "posezoo.lock").read_bytes()
    assert_success(run(zoo, "lock", "--check"))
    write_model(zoo / "models", "a", model_yml(files=[declared_file(zoo / "b.tflite")]))
    ended = run(zoo, "lock", "--check", "--format", "json")
    assert ended.returncode == 1
    assert [(load["file"], load["change"]) for load in json.loads(ended.stdout)["changes"]] == [
        ("a.tflite", "removed"),
        ("b.tflite", "added"),
        ("model.yml", "changed"),
    ]
    assert (zoo / "posezoo.lock").read_bytes() == before


@pytest.mark.parametrize("way", ["the script", "the verb", "a setting", "the API"])
def test_another_model_yml_is_refused_by_every_way_before_any_request(zoo, way):
    with Server() as server:
        url = server.serve("net.tflite", b"a" * 1000)
        file = {**declared_file(zoo / "a.tflite", name="net.tflite"), "source": url}
        write_model(zoo / "models", "a", model_yml(files=[file]))
        assert_success(run(zoo, "lock", "a"))
        inputs = [{"name": "input", "shape": [1, 6, 4, 3], "layout": "NHWC", "color": "RGB"}]
        write_model(zoo / "models", "a", model_yml(files=[file], inputs=inputs))
        if way == "the script":
            ended = tool(zoo, "downloader", "--name", "a", "--locked")
            assert "FAILED:\na\n" in ended.stdout
        elif way == "the API":
            code = (
                "import posezoo, sys\ntry: posezoo.get('a', models_dir='models', locked=True)\n"
                "except posezoo.core.errors.PosezooError as error: print(error.problem, file=sys.stderr); sys.exit(1)"
            )
            ended = run_process(
                [sys.executable, "-c", code],
                cwd=zoo,
            )
        elif way == "a setting":
            (zoo / "posezoo.cfg").write_text("[posezoo]\nlocked = yes\n")
            ended = run(zoo, "download", "a")
        else:
            ended = run(zoo, "download", "a", "--locked")
        assert ended.returncode == 1, ended.stderr
        assert "model.yml: makes other files or IR than the model.yml recorded in" in ended.stderr
        assert server.requests == []


def test_an_older_registry_is_refused_by_locked_and_not_locked_again(zoo):
    old = model_yml(files=[declared_file(zoo / "a.tflite")])
    run(zoo, "lock", "a")
    write_model(zoo / "models", "a", {**old, "revision": 2})
    assert_success(run(zoo, "lock", "a"))
    assert_success(run(zoo, "download", "a", "--locked"))
    write_model(zoo / "models", "a", old)
    before = (zoo / "posezoo.lock").read_bytes()
    refused = run(zoo, "download", "a", "--locked")
    assert (
        "is older than the one recorded in posezoo.lock: revision 1, the lock's is 2"
        in refused.stderr
    )
    again = refusal(run(zoo, "lock", "a"))
    assert "error: a: model.yml is older than the lock's: revision 1, the lock's is 2" in again
    assert (zoo / "posezoo.lock").read_bytes() == before
    # The work on another model prints nothing that would bury the refusal.
    assert refusal(run(zoo, "lock", "a", "b")).count("is older than the lock's") == 1
    assert_success(run(zoo, "lock", "a", "--allow_rollback"))
    assert_success(run(zoo, "download", "a", "--locked"))


def test_declarations_whose_texts_alone_changed_are_accepted_with_one_line(zoo):
    run(zoo, "lock", "--all")
    for name in ("a", "b"):
        file = declared_file(zoo / f"{name}.tflite")
        write_model(zoo / "models", name, model_yml(files=[file], description="Another text."))
    write_composite(zoo / "models", "whole", ["part"], description="Another text.")
    accepted = run(zoo, "download", "--all", "--locked")
    assert_success(accepted)
    assert [line for line in accepted.stderr.splitlines() if "warning" in line] == [
        "warning: a and 2 more: the text of model.yml is not the one in posezoo.lock, but the same files and IR are"
        " accepted: posezoo lock records it"
    ]
    checked = run(zoo, "lock", "--check", "--format", "json")
    assert checked.returncode == 1
    changes = json.loads(checked.stdout)["changes"]
    assert [(each["model"], each["change"], each["is_text_alone"]) for each in changes] == [
        ("a", "changed", True),
        ("b", "changed", True),
        ("whole", "changed", True),
    ]
    assert "which change no file and no IR" in run(zoo, "lock", "--check").stdout
    assert_success(run(zoo, "lock"))
    assert_success(run(zoo, "lock", "--check"))


def test_a_first_use_is_recorded_and_required_from_then_on(zoo):
    loose = {
        **declared_file(zoo / "a.tflite"),
        "size": "unknown",
        "max_size": 9999,
        "checksum": "unknown",
    }
    write_model(zoo / "models", "a", model_yml(files=[loose]))
    unknown = run(zoo, "lock", "a")
    assert (
        "a: a.tflite: its SHA-384 is unknown until it is downloaded: posezoo download a"
        in unknown.stderr
    )
    assert_success(run(zoo, "download", "a", "--trust_on_first_use"))
    run(zoo, "lock", "a")
    assert {entry["file"]: entry["origin"] for entry in entries(zoo)} == {
        "a.tflite": "first_use",
        "model.yml": "registry",
    }
    (zoo / "out" / "public" / "a" / "a.tflite").unlink()
    run(zoo, "lock", "a")
    assert {entry["file"] for entry in entries(zoo)} == {"a.tflite", "model.yml"}
    assert_success(run(zoo, "download", "a", "--locked"))


def test_with_no_name_the_models_of_the_lock_are_meant_and_an_empty_one_is_wrong_usage(zoo):
    nothing = run(zoo, "lock")
    assert nothing.returncode == 2 and "name a model, or use --all" in nothing.stderr
    missing = "error: posezoo.lock: does not exist\n  hint: posezoo lock MODEL adds entries\n"
    assert refusal(run(zoo, "lock", "--check")) == missing
    assert "posezoo.lock does not exist;" in run(zoo, "lock", "a", "--check").stdout
    run(zoo, "lock", "a")
    again = run(zoo, "lock")
    assert (again.returncode, again.stdout) == (0, "posezoo.lock is up to date\n")
    assert {entry["model"] for entry in entries(zoo)} == {"a"}


@pytest.fixture
def convertible(tmp_path):
    """A model whose file is here, ready to be converted."""
    needs("openvino")
    (tmp_path / "net.onnx").write_bytes(network("onnx"))
    write_model(tmp_path / "models", "net", onnx_yml(declared_file(tmp_path / "net.onnx")))
    assert_success(run(tmp_path, "download", "net"))
    return tmp_path


def test_an_ir_is_locked_and_another_one_is_never_put_in_its_place(convertible):
    zoo, folder = convertible, convertible / "out" / "public" / "net"
    assert_success(run(zoo, "convert", "net", "--precisions", "FP16"))
    run(zoo, "lock", "net")
    assert {(entry["file"], entry["origin"]) for entry in entries(zoo)} == {
        ("FP16/net.bin", "made"),
        ("FP16/net.xml", "made"),
        ("model.yml", "registry"),
        ("net.onnx", "published"),
    }
    assert_success(run(zoo, "get", "net", "--precisions", "FP16", "--locked", "--force"))
    unlocked = run(zoo, "get", "net", "--precisions", "FP32", "--locked")
    assert "net: FP32/net.xml is not in posezoo.lock" in unlocked.stderr
    assert not (folder / "FP32" / "net.xml").exists()
    changed = [
        json.dumps({**entry, "sha384": "0" * 96})
        if entry["file"] == "FP16/net.xml"
        else json.dumps(entry)
        for entry in entries(zoo)
    ]
    (zoo / "posezoo.lock").write_text("\n".join(changed))
    before = (folder / "FP16" / "net.xml").stat().st_ino
    for force in ([], ["--force"]):
        refused = refusal(run(zoo, "convert", "net", "--precisions", "FP16", "--locked", *force))
        assert "net: FP16/net.xml is SHA-384 " in refused
        script = refusal(
            tool(
                zoo,
                "converter",
                "--name",
                "net",
                "--precisions",
                "FP16",
                "-d",
                "out",
                "--locked",
                *force,
            )
        )
        assert "FP16/net.xml is SHA-384 " in script
    assert (folder / "FP16" / "net.xml").stat().st_ino == before


def test_an_ir_that_the_lock_lists_is_good_whatever_made_it(convertible):
    zoo, folder = convertible, convertible / "out" / "public" / "net" / "FP16"
    assert_success(run(zoo, "get", "net", "--precisions", "FP16"))
    assert_success(run(zoo, "lock", "net"))
    record = folder / "provenance.json"
    made = json.loads(record.read_text())
    made["key"]["openvino"] = "2026.3.1"
    record.write_text(json.dumps(made))
    planned = run(zoo, "get", "net", "--precisions", "FP16", "--dry_run")
    assert "it was made by another version of OpenVINO" in planned.stdout
    assert_quiet_success(run(zoo, "get", "net", "--precisions", "FP16", "--locked"))
    assert json.loads(record.read_text())["key"]["openvino"] == "2026.3.1"
    (folder / "net.bin").write_bytes(bytes((folder / "net.bin").stat().st_size))
    again = run(zoo, "get", "net", "--precisions", "FP16", "--locked")
    assert again.stderr.endswith("\nnet: converted\n")


def test_an_ir_that_the_lock_lists_does_not_stand_for_one_with_other_arguments(convertible):
    zoo, xml = convertible, convertible / "out" / "public" / "net" / "FP16" / "net.xml"
    words = ("get", "net", "--precisions", "FP16")
    assert run(zoo, *words).returncode == 0
    assert run(zoo, "lock", "net").returncode == 0
    before = xml.read_bytes()
    other = run(zoo, *words, "--locked", "--input_layout", "NHWC")
    assert other.returncode == 1
    assert "net: FP16/net.xml is SHA-384 " in other.stderr
    assert xml.read_bytes() == before
    assert run(zoo, *words, "--locked").returncode == 0
    assert run(zoo, *words, "--input_layout", "NHWC").returncode == 0
    assert run(zoo, "lock", "net").returncode == 0
    before = xml.read_bytes()
    for flags in ([], ["--input_layout", "NHWC"]):
        assert run(zoo, *words, "--locked", *flags).returncode == 0
        assert xml.read_bytes() == before


@pytest.mark.parametrize("earlier", ["2026.3.1-21000-0123456789a-releases/2026/3", "2026.1.0"])
def test_a_lock_of_another_openvino_accepts_the_same_network(convertible, earlier):
    """What two versions write differs in the line that names them, which 2026.1 does not write."""
    zoo, xml = convertible, convertible / "out" / "public" / "net" / "FP16" / "net.xml"
    assert_success(run(zoo, "get", "net", "--precisions", "FP16"))
    assert_success(run(zoo, "lock", "net"))
    locked = entries(zoo)
    (entry,) = (each for each in locked if each["file"] == "FP16/net.xml")
    stamped = xml.read_text().replace(entry["openvino"], earlier)
    if "-" not in earlier:
        stamped = re.sub(r".*OpenVINO Runtime.*\n", "", stamped)
    entry |= {"openvino": earlier, "sha384": hashlib.sha384(stamped.encode()).hexdigest()}
    write_entries(zoo, locked)
    shutil.rmtree(xml.parent)
    for command in ("get", "verify"):
        words = ["--precisions", "FP16"] if command == "get" else []
        accepted = run(zoo, command, "net", *words, "--locked")
        assert_success(accepted)
    before = entries(zoo)
    assert_success(run(zoo, "lock"))
    assert entries(zoo) == before
    entry["sha384"] = "0" * 96
    write_entries(zoo, locked)
    refused = run(zoo, "verify", "net", "--locked")
    assert refused.returncode == 1
    shown = earlier.partition("-")[0]
    assert f"posezoo.lock has {'0' * 12}… (by OpenVINO {shown}, posezoo " in refused.stdout
    told = refusal(run(zoo, "get", "net", "--precisions", "FP16", "--locked"))
    assert f"install openvino=={shown}; or copy the IR from where the lock was made" in told


def test_an_ir_that_the_lock_calls_equal_is_not_proven_again(convertible):
    zoo, folder = convertible, convertible / "out" / "public" / "net"
    words = ("get", "net", "--precisions", "FP16")
    assert "converted, checked" in run(zoo, *words).stderr
    assert_success(run(zoo, "lock", "net"))
    entry = next(each for each in entries(zoo) if each["file"] == "FP16/net.xml")
    made = json.loads((folder / "FP16" / "provenance.json").read_text())
    assert entry["proof"] == "equal"
    assert entry["proven_with"] == made["self_check"]["reference"]
    assert entry["proven_at"] == made["converted_at"]
    before = entries(zoo)
    for flags in ((), ("--require_proof",)):
        shutil.rmtree(folder / "FP16")
        again = run(zoo, *words, "--locked", *flags)
        assert_success(again)
        assert "self-check" not in again.stderr
        stated = json.loads((folder / "FP16" / "provenance.json").read_text())["self_check"]
        day = entry["proven_at"][:10]
        assert stated["reduction"].startswith(f"as in posezoo.lock, which was proven on {day}, ")
        assert stated["reduction"] in (folder / "README.md").read_text("utf-8")
        assert (
            json.loads(run(zoo, *words, "--format", "json").stdout)["models"][0]["proof"] == "equal"
        )
        assert_success(run(zoo, "lock"))
        assert entries(zoo) == before
    shutil.rmtree(folder / "FP16")
    nodes = run(zoo, *words, "--locked", "--self_check", "nodes")
    assert "converted, checked" in nodes.stderr


def test_an_ir_that_the_lock_does_not_call_equal_is_proven_again(convertible):
    zoo, folder = convertible, convertible / "out" / "public" / "net"
    words = ("get", "net", "--precisions", "FP16")
    assert_success(run(zoo, "convert", "net", "--precisions", "FP16", "--self_check", "off"))
    assert_success(run(zoo, "lock", "net"))
    entry = next(each for each in entries(zoo) if each["file"] == "FP16/net.xml")
    assert entry["proof"] == "cannot be compared" and "proven_at" not in entry
    # The bytes are those of the lock, and nobody compared them.
    assert "converted, checked" in run(zoo, *words, "--locked", "--require_proof").stderr
    told = run(zoo, "lock").stdout
    assert told.startswith("completed net: FP16/net.xml (SHA-384 ")
    assert "self-check" not in run(zoo, *words, "--locked", "--require_proof").stderr
    shutil.rmtree(folder / "FP16")
    assert "self-check" not in run(zoo, *words, "--locked").stderr
    assert_success(
        run(zoo, "convert", "net", "--precisions", "FP16", "--self_check", "off", "--force")
    )
    assert run(zoo, "lock").stdout == "posezoo.lock is up to date\n"


@pytest.mark.parametrize("name", ["FP16/net.xml", "net.onnx"])
def test_a_path_runs_with_a_strict_lock_only_if_the_lock_lists_its_bytes(convertible, name):
    zoo, folder = convertible, convertible / "out" / "public" / "net"
    assert_success(run(zoo, "get", "net", "--precisions", "FP16"))
    words = (folder / name, "--decoder", "heatmap", "--scale_values", "1", "--locked")
    assert f"{name.rpartition('/')[2]}: is no file that" in refusal(posezoo("run", *words, cwd=zoo))
    assert_success(run(zoo, "lock", "net"))
    assert "is no file that" not in posezoo("run", *words, cwd=zoo).stderr


def test_verify_holds_what_is_here_against_the_lock_too(convertible):
    run(convertible, "lock", "net")
    assert_success(run(convertible, "verify", "net", "--locked"))
    run(convertible, "convert", "net", "--precisions", "FP16")
    assert_success(run(convertible, "verify", "net"))
    refused = run(convertible, "verify", "net", "--locked")
    assert refused.returncode == 1
    assert "refused  net: FP16/net.xml is not in posezoo.lock" in refused.stdout
    (convertible / "posezoo.lock").unlink()
    refused = run(convertible, "verify", "net", "--locked", "--format", "json")
    assert refused.returncode == 1
    (problem,) = json.loads(refused.stdout)["refused"]
    assert "net: model.yml is not in posezoo.lock" in problem["problem"]


def test_a_copied_folder_is_accepted_by_the_lock_and_a_spoilt_copy_is_refused(
    convertible, monkeypatch, tmp_path
):
    """As docs/operators.md shows it; the other machine has another user and another folder."""
    assert_success(run(convertible, "get", "net"))
    assert_success(run(convertible, "lock", "net"))
    copied = tmp_path / "copied"
    for folder in ("models", "out"):
        shutil.copytree(convertible / folder, copied / folder)
    shutil.copy(convertible / "posezoo.lock", copied)
    (convertible / "net.onnx").unlink()
    monkeypatch.setenv("HOME", str(tmp_path / "another"))
    assert_quiet_success(run(copied, "get", "net", "--locked"))
    record = copied / "out" / "public" / "net" / "FP16" / "provenance.json"
    spoilt = record.with_name("net.bin")
    digest = hashlib.sha384(spoilt.read_bytes()).hexdigest()
    spoilt.write_bytes(spoilt.read_bytes()[:-1] + b"!")
    changed = run(copied, "verify", "net", "--locked")
    assert changed.returncode == 1
    assert "changed  net: FP16/net.bin" in changed.stdout
    other = hashlib.sha384(spoilt.read_bytes()).hexdigest()
    record.write_text(record.read_text().replace(digest, other))
    refused = refusal(run(copied, "get", "net", "--locked"))
    assert refused.startswith(f"error: net: FP16/net.bin is SHA-384 {other[:12]}…")


def test_a_published_ir_with_a_decoder_is_locked(tmp_path):
    xml = write_ir(tmp_path / "net.xml", {"heatmaps": (1, 17, 16, 12)}, image=(1, 3, 64, 48))
    declared = model_yml(
        framework="dldt",
        files=[
            declared_file(xml.with_suffix(suffix), name=f"{precision}/net{suffix}")
            for precision in ("FP16", "FP32")
            for suffix in (".xml", ".bin")
        ],
        inputs=[{"name": "image", "shape": [1, 3, 64, 48], "layout": "NCHW", "color": "BGR"}],
        outputs=[{"name": "heatmaps", "shape": [1, 17, 16, 12], "role": "heatmaps"}],
        decoder={"name": "heatmap"},
        skeleton="coco-17",
    )
    write_model(tmp_path / "models", "net", declared)
    decode = ("get", "net", "--decode", "--precisions", "FP32")
    unlocked = run(tmp_path, *decode)
    assert_success(unlocked)
    warned = run(tmp_path, "lock", "net").stderr
    assert warned.startswith("warning: nanodet-g: posezoo.lock lists no IR")
    assert "posezoo get nanodet-g --registry posezoo; then posezoo lock" in warned
    locked = run(tmp_path, *decode, "--locked", "--force")
    assert_success(locked)
    verified = run(tmp_path, "verify", "net", "--locked")
    assert_success(verified)
    assert_success(run(tmp_path, *decode, "--min_score", "0.5"))
    refused = run(tmp_path, "verify", "net", "--locked")
    assert refused.returncode == 1
    assert "refused  net: FP32/net.xml is SHA-384 " in refused.stdout


def test_an_ir_that_was_tampered_with_fails_a_check_and_is_not_locked(convertible):
    run(convertible, "convert", "net", "--precisions", "FP16")
    run(convertible, "lock", "net")
    assert_success(run(convertible, "lock", "--check"))
    (convertible / "out" / "public" / "net" / "FP16" / "net.bin").write_bytes(b"other")
    ended = run(convertible, "lock", "--check")
    assert ended.returncode == 1
    assert "net.xml: its .bin is not as posezoo wrote it: posezoo verify net" in ended.stderr
    assert ended.stdout == "posezoo.lock is up to date; differences of files: 1\n"
    (convertible / "out").rename(convertible / "elsewhere")
    ended = run(convertible, "lock", "--check")
    assert ended.returncode == 1 and "out does not exist" in ended.stderr
    (convertible / "posezoo.lock").unlink()
    run(convertible, "lock", "net")
    assert {entry["file"] for entry in entries(convertible)} == {"net.onnx", "model.yml"}


def test_names_beside_all_end_with_2(zoo):
    assert "either --all or MODEL" in misuse(run(zoo, "lock", "a", "--all"))


def test_a_lock_takes_the_detector_of_posezoos_own_registry_along(zoo):
    heatmaps = {"decoder": {"name": "heatmap"}, "people": {"photo": "nanodet-g"}}
    outputs = [{"name": "heatmaps", "shape": [1, 5, 2, 3], "role": "heatmaps"}]
    file = declared_file(zoo / "a.tflite")
    write_model(zoo / "models", "a", model_yml(files=[file], outputs=outputs, **heatmaps))
    assert_success(run(zoo, "lock", "a"))
    assert {entry["model"] for entry in entries(zoo)} == {"a", "nanodet-g"}
    assert_success(run(zoo, "lock", "--check"))
    assert_success(run(zoo, "lock", "nanodet-g"))
    assert_success(run(zoo, "download", "a", "--locked"))
    assert_quiet_success(
        run(zoo, "download", "nanodet-g", "--registry", "posezoo", "--locked", "--dry_run")
    )
    own = run(zoo, "download", "--all", "--registry", "posezoo", "--dry_run", "--format", "json")
    assert [each["name"] for each in json.loads(own.stdout)["models"]] == ["a", "b", "part"]


def test_a_lock_in_the_wrong_folder_is_neither_up_to_date_nor_emptied(zoo):
    run(zoo, "lock", "--all")
    before = (zoo / "posezoo.lock").read_bytes()
    for words in (["--prune"], ["--all", "--prune"]):
        refused = refusal_alone(posezoo("lock", *words, cwd=zoo))
        assert "this registry has only 0 of its 4 models" in refused
        assert "prune" not in refused
    for words in (["--check"], ["--check", "?*"]):
        checked = posezoo("lock", *words, cwd=zoo)
        assert checked.returncode == 1
        for name in ("a", "b", "part", "whole"):
            assert f"error: {name}: is in posezoo.lock, but not in this registry" in checked.stderr
    assert "use the registry that the lock is of" in posezoo("lock", "--check", cwd=zoo).stderr
    assert (zoo / "posezoo.lock").read_bytes() == before


def test_a_withdrawn_model_is_pruned_by_its_name_alone(zoo):
    run(zoo, "lock", "--all")
    for name in ("a", "b"):
        shutil.rmtree(zoo / "models" / "public" / name)
    kept = run(zoo, "lock", "b")
    assert kept.returncode == 1
    assert "if it was withdrawn: posezoo lock b --prune" in kept.stderr
    assert "is up to date" not in kept.stdout
    assert_success(run(zoo, "lock", "b", "--prune"))
    assert {entry["model"] for entry in entries(zoo)} == {"a", "part", "whole"}


@pytest.mark.parametrize("changed", ["the file", "the mean"])
def test_a_changed_model_is_locked_after_its_ir_are_made_again(convertible, changed):
    assert_success(run(convertible, "get", "net", "--precisions", "FP16"))
    assert_success(run(convertible, "lock", "net"))
    before = entries(convertible)
    declaration = convertible / "models" / "public" / "net" / "model.yml"
    content = yaml.safe_load(declaration.read_text())
    if changed == "the file":  # it has another producer
        (convertible / "net.onnx").write_bytes(network("onnx") + b"\x12\x01x")
        content["files"] = [declared_file(convertible / "net.onnx")]
    else:
        content["inputs"][0]["mean"] = [1, 2, 3]
    declaration.write_text(yaml.safe_dump(content))
    refused = run(convertible, "get", "net", "--locked")
    assert "if you agree with the change: posezoo get net " in refused.stderr
    assert "hint: posezoo get net " in refusal(run(convertible, "lock", "net"))
    assert entries(convertible) == before
    first = run(convertible, "lock", "net", "--lock", "another.lock")
    assert "FP16/net.xml: was converted from another " in first.stderr
    assert_success(run(convertible, "get", "net", "--precisions", "FP16"))
    assert_success(run(convertible, "lock", "net"))
    assert [each["file"] for each in entries(convertible)] == [each["file"] for each in before]


def test_a_lock_that_git_merged_by_union_is_read_or_names_its_contradiction(zoo):
    run(zoo, "lock", "a")
    path = zoo / "posezoo.lock"
    ours = path.read_text()
    path.write_text(ours + ours.replace('"first_seen": "20', '"first_seen": "19'))
    assert_success(run(zoo, "download", "a", "--locked"))
    path.write_text(ours + ours.splitlines()[0].replace('"size": ', '"size": 1') + "\n")
    refused = run(zoo, "download", "a", "--locked")
    assert "posezoo.lock:3: contradicts another entry of a: a.tflite" in refused.stderr
    assert "remove the lines of the model, and record it again: posezoo lock a" in refused.stderr


def test_in_a_repository_a_lock_brings_what_git_needs_to_merge_it(zoo):
    (zoo / ".git").mkdir()
    (zoo / ".gitignore").write_text("out/\n")
    assert_success(run(zoo, "lock", "a", "--dry_run"))
    assert not (zoo / ".gitattributes").exists()
    assert ".gitattributes" in printed(run(zoo, "lock", "a"))
    assert (zoo / ".gitattributes").read_text() == "posezoo.lock merge=union\n"
    assert (zoo / ".gitignore").read_text() == "out/\n.posezoo\n"
    assert ".gitattributes" not in printed(run(zoo, "lock", "a"))
