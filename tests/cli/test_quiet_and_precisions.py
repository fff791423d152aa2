"""What is the same for each command: --quiet, and the case of precisions."""

from argparse import ArgumentError

import pytest

from cli.test_output_files import COMMANDS
from fakes.command import omz_tool, posezoo
from fakes.zoo import model_yml, write_model
from posezoo.cli import main as verbs
from posezoo.core.declarations.model import Precision

PARSERS = verbs.verb_parsers(verbs.create_parser())

PRECISIONS = [
    pytest.param(parser, action, id=f"{command} {action.option_strings[-1]}")
    for command, (parser, _) in COMMANDS.items()
    for action in parser._actions
    if "precision" in action.dest
    and action.option_strings
    # These commands read a list of precisions after the parser: the last test below.
    and command not in ("converter.py", "downloader.py", "quantizer.py")
]


@pytest.mark.parametrize("verb", PARSERS)
def test_each_verb_can_be_quiet(verb):
    words = PARSERS[verb]._option_string_actions
    assert words["-q"].dest == words["--quiet"].dest == "quiet"


@pytest.mark.parametrize("words", [("list",), ("completion", "bash"), ("doctor",)])
def test_a_quiet_verb_prints_its_result(words):
    ended = posezoo(*words, "-q")
    assert ended.stdout and not ended.stderr


@pytest.mark.parametrize(("parser", "action"), PRECISIONS)
def test_a_precision_may_be_given_in_any_case(parser, action):
    def parse(word):
        return parser._get_values(action, [word])

    is_of_network = action.dest == "inference_precision"
    word = "f32" if is_of_network else "FP16"
    if "quantize" in parser.prog:
        word = "f32" if is_of_network else "FP16-INT8"
    assert parse(word.swapcase()) == parse(word)
    with pytest.raises(ArgumentError, match=r"FP8|f8"):
        parse("FP8" if not is_of_network else "f8")


def test_precisions_of_open_model_zoo_commands_may_be_given_in_any_case(tmp_path):
    write_model(tmp_path / "models", "pose-a", model_yml())
    words = ("--name", "pose-a", "--models_dir", tmp_path / "models", "--dry_run")
    told = [
        omz_tool("converter", *words, "--precisions", text, cwd=tmp_path)
        for text in ("FP16", "fp16", "Fp16")
    ]
    assert told[0].stdout == told[1].stdout == told[2].stdout
    wrong = omz_tool("converter", *words, "--precisions", "fp16,fp8", cwd=tmp_path)
    assert "Unknown precisions specified: fp8." in wrong.stderr
    assert Precision.FP16 in told[0].stdout + told[0].stderr
