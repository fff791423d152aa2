"""info_dumper.py, omz_info_dumper: print what model.yml files declare as JSON, with Open Model
Zoo's keys.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from posezoo.cli.omz import conventions
from posezoo.pipeline.zoo_context import model_roots
from posezoo.registry import open_registry
from posezoo.settings import to_settings

if TYPE_CHECKING:
    from posezoo.registry import Registry
    from posezoo.spec.model import ModelSpec


#: The keys of an input in JSON; the first three are also those of an output.
INPUT_KEYS = ("name", "shape", "layout", "mean", "scale", "reverse_input_channels")


def _run(args: argparse.Namespace) -> int:
    settings = to_settings(conventions.omz_settings_from_args(args))
    settings, selection = conventions.select_omz_models(args, settings)
    registry = open_registry(model_roots(settings))
    print(json.dumps([collect_omz_facts(spec, registry) for spec in selection.models], indent=4))
    return 1 if selection.problems else 0


def collect_omz_facts(spec: ModelSpec, registry: Registry) -> dict[str, Any]:
    """The JSON object of a model: first Open Model Zoo's keys, then posezoo's own keys."""
    from posezoo.quantize.quantization_plan import explain_unsupported

    is_quantizable = spec.quantizable or not explain_unsupported(spec, registry.composite_of(spec))
    config = spec.path.with_name("accuracy-check.yml")
    return {
        "name": spec.full_name,
        "composite_model_name": spec.composite or None,
        "description": spec.description,
        "framework": spec.framework.value,
        "license_url": spec.license.url or f"https://spdx.org/licenses/{spec.license.spdx}.html",
        "accuracy_config": str(config) if config.is_file() else None,
        "model_config": str(spec.path),
        "precisions": sorted(conventions.available_precisions(spec)),
        "quantization_output_precisions": ["FP16-INT8", "FP32-INT8"] if is_quantizable else [],
        "subdirectory": spec.subdirectory,
        "task_type": spec.task,
        "input_info": [{key: getattr(port, key) for key in INPUT_KEYS} for port in spec.inputs],
        "model_stages": [],
        "files": [
            {
                "name": file.name,
                "size_bytes": file.size,
                "checksum": (
                    {"$type": file.checksum.algorithm, "value": file.checksum.value}
                    if file.checksum is not None
                    else None
                ),
                "sources": [str(source) for source in file.sources],
            }
            for file in spec.files
        ],
        "output_info": [
            {key: getattr(output, key) for key in INPUT_KEYS[:3]} for output in spec.outputs
        ],
        "license": spec.license.spdx or None,
        "accuracy": [asdict(accuracy) for accuracy in spec.published.accuracy],
        "gflops": spec.published.gflops,
        "mparams": spec.published.mparams,
    }


COMMAND = conventions.OmzCommand(
    "info_dumper.py", "Print the declarations of models as JSON.", "describe", _run
)
create_parser, main = COMMAND.create_parser, COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
