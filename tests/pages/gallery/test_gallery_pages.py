"""Pages: their size, their content, and that text of any origin stays text."""

import gzip
import json
import posixpath
import re

import pytest

from fakes.sites import MACHINE, gathered, measurements, pose_zoo
from fakes.zoo import model_yml, write_model
from posezoo.core.declarations.model import Precision
from posezoo.core.registry import builtin_models_dir
from posezoo.pages.gallery.gallery_pages import render_gallery_pages
from posezoo.pages.gallery.templates import breakable, is_web_address, minify, to_script_json
from posezoo.run.measured import Measurement, update_measured_yml

INDEX_OF_100_BYTES = 60_000  # compressed
PAGE_BYTES = 15_000
MEASURED_PAGE_BYTES = 36_000  # with all measurements of a composite and its parts, in f32 and bf16


def compressed(page):
    return len(gzip.compress(page, mtime=0))


@pytest.mark.slow
def test_the_index_of_100_models_and_their_pages_are_small(tmp_path):
    words = [chr(ord("a") + place) * 5 for place in range(23)]
    for number in range(100):
        name = f"{'simple' if number % 2 else 'mobile'}_pose_variant{number}_v{number % 7}"
        description = " ".join(words[(number * each) % len(words)] for each in range(1, 40))
        published = {
            "accuracy": [
                {"metric": "AP", "value": 0.4 + number / 400, "dataset": f"COCO val{number}"}
            ]
        }
        path = write_model(
            tmp_path / "models", name, model_yml(description=description, published=published)
        )
        metrics = measurements(
            0.4 + number / 390, 1 + number / 7, 2 + number / 3, 100 - number / 1.3
        )
        update_measured_yml(path.with_name("measured.yml"), metrics)
    pages = render_gallery_pages(gathered(tmp_path / "models"))
    assert len(pages) == 101
    assert compressed(pages.pop("index.html")) <= INDEX_OF_100_BYTES
    assert max(map(len, pages.values())) <= PAGE_BYTES


def test_each_page_of_our_zoo_is_small(our_pages):
    pages = dict(our_pages)
    assert compressed(pages.pop("index.html")) <= INDEX_OF_100_BYTES * len(pages) / 100
    pages.pop("side_by_side.html")
    drawings = re.compile(rb"<svg.*?</svg>|data:image/jpeg;base64,[^\"]*", re.DOTALL)
    sizes = {name: len(drawings.sub(b"", page)) for name, page in pages.items()}
    assert {name: size for name, size in sizes.items() if size > MEASURED_PAGE_BYTES} == {}


@pytest.mark.slow
def test_the_compressed_pages_of_open_model_zoo_are_small(shared):
    pages = render_gallery_pages(gathered(shared / "data" / "omz-2021.4" / "models"))
    assert compressed(pages.pop("index.html")) <= INDEX_OF_100_BYTES
    assert max(map(compressed, pages.values())) <= PAGE_BYTES


def test_a_long_description_is_cut_in_the_index_even_without_a_blank(tmp_path):
    for name, description in (("words", "pose " * 50), ("one-word", "字" * 200)):
        write_model(tmp_path / "models", name, model_yml(description=description))
    index = render_gallery_pages(gathered(tmp_path / "models"))["index.html"].decode()
    assert ("pose " * 31).strip() + " …" in index
    assert "字" * 157 + " …" in index


def test_equal_models_give_equal_pages(tmp_path):
    models = pose_zoo(tmp_path)
    assert render_gallery_pages(gathered(models)) == render_gallery_pages(gathered(models))


def test_the_page_of_a_model_has_the_facts_of_its_card(tmp_path):
    page = render_gallery_pages(gathered(pose_zoo(tmp_path)))["models/light_pose_a.html"].decode()
    shown = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    for text in (
        "light_pose_a",
        "A small model.",
        "Apache-2.0",
        "Copyright 2026 The tests",
        "TensorFlow Lite",
        "net.tflite",
        "0" * 96,
        "1, 4, 6, 3",
        "left shoulder",
        MACHINE,
    ):
        assert text in shown
    assert "AP 0.5 COCO val2017" in shown
    assert "AP measured with: data set val2017" in shown
    measured = page[page.index('<details id="measured">') :].partition("</details>")[0]
    tables = [
        re.findall(r"<t[hd](?: [^>]*)?>([^<]*)", table) for table in measured.split("<h3>")[1:]
    ]
    assert tables == [
        ["Precision", "People from", "AP", "FP16", "nanodet-g", "0.490 (0.440 to 0.540)"],
        [
            *("Precision", "People from", "Device", "Throughput (images/s)", "Median latency (ms)"),
            *("FP16", "nanodet-g", "CPU", "90", "11.1"),
        ],
    ]
    assert "Measured with: A processor, 2 cores, Linux; pipeline read, found, drawn." in shown
    # At the top in place of a picture, and with the keypoints.
    assert page.count("<circle") == 2 * 17


