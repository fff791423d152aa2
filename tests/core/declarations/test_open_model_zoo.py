"""Open Model Zoo as it was published, both generations: every file is read, and its real mistakes are reported."""

import pytest

from fakes.checkout import ROOT
from fakes.zoo import as_yaml
from posezoo.core.declarations.inputs_outputs import INPUT_INFO
from posezoo.core.declarations.mo_args import read_arguments
from posezoo.core.declarations.yaml_nodes import parse_yaml
from posezoo.core.registry import Registry
from posezoo.omz.model_optimizer import write_arguments

#: What is odd in the files themselves: (path, line, column, message).
MISTAKES = {
    "2021.4": set(),
    "2024.6": {
        # A misspelt key: Open Model Zoo's own tools ignore what they do not know, and the fallback with it.
        (
            "public/modnet-webcam-portrait-matting/model.yml",
            44,
            5,
            "files[4].oroginal_source: unknown key, left out; did you mean original_source?",
        ),
    },
}


def root_of(generation, shared):
    if generation == "2021.4":
        return shared / "data" / "omz-2021.4" / "models"
    found = sorted((ROOT / "build").glob("mo-env/lib/python*/site-packages/omz_tools/models"))
    return found[0] if found else pytest.skip("needs make build/mo-env")


@pytest.fixture(params=["2021.4", pytest.param("2024.6", marks=pytest.mark.judge)], scope="module")
def generation(request):
    return request.param


@pytest.fixture(scope="module")
def root(generation, shared):
    return root_of(generation, shared)


@pytest.fixture(scope="module")
def selection(root):
    return Registry([root]).select(None)


def test_every_file_is_read_and_only_real_mistakes_are_told(generation, root, selection):
    models, composites = {"2021.4": (283, 11), "2024.6": (264, 12)}[generation]
    assert (len(selection.models), len(selection.composites)) == (models, composites)
    assert selection.problems == ()
    mistakes = MISTAKES[generation]
    expected = [
        f"{root / file}:{line}:{column}: {message}" for file, line, column, message in mistakes
    ]
    unknown = (str(key) for spec in selection.all for key in spec.unknown_keys)
    assert sorted(unknown) == sorted(expected)


def test_what_is_read_and_written_as_arguments_is_read_as_the_same(selection):
    seen = 0
    for spec in selection.models:
        if not (written := write_arguments(spec)):
            continue
        # What only input_info states is stated again; the arguments state the rest.
        info = [
            {"name": port.name, "shape": list(port.shape)}
            | ({"layout": port.layout} if port.layout else {})
            for port in spec.inputs
            if port.name and port.shape
        ]
        again = read_arguments(_node(list(written)), INPUT_INFO.read(_node(info)))
        assert again.inputs == spec.inputs, spec.name
        assert again.outputs == spec.outputs, spec.name
        assert again.input_model == spec.input_model, spec.name
        assert again.kept == spec.mo_args, spec.name
        seen += 1
    assert seen > 100


def _node(content):
    return parse_yaml(as_yaml(content).encode(), "written")


def test_the_parts_of_a_composite_come_in_their_order(root, generation):
    registry = Registry([root])
    parts = [part.name for part in registry.parts(registry.find("action-recognition-0001"))]
    order = {"2021.4": ["decoder", "encoder"], "2024.6": ["encoder", "decoder"]}[generation]
    assert parts == [f"action-recognition-0001-{part}" for part in order]
    assert not set(parts).isdisjoint(registry.names())
    assert "action-recognition-0001" not in registry.names()
