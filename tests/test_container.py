"""The image is built as the Dockerfile says, and each line of docs/container.md runs as pasted."""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import warnings

import pytest
from packaging.utils import canonicalize_name

from fakes.checkout import ONLINE, ROOT
from fakes.command import printed
from fakes.pins import read_pins

pytestmark = pytest.mark.release

NAME = "movenet-thunder"  # a default whose files an index of packages has
USER = 4321  # who exists neither on this machine nor in the image
LINES = re.findall(r"^\$ (.+)$", (ROOT / "docs" / "container.md").read_text("utf-8"), re.MULTILINE)

#: docker by podman, which needs no daemon. Its mount namespace has no cgroup v2, which crun refuses beside v1.
#: The base's package index is a folder of wheels. What the network would give comes from a mirror. It computes in f32, as
#: all tests do.
DOCKER = """#!/bin/sh
verb=$1; shift
case "$verb $*" in
  build*) set -- --isolation chroot --volume "$WHEELS:/wheels:ro" "$@" ;;
  "run "*"--network none"*) set -- --read-only-tmpfs=false -e POSEZOO_INFERENCE_PRECISION=f32 "$@" ;;
  run*) set -- --read-only-tmpfs=false -e POSEZOO_INFERENCE_PRECISION=f32 -v "$MIRROR:/published:ro" -e POSEZOO_MIRROR=/published "$@" ;;
esac
exec unshare --mount sh -c 'umount /sys/fs/cgroup/unified 2>/dev/null; exec podman "$@"' podman "$verb" "$@"
"""

#: podman asks for more than some machines allow.
CONTAINERS = """
[containers]
cgroups = "disabled"
netns = "none"
default_ulimits = ["nofile=1024:4096", "nproc=1024:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
"""


def make(*command, **options):
    return printed(
        subprocess.run(
            command,
            **{"env": ONLINE, "timeout": 600, **options},
            text=True,
            capture_output=True,
            check=False,
        )
    )


