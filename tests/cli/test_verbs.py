"""download, get and verify with a small zoo, as users run them."""

import json
import os
import shlex
import shutil

import pytest

from fakes.command import assert_success, posezoo, printed, refusal, refusal_alone
from fakes.zoo import write_small_zoo
from posezoo.core.registry import builtin_models_dir


@pytest.fixture
def zoo(tmp_path):
    """Two models and a composite of two parts, each with one file on this machine."""
    return write_small_zoo(tmp_path)


def run(zoo, *args):
    return posezoo(*args, "--models_dir", zoo / "models", cwd=zoo)


@pytest.mark.parametrize(
    "words",
    [
        *("download --all", "convert --all", "get --all", "prove --all"),
        *("info --all", "card --all", "list", "lint", "verify --all"),
    ],
)
def test_a_folder_without_models_is_an_error(tmp_path, words):
    error = refusal_alone(posezoo(*words.split(), "--models_dir", tmp_path, cwd=tmp_path))
    assert f"no model found in {tmp_path}; a model is a model.yml in a folder" in error
    assert "check --models_dir, or models_dir in posezoo.cfg" in error


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("verb", ["lint", "get", "card", "info --licenses", "info"])
def test_a_named_pipe_instead_of_a_text_is_not_waited_for(zoo, verb, no_hang):
    text = zoo / "licenses" / "Apache-2.0-Tests.txt"
    for path in (text, zoo / "models" / "public" / "a" / "README.md"):
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    ended = run(zoo, *verb.split(), "a")
    assert ended.returncode in (0, 1)
    assert "Traceback" not in ended.stderr


def test_download_prints_the_paths_and_downloads_nothing_twice(zoo):
    first = printed(run(zoo, "download", "a", "whole", "-o", zoo / "out"))
    paths = [
        f"{zoo}/out/public/{name}.tflite"
        for name in ("a/a", "whole/first/first", "whole/second/second")
    ]
    assert first.splitlines() == paths
    shutil.rmtree(zoo / "origin")
    again = run(zoo, "download", "a", "whole", "-o", zoo / "out")
    assert (again.returncode, again.stdout, again.stderr) == (0, first, "")


def test_the_failure_of_one_model_does_not_stop_the_others(zoo):
    (zoo / "origin" / "a.tflite").write_bytes(b"other bytes")
    ended = run(zoo, "download", "--all", "-o", zoo / "out", "--format", "json")
    assert ended.returncode == 1
    report = json.loads(ended.stdout)
    assert [model["name"] for model in report["models"]] == ["b", "first", "second"]
    assert [failure["name"] for failure in report["failed"]] == ["a"]
    assert "FAILED: a" in ended.stderr
    assert not (zoo / "out" / "public" / "a" / "a.tflite").exists()


def test_a_failure_is_repeated_at_the_end_only_if_other_models_came_after_it(zoo):
    for name in ("b", "first", "second"):
        (zoo / "origin" / f"{name}.tflite").write_bytes(b"other bytes")
    later = run(zoo, "download", "a", "b", "-o", zoo / "out")
    assert later.stderr.count("FAILED") == 0
    assert later.stderr.count("b.tflite") >= 1
    whole = run(zoo, "download", "whole", "-o", zoo / "out")
    assert (whole.returncode, whole.stderr.count("FAILED")) == (1, 0)
    assert whole.stderr.count("error: ") == 2


def test_verify_reads_every_byte_again(zoo):
    run(zoo, "download", "a", "b", "-o", zoo / "out")
    good = printed(run(zoo, "verify", "a", "b", "-o", zoo / "out"))
    assert good.startswith("good     a: a.tflite (SHA-384 ")
    decayed = zoo / "out" / "public" / "a" / "a.tflite"
    before = decayed.stat()
    decayed.write_bytes(bytes(1000))
    os.utime(decayed, ns=(before.st_atime_ns, before.st_mtime_ns))  # so that no stamp notices
    (zoo / "out" / "public" / "b" / "b.tflite").unlink()
    failed = run(zoo, "verify", "a", "b", "-o", zoo / "out")
    assert failed.returncode == 1
    assert [line.split()[0] for line in failed.stdout.splitlines()] == ["changed", "missing", "2"]
    command = failed.stdout.splitlines()[-1].partition("; ")[2].removesuffix(" repairs the first")
    assert command == f"posezoo download a --weights_dir {zoo}/out --models_dir {zoo}/models"
    run(zoo, "download", "a", "b", "-o", zoo / "out")
    assert_success(run(zoo, "verify", "a", "b", "-o", zoo / "out"))


def test_the_suggested_command_repairs_a_file(zoo):
    out = zoo / "my models"
    failed = run(zoo, "verify", "a", "-o", out)
    command = failed.stdout.splitlines()[-1].partition("; ")[2].removesuffix(" repairs the first")
    assert_success(posezoo(*shlex.split(command)[1:], cwd=zoo))
    assert_success(run(zoo, "verify", "a", "-o", out))


def test_the_model_of_an_alias_and_of_a_variant_is_checked():
    names = ("pose", "mobile_pose_mobilenetv3_small@b1b148a9")
    assert posezoo("lint", *names).stdout.startswith(
        f"2 models and composites in {builtin_models_dir()}, "
    )


def test_the_metadata_of_a_variant_that_does_not_exist_is_an_error():
    error = refusal(posezoo("lint", "mobile_pose_mobilenetv3_small@none"))
    assert "has no variant 'none'" in error
