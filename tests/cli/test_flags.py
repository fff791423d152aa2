"""Flags that verbs share are drawn from the table of settings and the table of other flags."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from posezoo.cli import flags
from posezoo.settings import SETTING_TYPES
from posezoo.spec.model import Precision


def parse(*words, names=()):
    """The parsed flags of these names."""
    parser = argparse.ArgumentParser()
    flags.add_flags(parser, *names)
    return parser.parse_args(words)


def test_flags_that_are_not_given_leave_the_settings_alone():
    args = parse(names=tuple(SETTING_TYPES))
    assert not any(flags.given_settings(args)[name] is not None for name in SETTING_TYPES)


def test_flags_become_settings(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    words = ("-o", "out", "--mirror", "/a", "--mirror", "/b", "--num_attempts", "7", "-j", "3", "--locked")
    settings = flags.settings_from_args(parse(*words, names=tuple(SETTING_TYPES)))
    assert settings.output_dir == Path("out")
    assert settings.mirror == ("/a", "/b")
    assert (settings.attempts, settings.jobs, settings.locked) == (7, 3, True)


def test_overrides_count_in_place_of_flags(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    args = parse("-o", "out", "--locked", names=("output_dir", "locked"))
    settings = flags.settings_from_args(args, {"output_dir": Path("other"), "locked": None})
    assert (settings.output_dir, settings.locked) == (Path("other"), False)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--attempts", "0"), "expected a whole number from 1 to 100, got '0'"),
        (("--stall_timeout", "soon"), "expected seconds, got 'soon'"),
        (("--inference_precision", "f8"), "invalid choice: 'f8'"),
        (("--precisions", "FP16,FP8"), "expected some of FP32, FP16, FP16-INT8, FP32-INT8, got 'FP16,FP8'"),
    ],
)
def test_an_invalid_value_is_wrong_usage(capsys, words, problem):
    with pytest.raises(SystemExit) as ended:
        parse(*words, names=(flags.CACHE, flags.INFERENCE, "precisions"))
    assert ended.value.code == 2
    assert problem in capsys.readouterr().err


def test_switches_and_defaults():
    args = parse("--dry_run", names=("dry_run", "force", "precision", "precisions"))
    assert (args.dry_run, args.force) == (True, False)
    assert args.precision is Precision.FP16
    assert args.precisions == (Precision.FP32, Precision.FP16)


def test_every_shared_flag_has_a_help_text():
    assert all(flag.help for flag in flags.FLAGS.values())
