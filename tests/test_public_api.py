"""posezoo.get and posezoo.load, as a program uses them."""

import builtins
import copy
import hashlib
import json
import pickle
import re
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import posezoo
from conftest import ROOT, by_digest, pytorch_in_this_process
from fakes.checkpoints import params
from fakes.command import assert_quiet_success, assert_success, run_process
from fakes.command import posezoo as posezoo_command
from fakes.stated_inputs import ULTRALYTICS, write_whole_input
from fakes.videos import stretch_pixels
from fakes.when_used import needs
from fakes.zoo import declared_file, model_yml, write_model
from posezoo.core.declarations.model import NetworkChoice
from posezoo.core.errors import ImageError, ImageWarning
from posezoo.core.events import (
    ConversionUpToDate,
    SelfCheckPassed,
    ignore_event,
)
from posezoo.media.images import SAMPLE_PHOTOS, read_image, write_image
from posezoo.networks.custom_weights import write_random_checkpoint

ASTRONAUT = "f1e156f84f0035b7605d3a41ebf40277770e4971e301822c37a0441e9707a14832af88b24dff68d4f5801eb3bf1f9ce3"


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The file of a network that finds one person in each image."""
    return write_whole_input(tmp_path_factory.mktemp("own") / "own.onnx", ULTRALYTICS)


@pytest.fixture(scope="module")
def model(own):
    return posezoo.load(own, listener=None)


def test_public_names_are_documented_and_others_are_refused():
    for name in (*posezoo.__all__, "list"):
        assert getattr(posezoo, name).__doc__
    with pytest.raises(AttributeError, match="has no attribute 'nope'"):
        posezoo.nope  # noqa: B018


def test_get_returns_the_ir_of_each_part_and_a_second_time_the_same(blazepose):
    irs = posezoo.get("blazepose-full", precision="FP16", weights_dir=blazepose.output_dir)
    assert list(irs) == ["pose-detection-mediapipe", "pose-landmark-full-mediapipe"]
    for name, xml in irs.items():
        assert (
            xml
            == blazepose.output_dir / "public" / "blazepose-full" / name / "FP16" / f"{name}.xml"
        )
        assert xml.with_suffix(".bin").is_file()
    assert posezoo.get("blazepose-full", weights_dir=str(blazepose.output_dir)) == irs


def test_a_model_takes_paths_and_lists_of_images(model, tmp_path):
    pictures = [np.zeros((height, 64, 3), np.uint8) for height in (32, 64)]
    write_image(tmp_path / "first.png", pictures[0])
    first = tmp_path / "first.png"
    for image in (pictures[0], first, str(first)):
        (pose,) = model(image)
        assert pose.box == (0, 0, 64, 32)
    for images in ([first, pictures[1], str(first)], (str(first), pictures[1], pictures[0])):
        heights = [poses[0].box[3] for poses in model(images)]
        assert heights == [32, 64, 32]
    assert model([]) == []
    with pytest.raises(posezoo.PosezooError, match=r"nope\.jpg"):
        model(tmp_path / "nope.jpg")
    with pytest.raises(posezoo.PosezooError, match=r"nope\.jpg"):
        model([first, "nope.jpg"])
    with pytest.raises(posezoo.PosezooError, match="boxes are for one image"):
        model([first], boxes=[(0, 0, 1, 1)])


IMAGE = np.full((32, 64, 3), 128, np.uint8)


@pytest.mark.parametrize(
    ("given", "problem", "expression"),
    [
        (IMAGE / 255, "those of this one float64", "(frame * 255).astype(numpy.uint8)"),
        (IMAGE.astype(np.float32), "those of this one float32", "frame.astype(numpy.uint8)"),
        (IMAGE > 5, "those of this one bool", "frame.astype(numpy.uint8) * 255"),
        (IMAGE.astype(np.uint16) << 8, "this one uint16", "(frame >> 8).astype(numpy.uint8)"),
        (IMAGE.transpose(2, 0, 1), "this one 3x32x64", "frame.transpose(1, 2, 0)"),
        (IMAGE[None], "this one 1x32x64x3", "list(frames)"),
        (cv2.imencode(".png", IMAGE)[1], "this one ", "data.tobytes()"),
    ],
)
def test_the_hint_for_another_array_makes_it_a_frame(model, given, problem, expression):
    with pytest.raises(posezoo.PosezooError, match=problem) as caught:
        model(given)
    assert expression in caught.value.hint
    names = dict.fromkeys(("frame", "frames", "data"), given)
    assert model(eval(expression, {"numpy": np, "cv2": cv2, **names}))


def test_the_bytes_of_an_image_file_are_an_image(model):
    data = cv2.imencode(".png", IMAGE)[1].tobytes()
    (expected,) = model(IMAGE)
    for given in (data, bytearray(data), memoryview(data)):
        (found,) = model(given)
        assert found.to_json() == expected.to_json()
    assert [len(poses) for poses in model([data, IMAGE])] == [1, 1]


def test_an_address_is_not_downloaded(model, server):
    address = server.serve("photo.png", cv2.imencode(".png", IMAGE)[1].tobytes())
    with pytest.raises(ImageError) as caught:
        model(address)
    assert "download it first" in caught.value.hint
    assert not server.requests


def test_a_video_that_is_open_is_no_image(model, tmp_path):
    path = str(tmp_path / "walk.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"MJPG"), 30, (64, 32))
    writer.write(IMAGE)
    writer.release()
    video = cv2.VideoCapture(path)
    with pytest.raises(posezoo.PosezooError, match="not VideoCapture") as caught:
        model(video)
    names = {"video": video}
    exec(caught.value.hint.removesuffix(" reads one"), names)
    assert model(names["frame"])
    with (
        pytest.raises(posezoo.PosezooError, match="not VideoCapture") as caught,
        model.stream(video),
    ):
        pass
    assert "model.stream takes the path of a video" in caught.value.hint


def test_a_bad_image_of_a_list_is_named_by_its_index(model):
    for bad, problem in ((None, "a frame is a numpy array"), ("nope.jpg", "nope.jpg: cannot be")):
        for images in ([IMAGE, bad, IMAGE], (IMAGE, bad), iter([IMAGE, bad])):
            function = model if isinstance(images, (list, tuple)) else model.batch
            with pytest.raises(posezoo.PosezooError) as caught:
                function(images)
            assert caught.value.problem.startswith(f"images[1]: {problem}")
    assert len(model([IMAGE, IMAGE])) == 2


def test_one_image_in_place_of_several_and_several_in_place_of_one_are_explained(model, tmp_path):
    for images, function in (
        (IMAGE, model.batch),
        (IMAGE, model.stream),
        ("me.jpg", model.batch),
        (tmp_path, model.batch),
    ):
        with pytest.raises(posezoo.PosezooError, match="and this is one") as caught:
            function(images)
        assert caught.value.hint.startswith("model(image) takes one image or path")
    with pytest.raises(posezoo.PosezooError, match="not generator") as caught:
        model(image for image in [IMAGE])
    assert caught.value.hint.startswith("model.stream(frames) takes an iterator")
    assert len(list(model.stream(image for image in [IMAGE]))) == 1
    for batch in (np.stack([IMAGE] * 3), np.stack([IMAGE[..., 0]] * 3)):
        assert len(model.batch(batch)) == 3
    with pytest.raises(posezoo.PosezooError, match="not bool") as caught:
        model((True, IMAGE))  # as cv2.VideoCapture.read returns it
    assert "is_read, frame = video.read()" in caught.value.hint


def test_a_path_that_is_no_image_is_explained(model, tmp_path):
    write_image(tmp_path / "a.jpg", IMAGE)
    (tmp_path / "drawn").mkdir()
    write_image(tmp_path / "drawn" / "a.png", IMAGE)
    video = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 32))
    video.write(IMAGE)
    video.release()
    hints = {}
    still = (tmp_path, tmp_path / "drawn", tmp_path / "*.jpg")
    for path in (*still, tmp_path / "a.avi", "https://host/a.jpg"):
        with pytest.raises(posezoo.PosezooError) as caught:
            model(path)
        hints[path] = caught.value.hint
    *of_images, address = hints.values()
    for hint in of_images:
        ((_, poses),) = eval(hint.removeprefix("for all its images: "), {"model": model})
        assert len(poses) == 1
    assert address.startswith("download it first")


def test_a_higher_minimum_score_leaves_people_out(own):
    picture = np.zeros((32, 64, 3), np.uint8)
    (pose,) = posezoo.load(own, listener=None)(picture)
    for least, count in ((pose.score - 0.01, 1), (pose.score + 0.01, 0)):
        options = posezoo.Options(min_person_score=least)
        model = posezoo.load(own, options=options, listener=None)
        assert model.min_person_score == pytest.approx(least)
        assert len(model(picture)) == count


@pytest.mark.judge
def test_supervision_takes_poses(own, monkeypatch):
    poses = posezoo.load(own, listener=None)(np.zeros((32, 64, 3), np.uint8))
    judges = ROOT / "build" / "judges"
    if not (judges / "supervision").is_dir():
        pytest.skip("needs make judges")
    monkeypatch.setattr(sys, "path", [*sys.path, str(judges)])
    found = poses.to_supervision()
    assert found.xy.tolist() == [pose.keypoints[:, :2].tolist() for pose in poses]
    assert found.keypoint_confidence.tolist() == [pose.keypoints[:, 2].tolist() for pose in poses]
    assert found.class_id.tolist() == [0]
    assert len(posezoo.Poses().to_supervision()) == 0
    box = posezoo.Pose(np.zeros((0, 3), np.float32), "box", 1.0, (0, 0, 1, 1))
    with pytest.raises(posezoo.PosezooError, match="needs the same keypoints"):
        posezoo.Poses([box]).to_supervision()


@pytest.mark.usefixtures("networks_stay_compiled")
def test_load_gives_a_callable_from_image_to_poses(blazepose, mirror):
    model = posezoo.load(
        "blazepose-full", precision="FP16", device="CPU", weights_dir=blazepose.output_dir
    )
    image = read_image(by_digest(mirror, ASTRONAUT))
    (pose,) = model(image)
    assert pose.keypoints.shape == (33, 3)
    assert pose.skeleton == "blazepose-33"
    assert model.executed_precision == "f32"
    nose = pose.keypoints[0]
    assert np.hypot(nose[0] - 213, nose[1] - 121) < 15
    (same,) = model(image[:, :, ::-1].copy(), color="RGB")
    assert np.array_equal(same.keypoints, pose.keypoints)
    assert json.loads(json.dumps(pose.to_json()))["skeleton"] == "blazepose-33"
    assert len(pose.to_coco()["keypoints"]) == 51
    assert pose.mask is None


def test_load_sees_images_as_large_and_as_many_at_once_as_it_is_asked(mirror, tmp_path):
    where = {"weights_dir": tmp_path, "cache_dir": tmp_path / "cache", "mirror": (str(mirror),)}
    model = posezoo.load(
        "human-pose-estimation-0001",
        "FP16-INT8",
        options=posezoo.Options(requests=2, height=128, aspect=(640, 480)),
        **where,
    )
    assert (model.input_size, model.requests) == ((176, 128), 2)
    assert model.executed_precision == "i8"
    xml = next(tmp_path.rglob("human-pose-estimation-0001.xml"))
    alone = posezoo.load(xml, options=posezoo.Options(requests=3, aspect=(480, 640)), **where)
    assert (alone.input_size, alone.requests, alone.decoder) == ((280, 368), 3, "openpose")


def test_a_download_shows_what_the_command_line_shows_unless_there_is_no_listener(tmp_path, capsys):
    (tmp_path / "net.tflite").write_bytes(b"no network")
    write_model(
        tmp_path / "models", "net", model_yml(files=[declared_file(tmp_path / "net.tflite")])
    )

    def shown(folder, **listener):
        with pytest.raises(posezoo.PosezooError, match=r"net\.tflite"):
            posezoo.get(
                "net", models_dir=(tmp_path / "models",), weights_dir=tmp_path / folder, **listener
            )
        out, err = capsys.readouterr()
        assert out == ""
        return err

    assert re.fullmatch(r"net \(.+\): 1 kB downloaded, verified\n", shown("first"))
    assert shown("second", listener=None) == shown("third", listener=ignore_event) == ""


def test_what_cannot_be_meant_is_answered_with_a_hint():
    with pytest.raises(posezoo.PosezooError) as caught:
        posezoo.get("blazepose-ful")
    assert caught.value.hint == "did you mean blazepose-full?"
    with pytest.raises(posezoo.PosezooError, match="unknown setting 'outputdir'"):
        posezoo.get("blazepose-full", outputdir="x")


@pytest.mark.usefixtures("networks_stay_compiled")
def test_load_without_a_name_warns_once_in_a_process_at_the_line_that_calls_it(blazepose):
    from posezoo.api import _warn_of_unnamed

    _warn_of_unnamed.cache_clear()
    places = {"weights_dir": blazepose.output_dir, "listener": None}
    with pytest.warns(UserWarning) as warned:
        for _ in range(2):
            model = posezoo.load(default="blazepose-full", **places)
        posezoo.load("blazepose-full", **places)
    assert model.model.name == "blazepose-full"
    (warning,) = warned
    assert f"{warning.message}" == (
        "no model named: name it, so that another machine gives the same"
    )
    assert warning.filename == __file__


def test_weights_of_one_s_own_become_ir_where_the_command_line_puts_them(shared, tmp_path):
    needs("torch")
    name = "mobile_pose_mobilenetv3_small"
    file = shared / "data" / "checkpoints" / f"{name}.params"
    actual = tmp_path / "mine.params"
    shutil.copy(file, actual)
    out = tmp_path / "out"
    events = []
    with pytorch_in_this_process():
        irs = posezoo.get(name, "FP32", checkpoint=actual, weights_dir=out, listener=events.append)
    assert irs == {name: out / "public" / name / "FP32" / f"{name}.xml"}
    assert any(isinstance(event, SelfCheckPassed) for event in events)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.params", "out"]

    events.clear()
    assert (
        posezoo.get(name, "FP32", checkpoint=str(file), weights_dir=out, listener=events.append)
        == irs
    )
    # The same weights by another name.
    assert [type(event) for event in events] == [ConversionUpToDate]

    with pytest.raises(posezoo.PosezooError, match=r"\.xml: is the IR of another checkpoint"):
        posezoo.get(name, "FP32", weights_dir=out)
    other = tmp_path / "other.pth"
    write_random_checkpoint(NetworkChoice(name), other)
    with pytest.raises(posezoo.PosezooError, match="is the IR of another checkpoint") as refused:
        posezoo.get(name, "FP32", checkpoint=other, weights_dir=out)
    assert "--model_name" in refused.value.hint


@pytest.mark.parametrize("model_name", ["", "mine"])
def test_loaded_weights_of_one_s_own_never_take_the_place_of_the_published(
    shared, tmp_path, model_name
):
    needs("torch")
    name = "mobile_pose_mobilenetv3_small"
    file = shared / "data" / "checkpoints" / f"{name}.params"
    posezoo.load(name, checkpoint=file, model_name=model_name, detector=None, weights_dir=tmp_path)
    apart = Path("checkpoints", hashlib.sha384(file.read_bytes()).hexdigest()[:16])
    place = (
        Path("public/mine/FP16/mine.xml")
        if model_name
        else apart / f"public/{name}/FP16/{name}.xml"
    )
    assert [xml.relative_to(tmp_path) for xml in tmp_path.rglob("*.xml")] == [place]


def test_weights_of_one_s_own_are_ready_to_use_by_the_model_s_name_and_by_the_network_s(tmp_path):
    torch = needs("torch")
    from networks.published import awake

    torch.manual_seed(0)
    torch.save(awake("lightweight_openpose").state_dict(), tmp_path / "mine.pth")
    image = np.random.default_rng(0).integers(0, 256, (120, 200, 3), np.uint8)
    found = []
    for name in ("lightweight-openpose-mobilenet-v1", "lightweight_openpose"):
        model = posezoo.load(
            name,
            "FP32",
            checkpoint=tmp_path / "mine.pth",
            weights_dir=tmp_path / "out",
            options=posezoo.Options(
                height=256
            ),  # the model's is its publisher's, the network has none
        )
        assert list((tmp_path / "out" / "checkpoints").glob(f"*/public/{name}/FP32/{name}.xml"))
        found.append([pose.to_json() for pose in model(image)])
    assert found[0] == found[1]


def test_the_file_of_one_s_own_weights_is_loaded_like_a_model(shared, tmp_path):
    needs("torch")
    file = shared / "data" / "checkpoints" / "mobile_pose_mobilenetv3_small.params"
    skeleton = tmp_path / "numbered.yml"
    skeleton.write_text(f"keypoints: [{', '.join(f'point_{n}' for n in range(17))}]\n", "utf-8")
    for named in ({"name": file}, {"name": str(file)}, {"checkpoint": file}):
        model = posezoo.load(
            **named,
            detector=None,
            preparation=posezoo.Preparation(skeleton=skeleton),
            options=posezoo.Options(streams=1),
            listener=None,
            weights_dir=tmp_path,
        )
        (pose,) = model(np.full((64, 48, 3), 128, np.uint8))
        assert pose.layout.keypoints[3] == "point_3"
    other = tmp_path / "other.params"
    other.write_bytes(params({"x": np.zeros(3, np.float32)}))
    for named in ({"name": other}, {"checkpoint": other}):
        with pytest.raises(posezoo.PosezooError, match="no network of the zoo reads it"):
            posezoo.load(**named)


def test_what_cannot_be_meant_of_one_s_own_weights_is_one_line(tmp_path):
    for name, flags, said in (
        ("higher_hrnet", {"checkpoint": "nowhere.pth"}, "nowhere.pth: no such file"),
        ("blazepose-full", {"checkpoint": __file__}, "blazepose-full is a composite"),
        (
            "movenet-singlepose-lightning-int8",
            {"checkpoint": __file__},
            "is not one of posezoo's networks",
        ),
        ("hrnet-w32", {"model_name": "mine"}, "model_name: only for weights of your own"),
        ("higher_hrnet", {}, "no model is called 'higher_hrnet'"),
        (
            "net.xml",
            {"checkpoint": __file__},
            "net.xml: no such file",
        ),
    ):
        for call in (posezoo.get, posezoo.load):
            with pytest.raises(posezoo.PosezooError, match=said):
                call(name, weights_dir=tmp_path, **flags)
    assert not list(tmp_path.iterdir())


def test_network_gives_a_module_with_the_weights_of_a_file_or_without_any(shared):
    torch = needs("torch")
    name = "mobile_pose_mobilenetv3_small"
    file = shared / "data" / "checkpoints" / f"{name}.params"
    trained, initial = (
        posezoo.network(name, pretrained=file),
        posezoo.network(name, pretrained=False),
    )
    assert list(trained.state_dict()) == list(initial.state_dict())
    image = torch.rand(1, 3, 256, 192)
    with torch.no_grad():
        assert trained(image).shape == (1, 17, 64, 48)
        assert not torch.allclose(trained(image), initial(image))
    with pytest.raises(posezoo.PosezooError, match="does not fit the network"):
        posezoo.network("mobile_pose_mobilenetv2_1.0", pretrained=str(file))
    with pytest.raises(posezoo.PosezooError, match="blazepose-full is a composite"):
        posezoo.network("blazepose-full")


def test_network_brings_the_zoo_s_weights_where_a_model_has_them(shared, tmp_path):
    torch = needs("torch")
    name = "mobile_pose_mobilenetv3_small"
    file = shared / "data" / "checkpoints" / f"{name}.params"
    zoo = {"models_dir": (tmp_path / "models",), "weights_dir": tmp_path / "out"}
    (tmp_path / "models").mkdir()
    with pytest.raises(posezoo.PosezooError, match="is a network, and no model has weights for it"):
        posezoo.network(name, **zoo)
    network = {"network": {"name": name}, "checkpoint": file.name}
    write_model(
        tmp_path / "models",
        "small",
        model_yml(framework="pytorch", files=[declared_file(file)], **network),
    )
    ours, reference = posezoo.network("small", **zoo), posezoo.network(name, **zoo)
    own = posezoo.network(name, pretrained=file)
    for key, tensor in own.state_dict().items():
        assert torch.equal(ours.state_dict()[key], tensor)
        assert torch.equal(reference.state_dict()[key], tensor)


def test_what_a_model_finds_is_a_value(model):
    poses = model(IMAGE)
    assert poses == model(IMAGE) == copy.deepcopy(poses) == pickle.loads(pickle.dumps(poses))
    assert model([IMAGE]) == [poses]
    assert np.array(poses).shape == (1, *poses[0].keypoints.shape)
    assert len(repr(poses)) <= 250


def test_what_readmes_lines_draw_is_what_the_command_draws(tmp_path):
    photo = tmp_path / "camera.png"
    shutil.copy(SAMPLE_PHOTOS[1], photo)
    xml = write_whole_input(tmp_path / "own.onnx", ULTRALYTICS)
    assert_success(posezoo_command("run", xml, "-i", photo, "-o", tmp_path / "out"))
    image = read_image(photo)
    drawn = posezoo.draw(image, posezoo.load(xml, listener=None)(image))
    assert (drawn != image).any()
    np.testing.assert_array_equal(drawn, read_image(tmp_path / "out" / "camera_poses.png"))


@pytest.mark.parametrize("options", [{}, {"track": True}, {"smooth": True}])
def test_a_stream_gives_poses_that_other_programs_take(model, options):
    frames = [np.zeros((32, 64, 3), np.uint8)] * 2
    with model.stream(frames, is_video=True, **options) as results:
        assert [type(poses) for _, poses in results] == [posezoo.Poses] * 2


def test_a_star_import_hides_no_name_of_python():
    names = {}
    exec("from posezoo import *", names)
    assert not names.keys() & vars(builtins).keys() - {"__builtins__"}


SEVERAL_PROCESSES = """
import multiprocessing, os, signal, sys
import numpy, posezoo

