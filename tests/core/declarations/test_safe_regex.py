"""Patterns that take for ever on some text are recognised."""

import re
import time

import pytest

from fakes.waiting import HANG_S
from posezoo.core.declarations.source_files import MAX_REPETITIONS, explain_unsafe_regex


@pytest.mark.parametrize(
    "pattern",
    [
        "dim: 12",
        r"'(?!ResNet)\w+',?",
        r"from \.(bifpn) (.|\n)*",
        r"(?m)pretrained=True,$",
        r" +save_output_param \{\n.*\n.*\n.*\n.*\n.*\n.*\n+.*\}",
        r"from nets(\.[\w.]+)? import (?!inception)",
        r"(?<='inception_v1': inception\.)inception_v3_arg_scope",
        "(ab){3}",
        "(?P<name>a)b",
        r"[a\]]+",
        r"[]a]+",
    ],
)
def test_patterns_as_open_model_zoo_has_them_are_applied(pattern):
    assert explain_unsafe_regex(pattern) == ""


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+b",
        "(a|a)*b",
        "(a|ab)*c",
        r"(.|\w)*b",
        "(?:a+){2,}",
        "(a?){30}a{30}",
        "(a{0,5}){9}",
        r"(\w+\s*)+$",
        "((ab)+c)*",
        r"([a\]]+)+",
        "([]a]+)*",
        "(?P<x>a+)+",
        "(?:(?:a)+)+",
    ],
)
def test_a_repetition_of_what_varies_is_refused(pattern):
    assert "nested repetitions" in explain_unsafe_regex(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a*)\1*",
        "(?P<x>a*)(?P=x)*",
        "(?x)(a+) *",
        r"(?s)(.|\n)*b",
        "(?s:.)",
        "(a)?(?(1)b|c)",
        "(?#x()y",
    ],
)
def test_what_makes_a_pattern_hard_to_judge_is_refused(pattern):
    assert "not allowed here" in explain_unsafe_regex(pattern)


@pytest.mark.parametrize("pattern", ["(", "[a-z", "x{2,3}{2,3}", "*", r"\q", "(?P<n"])
def test_what_is_no_pattern_is_told(pattern):
    assert "is not a regular expression" in explain_unsafe_regex(pattern)


def test_many_optional_parts_are_refused():
    assert explain_unsafe_regex("a?" * MAX_REPETITIONS) == ""
    assert "repetitions" in explain_unsafe_regex("a?" * 30 + "a" * 30)


def test_a_pattern_that_would_explode_is_refused_and_its_accepted_kin_ends():
    refused, accepted = "(?:a+)+b", "a+b"
    assert explain_unsafe_regex(refused)
    assert not explain_unsafe_regex(accepted)
    start_time = time.perf_counter()
    assert re.match(accepted, "a" * 2000) is None
    assert time.perf_counter() - start_time < HANG_S


def test_judging_ends_whatever_the_pattern():
    start_time = time.perf_counter()
    for pattern in (
        "(" * 1000,
        "[" * 1000,
        "a{1" * 300,
        "(?:a" * 200 + ")" * 200,
        "\\" * 999,
        "a|" * 500,
    ):
        explain_unsafe_regex(pattern)
    assert time.perf_counter() - start_time < HANG_S
