"""A model's page: what its card tells, as HTML without a script."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from posezoo.cards.markdown_inline import to_plain_text as shown_text
from posezoo.cards.parsed_card import CardMetric
from posezoo.cards.skeleton_svg import keypoint_position
from posezoo.cards.usage_section import draw_example_section, draw_usage_sections
from posezoo.facts import MetricSource, SourcedMetric
from posezoo.gallery.gallery_data import ChartAxis, GalleryData, GalleryEntry
from posezoo.gallery.templates import render_page
from posezoo.measured import WEIGHTS
from posezoo.registry import builtin_models_dir
from posezoo.spec.model import CompositeSpec

#: What the line of published figures is called.
PUBLISHED = "as published"

_MARKS = {MetricSource.MEASURED: "", MetricSource.GENERATED: " g", MetricSource.DECLARED: " p"}
_NOTES = {
    MetricSource.GENERATED: "g: measured on generated weights",
    MetricSource.DECLARED: "p: as published",
}


def draw_model_page(entry: GalleryEntry, rows: GalleryData, pages: Collection[str]) -> bytes:
    """A model's page as HTML.

    Args:
        entry: whose page it is.
        rows: all entries, whose axes and ways of measuring the page tells.
        pages: the names of all models that have a page.

    Raises:
        MissingPackageError: Jinja2 is not installed.
    """
    known = entry.known
    return render_page(
        "model.html",
        ["base", "model"],
        title=entry.name,
        entry=entry,
        known=known,
        tags=_tags(entry),
        parts=_parts(entry, pages),
        near=_near(known, pages),
        figures=_figures(entry, rows),
        accuracy=[_accuracy_row(each) for each in known["accuracy"]],
        measured=[_measured_row(each) for each in known["measured"] if each["kind"] != "complexity"],
        card_rows=[_card_row(each) for each in entry.from_card],
        ports=[_ports(known, name) for name in _models_of(known)],
        skeleton=_skeleton(known["skeleton"]),
        commands=_commands(entry),
        files=[_file_row(each) for each in known["files"]],
    )


def _tags(entry: GalleryEntry) -> list[str]:
    """What it is in few words; a licence that is an address stands below."""
    words = [*entry.facts.values(), *(precision.value for precision in entry.precisions)]
    return [word for word in words if word and "://" not in word]


def _card_row(metric: CardMetric) -> tuple[str, str]:
    of = "" if metric.column.casefold() == "value" else f", {metric.column}"
    return f"{metric.label}{of}", f"{metric.value:g} {metric.unit}"


def _parts(entry: GalleryEntry, pages: Collection[str]) -> list[dict[str, str]]:
    if not isinstance(entry.model, CompositeSpec):
        return []
    return [
        {
            "name": part.name,
            "page": f"{part.name}.html" if part.name in pages else "",
            "description": part.description,
        }
        for part in entry.parts
    ]


def _near(known: Mapping[str, Any], pages: Collection[str]) -> list[tuple[str, str, str]]:
    """What a model belongs together with: in which way, its name and its page."""
    found = [("A part of", known["composite"])] if known["composite"] else []
    found += [("There is also", each["name"]) for each in known["variants"]]
    return [(how, name, f"{name}.html".replace("@", "%40")) for how, name in found if name in pages]


def _figures(entry: GalleryEntry, rows: GalleryData) -> dict[str, Any]:
    """A line for what is published and one for each precision, with the columns that anything is known of."""
    lines: dict[str, Mapping[str, SourcedMetric]] = {PUBLISHED: entry.published} if entry.published else {}
    for precision, metrics in entry.figures.items():
        own = {key: value for key, value in metrics.items() if value != entry.published.get(key)}
        lines |= {precision.value: own} if own else {}
    keys = [key for key in rows.axes if any(key in values for values in lines.values())]
    there = {value.origin for name in lines if name != PUBLISHED for value in lines[name].values()}
    notes = [_NOTES[origin] for origin in _NOTES if origin in there]
    if "throughput_fps" in keys:
        notes.append(f"speed: {rows.speed_way}")
    if any("AP" in values for name, values in lines.items() if name != PUBLISHED) and rows.accuracy_way:
        notes.append(f"AP measured with: {rows.accuracy_way}")
    return {
        "headers": ["", *(f"{rows.axes[key].title}, {rows.axes[key].unit}" for key in keys)],
        "rows": [
            (name, *(_number(values.get(key), rows.axes[key], marked=name != PUBLISHED) for key in keys))
            for name, values in lines.items()
        ],
        "note": "; ".join(notes),
    }


def _number(value: SourcedMetric | None, axis: ChartAxis, *, marked: bool) -> str:
    if value is None:
        return ""
    digits = 5 if axis.factor >= 1 else 3
    return f"{value.number * axis.factor:.{digits}g}{_MARKS[value.origin] if marked else ''}"


def _accuracy_row(each: Mapping[str, Any]) -> tuple[str, ...]:
    value = f"{each['value']:g} mm" if each["unit"] == "mm" else _percent(each["value"])
    return each["metric"], value, _percent(each["ap50"]), _percent(each["ap75"]), each["dataset"], each["how"]


def _measured_row(each: Mapping[str, Any]) -> tuple[str, ...]:
    metrics = ", ".join(f"{name.replace('_', ' ')} {value:.6g}" for name, value in each["figures"].items())
    settings = (f"{name} {value}" for name, value in each.get("settings", {}).items())
    weights = f"{each['weights']} weights" if each.get("weights", WEIGHTS[0]) != WEIGHTS[0] else ""
    how = "; ".join(filter(None, (each.get("machine", ""), ", ".join(settings), weights)))
    return each["kind"], each["precision"], metrics, how, each.get("date", "")


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.4g} %"


def _models_of(known: Mapping[str, Any]) -> list[str]:
    """The full names of those that have inputs or outputs, in the order they run in."""
    return list(dict.fromkeys(each["model"] for each in (*known["inputs"], *known["outputs"])))


def _ports(known: Mapping[str, Any], name: str) -> dict[str, Any]:
    inputs = [each for each in known["inputs"] if each["model"] == name]
    outputs = [each for each in known["outputs"] if each["model"] == name]
    return {
        "name": name,
        "inputs": [row for port in inputs for row in _input_rows(port)],
        "outputs": [(output["name"], *_shape(output["original"]), _content(output)) for output in outputs],
    }


def _input_rows(each: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Of the original and of the converted model; in one line where these are the same."""
    original, converted = each["original"], each["converted"]
    of = ("original", "converted") if original != converted else ("both",)
    for whose, port in zip(of, (original, converted), strict=False):
        numbers = (", ".join(f"{value:g}" for value in port[name]) for name in ("mean", "scale"))
        yield each["name"], whose, *_shape(port), port["color"] or "", *numbers


