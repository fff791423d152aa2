"""Each lint rule finds the mistakes that are made for it, and a consistent registry has no finding."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from fakes.checkout import ROOT
from fakes.command import json_of, posezoo
from fakes.omz_zoo import write_omz_zoo
from fakes.own_registry import own_registry
from fakes.zoo import file_yml, model_yml, omz_yml, write_composite, write_model
from posezoo.lint.finding import Severity
from posezoo.lint.registry_view import RegistryView
from posezoo.lint.rules import check_models, load_rules

A, B = "public/pose-a", "public/pose-b"
DETECTOR = "intel/detector-0001"

CONVERTED = "### Converted Model\n\nHeatmaps, name - `heatmaps`, shape -"

#: For each rule: a file, a text in it, and the mistake that replaces the text.
PLANTED = [
    ("readable", f"{A}/model.yml", "framework: pytorch", "framework: pytroch"),
    ("too-large", f"{A}/README.md", "trained for tests.", "trained for tests. " + "word " * 500_000),
    ("known-keys", f"{A}/model.yml", "framework:", "licens: x\nframework:"),
    ("safe-sources", f"{A}/model.yml", "source: https://", "source: http://"),
    ("generated-flag", f"{A}/model.yml", "framework:", "input_info: [{name: data, shape: [1, 3, 224, 288]}]\nframework:"),
    ("label-range", f"{DETECTOR}/README.md", "`1, 1, N, 7`.", "`1, 1, N, 7`. IDs in range [1, 81] for 80 categories."),
    ("format", f"{DETECTOR}/README.md", "`1, 1, 200, 7` in the format `1, 1, N, 7`", "`1, 26, 26, 255`, format is `B, N*85, Cx, Cy`"),
    ("untold-color", f"{DETECTOR}/README.md", "Expected color order is `BGR`.", ""),
    ("untold-color", f"{DETECTOR}/README.md", "`1, 3, 320, 544`", "`1, 1, 320, 544`"),
    ("index-columns", "public/index.md", "| 60.125 |", "| 60.125<br>30.1 |"),
    ("framework", "public/index.md", "PyTorch\\*", "Caffe\\*"),
    ("dead-path", f"{A}/model.yml", "--weights=$dl_dir/pose-a.pth", "--weights=$dl_dir/pose_a.pth"),
    ("generated-flag", f"{A}/model.yml", "- --input=data", "- --input=data\n  - --model_name=pose-a"),
    ("source-of-another", f"{A}/model.yml", "project-a/v1/pose-a.pth", "project-b/v1/pose-b.pth"),
    ("weights-size", f"{DETECTOR}/model.yml", "size: 1445822", "size: 2891644"),
    ("source-name", f"{DETECTOR}/model.yml", "invalid/FP16/detector-0001.bin", "invalid/FP32/detector-0001.bin"),
    ("port-name", f"{A}/README.md", "name - `data`", "name - `image`"),
    ("port-name", f"{A}/model.yml", "=data", "=image"),
    ("port-name", f"{A}/README.md", "name - `heatmaps`", "name - `embeddings`"),
    ("input-shape", f"{A}/model.yml", "--input_shape=[1,3,224,288]", "--input_shape=[1,3,256,288]"),
    ("preprocessing", f"{A}/README.md", "[123.675, 116.28, 103.53]", "[103.53, 116.28, 123.675]"),
    ("preprocessing", f"{A}/README.md", "scale values - [58.395, 57.12, 57.375]", "scale value - 255"),
    ("untold-preprocessing", f"{A}/README.md", ", scale values - [58.395, 57.12, 57.375]", ""),
    ("color", f"{A}/README.md", "Channel order is `BGR`", "Channel order is `RGB`"),
    ("color", f"{A}/model.yml", "  - --reverse_input_channels\n", ""),
    ("color", f"{A}/accuracy-check.yml", "          - type: bgr_to_rgb\n", ""),
    ("preprocessing", f"{A}/accuracy-check.yml", "std: (58.395", "std: (57.12"),
    ("evaluated-names", f"{A}/accuracy-check.yml", "type: human_pose_estimation", "type: x\n          heatmaps_out: maps"),
    ("evaluated-names", f"{A}/accuracy-check.yml", "framework: openvino", "framework: openvino\n        inputs: [{name: picture}]"),
    ("evaluated-names", f"{A}/accuracy-check.yml", "type: human_pose_estimation", "type: x\n          outputs: [maps]"),
    ("evaluated-names", f"{A}/accuracy-check.yml", "framework: onnx_runtime", "framework: onnx_runtime\n        inputs: [{name: x}]"),
    ("evaluated-names", f"{A}/accuracy-check.yml", "model: pose-a.onnx", "model: pose_a.onnx"),
    ("evaluated-names", f"{A}/accuracy-check.yml", "- name: pose-a", "- name: pose-b"),
    ("framework", f"{A}/README.md", "PyTorch", "Caffe"),
    ("unusual-constant", f"{A}/README.md", "[123.675", "[123.657"),
    ("unusual-constant", f"{A}/model.yml", "data[58.395,57.12,57.375]", "data[0.00390625]"),
    ("unusual-constant", f"{A}/README.md", "trained for tests.", "trained for tests. Values must be divided by 0.0167."),
    ("index-figures", "public/index.md", "60.125", "16.125"),
    ("accuracy", "public/index.md", "69.04%", "96.04%"),
    ("shortened-argument", f"{A}/model.yml", "--mean_values=", "--mean_value="),
    ("mparams-size", f"{DETECTOR}/README.md", "0.723", "0.6894"),
    ("mparams-size", f"{A}/model.yml", "size: 132665000", "size: 13266500"),
    ("license-project", f"{A}/model.yml", "license: https://raw.githubusercontent.com/owner/project-a", "license: "
     "https://raw.githubusercontent.com/somebody/else"),
    ("title", f"{A}/README.md", "# pose-a\n", "# pose-b\n"),
    ("title", f"{A}/README.md", "# pose-a\n", "# A Network for Poses\n"),
    ("license-untold", f"{A}/README.md", "## Legal Information", "## Notes"),
    ("port-name", f"{A}/README.md", "Heatmaps, name - `heatmaps`, shape", "- `heatmap` of shape"),
    ("port-name", f"{A}/README.md", "## Output", "## Results"),
    ("port-name", f"{A}/README.md", "## Input", "## Values"),
    ("output-shape", f"{A}/README.md", "`1, 17, 56, 72`", "`1, 17, 56, 27`"),
    ("output-shape", f"{A}/README.md", f"{CONVERTED} `1, 17, 56, 72`", f"{CONVERTED} `1, 18, 56, 72`"),
    ("keypoint-count", f"{A}/README.md", "trained for tests.", "trained for tests. It finds 19 keypoints."),
    ("card-command", f"{A}/README.md", "## Legal", "```\nomz_downloader --nmae pose-a\n```\n\n## Legal"),
    ("card-command", f"{A}/README.md", "## Legal", "```sh\npython3 <omz_dir>/tools/downloader/converter.py --name pose-b\n```\n\n## Legal"),
    ("card-command", f"{A}/README.md", "## Legal", "```\nposezoo run pose-b --input me.jpg\n```\n\n## Legal"),
    ("card-command", f"{A}/README.md", "## Legal", "```\n$ posezoo get \\\n  pose-a --precison FP16\n```\n\n## Legal"),
    ("card-command", f"{A}/README.md", "## Legal", "```\nposezoo donwload pose-a\n```\n\n## Legal"),
    ("card-command", f"{A}/README.md", "## Legal", "```\nomz_downlaoder --name pose-a\n```\n\n## Legal"),
    ("placeholder", f"{A}/README.md", "[123.675, 116.28, 103.53]", "TODO"),
]  # fmt: skip


@pytest.fixture
def zoo(tmp_path):
    """A registry without a finding."""
    return write_omz_zoo(tmp_path / "models")


@pytest.fixture
def models(tmp_path):
    """The folder of a registry that a test writes."""
    return tmp_path / "models"


def plant(zoo, file, old, new):
    path = zoo / file
    text = path.read_text("utf-8")
    assert old in text, f"nothing to plant in: {old}"
    path.write_text(text.replace(old, new), "utf-8")


def check(zoo, *words):
    ended = posezoo("lint", "--models_dir", zoo, "--format", "json", *words)
    return ended.returncode, json_of(ended)["findings"]


def rules_of(zoo, *words):
    return [finding["rule"] for finding in check(zoo, *words)[1]]


def quoted_by(zoo):
    """The rule of each finding, and the text that it quotes."""
    return {(finding["rule"], finding["found"]) for finding in check(zoo)[1]}


@pytest.mark.parametrize(("rule", "file", "old", "new"), PLANTED)
def test_a_rule_finds_its_mistake(zoo, rule, file, old, new):
    plant(zoo, file, old, new)
    code, findings = check(zoo)
    assert code == int(any(finding["severity"] == "error" for finding in findings))
    of_rule = [finding for finding in findings if finding["rule"] == rule]
    others = [finding["rule"] for finding in findings]
    assert of_rule, f"{rule} does not find {new!r} in {file}; found were {others}"
    for finding in of_rule:
        assert (zoo / str(finding["file"])).is_file()
        assert isinstance(finding["line"], int)
        assert finding["line"] >= 1
        assert finding["message"]


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("`heatmaps`", "`heatmap`", "port-name"),  # the name in accuracy-check.yml is right
        (f"{CONVERTED} `1, 17, 56, 72`", f"{CONVERTED} `1, 18, 56, 27`", "output-shape"),
        (
            "format is `B, C, H, W`.",
            "format is `B, C, H, W`. It has 19 keypoints.",
            "keypoint-count",
        ),
    ],
)
def test_what_contradicts_several_places_is_one_finding(zoo, old, new, rule):
    adapter = "type: human_pose_estimation"
    named = f"{adapter}\n          heatmaps_out: heatmaps"
    plant(zoo, f"{A}/accuracy-check.yml", adapter, named)
    assert check(zoo) == (0, [])
    plant(zoo, f"{A}/README.md", old, new)
    assert rules_of(zoo) == [rule]


@pytest.mark.parametrize("spoil", [Path.unlink, lambda card: card.write_text("")])
def test_a_model_without_a_card_is_found_where_others_have_one(zoo, spoil):
    spoil(zoo / A / "README.md")
    code, (finding,) = check(zoo)
    assert (code, finding["rule"]) == (1, "no-card")
    assert (finding["file"], finding["line"]) == (str(zoo / A / "model.yml"), 1)
    for folder in (A, B):
        (zoo / folder / "README.md").unlink(missing_ok=True)
    assert check(zoo) == (0, [])  # most models have none


LINK = "A copy is in [MIT.txt](../licenses/MIT.txt) and `<omz_dir>/models/public/licenses/MIT.txt`."


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("](../licenses/MIT.txt", "](../licenses/MTI.txt"),
        ("](../licenses/MIT.txt", "](../licences/MIT.txt"),
        ("](../licenses/MIT.txt", "](../../licenses/MIT.txt?raw=1"),
        ("<omz_dir>/models/public/licenses/MIT.txt", "<omz_dir>/models/public/licenses/MTI.txt"),
    ],
)
def test_a_link_to_a_license_that_does_not_exist_is_found(zoo, old, new):
    for folder in (A, B):
        plant(zoo, f"{folder}/README.md", "## Legal Information", f"## Legal Information\n\n{LINK}")
    assert check(zoo) == (0, [])  # this copy has no licenses
    licenses = zoo / "public" / "licenses"
    licenses.mkdir()
    (licenses / "MIT.txt").write_text("MIT License")
    assert check(zoo) == (0, [])
    plant(zoo, f"{A}/README.md", old, new)
    code, (finding,) = check(zoo)
    assert (code, finding["rule"], finding["model"]) == (1, "dead-link", "pose-a")
    (licenses / "MIT.txt").unlink()
    assert {each["model"] for each in check(zoo)[1]} == {"pose-a", "pose-b"}


def test_a_source_of_another_model_is_found_if_a_model_is_checked_alone(zoo):
    plant(zoo, f"{A}/model.yml", "project-a/v1/pose-a.pth", "project-b/v1/pose-b.pth")
    assert "source-of-another" in rules_of(zoo, "pose-a")


def test_accuracies_of_other_conditions_have_no_order(models):
    claim = {"metric": "AP", "dataset": "COCO val2017", "protocol": "boxes of A, no flip"}
    flipped = {**claim, "value": 0.6, "flip": True, "protocol": "boxes of A"}

    def find_rules(**differing):
        accuracy = [{**claim, "value": 0.7}, {**flipped, **differing}]
        content = model_yml(published={"accuracy": accuracy})
        write_model(models, "planted", content)
        return rules_of(models)

    assert "accuracy-order" in find_rules()
    assert "accuracy-order" not in find_rules(protocol="boxes of B")
    assert "accuracy-order" not in find_rules(dataset="COCO test-dev")


def test_a_hash_in_a_name_is_compared_with_each_digest_of_the_file(models):
    for digits, times in (("5c106cde", 0), ("5c106cdf", 1)):
        file = file_yml(f"net-{digits}.onnx", sha256="5c106cde" + "0" * 56)
        arguments = [f"--input_model=$dl_dir/net-{digits}.onnx"]
        content = omz_yml(files=[file], model_optimizer_args=arguments)
        write_model(models, "planted", content)
        assert rules_of(models).count("hash-name") == times


@pytest.mark.parametrize(
    ("rule", "file", "old", "new"),
    [
        ("index-figures", f"{A}/README.md", "| 33.165 |", "| 33.166 |"),
        ("accuracy", "public/index.md", "69.04%", "69.05%"),
        (
            "license-project",
            f"{DETECTOR}/README.md",
            "[*] Other",
            "[license](https://github.com/owner/other/LICENSE)",
        ),
    ],
)
def test_a_difference_that_may_be_intended_is_only_a_warning(zoo, rule, file, old, new):
    plant(zoo, file, old, new)
    code, findings = check(zoo)
    assert (code, [(finding["rule"], finding["severity"]) for finding in findings]) == (
        0,
        [(rule, "warning")],
    )
    assert load_rules()[rule].severity is Severity.ERROR


def test_parts_have_the_license_that_their_composite_states(models):
    for name, license in (
        ("whole-a", "https://models.invalid/LICENSE"),
        ("whole-b", "https://other.invalid/LICENSE"),
    ):
        write_model(models / "public", name, omz_yml(license=license), family="whole")
    (models / "public" / "whole" / "composite-model.yml").write_text(
        "description: Both.\ntask_type: human_pose_estimation\nstages_order: [whole-a, whole-b]\n"
        "framework: onnx\nlicense: https://models.invalid/LICENSE\n"
    )
    found = [(each["rule"], each["found"]) for each in check(models)[1]]
    assert ("parts", "https://other.invalid/LICENSE") in found
    assert sum(rule == "parts" for rule, _ in found) == 1


def test_a_name_that_is_almost_the_models_own_is_found(zoo):
    shutil.copytree(zoo / A, zoo / "public" / "pose-new-0003")
    text = "trained for tests. The output of `pose-new-0004` is new."
    plant(zoo, "public/pose-new-0003/README.md", "trained for tests.", text)
    assert {text for rule, text in quoted_by(zoo) if rule == "another-name"} == {"pose-new-0004"}


def test_what_a_part_writes_has_the_shape_that_another_part_reads(models):
    card = "".join(
        f"## {part} model specification\n\n### Inputs\n\nName: `{read}`, shape: `1, 64, {size}`.\n\n"
        f"### Outputs\n\nName: `{written}`, shape: `1, 64, 175`.\n\n"
        for part, read, written, size in (
            ("Encoder", "image", "features", 9),
            ("Decoder", "features", "words", 75),
        )
    )
    for name in ("whole-encoder", "whole-decoder"):
        write_model(models / "public", name, omz_yml(), family="whole")
    folder = models / "public" / "whole"
    (folder / "composite-model.yml").write_text(
        "description: Both.\ntask_type: human_pose_estimation\nstages_order: [whole-encoder, whole-decoder]\n"
        "framework: onnx\nlicense: https://models.invalid/LICENSE\n"
    )
    (folder / "README.md").write_text(f"# whole\n\n{card}")
    assert ("part-shapes", "1, 64, 175") in quoted_by(models)
    (folder / "README.md").write_text(
        f"# whole\n\n{card}".replace("75`.\n\n### Outputs", "175`.\n\n### Outputs")
    )
    assert "part-shapes" not in rules_of(models)


def test_an_original_source_without_https_is_a_warning(zoo):
    source = "    source: https://raw.githubusercontent.com/owner/project-a/v1/pose-a.pth\n"
    plant(
        zoo,
        f"{A}/model.yml",
        source,
        f"{source}    original_source: http://models.invalid/pose-a.pth\n",
    )
    code, (finding,) = check(zoo)
    assert (code, finding["rule"], finding["severity"]) == (0, "safe-sources", "warning")


def test_a_finding_shows_no_password_of_an_address(zoo):
    plant(zoo, f"{A}/model.yml", "https://raw", "http://reader:hunter2@raw")
    code, findings = check(zoo)
    assert code == 1 and "safe-sources" in {each["rule"] for each in findings}
    assert "hunter2" not in f"{findings}"


@pytest.mark.parametrize(
    ("file", "old", "new", "rule", "wrong", "found"),
    [
        ("public/index.md", "33.165", "31.265", "index-figures", "public/index.md", "31.265"),
        (f"{A}/README.md", "33.165", "31.265", "index-figures", f"{A}/README.md", "31.265"),
        (f"{A}/model.yml", "58.395", "58.624", "unusual-constant", f"{A}/model.yml", "data[58.624,57.12,57.375]"),
        (f"{A}/README.md", "`1, 3, 224, 288`", "`1,3,  288, 224`", "input-shape", f"{A}/README.md", "1,3,  288, 224"),
    ],
)  # fmt: skip
def test_a_finding_is_in_the_file_that_two_others_contradict_and_quotes_it(
    zoo, file, old, new, rule, wrong, found
):
    plant(zoo, file, old, new)
    findings = [finding for finding in check(zoo)[1] if finding["rule"] == rule]
    assert {(finding["file"], finding["found"]) for finding in findings} == {
        (str(zoo / wrong), found)
    }


def test_preprocessing_is_told_also_without_a_section_about_the_original(zoo):
    card = zoo / A / "README.md"
    before, _, rest = card.read_text().partition("### Original Model")
    card.write_text(before + rest.partition("### Converted Model\n")[2], "utf-8")
    _, findings = check(zoo)
    assert [each["expected"] for each in findings if each["rule"] == "untold-preprocessing"] == [
        "123.675, 116.28, 103.53",
        "58.395, 57.12, 57.375",
    ]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("One Short Title", [("pose-a", "1512.02325")]),
        ("The paper", []),  # two words name no paper
    ],
)
def test_the_arxiv_number_of_another_paper_is_found(zoo, title, expected):
    papers = [("a", "1801.04381", title), ("b", "1512.02325", title),
              ("b", "1801.04381", "Quite Another Title")]  # fmt: skip
    for name, number, text in papers:
        link = f"trained for tests. See [{text}](https://arxiv.org/abs/{number})."
        plant(zoo, f"public/pose-{name}/README.md", "trained for tests.", link)
    found = [(each["model"], each["expected"]) for each in check(zoo)[1] if each["rule"] == "paper"]
    assert found == expected


def test_a_card_that_may_be_right_has_no_finding(zoo):
    card = zoo / A / "README.md"
    text = card.read_text()
    for old, new in (
        ("`1, 3, 224, 288`", "`1, 3, 112, 144` for thumbnails and `1, 3, 224, 288` for pictures"),
        ("name - `heatmaps`", "name - `heat*`"),
        ("name - `data`", "name - `data:0`"),
    ):
        card.write_text(text.replace(old, new), "utf-8")
        assert check(zoo) == (0, []), new
    card.write_text(text, "utf-8")
    plant(zoo, f"{A}/model.yml", "project-a/v1/pose-a.pth", "project-b/v1/pose-b.pth")
    plant(zoo, f"{A}/model.yml", "size: 132665000", "size: 114477000")
    plant(zoo, f"{A}/model.yml", "checksum: a", "sha256: a")
    plant(zoo, f"{A}/model.yml", "0" * 95, "0" * 63)
    assert "same-source" not in rules_of(zoo)


def test_two_files_with_one_address_are_found_in_both_models(zoo):
    for name in ("a", "b"):
        plant(
            zoo,
            f"public/pose-{name}/model.yml",
            f"project-{name}/v1/pose-{name}.pth",
            "weights/v1.pth",
        )
    found = [(each["rule"], each["model"]) for each in check(zoo)[1]]
    assert found == [("same-source", "pose-a"), ("same-source", "pose-b")]


def test_swapped_metrics_are_found_on_both_cards(zoo):
    for name, own, other in (("pose-a", "33.165", "28.6180"), ("pose-b", "28.6180", "33.165")):
        plant(zoo, f"public/{name}/README.md", own, other)
    found = {(each["rule"], each["file"]) for each in check(zoo)[1]}
    assert found == {
        ("index-figures", str(zoo / "public" / name / "README.md")) for name in ("pose-a", "pose-b")
    }


def test_copied_metrics_are_found_on_the_card_whose_files_they_do_not_fit(zoo):
    plant(zoo, f"{A}/README.md", "60.125", "92.8364")
    plant(zoo, f"{A}/README.md", "33.165", "28.6180")
    plant(zoo, f"{A}/model.yml", "size: 132665000", "size: 332665000")
    _, findings = check(zoo)
    assert [finding["model"] for finding in findings if finding["rule"] == "copied-figures"] == [
        "pose-a"
    ]


GONE = {"file": "gone.safetensors", "checksum": "0a" * 48}


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"decoder": {"name": "nope"}}, "known-decoder"),
        ({"license": {"spdx": "MIT", "text": "nowhere.txt"}}, "license-text"),
        ({"deprecated": {"since": "0.2.0", "use": "gone"}}, "known-model"),
        ({"people": {"photo": "none", "detectors": {"gone": {}}}}, "known-model"),
        ({"people": {"photo": "none", "detectors": {"pose-a": {}}}}, "known-model"),
        ({"recorded_outputs": {"runtime": "LiteRT 2", **GONE}}, "files-beside"),
        ({"int8_ranges": {"photos": "3", **GONE}}, "files-beside"),
        ({"outputs": None}, "declared-ends"),
        ({"frozen_inputs": {"image_size": [32, 32]}}, "frozen-input"),
        ({"frozen_inputs": {"input": [1]}}, "frozen-input"),
        (
            {
                "framework": "pytorch",
                "network": {"name": "higher_hrnet", "width": 9000},
                "checkpoint": "net.tflite",
            },
            "known-network",
        ),
        ({"license": {"spdx": "MIT", "text": "Apache-2.0-Real.txt"}}, "license-kind"),
        ({"inputs": [{"name": "input", "shape": [1, 48, 64, 3], "layout": "NCHW"}]}, "layout"),
    ],
)
def test_a_mistake_in_our_own_format_is_found(tmp_path, changes, rule, models):
    write_model(models, "planted", model_yml(**changes))
    terms = "Copyright 2026 The tests\n\n    Apache License\n    Version 2.0, January 2004\n"
    (tmp_path / "licenses" / "Apache-2.0-Real.txt").write_text(terms)
    code, findings = check(models)
    assert (code, [finding["rule"] for finding in findings]) == (1, [rule])


def test_a_framework_that_does_not_fit_is_reported_with_what_decides_it(zoo):
    plant(zoo, f"{A}/model.yml", "framework: pytorch", "framework: caffe")
    (message,) = [each["message"] for each in check(zoo)[1] if each["rule"] == "framework-files"]
    assert message.startswith("framework is caffe, but .pth")


def test_outputs_that_the_decoder_does_not_take_are_found_at_one_place(models):
    outputs = [{"name": "maps", "shape": [1, 17, 12, 16], "role": "maps"}]
    write_model(models, "whole/first", model_yml(outputs=outputs, decoder=None))
    write_composite(models, "whole", ["first"], decoder={"name": "heatmap"})

    def places():
        findings = check(models)[1]
        return [
            (Path(str(each["file"])).parent.name, each["message"])
            for each in findings
            if each["rule"] == "decoder-outputs"
        ]

    message = "first: none has the role heatmaps, which the decoder heatmap takes"
    assert places() == [("first", message)]
    write_composite(models, "again", ["first"], decoder={"name": "heatmap"})
    assert places() == [("first", message)]


def test_roles_that_have_changed_places_are_found_by_the_shapes(models):
    outputs = [
        {"name": "first", "shape": [1, 19, 32, 57], "role": "pafs"},
        {"name": "second", "shape": [1, 38, 32, 57], "role": "heatmaps"},
    ]
    planted = model_yml(outputs=outputs, decoder={"name": "openpose"}, skeleton="openpose-18")
    write_model(models, "planted", planted)
    findings = check(models)[1]
    (message,) = [each["message"] for each in findings if each["rule"] == "decoder-outputs"]
    assert message == "planted: by its shape, second has the role pafs"


def test_an_unknown_skeleton_is_found_and_the_known_ones_are_named(models):
    write_model(models, "planted", model_yml(skeleton="coco-71"))
    found = {str(each["rule"]): each for each in check(models)[1]}
    assert found.keys() == {"missing-decoder", "known-skeleton"}
    assert "coco-17" in str(found["known-skeleton"]["expected"])


@pytest.mark.parametrize(
    ("name", "severity", "hint"),
    [
        ("apache2", "error", "did you mean Apache-2.0? LicenseRef-NAME"),
        ("Ours", "warning", "LicenseRef-NAME stands for terms that SPDX does not list"),
    ],
)
def test_a_license_that_spdx_does_not_list_is_an_error_if_another_name_is_near(
    models, name, severity, hint
):
    write_model(
        models,
        "planted",
        model_yml(license={"spdx": name, "text": "Apache-2.0-Tests.txt"}),
    )
    code, (finding,) = check(models)
    assert (code, finding["rule"]) == (int(severity == "error"), "license-name")
    assert finding["severity"] == severity
    assert f"SPDX does not list {name}: {hint}" in finding["message"]


OURS_CARD = """\
# planted

