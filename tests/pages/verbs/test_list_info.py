"""list and info: models and filters, as text and as JSON."""

import json
import re

import pytest

from fakes.command import json_of, on_a_terminal, posezoo, refusal, succeeded
from fakes.irs import write_ir
from fakes.server import Server
from fakes.zoo import declared_file, file_yml, model_yml, omz_yml, write_composite, write_model
from posezoo.cli import main as command_line
from posezoo.console.report import align_columns, display_width, truncate_to_width
from posezoo.core.errors import escape_control_characters
from posezoo.pages.verbs import info
from posezoo.pages.verbs import list as listing

LONG = (
    "A network whose description is longer than any terminal is wide, "
    + "word by word, " * 12
    + "to its end."
)


def declared(name, **changes):
    return model_yml(**{"files": [file_yml(name, size=5_000_000)], **changes})


@pytest.fixture
def zoo(tmp_path):
    """Four models of different kinds and a composite of two parts."""
    root = tmp_path / "models"
    write_model(root, "alpha", declared("net.onnx", framework="onnx", description=LONG))
    write_model(
        root,
        "beta",
        declared(
            "FP16-INT8/beta.xml",
            framework="dldt",
            description="Finds hands.",
            task_type="detection",
        ),
        family="intel",
    )
    write_model(
        root,
        "gamma",
        declared("net.pb", framework="tf", license={"spdx": "MIT", "text": "MIT.txt"}),
    )
    write_model(
        root,
        "old",
        declared("net.params", framework="mxnet", license="https://terms.invalid/old"),
    )
    write_composite(root, "whole", ["second", "first"])
    write_model(
        root, "whole/first", declared("first.tflite", description="Looks closely at Hands.")
    )
    write_model(root, "whole/second", declared("second.tflite", task_type="detection"))
    return tmp_path


def run(zoo, *args, **environ):
    return posezoo(*args, "--models_dir", zoo / "models", cwd=zoo, **environ)


def info_of(zoo, name):
    return json_of(run(zoo, "info", name, "--format", "json"))[0]


@pytest.fixture
def names(zoo, capsys):
    """The names that a verb shows, run in this process: a child process would take a tenth of a second."""

    def ask(verb, *args):
        models_dir = str(zoo / "models")
        assert command_line.main([verb, *args, "--models_dir", models_dir, "--format", "json"]) == 0
        return [row["name"] for row in json.loads(capsys.readouterr().out)]

    return ask


def test_a_composite_is_listed_above_its_parts_in_the_order_in_which_they_run(zoo):
    lines = run(zoo, "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [
        "MODEL", "alpha", "beta", "gamma", "whole", "second", "first", "old",
    ]  # fmt: skip
    assert [line.startswith("  ") for line in lines[-4:]] == [False, True, True, False]
    assert "[is not converted here (mxnet)]" in lines[-1]


def test_a_part_alone_is_not_indented(zoo):
    assert run(zoo, "list", "first").stdout.splitlines()[1].startswith("first ")


def test_list_prints_json(zoo):
    rows = json_of(run(zoo, "list", "whole", "--format", "json"))
    assert rows[0] == {
        "name": "whole",
        "composite": None,
        "parts": ["second", "first"],
        "task": "human_pose_estimation",
        "framework": "tflite",
        "precisions": ["FP32", "FP16"],
        "license": "Apache-2.0",
        "size_bytes": 10_000_000,
        "download_bytes": 10_000_000,
        "revision": 1,
        "deprecated": None,
        "description": "Two small models in a row.",
        "registry": str(zoo / "models"),
        "also_in": [],
        "weights_from": ["models.invalid"],
        "needs": [],
    }
    assert (rows[1]["name"], rows[1]["composite"], rows[1]["parts"]) == ("second", "whole", [])


@pytest.mark.parametrize("verb", ["list", "info"])
@pytest.mark.parametrize(
    ("filters", "admitted"),
    [
        (["--task", "detection"], ["beta", "second"]),
        (["--framework", "onnx"], ["alpha"]),
        (["--framework", "onnx", "--framework", "tf"], ["alpha", "gamma"]),
        (["--framework", "tflite"], ["whole", "second", "first"]),
        (["--precision", "FP16-INT8"], ["beta"]),
        (["--precision", "FP32"], ["alpha", "gamma", "whole", "second", "first"]),
        (["--license", "MIT"], ["gamma"]),
        (["--license", "apache-*"], ["alpha", "beta", "whole", "second", "first"]),
        (["--license", "https://terms*"], ["old"]),
        (["--task", "detection", "--framework", "tflite"], ["second"]),
        (["--precision", "FP16-INT8", "--license", "Apache-2.0"], ["beta"]),
    ],
)
def test_several_filters_must_all_match(names, verb, filters, admitted):
    assert names(verb, *filters) == admitted


