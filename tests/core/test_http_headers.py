import json

import pytest

from fakes.command import posezoo
from posezoo.core.errors import SettingsError
from posezoo.core.http_headers import parse_header
from posezoo.core.settings import read_settings, user_folder


def test_a_header_is_written_as_host_name_and_value():
    header = parse_header("example.org:8443=Authorization: Bearer a=b: c")
    assert (header.host, header.name, header.value) == (
        "example.org:8443",
        "Authorization",
        "Bearer a=b: c",
    )


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer hush",
        "a.b=hush",
        "a.b=A:",
        "a.b=A: hush\r\nB: c",
        "a/b=A: hush",
        "=A: hush",
    ],
)
def test_another_form_is_refused_without_repeating_it(text):
    with pytest.raises(SettingsError, match="--header: expected HOST=NAME: VALUE") as caught:
        read_settings({"header": (text,)})
    assert "hush" not in caught.value.problem


def test_posezoo_cfg_holds_several_a_line_each(tmp_path):
    own = user_folder("config", {"HOME": str(tmp_path)})
    own.mkdir(parents=True)
    (own / "posezoo.cfg").write_text(
        "[posezoo]\nheader = a.org=A: 1\n  b.org=B: 2, 3\nlocked = yes\n"
    )
    found = read_settings({}, {"HOME": str(tmp_path)}, tmp_path)
    assert [(each.host, each.value) for each in found["header"].value] == [
        ("a.org", "1"),
        ("b.org", "2, 3"),
    ]
    assert found["locked"].value is True


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_doctor_never_shows_a_value(form):
    ended = posezoo("doctor", "--format", form, POSEZOO_HEADER="a.org=X-Own: opensesame")
    assert "a.org=X-Own: ***" in ended.stdout
    assert "opensesame" not in ended.stdout + ended.stderr
    if form == "json":
        json.loads(ended.stdout)


def test_a_switch_that_cannot_be_meant_is_named():
    with pytest.raises(SettingsError, match="--allow_http: expected yes or no, got 'perhaps'"):
        read_settings({"allow_http": "perhaps"})