## Use Case and High-Level Description

A small model.

## Specification

| Metric | Value |
| --- | --- |
| GFLOPs | 5.9206 |
| MParams | 8.1506 |

## Accuracy

| Metric | Value |
| --- | --- |
| AP | 64.64% |

## Input

Name - `input`, shape - `1, 4, 6, 3`, color order is `RGB`.

## Output

Name - `output`, shape - `1, 5`.

## Legal Information
"""


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("| GFLOPs | 5.9206 |", "| GFLOPs | 9.9 |", "index-figures"),
        ("64.64%", "46.46%", "accuracy"),
        ("1, 4, 6, 3", "1, 6, 4, 3", "input-shape"),
        ("1, 5", "1, 6", "output-shape"),
    ],
)
def test_our_own_format_is_compared_with_its_card(models, old, new, rule):
    published = {
        "accuracy": [{"metric": "AP", "value": 0.6464}],
        "gflops": 5.9206,
        "mparams": 8.1506,
    }
    files = [file_yml(size=33_000_000)]
    path = write_model(models, "planted", model_yml(files=files, published=published))
    path.with_name("README.md").write_text(OURS_CARD)
    assert check(models) == (0, [])
    path.with_name("README.md").write_text(OURS_CARD.replace(old, new))
    code, findings = check(models)
    assert (code, [finding["rule"] for finding in findings]) == (1, [rule])
    path.with_name("README.md").write_text(OURS_CARD)
    measured = "complexity: [{precision: FP32, figures: {gflops: 4.1, mparams: 8.15}}]"
    path.with_name("measured.yml").write_text(measured)
    assert rules_of(models) == ["counted-figures"]
    reason = {**published, "known_difference": "the weights were made smaller"}
    write_model(models, "planted", model_yml(files=files, published=reason))
    assert check(models) == (0, [])


@pytest.mark.parametrize(
    ("converted", "expected"),
    [
        ("64.64%", []),
        ("6.464%", ["converted-accuracy"]),
        ("46.46%", ["converted-accuracy"]),
    ],
)
def test_the_accuracy_of_a_converted_model_is_near_that_of_the_original(
    models, converted, expected
):
    path = write_model(models, "planted", model_yml())
    table = "| Metric | Original model | Converted model |\n| - | - | - |\n| AP | 64.64% | {} |\n"
    before = OURS_CARD.partition("| Metric | Value |\n| --- | --- |\n| AP")[0]
    path.with_name("README.md").write_text(before + table.format(converted))
    assert [each for each in rules_of(models) if "accuracy" in each] == expected


def test_an_ap_far_from_the_published_one_needs_a_reason(models):
    claim = {"metric": "AP", "value": 0.428, "dataset": "COCO val2017"}
    path = write_model(models, "planted", model_yml(published={"accuracy": [claim]}))

    def rules(ap, **settings):
        settings = {"dataset": "person_keypoints_val2017", "images": 5000, **settings}
        row = {"precision": "FP16", "settings": settings, "figures": {"AP": ap}}
        path.with_name("measured.yml").write_text(json.dumps({"accuracy": [row]}))
        return rules_of(models)

    assert rules(0.385) == rules(0.449) == ["measured-accuracy"]
    assert rules(0.409) == rules(0.447) == []
    assert rules(0.385, images=17) == rules(0.385, flip=True) == []
    assert rules(0.385, people_from="nanodet-g") == rules(0.385, of="boxes") == []
    reason = {"accuracy": [claim], "known_difference": "earlier weights"}
    write_model(models, "planted", model_yml(published=reason))
    assert rules(0.385) == []


@pytest.mark.parametrize(
    ("papers", "problem"),
    [
        (
            "https://papers.invalid/2: {key: x, title: x, authors: [x], year: 2020}",
            "does not describe",
        ),
        ("https://papers.invalid/1: {key: x, title: x, authors: [x], year: 20200}", "year: "),
    ],
)
def test_a_paper_that_cannot_be_cited_is_found(models, papers, problem):
    origin = {"paper": "https://papers.invalid/1"}
    write_model(models, "planted", model_yml(origin=origin))
    assert check(models) == (0, [])
    (models / "papers.yml").write_text(papers)
    code, (finding,) = check(models)
    assert (code, finding["rule"]) == (1, "papers")
    assert problem in finding["message"]


LEFT_OUT = "left_out: [{names: [other], reason: No weights., instead: [%s]}]"


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ("aliases: {pose: planted}", ""),
        (LEFT_OUT % "planted", ""),
        ("aliases: {pose: plantet}", "no model is called plantet; did you mean planted?"),
        (LEFT_OUT % "planted, gone", "no model is called gone"),
        ("aliases: {planted: planted}", "planted is a model of this registry"),
        ("aliases: {people: detector}", "the alias people means detector, which is for detection"),
    ],
)
def test_a_name_of_no_model_in_names_yml_is_found(models, names, problem):
    write_model(models, "planted", model_yml())
    write_model(models, "detector", model_yml(task_type="detection", description="Finds boxes."))
    (models / "names.yml").write_text(names)
    code, findings = check(models)
    assert (code, [each["rule"] for each in findings]) == (
        (1, ["known-names"]) if problem else (0, [])
    )
    assert all(str(each["message"]).startswith(problem) for each in findings)


def pages_as_they_are(root):
    """What is drawn, as it was: docs/draw.py --check draws it anew."""
    pages = (*root.rglob("*.md"), *root.rglob("card.json"), *root.rglob("*.svg"))
    return {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in pages}


def test_our_own_registry_has_no_finding(monkeypatch):
    """Without PyTorch, which counts parameters, and without drawing pages; posezoo itself does both."""
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr("posezoo.lint.registry_view.render_pages", pages_as_they_are)
    models = RegistryView(own_registry()).models.values()
    found = [
        f"{Path(each.file).relative_to(ROOT)}:{each.line}: {each.message} [{each.rule}, {each.model}]"
        for each in check_models(models)
    ]
    assert not found, (
        "mend these models, or the rule in lint/rules/ if they are right:\n" + "\n".join(found)
    )


def test_every_rule_has_a_test_and_an_explanation():
    pages = [
        Path(__file__).with_name(name)
        for name in (
            "test_rules.py",
            "test_builtin_models.py",
            "test_injected_mistakes.py",
            "test_changes.py",
            "test_kin_rules.py",
            "test_spoilt_registry.py",
        )
    ]
    here = "".join(page.read_text("utf-8") for page in pages)
    rules = load_rules()
    for rule in rules.values():
        unknown = {*rule.unless} - rules.keys()
        assert not unknown, f"{rule.id} in lint/rules/ has unless={sorted(unknown)}: no such rule"
        assert f'"{rule.id}"' in here, (
            f"add a mistake that {rule.id} finds to PLANTED of tests/lint/test_rules.py"
        )
        name = rule.id.replace("-", "_")
        assert len(rule.explanation) > 20, (
            f"say in the docstring of {name} in lint/rules/ what must hold"
        )
        assert rule.example, f"add a line 'Example: ...' to the docstring of {name} in lint/rules/"
