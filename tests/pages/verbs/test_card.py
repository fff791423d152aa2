"""posezoo card: cards are printed, written beside IR, or drawn beside the model.yml."""

import pytest

from fakes.command import json_of, on_a_terminal, posezoo, refusal, succeeded
from fakes.irs import write_ir
from fakes.zoo import file_yml, model_yml, write_composite, write_model


@pytest.fixture
def zoo(tmp_path):
    root = tmp_path / "models"
    write_model(
        root,
        "alone",
        model_yml(skeleton="coco-17", decoder={"name": "heatmap", "convention": "argmax"}),
    )
    write_composite(root, "whole", ["part"])
    write_model(root, "whole/part", model_yml())
    return tmp_path


def run(zoo, *args):
    return posezoo("card", *args, "--models_dir", zoo / "models", cwd=zoo)


def test_on_a_terminal_a_card_begins_with_its_title(zoo):
    assert run(zoo, "alone").stdout.startswith("---\n# drawn by")
    assert on_a_terminal(100, "card", "alone", "--models_dir", zoo / "models")[0] == "# alone"


def test_a_composite_has_one_card_and_each_of_several_models_its_own(zoo):
    assert run(zoo, "whole").stdout.count("\n## Legal Information\n") == 1
    assert [load["name"] for load in json_of(run(zoo, "--all", "--format", "json"))] == [
        "alone",
        "whole",
    ]
    assert [load["name"] for load in json_of(run(zoo, "part", "--format", "json"))] == ["part"]


def test_a_part_of_two_composites_is_on_both_cards_and_linked_to_its_own(zoo):
    write_composite(zoo / "models", "twin", ["part"])
    assert [load["name"] for load in json_of(run(zoo, "twin", "--format", "json"))] == ["twin"]
    succeeded(run(zoo, "--in_place", "--all"))
    card = (zoo / "models" / "public" / "twin" / "README.md").read_text("utf-8")
    assert "1. [part](../whole/part/README.md)\n" in card
    listed = posezoo("list", "whole", "twin", "--models_dir", zoo / "models", cwd=zoo).stdout
    assert [line.split()[0] for line in listed.splitlines()[1:]] == ["twin", "part", "whole"]


def test_cards_are_written_to_a_folder_with_their_facts_and_pictures(zoo):
    succeeded(run(zoo, "--all", "-o", "out"))
    written = sorted(str(path.relative_to(zoo / "out")) for path in (zoo / "out").rglob("*.*"))
    assert written == [
        "public/alone/README.md",
        "public/alone/card.json",
        "public/alone/coco-17.svg",
        "public/alone/provenance.json",
        "public/whole/README.md",
        "public/whole/card.json",
        "public/whole/part/README.md",
        "public/whole/part/card.json",
        "public/whole/part/provenance.json",
        "public/whole/provenance.json",
    ]


def test_a_registry_is_drawn_in_place_and_stale_pages_are_reported(zoo):
    stale = refusal(run(zoo, "--all", "--in_place", "--check"))
    assert "index.md: stale\n" in stale
    assert f"hint: posezoo card --all --in_place --models_dir {zoo / 'models'}" in stale
    succeeded(run(zoo, "--all", "--in_place"))
    for page in ("index.md", "public/alone/README.md"):
        text = (zoo / "models" / page).read_text()
        assert "drawn by `posezoo card --all --in_place --models_dir models` from" in text
        assert "make docs" not in text
    assert (zoo / "models" / "skeletons" / "coco-17.svg").is_file()
    checked = run(zoo, "--all", "--in_place", "--check")
    assert (checked.returncode, checked.stderr) == (0, "")
    write_model(zoo / "models", "whole/part", model_yml(description="Another."))
    assert "part/README.md: stale\n" in refusal(run(zoo, "part", "--in_place", "--check"))
    drawn = succeeded(run(zoo, "part", "--in_place"))
    folder = zoo / "models" / "public" / "whole" / "part"
    assert {f"drew {folder / name}" for name in ("README.md", "card.json")} <= {
        *drawn.stderr.splitlines()
    }
    again = run(zoo, "part", "--in_place")
    assert (again.returncode, again.stderr) == (0, "")
    succeeded(run(zoo, "part", "--in_place", "--check"))


def test_a_page_that_posezoo_did_not_write_stays_as_it_is(zoo):
    folder = zoo / "models" / "public" / "alone"
    (folder / "README.md").write_text("# Mine\n")
    assert "alone/README.md: was not written by posezoo" in refusal(run(zoo, "--all", "--in_place"))
    assert (folder / "README.md").read_text() == "# Mine\n"
    assert not (folder / "card.json").exists()
    assert (zoo / "models" / "public" / "whole" / "card.json").is_file()


@pytest.mark.parametrize("name", ["public/alone/card.json", "skeletons/coco-17.svg"])
def test_a_file_beside_a_page_that_posezoo_did_not_write_stays_as_it_is(zoo, name):
    path = zoo / "models" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    for words in (["--check"], []):
        assert f"{path}: was not written by posezoo" in refusal(
            run(zoo, "--all", "--in_place", *words)
        )
    assert path.read_text() == "mine"
    path.unlink()
    succeeded(run(zoo, "--all", "--in_place"))


