import sys
from pathlib import Path

import pytest

from posezoo.core.errors import SourceError
from posezoo.packages import package_indexes
from posezoo.packages.package_indexes import IndexSettings, read_index_settings

needs_toml = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="Python 3.10 cannot read uv.toml"
)


@pytest.fixture(autouse=True)
def _online(monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_variables_of_pip_are_read(monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://a/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://b/simple file:///c")
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels more")
    monkeypatch.setenv("PIP_PROXY", "http://proxy:3128")
    monkeypatch.setenv("PIP_CERT", "/ca.pem")
    assert read_index_settings() == IndexSettings(
        ("/wheels", "more"),
        ("https://b/simple", "file:///c", "https://a/simple"),
        "http://proxy:3128",
        "/ca.pem",
    )


def test_the_users_file_of_pip_overrides_that_of_all_users(tmp_path, monkeypatch):
    monkeypatch.delenv("PIP_CONFIG_FILE")
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "shared"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "own"))
    shared = "[global]\nindex-url = https://shared/simple\nproxy = http://shared\n"
    write(tmp_path / "shared" / "pip" / "pip.conf", shared)
    own = "[global]\nindex_url = https://own/simple\n[download]\nproxy = http://own\n[install]\nproxy = x\n"
    write(tmp_path / "own" / "pip" / "pip.conf", own)
    settings = read_index_settings()
    assert (settings.indexes[-1], settings.proxy) == ("https://own/simple", "http://own")


@pytest.fixture
def windows(tmp_path, monkeypatch):
    """A folder with those for programs of Windows: ``own`` and ``shared``."""
    monkeypatch.setattr(package_indexes, "IS_WINDOWS", True)
    monkeypatch.setenv("APPDATA", str(tmp_path / "own"))
    monkeypatch.setenv("PROGRAMDATA", str(tmp_path / "shared"))
    monkeypatch.delenv("PIP_CONFIG_FILE")
    return tmp_path


def test_the_files_of_pip_are_found_on_windows(windows):
    shared = "[global]\nindex-url = https://shared/simple\nproxy = http://shared\n"
    write(windows / "shared" / "pip" / "pip.ini", f"{shared}cert = /shared.pem\n")
    write(Path.home() / "pip" / "pip.ini", "[global]\nproxy = http://older\ncert = /older.pem\n")
    write(windows / "own" / "pip" / "pip.ini", "[global]\nproxy = http://own\n")
    settings = read_index_settings()
    assert settings.indexes == ("https://shared/simple",)
    assert (settings.proxy, settings.ca_file) == ("http://own", "/older.pem")


def test_the_variables_of_uv_are_read_with_their_logins(monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://a/simple")
    monkeypatch.setenv("UV_INDEX", "own-1=https://b/simple https://c/simple?x=1")
    monkeypatch.setenv("UV_INDEX_OWN_1_USERNAME", "me")
    monkeypatch.setenv("UV_INDEX_OWN_1_PASSWORD", "a/b")
    monkeypatch.setenv("UV_FIND_LINKS", "/wheels,/more")
    settings = read_index_settings()
    assert settings.find_links == ("/wheels", "/more")
    assert settings.indexes == (
        "https://me:a%2Fb@b/simple",
        "https://c/simple?x=1",
        "https://a/simple",
    )


@needs_toml
def test_the_file_of_uv_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    text = '[[index]]\nname = "own"\nurl = "https://own/simple"\n'
    text += '[[index]]\nurl = "https://a/simple"\ndefault = true\n'
    path = write(tmp_path / "uv" / "uv.toml", text)
    assert read_index_settings().indexes == ("https://own/simple", "https://a/simple")
    named = write(tmp_path / "uv.toml", text.replace("own", "named"))
    monkeypatch.setenv("UV_CONFIG_FILE", str(named))
    assert read_index_settings().indexes == ("https://named/simple", "https://a/simple")
    monkeypatch.delenv("UV_CONFIG_FILE")
    for damaged in ("index", "[[index]]\n", "index = 3", "index = ['x']", "[index]\nurl = 'x'"):
        path.write_text(damaged)
        with pytest.raises(
            SourceError, match=r"uv\.toml: (uv's indexes cannot be read|an index has no 'url')"
        ):
            read_index_settings()


def test_a_password_in_a_damaged_file_of_pip_is_not_shown(tmp_path, monkeypatch):
    for text in (
        "index-url = https://me:secret@a/simple\n",
        "[global]\nsecret\n",
        "[global]\nx=secret\nx=secret\n",
    ):
        monkeypatch.setenv("PIP_CONFIG_FILE", str(write(tmp_path / "pip.conf", text)))
        with pytest.raises(SourceError) as caught:
            read_index_settings()
        assert "secret" not in f"{caught.value.problem}{caught.value.hint}"


def test_a_damaged_file_of_pip_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", str(write(tmp_path / "pip.conf", "index-url = x\n")))
    with pytest.raises(SourceError, match=r"pip's configuration cannot be read: .*pip\.conf"):
        read_index_settings()


def test_without_pip_the_help_of_uv_names_the_default_index(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pip", None)
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    monkeypatch.setattr("sysconfig.get_config_var", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert read_index_settings().indexes == ()
    uv = write(
        tmp_path / "uv", "#!/bin/sh\necho 'an index (by default: <https://uv/simple>) [env: X]'\n"
    )
    uv.chmod(0o755)
    assert read_index_settings().indexes == ("https://uv/simple",)
