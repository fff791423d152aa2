"""Images named by files, folders and globs, and names for annotated images."""

import os
import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from fakes.videos import write_video
from posezoo.core.download.options import DownloadOptions
from posezoo.core.errors import ImageError
from posezoo.run.run_inputs import (
    InputOpener,
    _stem_of_live,
    expand_image_paths,
)


def touch(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


@pytest.fixture
def mixed(tmp_path):
    """A folder with one image, and entries that are no images though they have such names."""
    folder = touch(tmp_path / "mixed", "a.jpg", ".hidden.jpg", "._a.jpg", "notes.txt", "b.HEIC")
    (folder / "gone.jpg").symlink_to("nowhere.jpg")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "folder.jpg").mkdir()
    (folder / "sub").mkdir()
    (folder / "README").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.jpg")
    return folder


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX system")
def test_what_looks_like_an_image_and_is_none_is_named_in_one_warning(mixed):
    warnings = []
    assert expand_image_paths([str(mixed)], warnings.append) == [mixed / "a.jpg"]
    assert warnings == [
        f"{mixed}: 5 left out: b.HEIC (is of a format that is not read), folder.jpg (is a folder),"
        " gone.jpg (is a link that leads nowhere: there is no nowhere.jpg),"
        " loop.jpg (is a link that leads back to itself), pipe.jpg (is not a file)"
    ]
    touch(mixed, "clip.mp4", "a_poses.mp4", "a_poses.jpg")
    expand_image_paths([str(mixed)], warnings.append)
    assert "6 left out: " in warnings[1] and " and 1 more" in warnings[1]
    expand_image_paths([str(mixed / "*.jpg")], warnings.append)
    assert warnings[2].startswith(f"{mixed}/*.jpg: 4 left out: folder.jpg (is a folder), gone.jpg")


def test_a_glob_finds_the_images_behind_a_link_and_none_in_hidden_folders(tmp_path):
    touch(tmp_path / "disk", "a.jpg")
    touch(tmp_path / "photos")
    touch(tmp_path / "photos" / ".hidden", "b.jpg")
    (tmp_path / "photos" / "link").symlink_to(tmp_path / "disk")
    for pattern in ("photos/**/*.jpg", "photos/**", "photos/link/**/*.jpg", "**/link/*"):
        images = expand_image_paths([str(tmp_path / pattern)], pytest.fail)
        assert images == [tmp_path / "photos" / "link" / "a.jpg"]


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs a POSIX system")
def test_a_folder_that_is_listed_but_not_entered_is_a_warning():
    closed = touch(Path(tempfile.mkdtemp(prefix="closed ")), "a.jpg")  # all may enter its parent
    closed.chmod(0o444)
    warnings = []
    user = os.geteuid()
    os.seteuid(user or 12345)
    try:
        with pytest.raises(ImageError, match="no image to work on"):
            expand_image_paths([str(closed)], warnings.append)
    finally:
        os.seteuid(user)
        closed.chmod(0o755)
        shutil.rmtree(closed)
    assert f"{closed}: 1 left out: a.jpg (cannot be read: Permission denied)" in warnings


def test_annotated_images_are_left_out_of_folders_and_globs_but_not_of_named_files(tmp_path):
    touch(tmp_path, "a.jpg", "a_poses.jpg", "a_poses_2.jpg")
    for name in (str(tmp_path), str(tmp_path / "*.jpg")):
        assert expand_image_paths([name], pytest.fail) == [tmp_path / "a.jpg"]
    assert expand_image_paths([str(tmp_path / "a_poses.jpg")], pytest.fail) == [
        tmp_path / "a_poses.jpg"
    ]


def test_a_name_without_images_is_a_warning_and_without_any_image_an_error(tmp_path):
    warnings = []
    empty = touch(tmp_path / "empty")
    image = touch(tmp_path / "full", "a.jpg") / "a.jpg"
    assert expand_image_paths([str(empty), str(image)], warnings.append) == [image]
    assert [warning.split(" (")[0] for warning in warnings] == [f"{empty}: no images there"]
    with pytest.raises(ImageError, match="no image to work on") as caught:
        expand_image_paths(["~/none.jpg"], warnings.append)
    assert caught.value.hint.startswith("a shell replaces ~ only outside of quotes: /")
    with pytest.raises(ImageError, match="no image to work on"):
        expand_image_paths([str(tmp_path / "missing.jpg")], pytest.fail)


def test_files_of_which_none_is_an_image_are_refused_before_a_model_is_loaded(tmp_path):
    text = tmp_path / "text.jpg"
    text.write_text("no image")
    names = [str(text), os.devnull]
    told = dict.fromkeys(("listener", "warn", "report_failure"), pytest.fail)
    with pytest.raises(ImageError, match=r"text\.jpg: is not an image of a known format"):
        InputOpener(tmp_path, DownloadOptions(None), **told).open(names)


@pytest.mark.parametrize("suffix", [".ppm", ".PGM", ".pbm", ".pnm"])
def test_a_netpbm_file_is_an_image_and_not_a_video(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    path.write_bytes(b"P6 2 1 255\n" + bytes(6))
    told = dict.fromkeys(("listener", "warn", "report_failure"), pytest.fail)
    for name in (path, tmp_path):
        inputs = InputOpener(tmp_path / "new", DownloadOptions(None), **told).open([str(name)])
        assert [image.path for image in inputs.images] == [path]
        assert not inputs.videos


@pytest.mark.parametrize(
    ("address", "stem"),
    [
        ("udp://127.0.0.1:11111", "127.0.0.1_11111"),
        ("rtsp://ann:s3cret@camera0.local/1", "camera0.local_1"),
        ("rtsp://camera1.local:8554/live/1?quality=high", "camera1.local_8554_live_1"),
        ("0", "camera_0"),
        ("/dev/video2", "video2"),
    ],
)
def test_the_results_of_streams_have_names_that_tell_them_apart(address, stem):
    assert _stem_of_live(address) == stem


def test_a_folder_of_films_is_a_list_of_films(tmp_path):
    folder = touch(tmp_path / "films", "a_poses.mp4")
    for name in ("a.mp4", "b.mp4"):
        write_video(folder / name, 3, "mp4v")
    cv2.imwrite(str(folder / "c.png"), np.zeros((8, 8, 3), np.uint8))
    told = dict.fromkeys(("listener", "warn", "report_failure"), pytest.fail)
    inputs = InputOpener(tmp_path / "new", DownloadOptions(None), **told).open([str(folder)])
    assert [video.source.name for video in inputs.videos] == [
        str(folder / name) for name in ("a.mp4", "b.mp4")
    ]
    assert [image.path.name for image in inputs.images] == ["c.png"]