IMAGE = numpy.zeros((32, 64, 3), numpy.uint8)

if __name__ == "__main__":
    others = [posezoo.load(sys.argv[1], listener=None) for _ in range(3)]
    model = others[1]
    wanted = model(IMAGE)
    child = os.fork() if hasattr(os, "fork") else None
    if child:  # OpenVINO gave this thread the stack for signals
        signal.signal(signal.SIGUSR1, lambda *_: None)
        os.kill(os.getpid(), signal.SIGUSR1)
    assert model(IMAGE) == wanted
    if child == 0:
        sys.exit()  # before a pool: its tracker fails at the end of a fork (gh-140485 of Python)
    assert not child or os.waitpid(child, 0)[1] == 0
    for method in multiprocessing.get_all_start_methods():
        with multiprocessing.get_context(method).Pool(1) as pool:
            assert pool.map(model, [IMAGE]) == [wanted], method
"""


def test_a_model_runs_in_processes_of_every_start_method_and_in_a_fork_that_ends_as_usual(
    own, tmp_path
):
    (tmp_path / "script.py").write_text(SEVERAL_PROCESSES)
    # Python 3.12 warns of each fork beside threads, and OpenVINO has threads.
    words = [sys.executable, "-W", "ignore:This process", "script.py", own]
    assert_quiet_success(
        run_process(
            words,
            cwd=tmp_path,
        )
    )


@pytest.fixture
def walk(tmp_path):
    """A video of a person, whose pixels are not square."""
    photo = cv2.resize(read_image(SAMPLE_PHOTOS[0]), (160, 320))
    path = tmp_path / "walk.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 12, (160, 320))
    for shift in range(6):
        writer.write(np.roll(photo, 8 * shift, axis=1))
    writer.release()
    return stretch_pixels(path, width=2)


@pytest.mark.usefixtures("networks_stay_compiled")
def test_a_stream_reads_a_video_as_the_command_does_and_a_tracker_finds_the_same(
    blazepose, walk, tmp_path
):
    zoo = {"weights_dir": blazepose.output_dir}
    flags = ("--input", walk, "--output", tmp_path / "out", "--smooth")
    ended = posezoo_command("run", "blazepose-full", *flags, "--weights_dir", blazepose.output_dir)
    assert_success(ended)
    written = json.loads((tmp_path / "out" / "walk_poses.json").read_text())["frames"]
    model = posezoo.load("blazepose-full", listener=None, **zoo)
    tracker = model.tracker(smooth=True, color="RGB")
    with model.stream(walk, smooth=True) as results:
        for (frame, poses), row in zip(results, written, strict=True):
            assert frame.image.shape == (320, 320, 3)
            assert round(frame.shown_s, 3) == row["seconds"]
            assert [pose.track_id for pose in poses] == [1]
            nose = row["poses"][0]["keypoints"][0]
            assert poses[0]["nose"] == pytest.approx(
                [nose[key] for key in ("x", "y", "score")], abs=0.01
            )
            (tracked,) = tracker(frame.image[..., ::-1], time_s=frame.shown_s)
            assert tracked.track_id == 1
            np.testing.assert_array_equal(tracked.keypoints, poses[0].keypoints)


def test_a_stream_leaves_out_what_it_cannot_read_with_a_warning(model, tmp_path):
    (tmp_path / "photos").mkdir()
    write_image(tmp_path / "photos" / "a.png", IMAGE)
    (tmp_path / "photos" / "b.png").write_bytes(b"no image")
    with (
        pytest.warns(ImageWarning, match=r"b\.png: is not an image"),
        model.stream(tmp_path / "photos") as results,
    ):
        assert [Path(frame.name).name for frame, _ in results] == ["a.png"]
    with pytest.raises(ImageError, match="camera 99: cannot be opened"):
        model.stream(99)


@pytest.mark.usefixtures("networks_stay_compiled")
def test_a_model_says_what_it_is_and_a_wrong_argument_what_is_meant(blazepose):
    zoo = {"weights_dir": blazepose.output_dir, "listener": None}
    model = posezoo.load("blazepose-full", **zoo)
    shown = "<posezoo model blazepose-full, FP16 on CPU (f32), people from the model>"
    assert repr(model) == shown
    with pytest.raises(posezoo.PosezooError, match="'min_person_scor'") as caught:
        posezoo.load("blazepose-full", min_person_scor=0.3, **zoo)
    assert caught.value.hint == "did you mean options=posezoo.Options(min_person_score=...)?"
