"""A setting comes from its flag, POSEZOO_*, posezoo.cfg or the default, and has an origin."""

import inspect
import ntpath
import os
import re
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace

import pytest

import posezoo
from fakes.command import posezoo_process, printed_alone
from posezoo.api import SettingValues
from posezoo.core.errors import SettingsError
from posezoo.core.settings import (
    SETTING_TYPES,
    SETTINGS,
    read_settings,
    to_settings,
    unknown_variables,
    user_folder,
)


@pytest.fixture
def own(tmp_path):
    """The user's own posezoo.cfg."""
    folder = user_folder("config", {"HOME": str(tmp_path)})
    folder.mkdir(parents=True)
    return folder / "posezoo.cfg"


def read_in(home, flags=(), **variables):
    """The settings of a user who works at home."""
    return read_settings(dict(flags), {"HOME": str(home)} | variables, home)


@pytest.mark.parametrize(
    ("name", "stated"),
    [
        (name, stated[1])
        for name, setting in SETTING_TYPES.items()
        if (stated := re.search(r"\(default: ([\w.]+)\)", setting.help))
    ],
)
def test_the_default_is_the_one_that_the_help_states(name, stated):
    settings = to_settings(read_settings(environ={"HOME": "/home/ann"}))
    default = getattr(settings, name)
    assert (default if isinstance(default, str) else f"{default:g}") == stated


def test_a_flag_wins_over_the_environment_the_file_and_the_default(tmp_path):
    (tmp_path / "posezoo.cfg").write_text("[posezoo]\ndevice = GPU\ndefault = pose\nmirror = /a\n")
    found = read_in(
        tmp_path,
        {"device": "AUTO", "mirror": None},
        POSEZOO_DEVICE="NPU",
        POSEZOO_MIRROR=f"{tmp_path}, https://c.invalid/m",
    )
    assert (found["device"].value, found["device"].origin) == ("AUTO", "--device")
    assert (found["mirror"].value, found["mirror"].origin) == (
        (str(tmp_path), "https://c.invalid/m"),
        "POSEZOO_MIRROR",
    )
    named = found["default"]
    assert (named.value, named.origin) == ("pose", str(tmp_path / "posezoo.cfg"))
    assert found["locked"].origin == "default"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("mirrro", "there is no such folder"),
        ("htp://host.invalid/mirror", "there is no scheme htp://"),
        ("htp://me:secret@host.invalid/mirror", "there is no scheme htp://"),
        ("a-file", "is a file"),
    ],
)
def test_a_mirror_that_is_none_is_an_error_since_the_network_would_be_used_instead(
    tmp_path, monkeypatch, name, problem
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-file").touch()
    for flags, variables in (({"mirror": name}, {}), ({}, {"POSEZOO_MIRROR": name})):
        with pytest.raises(SettingsError) as caught:
            read_in(tmp_path, flags, **variables)
        ending = f"{problem}; name a folder or an http(s) address"
        assert caught.value.problem.endswith(f"{name.replace('me:secret@', '')}: {ending}")


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("s3://zoo/../other", "expected the address of a folder, such as s3://bucket/folder"),
        ("s3://zoo//mirror", "expected the address of a folder, such as s3://bucket/folder"),
        ("s3://", "expected the address of a folder, such as s3://bucket/folder"),
        ("sftp://ann:hush@host/mirror", "put it into FSSPEC_SFTP_PASSWORD"),
    ],
)
def test_other_addresses_of_a_mirror_in_a_store_are_errors(tmp_path, address, problem):
    with pytest.raises(SettingsError, match=problem) as caught:
        read_in(tmp_path, {"mirror": address})
    assert "hush" not in caught.value.problem


@pytest.mark.parametrize("name", ["weights_dir", "cache_dir", "models_dir"])
@pytest.mark.parametrize("scheme", ["s3", "gs", "az", "sftp"])
def test_a_folder_in_a_store_is_an_error_that_says_what_to_use(tmp_path, own, name, scheme):
    address = f"{scheme}://zoo/models"
    own.write_text(f"[posezoo]\n{name} = {address}\n")
    problem = rf"{name}: {address}: is no folder: mount the store"
    for variables in ({}, {f"POSEZOO_{name.upper()}": address}):
        with pytest.raises(SettingsError, match=f"(?i:{problem})"):
            read_in(tmp_path, **variables)


