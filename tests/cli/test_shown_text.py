"""Text from files, servers and users, as the terminal gets it: no control characters, no passwords."""

import ast
import io
import json
import sys
import zlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from inspect import signature
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import pytest

from cli.test_output_files import COMMANDS, run, words_for
from fakes.command import omz_tool, posezoo
from fakes.soak import soak_repeated
from fakes.source import nodes_in
from fakes.zoo import model_yml, write_model
from posezoo.cli import main as verbs
from posezoo.console.console import Console
from posezoo.console.printing import print_error
from posezoo.core import errors, events
from posezoo.omz.commands import mo
from posezoo.omz.commands.conventions import LineBuffer
from posezoo.omz.commands.event_output import TextReporter

#: Addresses with a password that no parser of addresses accepts, or not everywhere.
MALFORMED = (
    "https:/user:secret-word@host",
    "user:secret-word@host:99999",
    "http://us er:secret-word/1#two@ho st",
    "mqtt://user:secret-word@",
    "https://user:secret-word@host:x/",
    "https:user:secret-word@host",
    "//user:secret-word@host",
    "://user:secret-word@host",
    "http://user:secret-word/1@host",
    "http://user:secret-word#@ho st",
    "s3://user:secret-word@@host",
    "mqtts://user:secret-word",
    "http://[user:secret-word@host",
    "http://us er:secret-word two@host",
)

VALUES = [
    pytest.param(command, action, id=f"{command} {(action.option_strings or [action.dest])[-1]}")
    for command, (parser, _) in COMMANDS.items()
    for action in parser._actions
    if action.nargs != 0
]


def kind_of_flag(command, action):
    """What reads a flag's value: most flags mean the same to all commands, which check what they read."""
    is_shared = action.option_strings and action.dest not in OF_A_COMMAND
    name = action.option_strings[-1] if is_shared else (command, action.dest)
    return name, name_of_reader(action.type)


def name_of_reader(kind):
    """Each parser has functions of its own for the same code, and partial calls of the same function."""
    function = getattr(kind, "func", kind)
    return getattr(function, "__qualname__", "")


#: Each command reads its own addresses.
OF_A_COMMAND = ("mirror", "source")


def addresses_for(command, action):
    """All for what reads addresses of its own. Any other value is read as most are: two of four."""
    if action.dest in OF_A_COMMAND:
        return MALFORMED
    pairs = (MALFORMED[:2], MALFORMED[2:4])
    return pairs[zlib.crc32(f"{command} {action.dest}".encode()) % 2]


@pytest.mark.parametrize(("command", "action"), soak_repeated(VALUES, kind_of_flag))
def test_no_command_shows_the_password_of_a_malformed_address(
    tmp_path, monkeypatch, capsys, command, action
):
    monkeypatch.chdir(tmp_path)
    for address in addresses_for(command, action):
        words = words_for(COMMANDS[command][0], action, address)
        if action.option_strings:  # in the form that has the flag in the same word, too
            words.append(f"{action.option_strings[-1]}={address}")
        monkeypatch.setattr(sys, "argv", ["posezoo", command, *words])
        run(command, words)
        told = capsys.readouterr()
        assert "secret" not in told.out + told.err, address


def test_a_wrong_word_is_shown_without_its_password(monkeypatch, capsys):
    words = ["list", "--no-such-flag", "https://user:secret-word@host"]
    monkeypatch.setattr(sys, "argv", ["posezoo", *words])
    with pytest.raises(SystemExit):
        verbs.main(words)
    told = capsys.readouterr().err
    assert "--no-such-flag" in told and "secret" not in told


#: It clears the screen, changes the direction of the text, and begins a line.
EVIL = "a\x1b[2J\x9b1m\u202e\u2066b\r\nfake: line"


def require_harmless(text):
    """One line stays one line, and nothing in it controls the terminal."""
    assert all(line.isprintable() for line in text.split("\n")), ascii(text)
    assert not any(line.startswith("fake") for line in text.split("\n")), text


def filled(kind):
    """An instance of an event with such a text in each of its fields that has one."""
    kinds = get_type_hints(kind)
    return kind(**{field.name: value_of(kinds[field.name], field.name) for field in fields(kind)})


def value_of(kind, name):
    if kind is str:
        return {"state": "joined", "action": "unpack"}.get(name, EVIL)
    origin = get_origin(kind)
    if origin is tuple:
        each = get_args(kind)[0]
        return (value_of(each, ""),) if each is not float else (0.5, 0.5)
    if origin is Mapping:
        return {EVIL: value_of(get_args(kind)[1], "")}
    if isinstance(kind, type) and is_dataclass(kind):
        return filled(kind)
    some = next((each for each in (float, int, bool) if each in (kind, *get_args(kind))), None)
    if some:
        return some(1)
    return filled(next(each for each in get_args(kind) if is_dataclass(each)))


def subclasses(kind):
    return [kind, *(each for direct in kind.__subclasses__() for each in subclasses(direct))]


