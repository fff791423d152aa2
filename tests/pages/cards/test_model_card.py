"""A model's card: its content, commands that work as pasted, and harmless text from any model.yml."""

import json
import os
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
from markdown_it import MarkdownIt

from conftest import by_digest
from fakes.command import posezoo, read_json, succeeded
from fakes.zoo import as_yaml, file_yml, model_yml, write_composite, write_model
from posezoo.cli.main import create_parser
from posezoo.core.declarations.model import Digest
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import Registry, open_registry
from posezoo.figures.model_facts import ModelFacts
from posezoo.omz.commands import converter, downloader
from posezoo.pages.cards.card_reader import parse_card
from posezoo.pages.cards.model_card import NOTE, render_card, write_card
from posezoo.pages.cards.registry_pages import render_pages

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden"
CAMERA = "bb53ccd861e8bcde0971f6914a9fff5f377077db4fe5aaec9c4d8a9b80e815f0aadb0c98c52ac998731b3b0ecfdccc04"

RECIPE = {"drawn_from": "0" * 64}


def drawn(root, name, layout=None):
    registry = Registry([root])
    model = registry.find(name)
    return render_card(ModelFacts(model, registry.parts(model), layout))


def card_of_spec(model, layout=None):
    return render_card(ModelFacts(model, (model,), layout))


def card_of(folder, content):
    """The card of a model with this model.yml."""
    write_model(folder / "models", "net", content)
    return drawn(folder / "models", "net")


def section(card, title):
    return card.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_a_card_is_equal_to_the_stored_one(tmp_path):
    content = model_yml(
        description="Finds the poses of all people in an image at once.",
        framework="onnx",
        origin={"repository": "https://code.invalid/pose", "paper": "https://papers.invalid/abs/1"},
        files=[
            {
                "name": "net/pose.onnx",
                "size": 12345678,
                "checksum": "0123456789abcdef" * 6,
                "source": ["https://models.invalid/pose.onnx", "https://mirror.invalid/pose.onnx"],
            },
            {
                "name": "labels.txt",
                "size": 9,
                "checksum": {"$type": "sha256", "value": "ab" * 32},
                "source": "https://models.invalid/labels.txt",
            },
        ],
        inputs=[
            {
                "name": "image",
                "shape": [1, 3, -1, 456],
                "layout": "NCHW",
                "color": "RGB",
                "reverse_input_channels": True,
                "mean": [123.675, 116.28, 103.53],
                "scale": [58.395, 57.12, 57.375],
            }
        ],
        outputs=[
            {
                "name": "maps",
                "shape": [1, 33, 32, 57],
                "layout": "NCHW",
                "role": "heatmaps",
                "note": "a | b",
            }
        ],
        decoder={"name": "blazepose"},
        skeleton="blazepose-33",
    )
    write_model(tmp_path / "models", "pose-net", content)
    golden = GOLDEN / "card.txt"
    card = drawn(tmp_path / "models", "pose-net")
    (tmp_path / "card.md").write_text(card, "utf-8")
    assert card == golden.read_text("utf-8"), (
        f"where it is meant: cp {tmp_path / 'card.md'} {golden}"
    )


def test_the_card_of_a_composite_describes_its_parts_and_links_to_their_cards(tmp_path):
    root = tmp_path / "models"
    write_composite(root, "whole", ["second", "first"])
    write_model(root, "whole/first", model_yml(description="Looks closely."))
    write_model(root, "whole/second", model_yml(description="Looks around."))
    card = drawn(root, "whole")
    assert "1. [second](second/README.md)\n2. [first](first/README.md)\n" in card
    assert "Inputs and outputs are those of its parts" in card and "## Input" not in card
    assert "(../../../licenses/Apache-2.0-Tests.txt)" in card
    part = drawn(root, "whole/first".rpartition("/")[2])
    assert "It is a part of [whole](../README.md)." in part
    assert "(../../../../licenses/Apache-2.0-Tests.txt)" in part


def test_a_license_that_is_an_address_is_linked(tmp_path):
    legal = section(
        card_of(tmp_path, model_yml(license="https://terms.invalid/LICENSE")), "Legal Information"
    )
    assert "the terms at <https://terms.invalid/LICENSE>." in legal


