"""Names that are safe on every system, and those that are not on one of them."""

import pytest

from posezoo.core.declarations.safe_names import (
    avoid_reserved,
    case_folded,
    explain_invalid_model_name,
    explain_unsafe_file_name,
)


@pytest.mark.parametrize(
    "name",
    ["net.bin", "ckpt/pose_higher_hrnet_w32_512.pth", "FP16-INT8/a.xml", "größe.txt", ".hidden"],
)
def test_ordinary_names_are_safe(name):
    assert explain_unsafe_file_name(name) == ""


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        ("../x", ".. part"),
        ("a/../../x", ".. part"),
        ("a//b", ".. part"),
        ("/etc/passwd", "absolute"),
        ("a\\b", "contains \\"),
        ("C:x", "contains :"),
        ("a.txt:stream", "contains :"),
        ("a\nb", "control"),
        ("a\x1b[2J", "control"),
        ("gnp.\u202eexe", "invisible"),
        ("a\u200bb", "invisible"),
        ("cafe\u0301", "composed form"),
        ("CON", "Windows reserves"),
        ("sub/nul.txt", "Windows reserves"),
        ("a.", "dot"),
        ("a /b", "blank"),
        ("x" * 300, "longer than"),
        ("what?", "contains ?"),
    ],
)
def test_a_name_that_is_unsafe_somewhere_says_why(name, reason):
    assert reason in explain_unsafe_file_name(name)


@pytest.mark.parametrize("name", ["blazepose-full", "mobile_pose_mobilenetv2_1.0", "a+b"])
def test_model_names_of_the_field_are_accepted(name):
    assert explain_invalid_model_name(name) == ""


@pytest.mark.parametrize("name", ["-x", "a b", "ä", "a@b", "CON", "a/b", ""])
def test_model_names_that_scripts_could_stumble_over_are_not(name):
    assert explain_invalid_model_name(name)


def test_twins_of_case_and_of_unicode_fold_to_one():
    assert case_folded("File.BIN") == case_folded("file.bin")
    assert case_folded("caf\u00e9") == case_folded("cafe\u0301")


@pytest.mark.parametrize(
    ("name", "avoided"),
    [("con.jpg", "con_.jpg"), ("AUX", "AUX_"), ("nul .tar.gz", "nul _.tar.gz"), ("cone", "cone")],
)
def test_a_name_that_windows_reserves_gets_another_beginning(name, avoided):
    assert avoid_reserved(name) == avoided
    assert explain_unsafe_file_name(avoid_reserved(name)) == ""
