"""What docs/architecture.md promises to who adds a part: each part that is forgotten turns a check red, which says what
to edit.

In a copy of the checkout, one thing after the other is taken away that the table "Extend the code" asks for, and the
check runs that the table names beside it.
"""

import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from fakes.checkout import ROOT, copy_checkout
from fakes.command import run_process

PAGE = ROOT / "docs" / "architecture.md"
SOURCE = "src/posezoo"
RTMPOSE = "models/public/rtmpose-m/model.yml"
#: The check of all tables, which the text above them names, and that of new names, which the text below names.
ALL_TABLES, NEW_NAMES = "core/test_plugins.py", "test_public_face.py"


@dataclass(frozen=True)
class Promise:
    """What an author forgets: a pattern in a file, and what is left of it; and what then says what to do."""

    part: str  # the first column of the table
    name: str
    file: str
    pattern: str
    left: str
    check: str  # a test below tests/, or the arguments of a command
    said: str


def tables(part, name, file, pattern, said):
    """A record without a line in its table."""
    test = f"{ALL_TABLES}::test_each_record_has_a_line_in_its_table"
    return Promise(part, name, f"{SOURCE}/{file}", pattern, "", test, said)


def told(part, name):
    """A new name without its line in the changelog."""
    test = f"{NEW_NAMES}::test_a_name_that_the_last_release_did_not_have_is_in_the_changelog"
    said = f"below '## Unreleased' of CHANGELOG.md: ['{name}']"
    pattern = rf"(?<!\w){name.split()[1].lstrip('-')}(?![\w-])"
    return Promise(part, "changelog", "docs/history.md", pattern, "it", test, said)


DECODER, IN_IR, KEY, SOURCE_TYPE = (
    "a decoder",
    "a decoder in an IR (`--decode`)",
    "a key of model.yml",
    "a source type",
)
FORMAT, NETWORK, TARGET, RULE = "a format", "a network", "an export target", "a lint rule"
FACT, VERB, FLAG, MODEL = "a fact that several files state", "a verb", "a flag", "a model"

DECODER_TEST = "poses/test_decoders.py::"
KEYS_TEST = "core/declarations/test_model_yml.py::"
TYPES_TEST = "core/download/test_source_types.py::"
TARGETS_TEST = "export/test_documents.py::test_every_export_has_its_license_and_says_how_to_use_it"
OWN_REGISTRY = "lint/test_rules.py::test_our_own_registry_has_no_finding"
SAYS_TEST = "export/test_targets.py::test_every_target_says_what_it_writes_and_how_it_is_checked"
RECORDS_TEST = f"{DECODER_TEST}test_each_decoder_says_what_it_needs_and_the_sizes_of_its_outputs"
GRAPH_TEST = (
    "export/decoded/test_decoding.py::test_a_graph_finds_the_same_people_as_numpy_in_a_few_scenes"
)
READ_TEST = (
    "cli/test_typed_arguments.py::test_each_flag_of_a_verb_is_read_and_its_help_has_its_default"
)
RULES_TEST = "lint/test_rules.py::test_every_rule_has_a_test_and_an_explanation"
ARGUMENTS_TEST = "cli/test_typed_arguments.py::test_the_class_of_a_verb_has_its_flags_and_no_others"
CARD = f"{SOURCE}/pages/verbs/card.py"
LINT = "posezoo lint rtmpose-m"
#: Speeds alone.
COPIED = (ROOT / "models/public/rtmpose-s/measured.yml").read_text("utf-8")