def test_each_page_of_an_earlier_state_is_drawn_again(zoo):
    succeeded(run(zoo, "--all", "--in_place"))
    pages = [
        path
        for path in (zoo / "models").rglob("*.*")
        if path.suffix in (".md", ".json", ".svg") and "licenses" not in path.parts
    ]
    assert {path.suffix for path in pages} == {".md", ".json", ".svg"}
    before = {path: path.read_bytes() for path in pages}
    for path in pages:
        path.write_bytes(before[path] + b" ")
    succeeded(run(zoo, "--all", "--in_place"))
    assert {path: path.read_bytes() for path in pages} == before


def test_a_page_is_printed_or_written_to_a_file_or_a_folder(zoo):
    printed = succeeded(run(zoo, "--all", "--html"))
    assert printed.stdout.startswith("<!DOCTYPE html>\n<!-- drawn by posezoo -->")
    for output, path in (("out/page.html", "out/page.html"), ("out", "out/index.html")):
        ended = succeeded(run(zoo, "--all", "--html", "--output", output))
        assert (ended.stdout, ended.stderr) == ("", f"{path}\n")
        assert (zoo / path).read_text("utf-8").strip() == printed.stdout.strip()


def test_a_page_replaces_a_page_and_keeps_any_other_file(zoo):
    page = zoo / "page.html"
    page.write_text("<!DOCTYPE html>\n<!-- drawn by posezoo -->\nof last week")
    succeeded(run(zoo, "--all", "--html", "--output", page))
    assert [path.name for path in zoo.glob("page*")] == ["page.html"]
    page.write_text("mine")
    assert "page.html.bak1" in succeeded(run(zoo, "--all", "--html", "--output", page)).stderr
    assert (zoo / "page.html.bak1").read_text() == "mine"


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["nobody"], 1, "no model is called 'nobody'"),
        (["alone", "--check"], 2, "--check requires --in_place"),
        (["alone", "--in_place", "-o", "out"], 2, "not allowed with"),
        (["alone", "--html", "--in_place"], 2, "--html"),
        (["alone", "--html", "--format", "json"], 2, "--html"),
        (["alone", "-o", "file"], 1, "file"),
        ([], 2, "name a model"),
    ],
)
def test_an_error_is_reported_in_one_line(zoo, args, code, message):
    (zoo / "file").write_text("")
    ended = run(zoo, *args)
    assert ended.returncode == code
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_open_model_zoo_s_models_have_cards_too(shared, tmp_path):
    ended = succeeded(
        posezoo(
            "card", "--all", "--models_dir", shared / "data" / "omz-2021.4" / "models", cwd=tmp_path
        )
    )
    assert ended.stdout.count("\n## Specification\n") > 250
    assert ended.stdout.count("\n1000 classes: 0 tench, ..., 999 toilet tissue.\n") > 25
    assert ended.stdout.count("\n80 classes: 0 person, ..., 79 toothbrush.\n") > 5


def test_secrets_in_the_addresses_of_a_model_are_not_shown(zoo):
    """In the card, in info, and in what is drawn of them."""
    secret = "https://ann:s3cret@models.invalid/net.tflite?X-Amz-Signature=s3cret&part=1"
    file = file_yml(source=secret)
    origin = {"repository": "https://models.invalid/repository?token=s3cret"}
    write_model(zoo / "models", "secret", model_yml(files=[file], origin=origin))
    shown = "https://models.invalid/net.tflite?X-Amz-Signature=***&part=1"
    for words in (["card", "--format", "json"], ["info"], ["info", "--format", "json"]):
        ended = succeeded(posezoo(*words, "secret", "--models_dir", zoo / "models", cwd=zoo))
        assert "s3cret" not in ended.stdout + ended.stderr
        assert shown in ended.stdout.replace("\\", "")
        assert "https://models.invalid/repository?token=***" in ended.stdout.replace("\\", "")
    succeeded(run(zoo, "secret", "-o", "out"))
    drawn = [
        path.read_text() for path in (zoo / "out").rglob("*") if path.suffix in (".md", ".json")
    ]
    assert drawn and not any("s3cret" in text for text in drawn)


@pytest.mark.parametrize("states_images", [True, False])
def test_the_card_of_a_file_has_what_the_file_says(tmp_path, states_images):
    pytest.importorskip("openvino")
    outputs = {"maps": (1, 17, 16, 24)}
    xml = write_ir(tmp_path / "net.xml", outputs, states_images=states_images)
    printed = succeeded(posezoo("card", xml)).stdout
    assert "# net\n" in printed and "The network in net.xml." in printed
    assert "Name: `image`, shape: `1, 3, 64, 96`" in printed
    assert ("channel order: `BGR`" in printed) == states_images
    (card,) = json_of(succeeded(posezoo("card", xml, "--format", "json")))
    assert [each["name"] for each in card["outputs"]] == ["maps"]