def test_only_pages_of_our_zoo_have_commands(tmp_path, our_pages):
    ours = our_pages["models/blazepose-full.html"].decode()
    for command in (
        "posezoo run blazepose-full --input photo.jpg",
        "posezoo convert blazepose-full",
        "import posezoo",
    ):
        assert command in ours
    assert not any(
        b"posezoo run" in page
        for page in render_gallery_pages(gathered(pose_zoo(tmp_path))).values()
    )


def test_a_page_begins_with_the_picture_the_command_the_size_and_the_license(our_pages):
    for name in ("models/blazepose-full.html", "index.html"):
        first, _, rest = (
            our_pages[name].decode().partition('aria-label="Example"')[2].partition("</section>")
        )
        assert first.index("data:image/jpeg") < first.index(
            '<code class="one">posezoo run blazepose-full<'
        )
        assert "9.4 MB" in first and "Apache-2.0" in first and "Eileen Collins" in first
        assert "<table" in rest and "<table" not in first


def test_one_section_says_which_figures_are_of_the_whole_pipeline_and_which_of_the_network(
    our_pages,
):
    page = our_pages["models/movenet-thunder.html"].decode()
    section = page.partition("<h2>Performance</h2>")[2].partition("</section>")[0]
    titles = re.findall(r"<h3>([^<]*)</h3>", section)
    assert titles[:2] == ["Whole pipeline, people from nanodet-g", "Network alone"]
    assert titles[2:]
    assert all(
        title.endswith((", whole pipeline", ", network alone", ", as published"))
        for title in titles[2:]
    )
    pipeline, network = section.split("<h3>")[1:3]
    assert "Measured AP" in pipeline and "Measured AP" not in network
    assert "GFLOPs" in network and "GFLOPs" not in pipeline
    assert page.count("Performance</h2>") == 1


def test_latencies_of_one_person_and_of_four_have_columns_of_their_own(our_pages):
    thunder = our_pages["models/movenet-thunder.html"].decode()
    for people in ("1 person shown", "4 people shown"):
        assert f">Latency, {people}, ms, median</th>" in thunder


def test_a_model_without_a_picture_shows_its_skeleton_and_the_command(our_pages):
    page = our_pages["models/simple_pose_resnet50_v1b.html"].decode()
    first = page.partition('aria-label="Example"')[2].partition("</section>")[0]
    assert "data:image/jpeg" not in first
    assert first.count("<circle") == 17
    assert '<code class="one">posezoo run simple_pose_resnet50_v1b<' in first


def test_all_pictures_are_side_by_side_on_one_page(our_pages):
    page = our_pages["side_by_side.html"].decode()
    with_pictures = sorted(
        path.parent.name for path in builtin_models_dir().glob("*/*/example.jpg")
    )
    assert {"blazepose-full", "movenet-thunder", "tf-pose-mobilenet-v2-small"} <= {*with_pictures}
    assert re.findall(r'<h2><a href="models/([^"]*)\.html">', page) == with_pictures
    assert page.count('src="data:image/jpeg') == len(with_pictures)


def test_a_registry_without_pictures_has_no_page_of_them(tmp_path):
    pages = render_gallery_pages(gathered(pose_zoo(tmp_path)), first=["blazepose-full"])
    assert "side_by_side.html" not in pages
    assert b'aria-label="Example"' not in pages["index.html"]


def test_the_page_of_a_composite_links_to_its_parts(tmp_path):
    page = render_gallery_pages(gathered(pose_zoo(tmp_path)))["models/pair.html"].decode()
    assert '<a href="first-part.html">first-<wbr>part</a>: The first-part.' in page
    part = render_gallery_pages(gathered(tmp_path / "models"))["models/first-part.html"].decode()
    assert 'A part of <a href="pair.html">pair</a>.' in part


