"""The commands on the pages work as pasted, and every link has a target."""

import json
import re
import shutil
from functools import cache
from urllib.parse import unquote

import cv2
import numpy as np
import pytest

from conftest import by_digest
from fakes.checkout import git
from fakes.command import assert_success, run_process
from fakes.desk import put_on_desk, write_video
from fakes.pages import (
    OWN_TESTS,
    PAGES,
    PASTED,
    ROOT,
    SCRIPTS,
    blocks,
    blocks_of,
    commands,
    environ_of,
    named_extras,
    put_on_path,
)
from fakes.readers import (
    FIXED_PHOTOS,
    Readers,
    choose_photos,
)
from posezoo.core.registry import open_registry
from posezoo.pages.cards.card_reader import parse_card

CAMERA = "bb53ccd861e8bcde0971f6914a9fff5f377077db4fe5aaec9c4d8a9b80e815f0aadb0c98c52ac998731b3b0ecfdccc04"


@cache
def parsed(page):
    return parse_card(page.read_text("utf-8"))


@pytest.fixture
def desk(mirror, tmp_path):
    """A working folder with a photo and the tools, and this Python's commands on the PATH."""
    cv2.imwrite(str(tmp_path / "photo.jpg"), cv2.imread(str(by_digest(mirror, CAMERA))))
    (tmp_path / "tools").symlink_to(ROOT / "tools")
    put_on_path(tmp_path / "bin")
    return tmp_path


def test_the_tests_run_every_block_that_is_not_marked():
    for name, kinds in OWN_TESTS.items():
        assert len(blocks(ROOT / name, SCRIPTS)) == len(blocks(ROOT / name, "|".join(kinds))), name


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    return Readers(tmp_path_factory.mktemp("readers"))


@pytest.mark.parametrize("page", PASTED, ids=lambda page: str(page.relative_to(ROOT)))
def test_with_a_mirror_the_blocks_of_a_page_run_as_pasted_and_in_their_order(
    page, readers, mirror, shared, tmp_path
):
    """Without a mirror, `make environments` types them."""
    text = page.read_text("utf-8")
    if ".pth" in text:
        pytest.importorskip("torch")
    reader = readers.begin(tmp_path, named_extras(text), mirror)
    photos = choose_photos(shared / "data" / "photos")
    zoo = shared / "data" / "omz-2021.4"
    put_on_desk(reader.clone, photos, annotations_of(shared, photos), zoo, text)
    pasted = blocks_of(text)
    failed = []
    for number, (kind, block) in enumerate(pasted, 1):
        ended = reader.type(kind, block)
        if ended.returncode:
            failed.append(f"block {number}:\n{block}{ended.stdout}{ended.stderr}"[-3000:])
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("name", ["photos", "video"])
def test_the_first_command_of_a_tutorial_finds_the_people_whom_run_finds(
    name, readers, shared, tmp_path
):
    page = ROOT / "docs" / "tutorials" / f"{name}.md"
    first = commands(page)[0]
    reader = readers.begin(tmp_path, frozenset({"run"}))
    for photo in choose_photos(shared / "data" / "photos"):
        shutil.copy(photo, reader.clone / "photo.jpg")
        write_video(reader.clone / "walk.avi", cv2.imread(str(photo)), shift=0)
        shutil.rmtree(reader.clone / "poses", ignore_errors=True)
        for command in (first, "posezoo run --input photo.jpg --output usual"):
            assert_success(reader.type("sh", command + "\n"))
        found = found_people(shared, photo, reader.clone / "poses")
        usual = found_people(shared, photo, reader.clone / "usual")
        # Of a photo that the commit draws, run itself may find nobody.
        least = max(len(usual), int(photo.name in FIXED_PHOTOS))
        assert len(found) >= least, f"{photo.name}: {first}"


def found_people(shared, photo, folder):
    """The annotated people of a photo who are in the results: in the last frame, of a video."""
    known = json.loads((shared / "data" / "photos" / "person_keypoints.json").read_text("utf-8"))
    (image,) = (each for each in known["images"] if each["file_name"] == photo.name)
    people = [each for each in known["annotations"] if each["image_id"] == image["id"]]
    results = json.loads((folder / "poses.json").read_text("utf-8"))
    if results["images"]:
        poses = results["images"][0]["poses"]
    else:
        frames = json.loads((folder.parent / results["videos"][0]["keypoints"]).read_text("utf-8"))
        poses = frames["frames"][-1]["poses"]
    return [person for person in people if any(is_person(pose, person) for pose in poses)]