def test_filters_apply_to_named_models(names):
    assert names("list", "whole", "beta", "--task", "detection") == ["beta", "second"]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://raw.githubusercontent.com/owner/project/main/LICENSE", "owner/project"),
        ("https://github.com/owner/project/blob/main/LICENSE", "owner/project"),
        ("https://terms.invalid/a/long/way/to/the/terms.html", "terms.invalid"),
    ],
)
def test_a_license_url_is_shown_by_its_host(tmp_path, capsys, address, shown):
    write_model(tmp_path / "models", "net", declared("net.onnx", license=address))
    command_line.main(["list", "--models_dir", str(tmp_path / "models")])
    header, row = capsys.readouterr().out.splitlines()
    assert row[header.index("LICENSE") : header.index("OTHER TASK")].strip() == shown
    command_line.main(["info", "net", "--models_dir", str(tmp_path / "models")])
    assert address in capsys.readouterr().out


@pytest.mark.parametrize(
    ("filters", "known"),
    [
        (["--task", "flying"], "human_pose_estimation_3d"),
        (["--framework", "torch"], "pytorch"),
        (["--precision", "FP8"], "FP16-INT8"),
    ],
)
def test_a_wrong_filter_value_ends_with_2_and_shows_the_known_values(zoo, filters, known):
    for verb in ("list", "info"):
        said = refusal(run(zoo, verb, *filters), code=2)
        assert f"invalid choice: '{filters[1]}'" in said
        assert known in said.splitlines()[0]


def test_no_match_is_a_success_with_a_warning(zoo):
    ended = succeeded(run(zoo, "list", "--license", "GPL-*", "--task", "detection"))
    headers = ended.stdout.split()
    assert headers == [
        *("MODEL", "DOWNLOAD", "WEIGHTS", "FROM", "LICENSE"),
        *("OTHER", "TASK", "FRAMEWORK", "DESCRIPTION"),
    ]
    assert ended.stderr == (
        "no model matches --task detection --license GPL-*; "
        "licenses here: Apache-2.0, MIT, https://terms.invalid/old\n"
    )
    assert run(zoo, "list", "--license", "GPL-*", "--format", "json").stdout == "[]\n"
    assert run(zoo, "info", "--license", "GPL-*", "--format", "json").stdout == "[]\n"
    quiet = run(zoo, "info", "--license", "GPL-*", "-q")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("requested", "code"),
    [
        (["list", "--framework", "onnx"], 0),
        (["info", "--framework", "onnx"], 0),
        (["list"], 1),
        (["list", "alpha", "bad"], 1),
        (["list", "*a*", "--framework", "onnx"], 1),
        (["info", "--all", "--framework", "onnx"], 1),
    ],
)
def test_an_invalid_file_is_an_error_if_its_model_is_named_and_else_a_warning(zoo, requested, code):
    write_model(zoo / "models", "bad", "files: [")
    ended = run(zoo, *requested)
    assert ended.returncode == code
    (told,) = [line for line in ended.stderr.splitlines() if not line.startswith("  hint:")]
    assert told.startswith("error: " if code else "warning: left out: ")
    assert "bad/model.yml:2:1" in told
    assert "alpha" in ended.stdout


def test_no_other_file_is_read_for_a_named_model(zoo):
    write_model(zoo / "models", "bad", "files: [")
    ended = succeeded(run(zoo, "list", "alpha"))
    assert ended.stderr == ""


def test_a_file_takes_no_filter_and_a_missing_one_is_missing(tmp_path):
    file = write_ir(tmp_path / "net.xml", {"maps": (1, 17, 16, 24)})
    assert "--precision: only for models" in refusal(
        posezoo("info", file, "--precision", "FP16"), 2
    )
    missing = tmp_path / "typo.xml"
    assert "typo.xml: no such file" in refusal(posezoo("info", missing, "--precision", "FP16"))


def test_an_unknown_key_in_open_model_zoos_form_is_one_warning(zoo):
    write_model(zoo / "models", "foreign", omz_yml(descripton="x"))
    ended = succeeded(run(zoo, "list", "foreign"))
    assert ended.stdout.splitlines()[1].startswith("foreign ")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("warning: ")
    assert "foreign/model.yml:" in line
    assert "descripton: unknown key, left out; did you mean description?" in line