PROMISES = [
    tables(DECODER, "table", "poses/decoders.py", r' +"rtmo": .*\n', "to DECODERS of poses/decoders.py"),
    Promise(DECODER, "docstring", f"{SOURCE}/poses/decoders.py", r"    - rtmo: .*\n", "",
            f"{DECODER_TEST}test_the_text_of_decode_names_the_outputs_of_each_decoder", "docstring of decode in poses/decoders.py"),
    Promise(DECODER, "rules", f"{SOURCE}/poses/decoders.py", r'( +"lifting_3d": .*\n)( +"openpose": .*\n)', r"\2\1",
            f"{DECODER_TEST}test_no_rules_take_the_outputs_of_a_model_that_names_another_decoder", "narrow the rules of the decoder, or move its line in DECODERS"),
    Promise(DECODER, "outputs of nobody", "tests/poses/test_decoders.py", r' +"picodet": \{"boxes".*\n', "",
            f"{DECODER_TEST}test_every_decoder_finds_nobody_in_empty_outputs", "add to NOBODY of tests/poses/test_decoders.py"),
    Promise(DECODER, "needs", f"{SOURCE}/poses/picodet.py", r" +needs=.*\n", "",
            RECORDS_TEST, "add needs to the record of picodet in poses/picodet.py"),
    Promise(DECODER, "sizes", f"{SOURCE}/poses/picodet.py", r'        "boxes": \(1, facts.*\n', "",
            RECORDS_TEST, "add ['boxes'] to sizes of the record of picodet in poses/picodet.py"),
    Promise(DECODER, "scores in 0..1", f"{SOURCE}/poses/blazepose.py", r" +presence = min\(max\(.*\n", "",
            f"{DECODER_TEST}test_scores_are_from_0_to_1_whatever_the_network_returns", "keep the scores of blazepose in 0..1 in poses/blazepose.py"),
    Promise(DECODER, "example", "docs/model_yml.md", r"rtmo,", "",
            "core/declarations/test_skeletons.py::test_the_page_of_model_yml_names_the_skeletons_and_the_decoders_that_take_any", "docs/model_yml.md"),
    told(DECODER, "decoder picodet"),
    tables(IN_IR, "table", "export/decoded/graphs.py", r' +"picodet": .*\n', "to GRAPHS of export/decoded/graphs.py"),
    Promise(IN_IR, "page", "docs/decoded_ir.md", r"picodet, ", "",
            "export/decoded/test_decoding.py::test_each_decoder_with_a_graph_has_a_case_and_a_row_on_its_page", "to docs/decoded_ir.md"),
    Promise(IN_IR, "outputs", "tests/export/decoded/test_decoding.py", r' +"picodet": \(.*\n', "",
            "export/decoded/test_decoding.py::test_each_decoder_with_a_graph_has_a_case_and_a_row_on_its_page", "to CASES of tests/export/decoded/test_decoding.py"),
    Promise(IN_IR, "values that are not finite", f"{SOURCE}/export/decoded/people_graphs.py", r", has_size, are_finite\(rows\)\)", ", has_size)",
            f"{GRAPH_TEST}[rtmdet]", "the graph of rtmdet in export/decoded/ finds other people than poses/"),
    Promise(KEY, "attribute", f"{SOURCE}/core/declarations/model_yml.py", r'(    Key\("people", _PEOPLE)', r'    Key("mood", LINE, "How it feels."),\n\1',
            f"{KEYS_TEST}test_each_key_has_an_attribute_that_takes_its_value", "add to ModelSpec in core/declarations/model.py"),
    Promise(KEY, "example", "docs/model_yml.md", r"min_agreement", "",
            f"{KEYS_TEST}test_the_page_shows_each_key_and_each_type_of_source", "in an example of docs/model_yml.md"),
    tables(SOURCE_TYPE, "table", "__init__.py", r' +"npm_package": .*\n', "posezoo/__init__.py"),
    Promise(SOURCE_TYPE, "type", f"{SOURCE}/core/declarations/sources.py", r'    type = "huggingface"', '    type = "hub"',
            f"{TYPES_TEST}test_a_source_is_found_by_the_type_that_its_class_names", "set type = 'huggingface' in HuggingFaceSource"),
    Promise(SOURCE_TYPE, "keys", f"{SOURCE}/core/declarations/sources.py", r'tag="npm_package"', 'tag="npm"',
            f"{TYPES_TEST}test_each_type_has_keys_in_model_yml_and_a_record", "or in SOURCES of core/declarations/sources.py"),
    Promise(SOURCE_TYPE, "example", "docs/model_yml.md", r"google_drive", "drive",
            f"{KEYS_TEST}test_the_page_shows_each_key_and_each_type_of_source", "in an example of docs/model_yml.md"),
    tables(FORMAT, "table", "__init__.py", r' +"tflite": "posezoo.formats.*\n', "posezoo/__init__.py"),
    Promise(FORMAT, "endings", f"{SOURCE}/formats/tflite.py", r'    endings=\("\.tflite",\),\n', "",
            "formats/test_formats.py::test_each_format_names_the_endings_of_its_files", "by the endings in its record: add them"),
    Promise(NETWORK, "record", "docs/named_parts.py", r"    _.VitPose,\n", "", "vulture", "unused class 'VitPose'"),
    Promise(NETWORK, "outputs", "tests/networks/test_catalog.py", r'    "vitpose": lambda .*\n', "",
            "networks/test_catalog.py::test_outputs_have_the_paper_s_shapes_at_any_size_and_the_stated_stride", "to SHAPES of tests/networks/test_catalog.py"),
    tables(TARGET, "table", "export/targets.py", r' +"cpp": .*\n', "to TARGETS of export/targets.py"),
    Promise(TARGET, "needs", f"{SOURCE}/export/model_servers.py", r' +needs="The command needs docker, which.*\n', "",
            TARGETS_TEST, "add needs to the record of ovms in export/"),
    Promise(TARGET, "documents", f"{SOURCE}/export/model_servers.py", r" +yield from render_documents\(model, OVMS.*\n", "",
            TARGETS_TEST, "render of the record of ovms in export/ also yields render_documents"),
    Promise(TARGET, "type of the computation", f"{SOURCE}/export/folder.py", r" +sets_type=.*\n", "",
            TARGETS_TEST, "add sets_type to the record of folder in export/"),
    Promise(TARGET, "check", "tests/checked_exports.py", r'    "ovms": TargetCheck', '    "ovms2": TargetCheck',
            SAYS_TEST, "add ovms to CHECKS of tests/checked_exports.py"),
    Promise(TARGET, "check by nothing", "tests/checked_exports.py", r'"Tests check config.json .*"', '"Nothing."',
            SAYS_TEST, "say of ovms in CHECKS of tests/checked_exports.py what tests do with its files"),
    Promise(TARGET, "full stop", f"{SOURCE}/export/model_servers.py", r"the latest version is served", "the latest version is served.",
            SAYS_TEST, "write the summary of the record of ovms in export/model_servers.py as a phrase"),
    Promise(TARGET, "placeholder", f"{SOURCE}/export/model_servers.py", r"-v \{folder\}:/models:ro openvino", "-v {model}:/models:ro openvino",
            SAYS_TEST, "next_step of the record of ovms in export/model_servers.py has {model}: only"),
    Promise(RULE, "test", "tests/lint/test_builtin_models.py", r'"stated-people"', '"people"',
            RULES_TEST, "add a mistake that stated-people finds to"),
    Promise(RULE, "docstring", f"{SOURCE}/lint/rules/builtin_models.py", r"Example: a new model without", "A new model without",
            RULES_TEST, "add a line 'Example: ...' to the docstring of rehearsed in lint/rules/"),
    Promise(RULE, "module", f"{SOURCE}/lint/rules/__init__.py", r'"builtin_models", ', "",
            "lint/test_plugin_rules.py::test_each_module_of_rules_is_in_the_table", "add to _MODULES in lint/rules/__init__.py"),
    Promise(RULE, "our own registry", f"{SOURCE}/lint/rules/contradictions.py", r"size % step != rest", "size % step == rest",
            OWN_REGISTRY, "posenet-mobilenet-v1/model.yml:47: usual_size is 385, 513, and limits says:"),
    told(RULE, "rule reachable-source"),
    Promise(FACT, "test", "tests/lint/test_rules.py", r'"input-shape"', '"shape"', RULES_TEST, "add a mistake that input-shape finds to"),
    Promise(VERB, "summary", f"{SOURCE}/pages/verbs/summaries.json", r',\n    "card": .*', "",
            "cli/test_main.py::test_help_all_shows_every_verb_below_its_heading", "to summaries.json in the folder of their modules"),
    Promise(VERB, "module", f"{SOURCE}/pages/verbs/summaries.json", r'    "card": ', '    "galleries": "show them",\n    "card": ',
            "cli/test_main.py::test_help_all_shows_every_verb_below_its_heading", "add a module for ['galleries']"),
    Promise(VERB, "class of arguments", CARD, r"    output: Path \| None\n", "", ARGUMENTS_TEST, "in pages/verbs/card.py an attribute for each of these flags: {'output': 'Path | None'}"),
    Promise(VERB, "type of an argument", CARD, r"    output: Path \| None\n", "    output: str | None\n", ARGUMENTS_TEST, "in pages/verbs/card.py says output: str | None, and its flag gives Path | None"),
    Promise(FLAG, "heading of the journal", f"{SOURCE}/run/verbs/run.py", r'(    "min_person_score",\n)', r'\1    Flag("--mood", "how it feels"),\n',
            "run/verbs/test_run_flags.py::test_a_run_that_goes_on_knows_each_flag_on_which_its_results_depend", "to _describe_flags in run/verbs/run.py"),
    Promise(FLAG, "a reader", CARD, r"\bargs\.output\b", "None",
            READ_TEST, "read args.output in run() of _CardArgs in pages/verbs/card.py"),
    Promise(FLAG, "default in its help", f"{SOURCE}/run/verbs/demo.py", r"N times \(default: 1\)", "N times",
            READ_TEST, "add '(default: 1)' to the help of --loop of posezoo demo"),
    Promise(FLAG, "effect", "tests/run/verbs/test_run_flags.py", r'"limit": "1"', '"limit": "1", "draw": "thickness=9"',
            "run/verbs/test_run_flags.py::test_no_flag_without_effect_changes_the_results_of_a_photo", "changes the results of a photo: move it to _describe_flags in run/verbs/run.py"),
    Promise(FLAG, "stored names", f"{SOURCE}/run/verbs/run.py", r'    "min_person_score",\n', "",
            "test_public_face.py::test_verbs_and_flags_are_the_stored_ones", "STORE_PUBLIC_FACE=1 pytest tests/test_public_face.py"),
    told(FLAG, "flag --sample"),
    Promise(MODEL, "a source", RTMPOSE, r"      - https://download.openmmlab.*\n", "      - {$type: file, path: /home/ann/rtmpose-m.zip}\n",
            LINT, "which others cannot reach: publish the file"),
    Promise(MODEL, "license", "licenses/Apache-2.0-OpenMMLab.txt", r"(?s)\n.*", "\n", LINT, "lacks the terms of Apache-2.0"),
    Promise(MODEL, "people", RTMPOSE, r"(?s)\npeople:.*?\nskeleton", "\nskeleton", LINT, "people: is missing"),
    Promise(MODEL, "a host", RTMPOSE, r"      - https://download.openmmlab.com/", "      - https://example.com/", LINT, "which others cannot reach: publish the file"),
    Promise(MODEL, "license note", RTMPOSE, r"them, state Apache-2.0", "them, state MIT", LINT, "model.yml:8:15: error: license_note names MIT, and license.spdx is Apache-2.0"),
    Promise(MODEL, "description", RTMPOSE, r"CSPNeXt-m", "CSPNeXt-s", LINT, "model.yml:1:14: error: rtmpose-s has the same description"),
    Promise(MODEL, "accuracy", RTMPOSE, r"0.749, flip", "0.758, flip", LINT, "model.yml:53:7: error: AP 0.758 of COCO val2017 is that of vitpose-base, too"),
    Promise(MODEL, "records", "models/public/rtmpose-m/measured.yml", r"(?s)\A.*", COPIED,
            LINT, f"rtmpose-m/measured.yml:3:5: error: {len(yaml.safe_load(COPIED)['speed'])} records that rtmpose-s has, too"),
    Promise(MODEL, "limits", RTMPOSE, r"rtmdet-nano: \{min_score: 0.45\}", "rtmdet-nano: {min_score: 0.3}",
            "test_pair_limits.py::test_all_declared_limits_were_measured", "models/public/rtmpose-m/model.yml:48: people.detectors.rtmdet-nano of rtmpose-m"),
    told(MODEL, "model rtmw-m"),
    Promise(MODEL, "rehearsal", "models/rehearsed.tsv", r"rtmpose-m\t.*\n", "", LINT, "make rehearse REHEARSE=rtmpose-m"),
]  # fmt: skip