def _shape(port: Mapping[str, Any]) -> tuple[str, str]:
    return ", ".join("any" if size == -1 else str(size) for size in port["shape"]), port["layout"]


def _content(each: Mapping[str, Any]) -> str:
    return ": ".join(filter(None, (each["role"].replace("_", " "), each["note"])))


def _skeleton(known: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if known is None:
        return None
    names = known["keypoints"]
    points = [(*keypoint_position(name), _side(name), number) for number, name in enumerate(names)]
    return {
        "name": known["name"],
        "names": [name.replace("_", " ") for name in names],
        "points": points,
        "limbs": [(*points[a][:2], *points[b][:2]) for a, b in known["limbs"]],
    }


def _side(keypoint: str) -> str:
    return next((side for side in ("left", "right") if side in keypoint.split("_")), "middle")


def _commands(entry: GalleryEntry) -> list[tuple[str, str]]:
    """Headings, words and blocks of the card's commands: of models that posezoo comes with.

    Others' registries lie anywhere, so that no command would work as pasted.
    """
    if not entry.model.path.is_relative_to(builtin_models_dir()):
        return []
    model, parts = entry.model, entry.parts
    return [
        _told(each)
        for each in (*draw_example_section(model, parts, linked=False), *draw_usage_sections(model, parts))
    ]


def _told(markdown: str) -> tuple[str, str]:
    if markdown.startswith("## "):
        return "heading", markdown[3:]
    if markdown.startswith("```"):
        return "block", "\n".join(markdown.splitlines()[1:-1])
    return "words", shown_text(markdown)


def _file_row(each: Mapping[str, Any]) -> tuple[str, str, str]:
    known, cap = each["size"], each["max_size"]
    size = f"{known:,}" if known is not None else f"at most {cap:,}" if cap else ""
    digests = [each["checksum"]] if each["checksum"] else each["contains"].values()
    pins = ", ".join(f"{digest['algorithm']} {digest['value']}" for digest in digests)
    return each["name"], size, pins or "none"