def is_person(pose, person):
    """Whether half of the annotated keypoints are nearer than a tenth of the person's box."""
    annotated = np.reshape(person["keypoints"], (-1, 3))
    if annotated[:, 2].sum() == 0:
        return False
    found = np.array([[point["x"], point["y"]] for point in pose["keypoints"]])
    distances = np.linalg.norm(found - annotated[:, :2], axis=1)[annotated[:, 2] > 0]
    return np.median(distances) < max(person["bbox"][2:]) / 10


def annotations_of(shared, photos):
    """The annotations of the people on some of the shared photos."""
    every = shared / "data" / "photos" / "person_keypoints.json"
    known = json.loads(every.read_text("utf-8"))
    names = [photo.name for photo in photos]
    images = [image for image in known["images"] if image["file_name"] in names]
    ids = {image["id"] for image in images}
    people = [person for person in known["annotations"] if person["image_id"] in ids]
    return known | {"images": images, "annotations": people}


def test_the_models_for_users_of_other_projects_exist():
    text = (ROOT / "docs" / "coming_from.md").read_text("utf-8")
    for name in re.findall(
        r"(?:posezoo\.load\(\"|-m |run |evaluate |get |convert )([a-z]+[-_][\w.@-]+)", text
    ):
        assert open_registry().find(name).full_name.startswith(name.partition("@")[0])
    assert f"Of {len(open_registry().entries)} models" in text


@pytest.mark.parametrize(
    ("page", "what_does_it"),
    [
        ("docs/migrating.md", "RUN omz_downloader"),  # a Dockerfile with omz_downloader
        ("docs/howto/mediapipe.md", "shims mediapipe"),  # a script of mp.solutions
        ("docs/howto/your_network.md", "tools/deploy.py"),  # a checkpoint of MMPose
        ("docs/howto/your_network.md", "yolo export"),  # one of Ultralytics
        ("docs/tutorials/video.md", "--output walk.csv"),  # a thesis
        ("docs/tutorials/video.md", "--format openpose"),  # Pose2Sim
        ("docs/howto/cameras.md", "pose.track_id"),  # people at a door
        ("docs/operators.md", "--no-index"),  # a hospital without a network
        ("docs/operators.md", "POSEZOO_WEIGHTS_DIR"),  # a teacher with 30 laptops
        ("docs/tutorials/team_zoo.md", "posezoo new"),  # a private zoo
        ("docs/export.md", "TopDown find_people"),  # a C++ program
    ],
)
def test_a_reader_is_one_click_from_a_block_on_the_first_screen(page, what_does_it):
    assert f"]({page})" in (ROOT / "README.md").read_text("utf-8")
    screen = "\n".join((ROOT / page).read_text("utf-8").splitlines()[:45])
    assert what_does_it in "".join(re.split(r"^```.*$", screen, flags=re.MULTILINE)[1::2])


def test_every_posezoo_command_of_the_readme_runs_as_pasted(readers, shared, tmp_path):
    ours = [
        command
        for command in commands(ROOT / "README.md")
        if not re.search(r"make|\.venv|git clone|pip install", command)
    ]
    assert len(ours) >= 4
    for number, command in enumerate(ours):
        if "converter.py" in command:
            command = f"{ours[number - 1]}\n{command}"
        # The founding model's weights are not here; upkeep/test_proof.py converts generated ones.
        pasted = command.replace("higher-hrnet-w32-human-pose-estimation", "movenet-thunder")
        # Each on a machine of its own, so that none lives on what another left in the cache.
        folder = tmp_path / f"{number}"
        folder.mkdir()
        reader = readers.begin(folder, frozenset({"run"}))
        shutil.copy(choose_photos(shared / "data" / "photos")[0], reader.clone / "photo.jpg")
        assert_success(reader.type("sh", pasted.replace("/mnt/models", str(folder / "mnt"))))
        assert git(reader.clone, "status", "--porcelain", "models") == ""


def on_card(name):
    """The commands of a card."""
    return "".join(blocks(ROOT / "models" / "public" / name / "README.md", "sh")).splitlines()