def rows_of_the_table():
    """The parts, and the tests that report what is missing."""
    text = PAGE.read_text("utf-8").partition("\n## Extend the code\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \|.*\| (.+?) \|$", text, re.MULTILINE)[1:]
    return {part: set(re.findall("`(.+?)`", checks)) for part, checks in rows}


def is_named(check, named):
    """Whether the table names a check: a test by its file or a folder, a command by itself."""
    file = check.partition("::")[0]
    return file in (ALL_TABLES, NEW_NAMES) or any(
        file == each or file.startswith((f"{each} ", each.rstrip("/") + "/")) for each in named
    )


def test_each_part_of_the_table_has_promises_that_are_tried():
    parts = rows_of_the_table()
    assert [*parts] == [*dict.fromkeys(promise.part for promise in PROMISES)], (
        "a row of the table 'Extend the code' has promises in tests/test_extend_the_code.py, in the same order"
    )
    for promise in PROMISES:
        assert is_named(promise.check, parts[promise.part]), (
            f"name {promise.check.partition('::')[0]} in the row of {promise.part} in docs/architecture.md"
        )


def test_the_table_names_files_and_attributes_that_exist():
    text = PAGE.read_text("utf-8").partition("\n## Extend the code\n")[2].partition("\n## ")[0]
    for name in re.findall(r"`([\w/]+\.(?:py|json|toml))`", text):
        if "X" not in name and "PART" not in name:
            places = (ROOT / "tests" / name, ROOT / SOURCE / name, ROOT / name)
            assert name == "__init__.py" or any(map(Path.exists, places)), name
    code = "".join(path.read_text("utf-8") for path in (ROOT / SOURCE).rglob("*.py"))
    for name in re.findall(r"`([a-z]+_[a-z_0-9]+)`", text):
        assert re.search(rf"\b{name}\b", code), (
            f"docs/architecture.md names {name}, which the code does not have"
        )


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkout")
    copy_checkout(folder)
    yield folder
    shutil.rmtree(folder)


def run_check(folder, check):
    """The exit code and the text of a test, or of a command."""
    env = os.environ | {"PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    name, *words = check.split()
    command = [sys.executable, "-m", name, *words]
    if name not in ("posezoo", "vulture"):
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-n",
            "0",
            "-qx",
            "-p",
            "no:cacheprovider",
            f"tests/{check}",
        ]
    ended = run_process(command, cwd=folder, env=env)
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: f"{promise.part}: {promise.name}")
def test_what_is_forgotten_turns_its_check_red_with_the_file_to_edit(copy, promise):
    if promise.check == "vulture":
        pytest.importorskip("vulture", reason="needs vulture")
    path = copy / promise.file
    whole = path.read_text("utf-8")
    changed, count = re.subn(promise.pattern, promise.left, whole)
    assert count, f"{promise.file} has no {promise.pattern}"
    path.write_text(changed, "utf-8")
    try:
        code, said = run_check(copy, promise.check)
    finally:
        path.write_text(whole, "utf-8")
    assert code == 1 or (promise.check == "vulture" and code == 3), said
    assert " ".join(promise.said.split()) in " ".join(said.split()), said