def test_every_link_between_pages_leads_to_a_page(tmp_path):
    pages = render_gallery_pages(gathered(pose_zoo(tmp_path)))
    data = json.loads(re.search(r'id="data">(.*?)</script>', pages["index.html"].decode())[1])
    assert {model["page"] for model in data["models"]} == pages.keys() - {"index.html"}
    for name, page in pages.items():
        links = re.findall(r'<a href="([^"#:]+)[#"]', page.decode())
        assert links, name
        for link in links:
            assert posixpath.normpath(posixpath.join(posixpath.dirname(name), link)) in pages


def test_operations_are_not_compared_if_the_model_runs_at_another_size(tmp_path):
    published = {"gflops": 15.4, "mparams": 4.1}
    whole = {"skeleton": "openpose-18", "decoder": {"name": "openpose"}}
    for name, more in (("declared", {}), ("larger", {"target_size": 368})):
        write_model(tmp_path / "models", name, model_yml(published=published, **whole, **more))
    pages = render_gallery_pages(gathered(tmp_path / "models"))
    data = json.loads(re.search(r'id="data">(.*?)</script>', pages["index.html"].decode())[1])
    shown = {model["name"]: [*model["published"]] for model in data["models"]}
    assert shown == {"declared": ["gflops", "mparams"], "larger": ["mparams"]}


def test_each_figure_is_beside_the_settings_that_it_was_measured_with(tmp_path):
    models = pose_zoo(tmp_path)
    pipeline = {"pipeline": "read, found, drawn", "people_from": "nanodet-g"}
    figures = {"throughput_fps": 50, "latency_p50_ms": 20}
    settings = {"picture": "400x512", "shown": 1, **pipeline}
    of_one = Measurement("speed", Precision.FP16, figures, machine=MACHINE, settings=settings)
    settings = {"photos": 33, "people_from": "nanodet-g"}
    situations = Measurement("situations", Precision.FP16, {"ghosts": 0.25}, settings=settings)
    path = models / "public" / "light_pose_a" / "measured.yml"
    update_measured_yml(path, [of_one, situations])
    pages = render_gallery_pages(gathered(models))
    notes = (
        f"images/s and latency of the whole pipeline: {MACHINE}; device CPU, pipeline read, found, drawn; "
        f"latency with one person: {MACHINE}; picture 400x512, pipeline read, found, drawn, shown 1; "
        "AP measured with: data set val2017; "
        "ghosts, lying, upside down and in video: photos 33"
    )
    assert notes in pages["models/light_pose_a.html"].decode()
    assert notes in pages["index.html"].decode()
    other = pages["models/light_pose_b.html"].decode()
    assert "400x512" not in other and "photos 33" not in other


def test_data_in_a_script_element_cannot_end_it():
    text = str(to_script_json({"text": "</script><!--<script>&\u2028"}))
    assert not set(text) & set("<>&\u2028")
    assert json.loads(text) == {"text": "</script><!--<script>&\u2028"}


@pytest.mark.parametrize(
    "address", ["https://example.org", "http://example.org:80/a?b=c#d", "https://a.b/(c)"]
)
def test_a_plain_address_is_linked(address):
    assert is_web_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScript:alert(1)",
        "data:text/html,x",
        "//example.org",
        "https:example.org",
        "https://a\nb",
        'https://a/"onclick=x',
        "https://a/<b>",
        "https://user@bank.example",
        "file:///etc/passwd",
        "",
    ],
)
def test_an_address_with_tricks_is_text(address):
    assert not is_web_address(address)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("simple_pose_resnet18_v1b@ccd24037", "simple_|pose_|resnet18_|v1b@|ccd24037"),
        ("movenet-thunder", "movenet-|thunder"),
        ("<b>_</b>", "&lt;b&gt;_&lt;/b&gt;"),
    ],
)
def test_a_name_breaks_only_between_its_words(name, shown):
    assert str(breakable(name)) == shown.replace("|", "<wbr>")


def test_minifying_a_script_removes_only_lines_of_comments():
    assert (
        minify('  // why\n  let a = "// text"; // kept\n\n/** what */\n')
        == 'let a = "// text"; // kept'
    )


def test_a_table_leaves_out_empty_columns(tmp_path):
    page = render_gallery_pages(gathered(pose_zoo(tmp_path)))["models/heavy_pose_b.html"].decode()
    accuracy = page[page.index("Accuracy, as published") :].partition("</section>")[0]
    assert re.findall(r'<th scope="col"[^>]*>([^<]*)', accuracy) == ["Metric", "Value", "Data set"]
