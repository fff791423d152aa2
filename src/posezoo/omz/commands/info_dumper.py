"""info_dumper.py, omz_info_dumper: print what model.yml files declare as JSON, with Open Model
Zoo's keys.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from posezoo.console.json_projection import Json, project
from posezoo.console.printing import print_while_read
from posezoo.core.declarations.model import Input, ModelSpec, SourceFile
from posezoo.core.registry import Registry, open_registry
from posezoo.omz.commands import conventions

if TYPE_CHECKING:
    from posezoo.core.declarations.yaml_nodes import YamlMapping

_INPUT = "name shape layout mean scale reverse_input_channels"


def _run(args: conventions.OmzArgs) -> int:
    settings, selection = conventions.select_omz_models(args)
    registry = open_registry(settings.models_dir)
    facts = [collect_omz_facts(spec, registry) for spec in selection.models]
    print_while_read(json.dumps(facts, indent=4))
    return selection.exit_code


def collect_omz_facts(spec: ModelSpec, registry: Registry) -> Json:
    """The JSON object of a model: first Open Model Zoo's keys, then posezoo's own keys."""
    from posezoo.core.declarations.yaml_nodes import read_yaml
    from posezoo.quantize.quantization_plan import explain_unsupported

    is_quantizable = spec.quantizable or not explain_unsupported(spec, registry)
    int8 = ["FP16-INT8", "FP32-INT8"] if is_quantizable else []
    declared = read_yaml(spec.path).as_mapping()
    config = spec.path.with_name("accuracy-check.yml")
    license_url = spec.license.url
    if spec.license.text:  # without a text, it is a name that SPDX may not list
        license_url = f"https://spdx.org/licenses/{spec.license.spdx}.html"
    return {
        **project(spec, "name=full_name composite_model_name=composite?"),
        # With its line feeds, which no other page needs.
        "description": declared["description"].text() if "description" in declared else "",
        "framework": spec.framework,
        "license_url": license_url,
        "accuracy_config": f"{config}" if config.is_file() else None,
        "model_config": str(spec.path),
        "precisions": sorted(conventions.available_precisions(spec)),
        "quantization_output_precisions": int8,
        **project(spec, "subdirectory task_type=task"),
        "input_info": _inputs(spec, declared),
        "model_stages": [],
        "files": [_file(file) for file in spec.files],
        "output_info": [project(output, "name shape layout") for output in spec.outputs],
        "license": spec.license.spdx or None,
        **project(spec.published, "accuracy gflops mparams"),
    }


def _inputs(spec: ModelSpec, declared: YamlMapping) -> list[Json]:
    """The inputs: those of ``input_info`` as they are declared there, also frozen ones, which the
    converted model lacks, and without a shape if none is declared.
    """
    if "input_info" not in declared:
        return [project(port, _INPUT) for port in spec.inputs]
    kept = {port.name: port for port in spec.inputs}
    inputs = []
    for node in declared["input_info"].as_list():
        given = {key: value.to_plain() for key, value in node.as_mapping().items()}
        name = f"{given['name']}"  # some are numbers
        port = kept.get(name, Input(name, ()))
        inputs.append({**project(port, _INPUT), "shape": (), "layout": "", **given, "name": name})
    return inputs


def _file(file: SourceFile) -> Json:
    checksum = file.checksum
    return {
        **project(file, "name size_bytes=size"),
        "checksum": project(checksum, "$type=algorithm value") if checksum else None,
        "sources": file.addresses,
    }


COMMAND = conventions.OmzCommand(
    "info_dumper.py", "Print the declarations of models as JSON.", "describe", _run
)
main = COMMAND.main