def test_the_users_file_is_used_if_the_working_folder_has_none(tmp_path):
    own = tmp_path / "config" / "posezoo"
    own.mkdir(parents=True)
    (own / "posezoo.cfg").write_text("[posezoo]\ndevice = GPU\n")
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "HOME": str(tmp_path)}
    assert read_settings({}, environ, tmp_path)["device"].origin == str(own / "posezoo.cfg")


@pytest.mark.parametrize(
    ("content", "problem", "hint"),
    [
        ("[posezoo]\ndevise = GPU\n", "unknown setting devise", "did you mean device?"),
        ("[posezo]\n", "unknown section [posezo]", "settings belong in the section [posezoo]"),
        (
            "device = GPU\n",
            "posezoo.cfg:1: stands before the first section",
            "begin the file with the line [posezoo]",
        ),
        (
            "[posezoo]\nattempts = 7\n",
            "unknown setting attempts",
            "--attempts sets it for one command",
        ),
        ("[posezoo]\nlocked = perhaps\n", "expected yes or no", ""),
        ("[posezoo]\ninference_precision = f8\n", "expected one of f32", ""),
        ("\xff", "is not UTF-8 text", "save it as UTF-8"),
    ],
)
def test_an_invalid_file_is_named(tmp_path, content, problem, hint):
    (tmp_path / "posezoo.cfg").write_text(content, "latin-1")
    with pytest.raises(SettingsError) as caught:
        read_in(tmp_path)
    assert problem in caught.value.problem
    assert str(tmp_path / "posezoo.cfg") in caught.value.problem
    assert hint in caught.value.hint
    assert "\n" not in caught.value.problem


def test_an_invalid_variable_is_named(tmp_path):
    with pytest.raises(SettingsError, match="POSEZOO_LOCKED: expected yes or no"):
        read_in(tmp_path, POSEZOO_LOCKED="0x")


def test_an_option_of_one_command_is_no_variable(tmp_path):
    variables = {"POSEZOO_ATTEMPTS": "7"}
    assert read_in(tmp_path, **variables)["attempts"].origin == "default"
    assert read_in(tmp_path, {"attempts": 7}, **variables)["attempts"].value == 7
    (unknown,) = unknown_variables(variables)
    assert unknown.problem == "POSEZOO_ATTEMPTS: unknown setting"
    assert unknown.hint == "--attempts sets it for one command"


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize(
    "value", ["https://user:secret@host", "https:/user:secret@host,b", "user:secret@host/x"]
)
def test_no_message_shows_the_password_of_a_misplaced_address(tmp_path, name, value):
    problems = []
    variables = {f"POSEZOO_{name.upper()}": value}
    read_settings({}, {"HOME": str(tmp_path)} | variables, tmp_path, report=problems.append)
    assert "secret" not in "".join(problem.problem + problem.hint for problem in problems)
    assert problems or name != "device"  # which shows its value later


def test_neither_a_variable_nor_a_file_allows_the_code_of_publishers(tmp_path, own):
    named = {"POSEZOO_ALLOW_UPSTREAM_CODE": "yes"}
    assert to_settings(read_in(tmp_path, **named)).allow_upstream_code is False
    own.write_text("[posezoo]\nallow_upstream_code = yes\n")
    with pytest.raises(SettingsError, match="unknown setting allow_upstream_code"):
        read_in(tmp_path)
    own.unlink()
    flags = {"allow_upstream_code": True}
    assert to_settings(read_in(tmp_path, flags)).allow_upstream_code is True


#: Settings that decide what is run, who is trusted, or what is sent.
NEVER_IN_A_FOLDER = {
    "mo": "env",
    "header": "host.invalid=X: y",
    # It protects this machine.
    "require_proof": "no",
}


