"""Rules on the files of a registry that belong to no single model: names, references, skeletons,
starts of members of packages; and on the pictures of models.

Findings that concern all models are reported with the first one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path

from posezoo.core.declarations import other_names
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.declarations.skeleton_yml import read_skeleton
from posezoo.core.declarations.skeletons import FOLDER
from posezoo.core.declarations.yaml_nodes import YamlNode
from posezoo.core.download.transfer import ACCESS_POINTS, MAX_ACCESS_POINTS_BYTES
from posezoo.core.errors import SpecError
from posezoo.core.regular_files import read_regular_bytes
from posezoo.lint.accuracy_check_yml import find_node, list_below
from posezoo.lint.finding import FileLocation, Place, RuleViolation, Violations, describe_error
from posezoo.lint.registry_view import USUAL_SHARE, ModelView, read_tree
from posezoo.lint.rule import rule
from posezoo.lint.rules.decoder_rules import POSES
from posezoo.pages.cards.card_reader import read_text
from posezoo.pages.cards.usage_section import PICTURE

#: The first and the last bytes of a JPEG image.
_JPEG = (b"\xff\xd8\xff", b"\xff\xd9")


@rule()
def registry_files(view: ModelView) -> Violations:
    """names.yml, access_points.json and the skeletons of a registry can be read: otherwise they are
    ignored, or no page can be drawn.

    Example: left_ot: in names.yml, where left_out is meant
    """
    for root in _roots_of(view):
        names = root / other_names.NAME
        # It may be a file of another program.
        is_ours = any(key in (read_text(names) or "") for key in ("aliases:", "left_out:"))
        skeletons = sorted((root / FOLDER).glob("*.yml"))
        readers: dict[Path, Callable[[], object]] = {
            root / ACCESS_POINTS: partial(_read_access_points, root / ACCESS_POINTS),
            **({names: partial(other_names.read_other_names, root)} if is_ours else {}),
            **{path: partial(read_skeleton, path) for path in skeletons},
        }
        for path, read in readers.items():
            try:
                read()
            except SpecError as error:
                yield RuleViolation(error, describe_error(error), path.name)
            except ValueError as error:
                yield RuleViolation(FileLocation(path), f"{error}", path.name)


def _roots_of(view: ModelView) -> Iterable[Path]:
    """The registry's folders for its first model; none for the others."""
    return view.zoo.registry.roots if view is view.zoo.first else ()


def _read_access_points(path: Path) -> None:
    if not path.is_file():
        return
    if path.stat().st_size > MAX_ACCESS_POINTS_BYTES:
        raise ValueError(f"it has more than {MAX_ACCESS_POINTS_BYTES >> 20} MiB, so it is not read")
    try:
        for package in json.loads(read_regular_bytes(path)).values():
            for member, point in package["members"].items():
                if f"{point['start']}" not in package["windows"]:
                    raise ValueError(
                        f"{member}: there is no window for its start, {point['start']}"
                    )
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"it is not what posezoo new writes: {error!r}") from error


@rule()
def known_names(view: ModelView) -> Violations:
    """The aliases of names.yml, and the models that it names as defaults or instead of others, are
    models of the registry; an alias means one that finds poses, and is not itself the name of a
    model.

    Example: aliases: {pose: rtmpose-mm}, or {pose: nanodet-g}, which finds boxes of people
    """
    for root in _roots_of(view):
        path = root / other_names.NAME
        tree = read_tree(path)
        if not isinstance(tree, YamlNode):
            continue
        aliases = _mapping(find_node(tree, "aliases"))
        nodes = [*aliases.values()]
        nodes += [node for node in list_below(tree, "defaults") if node.value not in aliases]
        for models in list_below(tree, "left_out"):
            nodes += list_below(models, "instead")
        for node in nodes:
            name = node.value
            if isinstance(name, str) and (message := view.zoo.explain_missing(name)):
                yield RuleViolation(node, message, actual=name)
        for alias, node in aliases.items():
            for model in view.zoo.find_models([str(node.value)]):
                task = model.declaration.task
                problem = f"a part of {model.entry.composite}" if model.entry.composite else ""
                if task and not task.startswith(POSES):  # it is empty if model.yml cannot be read
                    problem = f"for {task}"
                if problem:
                    message = f"the alias {alias} means {model.name}, which is {problem}"
                    yield RuleViolation(node, message, actual=model.name)
            if alias in view.zoo.registry.entries:
                message = f"{alias} is a model of this registry, so that the alias is never used"
                yield RuleViolation(node, message, actual=alias)