def everything_hostile(root):
    """A model whose every free text is a trick, with papers, figures and a license of the same kind."""
    evil = TRICKS
    address = "https://terms.invalid/><b>|[x](y)"
    files = [file_yml("a`b&c;d.tflite", source="https://models.invalid/<b>")]
    accuracy = [
        {"metric": "AP", "value": 0.5, "AP50": 0.6, "dataset": f"COCO {evil}", "protocol": evil}
    ]
    content = model_yml(
        description=evil,
        files=files,
        origin={"repository": address, "paper": "https://papers.invalid/1"},
        inputs=[{"name": evil, "shape": [1, 4, 6, 3], "layout": "NHWC", "mean": [1, 2, 3]}],
        outputs=[{"name": "`|`", "shape": [1, 5], "note": evil, "original": evil}],
        published={"accuracy": accuracy, "known_difference": evil},
        training={"command": address, "log": "https://terms.invalid/`x`"},
        license={"spdx": "MIT", "text": "MIT-evil.txt"},
        license_note=evil,
        limits=evil,
        deprecated={"since": "1.0", "use": "other"},
        decoder={"name": "heatmap", "convention": "argmax"},
        skeleton="coco-17",
    )
    write_model(root, "net", content)
    (root.parent / "licenses" / "MIT-evil.txt").write_text(
        f"Copyright 2026 {evil}\n\n```\n{evil}\n````\n"
    )
    paper = {"key": "doe", "title": evil, "authors": [evil], "year": 2020}
    (root / "papers.yml").write_text(as_yaml({"https://papers.invalid/1": paper}), "utf-8")
    machine = json.dumps(" ".join(evil.split()))
    (root / "public" / "net" / "measured.yml").write_text(
        f"speed:\n  - {{precision: FP16, machine: {machine}, settings: {{device: {machine}}}, "
        "figures: {throughput_fps: 1}}\n"
    )


TRICKS = (
    "](x) <img src=x onerror=alert(1)> | `rm` **b** # h\n\n# Heading\n\n<script>alert(1)</script> "
    "[a](javascript:alert(1)) ![b](x) https://bare.invalid www.bare.invalid <https://auto.invalid> ``` ~~~ "
    "&lt;u&gt; \\` \\<i> --> <!-- ]]> {{ x }} $m$ [^1] [r]: https://r.invalid :smile: @name #1."
)


def test_a_hostile_model_yml_adds_no_markup_to_the_page(tmp_path):
    root = tmp_path / "models"
    everything_hostile(root)
    pages = [text for name, text in render_pages(root).items() if name.endswith(".md")]
    pages.append(drawn(root, "net", ModelLayout(tmp_path / "out", tmp_path / "out")))
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    for page in pages:
        # As a reader sees it who knows front matter, and as one who takes it for text.
        for text in (page, page.partition("\n---\n")[2] or page):
            tokens = list(flat(reader.parse(text)))
            kinds = [token.type for token in tokens if not is_note(token.content)]
            assert not {"html_inline", "html_block", "s_open"} & set(kinds)
            # The card of an old model says so, and the index says nothing of the sort.
            assert kinds.count("em_open") == 0
            assert kinds.count("strong_open") <= 1
            targets = {token.attrs["href"] for token in tokens if token.type == "link_open"}
            assert not [target for target in targets if not target.startswith(ALLOWED)], targets
            assert {token.attrs["src"] for token in tokens if token.type == "image"} <= SEEN
        for table in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, (
                table
            )
    headings = [each.title for each in parse_card(pages[0]).sections]
    assert "Heading" not in headings
    assert "Legal Information" in headings


#: Where links of a drawn page may lead, and the pictures that it may show.
ALLOWED = (
    "../",
    "card.json",
    "public/",
    "https://papers.invalid/1",
    "https://terms.invalid/",
    "https://models.invalid/",
)
SEEN = {"../../skeletons/coco-17.svg", "coco-17.svg"}


def is_note(html):
    return html.startswith("<!-- drawn by `posezoo card ") and html.endswith(f"{NOTE} -->\n")


def flat(tokens):
    for token in tokens:
        yield token
        yield from flat(token.children or ())


def fenced(card, language):
    return re.findall(rf"```{language}\n(.*?)```", card, re.DOTALL)


def test_each_card_in_our_zoo_is_one_screen_with_commands_that_can_be_parsed():
    registry = open_registry()
    parser = create_parser()
    tools = {
        "downloader": downloader.COMMAND.create_parser(),
        "converter": converter.COMMAND.create_parser(),
    }
    for name, entry in registry.entries.items():
        model = entry.read()
        card = model.path.with_name("README.md").read_text("utf-8")
        lines = "".join(fenced(card, "sh")).splitlines()
        assert any(line.startswith(f"posezoo download {name}") for line in lines)
        assert len(card.split()) <= 500, f"{name}: a card is one screen"
        assert len(re.findall(r"^\| --- \|", card, re.MULTILINE)) <= 3
        for line in lines:
            command, *words = shlex.split(line)
            if command == "python":
                script = Path(words.pop(0))
                assert (ROOT / script).is_file()
                assert tools[script.stem].parse_args(words).name == name
            else:
                assert command == "posezoo"
                args = parser.parse_args(words)
                # A composite without INT8 as a whole names the parts that have it.
                names = {name, *(part.full_name for part in registry.parts(model))}
                assert names & {args.model} if hasattr(args, "model") else names & set(args.models)


def test_the_commands_of_a_card_find_its_registry_from_the_folder_above(tmp_path):
    """A foreign registry's own card: a stranger who cloned it runs its commands as they are."""
    write_model(tmp_path / "zoo", "net", model_yml())
    spec = open_registry([tmp_path / "zoo"]).find("net")
    commands = "".join(fenced(card_of_spec(spec), "sh")).splitlines()
    assert commands
    assert all(line.endswith(" --models_dir zoo") for line in commands)
    assert 'precision="FP16", models_dir="zoo")' in card_of_spec(spec)
    named = next(line for line in commands if line.startswith("posezoo download"))
    succeeded(posezoo(*shlex.split(named)[1:], "--dry_run", cwd=tmp_path))


