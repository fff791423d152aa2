"""Bills of materials of models: CycloneDX 1.6 (ML-BOM), as JSON.

They state what model.yml, measured.yml and the records of the IR on this machine say, and nothing
else. The same facts give the same bytes: a time is stated only if SOURCE_DATE_EPOCH gives it.

https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, field
from datetime import datetime, timezone
from pathlib import Path

from posezoo.cli.json_projection import Json, distinct
from posezoo.cli.labels import format_port_shape, format_protocol, join, task_label
from posezoo.core.declarations.model import Digest, Input, ModelSpec, Output, Precision
from posezoo.core.files.verified_files import is_verified, is_verified_file
from posezoo.core.ir.provenance import Provenance
from posezoo.core.registry import license_path, read_copyright_line
from posezoo.core.regular_files import read_regular_text
from posezoo.core.values import frozen
from posezoo.core.versions import version
from posezoo.pages.facts.model_facts import ModelFacts, unique
from posezoo.pages.spdx_licenses import is_license
from posezoo.run.measured import describe_settings


@frozen
class _File:
    """A published file, or a file of an IR."""

    name: str
    size: int | None  # in bytes
    digest: Digest | None
    how: str  # its sources, or how it was made
    made_from: Mapping[str, Digest] = field(default_factory=dict)  # the published files of an IR


def render_bom(models: Sequence[ModelFacts]) -> bytes:
    """The bill of materials of models and composites."""
    content = _cyclonedx(models, _stated_time())
    text = json.dumps(content, indent=2, ensure_ascii=False)
    return text.encode() + b"\n"


def _stated_time() -> str:
    """The time that SOURCE_DATE_EPOCH gives, in ISO 8601; empty without it."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not seconds.isdecimal() or len(seconds) >= 12:
        return ""
    return f"{datetime.fromtimestamp(int(seconds), timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def _described_parts(facts: ModelFacts) -> tuple[ModelSpec, ...]:
    """The model itself; nothing for a composite, whose parts have entries of their own."""
    return () if facts.model.stages else facts.parts


def _files(facts: ModelFacts) -> Iterator[_File]:
    for part in _described_parts(facts):
        for file in part.files:
            how = ", else ".join(file.addresses)
            yield _File(file.name, file.size, file.declared_checksum, how)
    if not _described_parts(facts):
        return
    for part, precision, record in facts.ir_records():
        assert facts.layout
        xml = facts.layout.converted_ir_path(part, precision)
        yield from _ir_files(xml, precision, record)


def _ir_files(xml: Path, precision: Precision, record: Provenance) -> Iterator[_File]:
    """The files of an IR that are here as they were made."""
    made = dict(record.key)
    made.pop("sources", None)
    made["self_check"] = list(map(asdict, record.checks))
    if record.int8 is not None:
        made["int8"] = asdict(record.int8)
    maker = record.trust or "made by posezoo"
    how = f"{maker}: {json.dumps(made)}"
    made_from = {}
    for name, text in record.sources.items():
        algorithm, _, value = f"{text}".partition(":")
        made_from[name] = Digest(algorithm, value)
    for suffix, content in record.contents.items():
        path = xml.with_suffix(suffix)
        if is_verified(path, content.size, content.digest, remember=False):
            name = f"{precision}/{path.name}"
            yield _File(name, content.size, content.digest, how, made_from=made_from)


def _metrics(facts: ModelFacts) -> Iterator[Json]:
    """Each published or measured figure."""
    for part in _described_parts(facts):
        for claim in part.published.accuracy:
            conditions = join("published", claim.dataset, format_protocol(claim))
            yield _metric(claim.metric, claim.value, conditions)
    for model, measured in facts.measurements():
        if model is not facts.model:
            continue
        settings = describe_settings(measured)
        where = join(measured.precision, measured.machine, settings, measured.date)
        for name, value in measured.figures.items():
            interval = measured.intervals.get(name, ())
            yield _metric(name, value, f"measured {measured.kind}: {where}", interval)


def _properties(facts: ModelFacts) -> Json:
    """The facts that CycloneDX has no field for; empty ones are left out."""
    properties: Json = {
        "posezoo:revision": f"{facts.model.revision}",
        "posezoo:parts": ", ".join(facts.model.stages),
    }
    for part in _described_parts(facts):
        count = len(part.files)
        verified = _count_verified_files(facts, part)
        share = "all" if verified == count else f"{verified} of {count}"
        verified_files = f"{share} here; of other files, only declared facts are stated"
        properties |= {
            "posezoo:verified_files": verified_files,
            "posezoo:framework": part.framework.value,
            "posezoo:training_data": "not declared",
            "posezoo:training_command": part.training.command,
            "posezoo:training_log": part.training.log,
            "posezoo:license_url": part.license.url,
            "posezoo:license_note": part.license_note,
        }
    return {name: value for name, value in properties.items() if value}