def _mapping(node: YamlNode | None) -> dict[str, YamlNode]:
    return node.value if node and isinstance(node.value, dict) else {}


@rule()
def skeleton_sides(view: ModelView) -> Violations:
    """The keypoints of a skeleton come in pairs: each left keypoint has a right one, and the pairs
    in flips are of one body part. If both sigmas are equal in almost all pairs, they
    are in all.

    Example: flips: [[left_eye, right_ear]]
    """
    declared = view.declaration.own_skeleton
    if declared and _mapping(view.node("skeleton")):  # else it is in a file
        yield from _check_skeleton(declared, view.location("skeleton"), view.node("skeleton"))
    for root in _roots_of(view):
        for path in sorted((root / FOLDER).glob("*.yml")):
            try:
                skeleton = read_skeleton(path)
            except SpecError:
                continue  # another rule reports it
            tree = read_tree(path)
            node = tree if isinstance(tree, YamlNode) else None
            yield from _check_skeleton(skeleton, FileLocation(path), node)


def _check_skeleton(skeleton: Skeleton, place: Place, tree: YamlNode | None) -> Violations:
    for key, message in (*_find_wrong_pairs(skeleton), *_find_wrong_sigmas(skeleton)):
        yield RuleViolation(
            find_node(tree, key) or place, f"skeleton: {message}", f"skeleton.{key}"
        )


def _find_wrong_pairs(skeleton: Skeleton) -> Iterator[tuple[str, str]]:
    """One that is of different body parts, else keypoints without a partner, if others have one."""
    names = skeleton.keypoints
    pairs = [(names[left], names[right]) for left, right in skeleton.flip_pairs]
    for left, right in pairs:
        if right != _mirror_name(left) != left:
            yield "flips", f"{left} is paired with {right}, and not with {_mirror_name(left)}"
            return
    paired = {name for pair in pairs for name in pair}
    for name in names if pairs else ():
        if name not in paired and _mirror_name(name) != name:
            yield "keypoints", f"{name} has no partner {_mirror_name(name)} on the other side"


def _mirror_name(name: str) -> str:
    sides = {"left": "right", "right": "left"}
    return re.sub("left|right", lambda match: sides[match[0]], name)


def _find_wrong_sigmas(skeleton: Skeleton) -> Iterator[tuple[str, str]]:
    pairs = skeleton.flip_pairs if skeleton.sigmas else ()
    differing = [pair for pair in pairs if skeleton.sigmas[pair[0]] != skeleton.sigmas[pair[1]]]
    # COCO-WholeBody's own sigmas of feet, face and hands are not the same on both sides.
    if len(differing) > max(1, (1 - USUAL_SHARE) * len(pairs)):
        return
    for left, right in differing:
        one, other = (f"{skeleton.sigmas[i]:g} of {skeleton.keypoints[i]}" for i in (left, right))
        yield "sigmas", f"the sigma is {one}, and {other}"


@rule()
def example_picture(view: ModelView) -> Violations:
    """The picture beside a model.yml is a JPEG image, and no other model has the same.

    Example: an example.jpg that was cut, or copied with the folder of another model
    """
    path = view.folder / PICTURE
    if not path.is_file():
        return
    content = read_regular_bytes(path)
    message = ""
    if not (content.startswith(_JPEG[0]) and content.rstrip(b"\0").endswith(_JPEG[1])):
        message = f"{PICTURE} is not a complete JPEG image"
    else:
        owners = view.zoo.models_by(_read_picture)[sha256(content).digest()]
        others = [other.name for other in owners if other is not view]
        if others:
            message = f"{PICTURE} is that of {others[0]}, too"
    if message:
        yield RuleViolation(
            FileLocation(path), f"{message}: docs/draw_examples.py draws it", PICTURE
        )


def _read_picture(view: ModelView) -> Iterator[bytes]:
    path = view.folder / PICTURE
    if path.is_file():
        yield sha256(read_regular_bytes(path)).digest()