def requirements():
    """What the image's pip needs: posezoo's own requirements with the extra run, and what builds it."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = f"{config['options']['install_requires']}\n{config['options.extras_require']['run']}".splitlines()
    build = re.search(r"requires = \[(.*)\]", (ROOT / "pyproject.toml").read_text())[1]
    return [line for line in lines if line and not line.startswith("#")] + [
        json.loads(build),
        "wheel",
    ]


@pytest.fixture(scope="module")
def docker(tmp_path_factory):
    """Runs a line of the page as user 4321 would, in one folder; the image does not exist yet."""
    missing = [
        name for name in ("debootstrap", "podman", "crun", "unshare") if not shutil.which(name)
    ]
    if missing or os.getuid():
        pytest.skip("needs root, debootstrap, podman and crun")
    folder = tmp_path_factory.mktemp("container")
    (folder / "work").mkdir()
    os.chown(folder / "work", USER, USER)
    shutil.copy(ROOT / "docs" / "images" / "poses.jpg", folder / "work" / "photo.jpg")
    texts = {
        "bin/docker": DOCKER,
        "bin/id": f"#!/bin/sh\necho {USER}\n",
        "pip.conf": "[global]\nno-index = true\nfind-links = /wheels\n",
        "storage.conf": f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/store"\nrunroot = "{folder}/run"\n',
        "containers.conf": CONTAINERS,
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    environ = {
        **ONLINE,
        "PATH": f"{folder / 'bin'}{os.pathsep}{ONLINE['PATH']}",
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        "WHEELS": str(folder / "wheels"),
        "MIRROR": str(folder / "mirror"),
        "BASE": "localhost/base",
        "PIP_CONF": str(folder / "pip.conf"),
    }

    def run(line):
        cwd = ROOT if line.startswith("make") else folder / "work"
        return make("bash", "-c", line, cwd=cwd, env=environ)

    try:
        here = {**ONLINE, "XDG_CACHE_HOME": str(folder / "cache")}
        published = ("mirror", "create", folder / "mirror", NAME)
        make(sys.executable, "-m", "posezoo", *published, env=here)
        make("debootstrap", "--variant=minbase", "bookworm", folder / "base")
        run(f"tar -C {folder / 'base'} -c . | docker import --quiet - localhost/base")
        run_alone = subprocess.run(
            [folder / "bin" / "docker", "run", "--rm", "localhost/base", "true"],
            env=environ,
            capture_output=True,
            text=True,
        )
        if run_alone.returncode:
            warnings.warn(run_alone.stderr, stacklevel=1)
            pytest.skip("podman cannot run containers here")
        download = (sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:")
        pins = ("--python-version", "3.11", "--constraint", ROOT / "constraints.txt")
        make(*download, *pins, "--dest", folder / "wheels", *requirements())
        yield run
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def with_image(docker):
    """Runs a line as ``docker`` does, with the image that the first line of the page builds."""
    docker(LINES[0])
    return docker


def test_the_image_is_built_and_every_line_of_its_page_runs(with_image):
    assert LINES[0] == "make image"
    assert len(LINES) == 8
    for line in LINES[1:]:
        with_image(line)
    found = json.loads(with_image("cat quickstart/poses.json"))
    assert [len(image["poses"]) for image in found["images"]] == [1, 1]
    for folder in ("poses", "confined"):
        assert json.loads(with_image(f"cat {folder}/poses.json"))["images"][0]["poses"], folder
    # Without a network, the default is the model of the mirror.
    inside = json.loads(with_image("cat inside/poses.json"))
    assert inside["provenance"]["model"] == NAME
    run = next(line for line in LINES if line.startswith("docker run"))
    with_image(f"{run} run {NAME} --output named")
    named = json.loads(with_image("cat named/poses.json"))
    assert [image["poses"] for image in inside["images"]] == [
        image["poses"] for image in named["images"]
    ]
    assert set(with_image("stat -c %u quickstart/* poses/* confined/* inside/*").split()) == {
        str(USER)
    }


def test_the_image_has_labels_and_no_root_and_no_compiler(with_image):
    config = json.loads(with_image("docker image inspect posezoo"))[0]["Config"]
    version = re.search(r"^version = (.+)$", (ROOT / "setup.cfg").read_text(), re.MULTILINE)[1]
    labels = {key.rpartition(".")[2]: value for key, value in config["Labels"].items()}
    assert labels["version"] == version
    assert re.fullmatch("[0-9a-f]{40}", labels["revision"])
    assert {"title", "description", "licenses"} <= labels.keys()
    assert config["User"].split(":")[0] not in ("", "0", "root")
    tools = "for tool in gcc cc g++ make git; do command -v $tool; done; true"
    assert with_image(f"docker run --rm --entrypoint sh posezoo -c '{tools}'") == ""
    assert with_image("docker run --rm posezoo --version") == f"posezoo {version}\n"


def test_the_image_has_the_versions_that_ci_proved(with_image):
    listed = with_image("docker run --rm --entrypoint pip posezoo list --format json")
    installed = {canonicalize_name(each["name"]): each["version"] for each in json.loads(listed)}
    pinned = read_pins("3.11")  # of Debian 12
    assert installed.keys() - pinned.keys() == {"pip", "posezoo"}
    assert {name: pinned.get(name) for name in installed if name in pinned} == {
        name: version for name, version in installed.items() if name in pinned
    }


def test_the_build_gets_what_it_needs_and_nothing_else(docker):
    listing = "FROM localhost/base\\nCOPY . /context\\n"
    docker(f"printf '{listing}' | docker build --quiet --file - --tag context {ROOT}")
    names = set(docker("docker run --rm context ls -A /context").split())
    kept = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert names == {path.partition("/")[0] for path in kept}
    left = "-name __pycache__ -o -name '*.egg-info'"
    assert docker(f"docker run --rm context find /context {left}") == ""