def _count_verified_files(facts: ModelFacts, part: ModelSpec) -> int:
    layout = facts.layout
    if layout is None:
        return 0
    paths = ((layout.file_path(part, file), file) for file in part.files)
    return sum(is_verified_file(path, file, remember=False) for path, file in paths)


def _cyclonedx(models: Sequence[ModelFacts], time: str) -> Json:
    tool = {"type": "application", "name": "posezoo", "version": version()}
    metadata: Json = {"timestamp": time} if time else {}
    metadata["tools"] = {"components": [tool]}
    composites = [facts.model for facts in models if facts.model.stages]
    dependencies = [{"ref": model.name, "dependsOn": list(model.stages)} for model in composites]
    content: Json = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": metadata,
        "components": list(map(_ml_component, models)),
        "dependencies": dependencies,
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    return {**content, "serialNumber": f"urn:uuid:{serial}"}


def _ml_component(facts: ModelFacts) -> Json:
    repositories = unique(part.origin.repository for part in _described_parts(facts))
    properties = _properties(facts).items()
    model_card = {
        "modelParameters": _model_parameters(facts),
        "quantitativeAnalysis": {"performanceMetrics": list(_metrics(facts))},
        "considerations": {"technicalLimitations": facts.limits},
    }
    return {
        "type": "machine-learning-model",
        "bom-ref": facts.name,
        "name": facts.name,
        "version": f"{facts.model.revision}",
        "description": facts.model.description,
        "licenses": distinct(map(_license, facts.parts)),
        "copyright": "; ".join(unique(map(read_copyright_line, facts.parts))),
        "externalReferences": [{"type": "vcs", "url": url} for url in repositories],
        "components": [_published_file(file, facts.name) for file in _files(facts)],
        "modelCard": model_card,
        "properties": [{"name": name, "value": value} for name, value in properties],
    }


def _license(part: ModelSpec) -> Json:
    spdx = part.license.spdx
    name = spdx or part.license.url or "not declared"
    # One identifier of SPDX's list, and no expression.
    is_listed = spdx and " " not in spdx and "LicenseRef-" not in spdx and is_license(spdx)
    license: Json = {"id" if is_listed else "name": name}
    if read_copyright_line(part):
        text = read_regular_text(license_path(part), errors="replace")
        license["text"] = {"contentType": "text/plain", "content": text}
    if part.license.url:
        license["url"] = part.license.url
    return {"license": license}


def _file_component(name: str, digest: Digest | None) -> Json:
    hashes = []
    if digest:
        algorithm = digest.algorithm.upper().replace("SHA", "SHA-")
        hashes.append({"alg": algorithm, "content": digest.value})
    return {"type": "file", "name": name, "hashes": hashes}


def _published_file(file: _File, model: str) -> Json:
    component = _file_component(file.name, file.digest)
    component["bom-ref"] = f"{model}/{file.name}"
    component["description"] = file.how
    component["properties"] = []
    if file.size:
        component["properties"].append({"name": "posezoo:size", "value": f"{file.size}"})
    if file.made_from:
        ancestors = [_file_component(*source) for source in file.made_from.items()]
        component["pedigree"] = {"ancestors": ancestors}
    return component


def _metric(name: str, value: float, conditions: str, interval: Sequence[float] = ()) -> Json:
    """A figure; ``interval`` has its 95 % bounds."""
    metric: Json = {"type": name, "value": f"{value:.6g}", "slice": conditions}
    if interval:
        lower, upper = (f"{bound:.6g}" for bound in interval)
        metric["confidenceInterval"] = {"lowerBound": lower, "upperBound": upper}
    return metric


def _model_parameters(facts: ModelFacts) -> Json:
    parameters: Json = {"task": task_label(facts.model.task), "datasets": []}
    for part in _described_parts(facts):
        for name in unique(claim.dataset for claim in part.published.accuracy):
            dataset = {"type": "dataset", "name": name, "description": "of the published accuracy"}
            parameters["datasets"].append(dataset)
        parameters["inputs"] = list(map(_port, part.inputs))
        parameters["outputs"] = list(map(_port, part.outputs))
    return parameters


def _port(port: Input | Output) -> Json:
    return {"format": f"{port.name}: {format_port_shape(port)}"}
