"""Flags that verbs share are drawn from the table of settings and the table of other flags."""

import argparse
import re
from pathlib import Path

import pytest

from fakes.command import misuse, omz_tool, posezoo
from posezoo.cli import flags
from posezoo.cli.main import create_parser, verb_parsers
from posezoo.cli.parsers import Args
from posezoo.core.settings import SETTING_TYPES

IN_A_STORE = (
    "(s3|sftp)://.*: is no folder: mount the store, or copy the folder with"
    " rclone: docs/operators.md#folders-in-an-object-store"
)


def parse(*words, names=()):
    """The parsed flags of these names."""
    parser = argparse.ArgumentParser()
    flags.add_flags(parser, *names)
    return parser.parse_args(words, Args())


def test_flags_that_are_not_given_leave_the_settings_alone():
    args = parse(names=tuple(SETTING_TYPES))
    assert not any(value is not None for value in flags.given_settings(args).values())


def test_overrides_count_in_place_of_flags(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    args = parse("--weights_dir", "out", "--locked", names=("weights_dir", "locked"))
    settings = flags.settings_from_args(args, {"weights_dir": Path("other"), "locked": None})
    assert (settings.weights_dir, settings.locked) == (Path("other"), False)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--attempts", "0"), "expected a whole number from 1 to 100, got '0'"),
        (("--stall_timeout", "soon"), "expected seconds, got 'soon'"),
        (("--inference_precision", "f8"), "invalid choice: 'f8'"),
        (
            ("--precisions", "FP16,FP8"),
            "expected some of FP32, FP16, FP16-INT8, FP32-INT8, got 'FP16,FP8'",
        ),
    ],
)
def test_an_invalid_value_is_wrong_usage(capsys, words, problem):
    with pytest.raises(SystemExit) as ended:
        parse(*words, names=(flags.CACHE, flags.INFERENCE, "precisions"))
    assert ended.value.code == 2
    assert problem in capsys.readouterr().err


def test_every_shared_flag_has_a_help_text():
    assert all(flag.help for flag in flags.FLAGS.values())


#: What Open Model Zoo's tools call the folder where models lie, and the folder of their results.
WEIGHTS_DIR = {
    **dict.fromkeys(
        (
            *(
                "download",
                "get",
                "benchmark",
                "export",
                "verify",
            ),
            *("lock", "info", "new"),
        ),
        ("-o", "--output_dir"),
    ),
    **dict.fromkeys(("run", "evaluate"), ("-d", "--download_dir")),
    "quantize": ("--model_dir",),
    "convert": ("--output_dir",),  # -o is the .xml of a file, too
}
OUTPUT = dict.fromkeys(("run", "evaluate", "quantize", "dataset", "card"), ("-o", "--output_dir"))
SPELLINGS = [
    *((verb, flag, "--weights_dir") for verb, flags in WEIGHTS_DIR.items() for flag in flags),
    *((verb, flag, "--output") for verb, flags in OUTPUT.items() for flag in flags),
]


@pytest.mark.parametrize(("verb", "flag", "now"), SPELLINGS)
def test_the_spellings_of_open_model_zoo_mean_the_same(verb, flag, now):
    parser = verb_parsers(create_parser([verb]))[verb]
    for action in parser._actions:
        action.required = False
    (name,) = {action.dest for action in parser._actions if now in action.option_strings}
    assert getattr(parser.parse_args([flag, "folder"]), name) == Path("folder")
    assert vars(parser.parse_args([flag, "folder"])) == vars(parser.parse_args([now, "folder"]))


def test_the_help_shows_one_name_for_the_folder_of_the_models_and_one_for_the_results():
    for verb, parser in verb_parsers(create_parser()).items():
        shown = parser.format_help()
        for flag in ("--output_dir", "--model_dir"):
            assert flag not in shown, verb


def test_no_flag_takes_the_address_of_a_folder_in_a_store():
    seen = 0
    for verb, parser in verb_parsers(create_parser()).items():
        for action in parser._actions:
            if action.metavar == "DIR":
                seen += 1
                with pytest.raises(argparse.ArgumentTypeError, match=IN_A_STORE) as caught:
                    action.type("sftp://ann:hush@host/models")
                assert "hush" not in f"{caught.value}", (verb, action.dest)
    assert seen > 80


@pytest.mark.parametrize(
    "words",
    [
        ("get", "blazepose-full", "--weights_dir"),
        ("download", "blazepose-full", "--cache_dir"),
        ("convert", "blazepose-full", "--download_dir"),
        ("list", "--models_dir"),
        ("mirror", "create"),
        ("mirror", "check"),
    ],
)
def test_an_address_of_a_folder_in_a_store_ends_with_what_to_use_instead(words):
    error = misuse(posezoo(*words, "s3://zoo/models"))
    assert re.search(IN_A_STORE, error.splitlines()[0])


@pytest.mark.parametrize(
    ("tool", "flag"),
    [
        ("downloader", "--output_dir"),
        ("downloader", "--cache_dir"),
        ("converter", "--download_dir"),
        ("converter", "-o"),
        ("quantizer", "--model_dir"),
    ],
)
def test_so_does_one_for_a_command_of_open_model_zoo(tool, flag):
    error = misuse(omz_tool(tool, "--name", "blazepose-full", flag, "s3://zoo/models"))
    assert re.search(IN_A_STORE, error)


RULES = (
    flags.Flag("what", "", choices=("list", "prune")),
    flags.Flag("--days N", "", int, needs="what=prune"),
    flags.Flag("--file FILE", "", excludes="what=list"),
    flags.Flag("--box", "", needs="days file"),
    flags.Shared("quiet", excludes="box"),
)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("list --days 0", "--days requires prune"),
        ("list --file x", "either --file or list"),
        ("prune --box", "--box requires --days or --file"),
        ("prune --box --file x --quiet", "either --box or --quiet"),
        ("prune --days 0 --box", ""),
        ("prune --file x --quiet", ""),
        ("list", ""),
    ],
)
def test_a_rule_of_a_flag_is_one_sentence(capsys, words, problem):
    parser = argparse.ArgumentParser()
    flags.add_flags(parser, *RULES)
    parser.set_defaults(parser=parser)
    args = parser.parse_args(words.split(), Args())
    if not problem:
        flags.require_rules(args)
        return
    with pytest.raises(SystemExit, match="2"):
        flags.require_rules(args)
    assert capsys.readouterr().err.splitlines()[-1].endswith(f"error: {problem}")


def test_what_a_flag_needs_is_a_flag_of_the_verb():
    for verb, parser in verb_parsers(create_parser()).items():
        found = {action.dest: action.flag for action in parser._actions if hasattr(action, "flag")}
        for flag in found.values():
            needed = {rule.partition("=")[0] for rule in flag.needs.split()}
            assert needed <= found.keys(), (verb, flag.usage)


#: Each flag is one more to know: before adding one, look for a flag, a setting or a key of model.yml that does it.
MOST_FLAGS = 134


def test_the_help_of_all_verbs_together_shows_no_more_flags_than_this():
    """As `posezoo help VERB --all` shows them; both spellings, with _ and with -, are one."""
    shown = {
        spelling.replace("-", "_")
        for parser in verb_parsers(create_parser()).values()
        for action in parser._actions
        if action.help != argparse.SUPPRESS
        for spelling in action.option_strings
        if spelling.startswith("--")
    }
    assert len(shown) <= MOST_FLAGS