def test_commands_for_a_model_without_a_checksum_trust_on_first_use(tmp_path):
    spec = open_registry().find("lightweight-openpose-mobilenet-v1")
    card = card_of_spec(spec)
    for verb in (f"run {spec.name} --input photo.jpg", f"download {spec.name}"):
        assert f"posezoo {verb} --trust_on_first_use\n" in card
    assert 'precision="FP16", trust_on_first_use=True, device="CPU"' in card
    (file,) = spec.files
    pinned = replace(spec, files=(replace(file, size=1, checksum=Digest("sha384", "0" * 96)),))
    assert "trust_on_first_use" not in card_of_spec(pinned)


def test_the_python_of_a_card_runs_as_pasted(blazepose, mirror, tmp_path, monkeypatch, capsys):
    cv2.imwrite(str(tmp_path / "photo.jpg"), cv2.imread(str(by_digest(mirror, CAMERA))))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSEZOO_WEIGHTS_DIR", str(blazepose.output_dir))
    registry = open_registry()
    for name in ("blazepose-full", "pose-detection-mediapipe"):
        model = registry.find(name)
        (program,) = fenced(render_card(ModelFacts(model, registry.parts(model))), "python")
        names = {}
        exec(program, names)
    assert capsys.readouterr().out.startswith("0.9")
    assert names["irs"]["pose-detection-mediapipe"].is_file()


def test_the_card_beside_an_ir_describes_it_and_is_not_rewritten_without_changes(
    blazepose, tmp_path
):
    shutil.copytree(blazepose.output_dir, tmp_path / "out")
    layout = ModelLayout(tmp_path / "out", tmp_path / "out")
    registry = open_registry()
    model = registry.find("blazepose-full")
    path = write_card(ModelFacts(model, registry.parts(model), layout), RECIPE)
    card = path.read_text("utf-8")
    assert path == tmp_path / "out" / "public" / "blazepose-full" / "README.md"
    lines = section(card, "Self-Check").strip().splitlines()
    assert len(lines) == 4
    assert re.match(
        r"- pose-detection-mediapipe FP32, made by OpenVINO \S+: differs by \S+ from .*LiteRT",
        lines[0],
    )
    # It lies far from the licenses and, perhaps, alone.
    assert re.findall(r"\]\(([^)]+)\)", card) == ["blazepose-33.svg"]
    facts = read_json(path.with_name("card.json"))
    assert [(fact["model"], fact["precision"]) for fact in facts["made"]] == [
        (part, precision) for part in model.stages for precision in ("FP32", "FP16")
    ]
    assert facts["made"][0]["checks"][0]["output"] == "Identity"
    beside = [path, path.with_name("card.json"), path.with_name("blazepose-33.svg")]
    before = [each.stat().st_mtime_ns for each in beside]
    write_card(ModelFacts(model, registry.parts(model), layout), RECIPE)
    assert [each.stat().st_mtime_ns for each in beside] == before


def test_a_page_that_posezoo_did_not_draw_stays(tmp_path):
    root = tmp_path / "models"
    write_model(root, "pose", model_yml())
    spec = Registry([root]).find("pose")
    # Converted where it is declared, as in a checkout or Open Model Zoo's folder.
    layout = ModelLayout(root, root)
    page = root / "public" / "pose" / "README.md"
    for reference in (card_of_spec(spec), "# The zoo's own page\n", ""):
        page.write_text(reference, "utf-8")
        assert write_card(ModelFacts(spec, (spec,), layout), RECIPE) == page
        assert page.read_text("utf-8") == reference
        assert not page.with_name("card.json").exists()
    page.unlink()
    write_card(ModelFacts(spec, (spec,), layout), RECIPE)
    assert "your text is kept as README.md.bak1" in page.read_text("utf-8").splitlines()[1]
    changed = replace(spec, description="Another one.")
    write_card(ModelFacts(changed, (changed,), layout), RECIPE)
    assert "Another one." in page.read_text("utf-8")


def test_a_top_down_model_names_and_links_its_default_detector():
    registry = open_registry()
    models = [
        model
        for model in registry.select().models
        if model.decoder and model.decoder.name == "heatmap" and model.people.photo == "nanodet-g"
    ]
    assert len(models) == 15
    for model in models:
        link = Path(os.path.relpath(registry.find("nanodet-g").path, model.path.parent)).with_name(
            "README.md"
        )
        assert f"[nanodet-g]({link.as_posix()}) finds the people first" in card_of_spec(model)
        assert (model.path.parent / link).is_file()
        assert "`nanodet-g` finds the people first" in card_of_spec(
            model, ModelLayout(Path("ir"), Path("ir"))
        )
    movenet = registry.find("movenet-singlepose-lightning-int8")
    assert "finds the people first" in card_of_spec(movenet)
    openpose = registry.find("human-pose-estimation-0001")
    assert "--detector" not in card_of_spec(openpose)