@pytest.mark.parametrize("kind", events.EVENT_TYPES, ids=lambda kind: kind.__name__)
def test_no_event_controls_the_terminal(capsys, kind):
    event = filled(kind)
    stream = io.StringIO()
    started = []
    if kind in (events.FileDownloadProgress, events.FileDownloadFinished):
        started = [filled(events.FileDownloadStarted)]
    if kind in (events.PackageDownloadProgress, events.PackageDownloadFinished):
        started = [filled(events.PackageDownloadStarted)]
    with Console(stream) as console:
        for each in (*started, event):
            console(each)
    reporter = TextReporter(LineBuffer(), Path(EVIL))
    for each in (*started, event):
        reporter(each)
    mo._print_event(event)
    told = capsys.readouterr()
    require_harmless(stream.getvalue() + told.out + told.err)


@pytest.mark.parametrize(
    "kind",
    [each for each in subclasses(errors.PosezooError) if each.__module__.startswith("posezoo.")],
    ids=lambda kind: kind.__name__,
)
def test_no_error_controls_the_terminal(capsys, kind):
    parameters = list(signature(kind).parameters.values())
    given = {each.name: 1 if each.annotation == "int" else EVIL for each in parameters}
    error = kind(**given)
    error.hint = EVIL  # some callers add to it
    print_error(error)
    LineBuffer().print_error(error)
    mo._print_error(error)
    Console().print_error(error)
    require_harmless("".join(capsys.readouterr()))


@pytest.fixture
def evil_folder(tmp_path):
    """A folder of such a name, with a registry, a license text, a data set and files."""
    folder = tmp_path / EVIL
    write_model(folder / "models", "pose-a", model_yml(description=EVIL))
    (folder / "licenses" / "Apache-2.0-Tests.txt").write_text(f"Copyright {EVIL}\n\n{EVIL}\n")
    weights = folder / "weights" / "public" / "pose-a"
    weights.mkdir(parents=True)
    (weights / "net.tflite").write_bytes(b"abc")
    image = {"id": 1, "file_name": EVIL, "width": 4, "height": 4, "license": 1}
    person = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2], "area": 4,
              "iscrowd": 0, "keypoints": [1, 1, 2], "num_keypoints": 1}  # fmt: skip
    dataset = {
        "images": [image],
        "annotations": [person],
        "categories": [{"id": 1, "name": "person", "keypoints": [EVIL], "skeleton": []}],
        "licenses": [{"id": 1, "name": EVIL, "url": EVIL}],
    }
    (folder / "people.json").write_text(json.dumps(dataset))
    return folder


@pytest.mark.parametrize(
    "line",
    [
        "list",
        "info pose-a",
        "card pose-a",
        "info --licenses --weights_dir weights",
        "get pose-a --dry_run --weights_dir weights",
        "export pose-a --to ovms out --dry_run",
        "download pose-a --weights_dir weights",
        "verify pose-a --weights_dir weights",
        "lint",
        "lock pose-a --weights_dir weights",
        "recommend",
        "prove pose-a --dry_run --attempts 1",
        "cache list --cache_dir weights",
        "mirror check weights",
        "mirror create out pose-a",
        "dataset info --annotations people.json --images .",
        "evaluate pose-a --annotations people.json --images .",
        "run --input people.json",
        "demo --input people.json --no_show",
        "convert people.json -o out.onnx",
        "card --all --html",
        "shims commands",
        "doctor",
        "new pose-b --from net.onnx --license MIT --dry_run",
    ],
)
def test_no_report_controls_the_terminal(evil_folder, line):
    environ = {"POSEZOO_MODELS_DIR": str(evil_folder / "models"), "POSEZOO_LOCK": EVIL}
    for words in (line.split(), [*line.split(), "--quiet"]):
        paths = [
            str(evil_folder / word) if (evil_folder / word).exists() else word for word in words[1:]
        ]
        for each in (words, [words[0], *paths]):
            ended = posezoo(*each, cwd=evil_folder, **environ)
            require_harmless(ended.stdout + ended.stderr)
            assert ended.returncode in (0, 1), ended.stderr


@pytest.mark.parametrize("name", ["downloader", "converter", "quantizer"])
def test_no_command_of_open_model_zoo_controls_the_terminal(evil_folder, name):
    words = ["--all", "--models_dir", str(evil_folder / "models")]
    if name == "quantizer":
        words += ["--dataset_dir", str(evil_folder)]
    ended = omz_tool(name, *words, "--output_dir", evil_folder / "out", cwd=evil_folder)
    require_harmless(ended.stdout + ended.stderr)
    assert ended.returncode == 1 and "pose-a" in ended.stdout + ended.stderr


def test_only_these_modules_print():
    """All others print by their functions, which make the text printable."""
    source = Path(verbs.__file__).parents[1]
    texts = {path: path.read_text("utf-8") for path in source.rglob("*.py")}
    printing = {
        str(path.relative_to(source))
        for path, text in texts.items()
        if "print(" in text  # to parse all takes 2 s
        for node in nodes_in(text)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
    }
    assert printing == {
        "cli/main.py",  # the version
        "console/printing.py",
        "cli/verbs/completion.py",  # a script
        "run/verbs/demo.py",  # made printable
        "media/frame_publishers.py",  # JSON
    }
