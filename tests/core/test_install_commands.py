import json
import sys
from importlib import metadata

import pytest

from posezoo.core import install_commands
from posezoo.core.install_commands import install_beside, install_command

# As setup.cfg has them, with fewer packages.
METADATA = """\
Metadata-Version: 2.1
Name: posezoo
Version: 1.2.3
Provides-Extra: own-opencv
Provides-Extra: run
Provides-Extra: torch
Requires-Dist: numpy>=1.24
Requires-Dist: packaging>=1; extra == "own-opencv"
Requires-Dist: packaging>=1; extra == "run"
Requires-Dist: absent-package<6,>=4.14; extra == "run"
Requires-Dist: numpy>=1; extra == "run"
Requires-Dist: absent-elsewhere>=1; sys_platform == "other" and extra == "run"
Requires-Dist: absent-torch>=2.4; extra == "torch"
"""


class Environment:
    """An environment that posezoo was installed into, without a checkout."""

    def __init__(self, folder):
        self.folder = folder
        self.info = folder / "site-packages" / "posezoo-1.2.3.dist-info"
        self.info.mkdir(parents=True)
        (self.info / "METADATA").write_text(METADATA, "utf-8")

    def came_from(self, url, **facts):
        origin = json.dumps({"url": url, **facts})
        (self.info / "direct_url.json").write_text(origin, "utf-8")

    def is_tool(self, receipt):
        (self.folder / "uv-receipt.toml").write_text(receipt, "utf-8")

    def is_of_uvx(self):
        (self.folder / "pyvenv.cfg").touch()
        (self.folder.parents[1] / "CACHEDIR.TAG").touch()


@pytest.fixture
def environment(tmp_path, monkeypatch):
    environment = Environment(tmp_path / "uv" / "archive-v0" / "E7UZtLbYwYbM1xPp")
    monkeypatch.setattr("sys.prefix", str(environment.folder))
    code = environment.folder / "site-packages" / "posezoo" / "core" / "install_commands.py"
    monkeypatch.setattr(install_commands, "__file__", str(code))
    monkeypatch.setattr(install_commands, "pip_command", lambda: "pip")
    find = metadata.distribution

    def find_here(name):
        return metadata.PathDistribution(environment.info) if name == "posezoo" else find(name)

    monkeypatch.setattr(metadata, "distribution", find_here)
    return environment


def test_a_wheel_is_named_again(environment, tmp_path):
    wheel = tmp_path / "my wheels" / "posezoo-1.2.3-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.touch()
    environment.came_from(wheel.as_uri(), archive_info={})
    assert install_command("run") == f'pip install "posezoo[run] @ {wheel.as_uri()}"'
    assert "/my%20wheels/" in wheel.as_uri()


@pytest.fixture
def foreign_opencv(monkeypatch):
    """OpenCV with windows is there, and not the headless one."""
    monkeypatch.setattr(install_commands, "is_foreign_opencv", lambda: True)


def test_an_opencv_that_is_there_gets_none_of_ours_beside_it(environment, foreign_opencv, tmp_path):
    wheel = tmp_path / "posezoo-1.2.3-py3-none-any.whl"
    wheel.touch()
    environment.came_from(wheel.as_uri(), archive_info={})
    assert install_command("run") == f'pip install "posezoo[own-opencv] @ {wheel.as_uri()}"'
    assert "posezoo[own-opencv,torch]" in install_command("run,torch")
    assert "own-opencv" not in install_command("torch")


def test_an_opencv_of_the_system_is_a_foreign_one(monkeypatch):
    assert not install_commands.is_foreign_opencv()
    monkeypatch.setattr(install_commands, "is_installed", lambda *_: False)
    assert install_commands.is_foreign_opencv()
    monkeypatch.setattr(install_commands, "find_spec", lambda _: None)
    assert not install_commands.is_foreign_opencv()


def test_other_packages_are_installed_together_with_the_extras_that_are_there(
    environment, tmp_path
):
    assert install_beside(["mediapipe==1"]) == 'pip install "mediapipe==1" "packaging>=1"'
    wheel = tmp_path / "posezoo-1.2.3-py3-none-any.whl"
    wheel.touch()
    environment.came_from(wheel.as_uri(), archive_info={})
    own = f'"posezoo[own-opencv] @ {wheel.as_uri()}"'
    assert install_beside(["mediapipe==1"]) == f'pip install "mediapipe==1" {own}'


def test_a_repository_is_named_with_its_commit(environment):
    git = {"vcs": "git", "requested_revision": "main", "commit_id": "1a2b3c"}
    environment.came_from("https://git.example/zoo.git", vcs_info=git)
    origin = "git+https://git.example/zoo.git@1a2b3c"
    assert install_command("run") == f'pip install "posezoo[run] @ {origin}"'


@pytest.mark.parametrize("is_gone", [True, False])
def test_of_what_was_found_by_its_name_or_is_gone_only_packages_that_are_missing_are_named(
    environment, tmp_path, is_gone
):
    if is_gone:
        environment.came_from((tmp_path / "posezoo-1.2.3-py3-none-any.whl").as_uri())
    assert install_command("run") == 'pip install "absent-package<6,>=4.14"'
    both = 'pip install "absent-package<6,>=4.14" "absent-torch>=2.4"'
    build = "--extra-index-url https://download.pytorch.org/whl/cpu"
    assert install_command("run,torch") == both.replace("install", f"install {build}")


# Python 3.10 cannot read the receipt.
@pytest.mark.parametrize("can_read", [sys.version_info >= (3, 11), False])
def test_a_tool_of_uv_keeps_its_extras_and_other_packages_and_where_they_came_from(
    environment, monkeypatch, can_read
):
    environment.is_tool(
        """
[tool]
requirements = [
    { name = "posezoo", extras = ["run"], specifier = "==1.2.3" },
    { name = "plug-in", extras = ["x"], specifier = ">=3" },
]

[tool.options]
index = [{ url = "https://index.example/simple", default = true }]
find-links = ["file:///home/ann/my%20wheels"]
"""
    )
    if not can_read:
        monkeypatch.setattr("sys.version_info", (3, 10, 0))
        assert install_command("torch").endswith(' "absent-torch>=2.4"')
        return
    flags = (
        "--default-index https://index.example/simple --find-links file:///home/ann/my%20wheels"
        " --with 'plug-in[x]>=3'"
    )
    torch = f'uv tool install --torch-backend cpu {flags} "posezoo[run,torch]==1.2.3"'
    assert install_command("torch") == torch
    assert install_command("run") == f'uv tool install {flags} "posezoo[run]==1.2.3"'


def test_uvx_is_called_again_with_its_flags(environment):
    environment.is_of_uvx()
    assert (
        install_command("run") == 'uvx, with the flags that it had, --from "posezoo[run]" posezoo'
    )


def test_uvx_names_the_wheel_again(environment, tmp_path):
    wheel = tmp_path / "posezoo-1.2.3-py3-none-any.whl"
    wheel.touch()
    environment.came_from(wheel.as_uri(), archive_info={})
    environment.is_of_uvx()
    requirement = f'"posezoo[torch] @ {wheel.as_uri()}"'
    assert install_command("torch") == (
        f"uvx, with the flags that it had, --torch-backend cpu --from {requirement} posezoo"
    )