def test_a_folder_sets_what_its_records_allow():
    allowed = {name for name, kind in SETTING_TYPES.items() if kind.in_folder}
    assert {*SETTINGS} - allowed == NEVER_IN_A_FOLDER.keys()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *NEVER_IN_A_FOLDER.items(),
        ("weights_dir", "/elsewhere"),
        ("weights_dir", "../beside"),
        ("weights_dir", "~/models"),
        ("cache_dir", "s3://bucket/cache"),
        ("lock", "../posezoo.lock"),
        ("mirror", "https://host.invalid/mirror"),
        ("mirror", "local,sftp://host.invalid/mirror"),
        ("models_dir", "gs://bucket/models"),
        # Windows sends the user's name, and what proves the password, to such servers.
        ("models_dir", r"\\host\share"),
        ("mirror", "local,//host/share"),
        ("models_dir", r"\??\UNC\host\share"),
        ("weights_dir", r"\\host\share"),
        ("lock", r"\\?\UNC\host\share\posezoo.lock"),
    ],
)
def test_the_file_of_a_folder_cannot_run_trust_or_send_anything(tmp_path, own, name, value):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "posezoo.cfg").write_text(f"[posezoo]\ndevice = GPU\n{name} = {value}\n")
    with pytest.raises(SettingsError) as caught:
        read_settings({}, {"HOME": str(tmp_path)}, folder)
    assert caught.value.problem.startswith(f"{folder / 'posezoo.cfg'}:3: {name} ")
    assert caught.value.problem.endswith(
        " in the posezoo.cfg of a folder, which may come from others"
    )
    assert str(own) in caught.value.hint


@pytest.mark.parametrize("name", ["models_dir", "mirror"])
def test_each_folder_of_a_list_must_be_local_on_windows(tmp_path, monkeypatch, name):
    monkeypatch.setattr(os, "pathsep", ";")
    separator = ";" if name == "models_dir" else ","
    value = separator.join(["models", r"\\host\share"])
    (tmp_path / "posezoo.cfg").write_text(f"[posezoo]\n{name} = {value}\n")
    with pytest.raises(SettingsError, match=f"{name} may only name local folders"):
        read_in(tmp_path)


@pytest.mark.parametrize(
    ("value", "is_allowed"),
    [
        ("models", True),
        (r"..\ZOO\models", True),
        (r"..\beside", False),
        ("..", False),
        (r"C:\zoo2", False),
        (r"D:\models", False),
    ],
)
def test_what_is_below_a_folder_of_windows(monkeypatch, value, is_allowed):
    monkeypatch.setattr("posezoo.core.settings.os", SimpleNamespace(path=ntpath))
    monkeypatch.setattr("posezoo.core.settings.Path", PureWindowsPath)
    find_reason = SETTING_TYPES["weights_dir"].in_folder
    assert (find_reason(PureWindowsPath(r"C:\zoo"), value) == "") == is_allowed


def test_the_users_own_file_may_set_all(tmp_path, own, monkeypatch):
    values = {**NEVER_IN_A_FOLDER, "weights_dir": "/elsewhere"}
    lines = [f"{name} = {value}" for name, value in values.items()]
    own.write_text("\n".join(["[posezoo]", *lines]))
    elsewhere = read_in(tmp_path)
    monkeypatch.chdir(own.parent)  # where it is the file of the working folder, too
    for found in (elsewhere, read_settings({}, {"HOME": str(tmp_path)})):
        (origin,) = {found[name].origin for name in values}
        assert Path(origin).samefile(own)
        assert found["mo"].value == Path("env") and found["require_proof"].value is False


def test_a_folder_adds_to_the_users_own_file_and_takes_no_restriction_away(tmp_path, own):
    own.write_text("[posezoo]\nlocked = yes\ndevice = GPU\ndefault = pose\n")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "posezoo.cfg").write_text("[posezoo]\nlocked = no\ndevice = NPU\n")
    settings = to_settings(read_settings({}, {"HOME": str(tmp_path)}, folder))
    assert (settings.locked, settings.device, settings.default) == (True, "NPU", "pose")


def test_a_misspelt_variable_is_named_once():
    right = printed_alone(posezoo_process("list", "movenet-lightning", POSEZOO_DEVICE="CPU"))
    wrong = posezoo_process("list", "movenet-lightning", POSEZOO_DEVISE="CPU")
    assert (wrong.returncode, wrong.stdout) == (0, right)
    assert (
        wrong.stderr == "warning: POSEZOO_DEVISE: unknown setting; did you mean POSEZOO_DEVICE?\n"
    )


def test_type_checkers_know_each_setting_that_load_has_not_as_a_parameter():
    parameters = inspect.signature(posezoo.load).parameters
    assert SettingValues.__annotations__.keys() == SETTING_TYPES.keys() - parameters.keys()
