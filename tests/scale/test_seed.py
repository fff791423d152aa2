"""Where rtmlib, MediaPipe and openvino-dev look for files, and what lies there afterwards."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from fakes.command import posezoo
from fakes.files import declared, put
from fakes.zoo import model_yml, write_model

ONNX = b"a network" * 100
MEMBER = "20230831/rtmpose_onnx/end2end.onnx"
HOST = "https://models.invalid/onnx_sdk"


def zipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(MEMBER, content)
    return packed.getvalue()


@pytest.fixture
def zoo(tmp_path):
    """Adds a model with one file, which a mirror has."""

    class Zoo:
        def add(self, name: str, file: str, body: bytes, url: str, **changes: object) -> None:
            digest = hashlib.sha384(body).hexdigest()
            entry = {"name": file, "size": len(body), "checksum": digest, "source": url}
            entry |= changes.pop("entry", {})
            write_model(tmp_path / "models", name, model_yml(files=[entry], **changes))
            put(tmp_path / "mirror", body, declared(file, body))

        def add_pose(self, **entry: object) -> None:
            unpack = {"$type": "unpack_archive", "format": "zip", "file": "pose.zip"}
            changes = {"framework": "onnx", "checkpoint": MEMBER, "postprocessing": [unpack]}
            self.add(
                "pose",
                "pose.zip",
                zipped(ONNX),
                f"{HOST}/rtmpose-m_256x192.1_2023.zip",
                entry=entry,
                **changes,
            )

        def seed(self, package: str, *args: object) -> subprocess.CompletedProcess[str]:
            zoo = ("--models_dir", tmp_path / "models", "--mirror", tmp_path / "mirror")
            cache = ("--cache_dir", tmp_path / "cache")
            return posezoo("seed", package, tmp_path / "there", *args, *zoo, *cache)

    return Zoo()


def written(tmp_path: Path) -> dict[str, bytes]:
    """The files below the folder of the package, by their paths."""
    there = tmp_path / "there"
    files = (path for path in there.rglob("*") if path.is_file() and ".posezoo" not in path.parts)
    return {path.relative_to(there).as_posix(): path.read_bytes() for path in files}


IS_STATED = {"contains": {MEMBER: {"$type": "sha256", "value": hashlib.sha256(ONNX).hexdigest()}}}


@pytest.mark.parametrize("entry", [{}, IS_STATED], ids=["of the archive", "of the member"])
def test_rtmlib_finds_the_network_of_an_archive_by_the_name_before_the_first_dot(
    zoo, tmp_path, entry
):
    zoo.add_pose(**entry)
    run = zoo.seed("rtmlib", "pose")
    assert run.returncode == 0, run.stderr
    path = "hub/checkpoints/rtmpose-m_256x192.onnx"
    assert run.stdout == f"{tmp_path / 'there' / path}\n"
    assert written(tmp_path) == {path: ONNX}


def test_rtmlib_finds_a_network_by_the_name_in_its_url(zoo, tmp_path):
    zoo.add("yolox", "net.onnx", ONNX, f"{HOST}/yolox_tiny.onnx?download=1", framework="onnx")
    zoo.seed("rtmlib", "--all")
    assert written(tmp_path) == {"hub/checkpoints/yolox_tiny.onnx": ONNX}


@pytest.mark.parametrize("name", ["..\\..\\net.onnx", "c:net.onnx", "aux.onnx"])
def test_a_name_that_leads_out_of_the_folder_on_windows_is_not_written(zoo, tmp_path, name):
    zoo.add("net", "net.onnx", ONNX, f"{HOST}/{name}", framework="onnx")
    run = zoo.seed("rtmlib", "net")
    assert run.returncode == 1
    assert "error: rtmlib looks for no file of these models: net" in run.stderr
    assert not written(tmp_path)


def test_mediapipe_finds_the_files_that_its_wheel_lacks(zoo, tmp_path):
    zoo.add("heavy", "pose_landmark_heavy.tflite", ONNX, f"{HOST}/heavy")
    zoo.add("other", "other.tflite", ONNX, f"{HOST}/other")
    install_mediapipe(tmp_path / "there")
    zoo.seed("mediapipe", "--all")
    package = {"mediapipe/__init__.py": b""}
    heavy = {"mediapipe/modules/pose_landmark/pose_landmark_heavy.tflite": ONNX}
    assert written(tmp_path) == package | heavy


def install_mediapipe(site_packages: Path) -> None:
    (site_packages / "mediapipe").mkdir(parents=True)
    (site_packages / "mediapipe/__init__.py").touch()


@pytest.mark.parametrize("more", [(), ("--dry_run",)], ids=["written", "planned"])
def test_mediapipe_does_not_look_into_a_folder_without_it(zoo, tmp_path, more):
    zoo.add("heavy", "pose_landmark_heavy.tflite", ONNX, f"{HOST}/heavy")
    there = tmp_path / "there"
    run = zoo.seed("mediapipe", "--all", *more)
    assert run.returncode == 1
    assert f"error: {there}: there is no such folder\n" in run.stderr
    there.mkdir()
    run = zoo.seed("mediapipe", "--all", *more)
    assert run.returncode == 1
    assert f"error: {there}: the package mediapipe is not in it\n" in run.stderr
    assert "hint: name the folder that has its folder mediapipe" in run.stderr
    assert list(there.iterdir()) == []


@pytest.mark.parametrize("more", [(), ("--dry_run",)], ids=["written", "planned"])
def test_the_folder_of_mediapipe_itself_is_told_from_its_parent(zoo, tmp_path, more):
    zoo.add("heavy", "pose_landmark_heavy.tflite", ONNX, f"{HOST}/heavy")
    install_mediapipe(tmp_path / "site")
    (tmp_path / "site/mediapipe/mediapipe/modules").mkdir(parents=True)  # of an earlier mistake
    (tmp_path / "there").symlink_to(tmp_path / "site/mediapipe")
    run = zoo.seed("mediapipe", "--all", *more)
    assert run.returncode == 1
    assert f"hint: did you mean its parent {tmp_path / 'site'}?" in run.stderr
    assert list(tmp_path.rglob("*heavy.tflite")) == []


def test_openvino_dev_finds_files_by_their_digest(zoo, tmp_path):
    zoo.add("pose", "net.tflite", ONNX, f"{HOST}/net.tflite")
    zoo.seed("openvino-dev", "pose")
    digest = hashlib.sha384(ONNX).hexdigest()
    assert written(tmp_path) == {f"1/{digest[:2]}/{digest[2:]}": ONNX}


@pytest.mark.parametrize("is_cached", [False, True], ids=["from the mirror", "from the cache"])
def test_what_is_written_to_a_file_in_place_does_not_reach_the_cache(zoo, tmp_path, is_cached):
    zoo.add("pose", "net.tflite", ONNX, f"{HOST}/net.tflite")
    if is_cached:
        put(tmp_path / "cache", ONNX, declared("net.tflite", ONNX))
    run = zoo.seed("openvino-dev", "pose")
    assert run.returncode == 0, run.stderr
    Path(run.stdout.strip()).write_bytes(b"changed")
    (entry,) = (tmp_path / "cache/1").glob("??/*")
    assert entry.read_bytes() == ONNX


def test_a_member_of_an_archive_is_no_link_into_the_cache(zoo, tmp_path):
    zoo.add_pose()
    run = zoo.seed("rtmlib", "pose")
    assert run.returncode == 0, run.stderr
    assert Path(run.stdout.strip()).stat().st_nlink == 1


def test_a_second_run_asks_nothing(zoo, tmp_path):
    zoo.add_pose(**IS_STATED)
    zoo.seed("rtmlib", "pose")
    for name in ("mirror", "cache"):
        shutil.rmtree(tmp_path / name)
        (tmp_path / name).mkdir()
    plan = json.loads(zoo.seed("rtmlib", "pose", "--dry_run", "--format", "json").stdout)
    assert "exists and is verified" in plan["models"][0]["plan"][0]
    assert zoo.seed("rtmlib", "pose").returncode == 0


def test_a_dry_run_names_the_place_and_writes_nothing(zoo, tmp_path):
    zoo.add_pose()
    run = zoo.seed("rtmlib", "pose", "--dry_run")
    place = tmp_path / "there/hub/checkpoints/rtmpose-m_256x192.onnx"
    assert run.stdout.startswith("pose: would download pose.zip (")
    assert run.stdout.endswith(f", and write {place}\n")
    assert not (tmp_path / "there").exists()


def test_a_file_of_the_user_is_kept_beside_it(zoo, tmp_path):
    zoo.add_pose()
    folder = tmp_path / "there/hub/checkpoints"
    folder.mkdir(parents=True)
    (folder / "rtmpose-m_256x192.onnx").write_bytes(b"trained by me")
    run = zoo.seed("rtmlib", "pose")
    assert "kept as rtmpose-m_256x192.onnx.bak1" in run.stderr
    assert (folder / "rtmpose-m_256x192.onnx.bak1").read_bytes() == b"trained by me"


def test_damaged_bytes_are_not_seeded(zoo, tmp_path):
    zoo.add_pose()
    (stored,) = (tmp_path / "mirror").rglob("1/*/*")
    stored.write_bytes(zipped(b"another network"))
    run = zoo.seed("rtmlib", "pose")
    assert run.returncode == 1
    assert "error: pose.zip: " in run.stderr
    assert written(tmp_path) == {}


@pytest.mark.parametrize("is_there", [False, True])
def test_a_failed_seed_leaves_no_folder_behind(zoo, tmp_path, is_there):
    zoo.add("pose", "net.tflite", ONNX, f"{HOST}/net.tflite")
    (stored,) = (tmp_path / "mirror").rglob("1/*/*")
    stored.write_bytes(b"another network")
    if is_there:
        (tmp_path / "there").mkdir()
    failed = zoo.seed("openvino-dev", "pose")
    assert failed.returncode == 1
    assert "net.tflite: every source failed" in failed.stderr
    assert [*tmp_path.glob("there"), *tmp_path.glob("there/*")] == [tmp_path / "there"] * is_there


def test_a_model_that_the_package_has_no_use_for_is_named(zoo, tmp_path):
    zoo.add("other", "other.tflite", ONNX, f"{HOST}/other")
    install_mediapipe(tmp_path / "there")
    run = zoo.seed("mediapipe", "other")
    assert run.returncode == 1
    assert "error: mediapipe looks for no file of these models: other" in run.stderr


def test_a_file_in_place_of_the_folder_is_named(zoo, tmp_path):
    zoo.add_pose()
    (tmp_path / "there").write_bytes(b"")
    run = zoo.seed("rtmlib", "pose")
    assert f"error: {tmp_path / 'there'}: is not a folder" in run.stderr