def test_info_shows_everything_that_is_declared(zoo):
    text = run(zoo, "info", "first").stdout
    assert "  framework: tflite\n" in text
    facts = info_of(zoo, "first")
    assert facts["files"][0]["size"] == 5_000_000
    assert facts["files"][0]["sources"] == ["https://models.invalid/first.tflite"]
    assert facts["inputs"][0]["color"] == "RGB"
    assert facts["compute_types"] == []
    assert facts["copyright"] == "Copyright 2026 The tests"
    assert facts["declared_in"] == str(zoo / "models/public/whole/first/model.yml")


def test_info_shows_what_list_shows(zoo):
    rows = json_of(run(zoo, "list", "--format", "json"))
    facts = json_of(run(zoo, "info", "--all", "--format", "json"))
    by_name = {fact["name"]: {key: fact[key] for key in rows[0]} for fact in facts}
    assert by_name == {row["name"]: row for row in rows}


def test_every_key_is_documented(zoo):
    of_models, _, _ = info.__doc__.partition("An .xml or .onnx is an object")
    documented = re.findall(r"^    (\w+)  ", f"{listing.__doc__}{of_models}", re.MULTILINE)
    facts = info_of(zoo, "first")
    assert sorted(documented) == sorted(facts)


@pytest.mark.parametrize("width", [40, 80, 400])
def test_a_narrow_terminal_shows_the_first_columns_whole_and_names_the_others(zoo, width):
    lines = on_a_terminal(width, "list", "--models_dir", zoo / "models")
    assert max(map(len, lines[:8])) <= width
    assert lines[0].split()[:4] == ["MODEL", "DOWNLOAD", "WEIGHTS", "FROM"]
    assert all("..." not in line[:40] for line in lines[:8])
    assert lines[8:] == {
        40: ["too narrow for: LICENSE, OTHER TASK, FRAMEWORK, DESCRIPTION"],
        80: ["too narrow for: DESCRIPTION"],
    }.get(width, [])


def test_a_pipe_receives_the_whole_description(zoo):
    assert run(zoo, "list", COLUMNS="40").stdout.splitlines()[1].endswith(LONG)


def test_text_is_measured_in_terminal_columns():
    assert display_width("pose") == 4
    assert display_width("姿勢") == 4
    assert display_width("é") == 1
    assert truncate_to_width("姿勢姿勢姿勢", 9) == "姿勢姿..."
    assert truncate_to_width("exactly 10", 10) == "exactly 10"
    assert truncate_to_width("anything", None) == "anything"
    assert truncate_to_width("anything", 2) == ".."
    assert align_columns([["姿勢", "1", "x"], ["pose", "10", ""]], right=frozenset({1})) == [
        "姿勢   1  x",
        "pose  10",
    ]
    assert escape_control_characters("a\tb\u200b") == "a\\tb\\u200b"


def test_the_list_says_where_weights_are_and_asks_no_source(tmp_path):
    root, copies = tmp_path / "models", tmp_path / "copies"
    copies.mkdir()
    packed = {
        "$type": "npm_package",
        "package": "nets",
        "version": "1.0.0",
        "member": "package/a.bin",
        "tarball_size": 145_000_000,
    }
    with Server() as server:
        for name in ("alive", "dead"):
            (copies / name).write_bytes(name.encode())
            file = declared_file(copies / name, name="net.tflite")
            write_model(root, name, model_yml(files=[{**file, "source": server.url(name)}]))
        server.serve("alive", b"alive")
        write_model(
            root,
            "packed",
            model_yml(files=[file_yml("a.bin", size=5_000_000, source=packed)]),
        )
        local = write_model(
            root, "local", model_yml(files=[declared_file(copies / "alive", name="net.tflite")])
        )
        environ = {
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "npm_config_registry": server.url("npm"),
        }
        assert posezoo("download", "local", "--models_dir", root, **environ).returncode == 0, local
        listed = posezoo("list", "--models_dir", root, "--format", "json", **environ)
        assert not server.requests
    rows = {row["name"]: row for row in json_of(listed)}
    assert rows["packed"]["size_bytes"] == 5_000_000
    assert rows["packed"]["download_bytes"] == 145_000_000
    assert {name: row["weights_from"] for name, row in rows.items()} == {
        "alive": ["cache"],
        "dead": ["localhost"],
        "local": ["here"],
        "packed": ["npm index"],
    }