def run_in_turn(lines, desk, mirror, timeout_s):
    for line in lines:
        ended = run_process(
            line,
            shell=isinstance(line, str),
            cwd=desk,
            env=environ_of(desk, mirror),
            timeout=timeout_s,
        )
        assert ended.returncode == 0, f"{line}: {ended.stdout}{ended.stderr}"


def test_the_commands_of_a_card_run_as_pasted(desk, mirror):
    lines = on_card("blazepose-full")
    assert len(lines) == 5
    run_in_turn(lines, desk, mirror, 120)


def test_the_python_of_the_readme_runs_as_pasted(readers, shared, tmp_path):
    (code,) = blocks(ROOT / "README.md", "python")
    reader = readers.begin(tmp_path, frozenset({"run"}))
    shutil.copy(choose_photos(shared / "data" / "photos")[0], reader.clone / "photo.jpg")
    assert_success(reader.type("python", code))
    assert (reader.clone / "poses.jpg").is_file()


def test_the_readme_names_make_verbs_that_exist():
    makefile = (ROOT / "Makefile").read_text()
    for command in commands(ROOT / "README.md"):
        if command.startswith("make "):
            assert re.search(rf"^{command.split()[1]}:", makefile, re.MULTILINE), command


def test_every_file_of_the_project_that_a_make_verb_names_exists():
    text = (ROOT / "Makefile").read_text() + (ROOT / ".ci" / "more.mk").read_text()
    lines = [line.partition("##")[0] for line in text.splitlines()]
    recipes = "\n".join(line for line in lines if not line.startswith("#"))
    words = set(re.findall(r"(?<![\w$()/.@=-])\.?[a-zA-Z][\w.*-]*(?:/[\w.*-]+)*", recipes))
    made = ("build/", "dist/", "package/", "proof/")  # by builds and runs, and inside archives
    named = {
        word
        for word in words
        if not word.startswith(made) and re.search(r"/|\.(py|md|cfg|toml|txt|yml)$", word)
    }
    assert {"docs/draw.py", "constraints.txt", "benchmarks/bench_*.py"} < named
    assert [word for word in sorted(named) if not any(ROOT.glob(word))] == []


def test_every_relative_link_has_a_target():
    dead = []
    for page in PAGES:
        for link in parsed(page).links:
            is_relative = not re.match(r"[a-z]+:|#", link.target)
            if is_relative and not (page.parent / unquote(link.target.partition("#")[0])).exists():
                dead.append(f"{page}:{link.line}: {link.target}")
    assert dead == []


def test_what_is_drawn_within_a_line_does_not_begin_it():
    """Markdown would take the whole line as HTML."""
    assert [
        page
        for page in PAGES
        if re.search(r"^[ -]*<!-- drawn: .+-->.", page.read_text("utf-8"), re.MULTILINE)
    ] == []


def test_each_decision_that_is_named_has_a_line():
    if not (ROOT / ".git").exists():
        pytest.skip("needs a clone")
    lines = (ROOT / "docs" / "decisions" / "README.md").read_text("utf-8")
    named = git(ROOT, "grep", "-hoE", "decisions/0[0-9]+|decisions/README.md \\(0[0-9]+")
    numbers = set(re.findall(r"0\d{3}", named))
    assert (
        numbers
        and [each for each in numbers if not re.search(rf"^- \[?{each}\b", lines, re.MULTILINE)]
        == []
    )


def test_no_line_installs_posezoo_from_a_package_index():
    """It is on none: a line takes a clone or a wheel, or adds an extra to the posezoo that shows it.

    docs/releasing.md has the line for README after the first upload.
    """
    if not (ROOT / ".git").exists():
        pytest.skip("needs a clone")
    names = set(git(ROOT, "ls-files").splitlines()) - {"docs/releasing.md"}
    paths = [ROOT / name for name in names]
    pages = [path for path in paths if path.parts[len(ROOT.parts)] != "tests" and path.is_file()]
    lines = [
        f"{path.relative_to(ROOT)}: {line}"
        for path in sorted(pages)
        for line in path.read_bytes().decode("utf-8", "replace").splitlines()
        if re.search(r"""pip3? install\b[^`;&|]*?[ "'](-U )?posezoo\b(?![/-])""", line)
    ]
    assert lines and [line for line in lines if "--find-links" not in line] == []
