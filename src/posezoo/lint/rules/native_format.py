"""Rules on models in posezoo's own format: license texts, decoders, skeletons, networks,
measurements.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from itertools import product

from posezoo.core.convert.feature_steps import INT8_MAKER
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.errors import ConversionError, NetworkError, SpecError, UnknownModelError
from posezoo.core.license_notice import read_copyright_line
from posezoo.core.registry import license_path, registry_root
from posezoo.figures import papers
from posezoo.figures.measured import NAME, read_measured
from posezoo.lint.finding import FileLocation, RuleViolation, Severity, Violations
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import rule
from posezoo.lint.text_comparison import simplify
from posezoo.networks import find_network, is_network
from posezoo.pages.cards.card_reader import read_text
from posezoo.pages.spdx_licenses import (
    GNU_SUFFIX,
    PHRASES,
    find_other_license,
    is_license,
    suggest_license,
)
from posezoo.proof.recorded_outputs import read_recording

#: Words near the end of license texts: without them, the text was cut.
ENDS = {
    "Apache-2.0": "END OF TERMS AND CONDITIONS",
    "MIT": "OTHER DEALINGS IN THE SOFTWARE",
    "BSD-2-Clause": "POSSIBILITY OF SUCH DAMAGE",
    "BSD-3-Clause": "POSSIBILITY OF SUCH DAMAGE",
}
#: The usual licenses have more characters.
_LEAST_TERMS = 400
#: Several licenses, or those that SPDX does not list.
OWN_TERMS = re.compile(r" |^LicenseRef-")


@rule()
def license_text(view: ModelView) -> Violations:
    """The license text exists and begins with the line of its holder, also below the license's
    name: MIT and BSD require it.

    Example: license: {spdx: MIT, text: MIT.txt} without licenses/MIT.txt
    """
    spec = view.spec
    if spec.license.text and not read_copyright_line(spec):
        path = license_path(spec)
        reason = "does not exist"
        if path.is_file():
            reason = (
                "does not begin with a line 'Copyright ... holder', or its name and this line;"
                " blanks such as [fullname] are to be filled in"
            )
        message = f"license.text: {path} {reason}"
        yield view.declared("license.text", message, spec.license.text)


@rule(severity=Severity.WARNING)
def license_name(view: ModelView) -> Violations:
    """A model states its license: an address, or a name in SPDX's list, or LicenseRef-NAME. In
    posezoo's format it has a text, too; a name that is similar to one in the list is an error.

    Example: license: {spdx: Apache2, text: Apache-2.0-Intel.txt}
    """
    terms = view.spec.license
    if not view.variants or terms.url:
        return
    name = terms.spdx
    field = "license.spdx" if terms.text else "license"
    is_wrong = view.is_native and not terms.text
    if not name:
        message = "license: is missing, so that nobody knows what is allowed"
    elif not is_license(name):
        hint = suggest_license(name)
        is_wrong = is_wrong or (view.is_native and hint.startswith("did you mean"))
        message = f"{field}: SPDX does not list {name}: {hint}"
    elif is_wrong:
        message = f"license: {name} is given without its text: {{spdx: {name}, text: FILE}}"
    else:
        return
    severity = Severity.ERROR if is_wrong else None
    yield view.declared(field, message, name, severity=severity)


@rule(unless=("moving-source",))
def license_kind(view: ModelView) -> Violations:
    """The license text is that of the named license, and of a project from which the model comes.
    The text of a known license is an error for any other license, unless both names begin with the
    same word, such as BSD, or it is the publisher's own license. In posezoo's registry, it is the
    whole text.

    Example: license: {spdx: MIT, text: Apache-2.0-Intel.txt}
    """
    spec = view.spec
    if not spec.license.text or OWN_TERMS.search(spec.license.spdx):
        return
    other = _find_licensed_model(view, spec)
    if other:
        message = f"license: {spec.license.text} is the text of the project of {other}"
        yield view.declared("license.text", message, spec.license.text)
        return
    text = " ".join((read_text(license_path(spec)) or "").split())
    expected = GNU_SUFFIX.sub("", spec.license.spdx)
    end = ENDS.get(expected, "")
    actual = find_other_license(expected, text)
    if actual:
        message = f"license: {spec.license.text} is the text of {actual}, not of {expected}"
        yield view.declared("license.text", message, actual, spec.license.spdx)
    elif view.is_builtin and text and not _has_terms(text, expected):
        message = (
            f"license: {spec.license.text} lacks the terms of {spec.license.spdx}: below the line"
            " of the holder, write the whole text"
        )
        yield view.declared("license.text", message, spec.license.text)
    elif PHRASES.get(expected, "") in text and end.lower() not in text.lower():
        message = f"license: {spec.license.text} ends before '{end}'"
        yield view.declared("license.text", message, spec.license.text, end)


def _has_terms(text: str, license: str) -> bool:
    """Whether a text has the terms of its license, not only its holder and a reference."""
    return PHRASES.get(license, "") in text and len(text) >= _LEAST_TERMS


def _find_licensed_model(view: ModelView, spec: ModelSpec) -> str:
    """A model from the project that a license text is named after, if this model is not from
    there.
    """
    holder = simplify(spec.license.text.removeprefix(spec.license.spdx).removesuffix(".txt"))
    users = view.zoo.models_by(_read_license_text)[spec.license.text]
    # The first one of the same project decides, so that not all are looked at for each model.
    is_shared = any(
        each.spec.origin.repository == spec.origin.repository for each in users if each is not view
    )
    if not holder or is_shared or _names_project(spec, holder):
        return ""
    return next((each.spec.name for each in users if _names_project(each.spec, holder)), "")


def _read_license_text(view: ModelView) -> Iterator[str]:
    yield view.spec.license.text


def _names_project(spec: ModelSpec, project: str) -> bool:
    sources = (str(source) for file in spec.files for source in file.sources)
    return project in simplify(" ".join((spec.subdirectory, spec.origin.repository, *sources)))


@rule()
def known_skeleton(view: ModelView) -> Violations:
    """The skeleton is one that posezoo or the registry has.

    Example: skeleton: coco-71
    """
    name = view.skeleton
    if name and view.known_skeleton is None:
        names = ", ".join(SKELETONS)
        message = f"skeleton: no skeleton is called {name}; the skeletons: {names}"
        yield view.declared("skeleton", message, name, names)


@rule()
def declared_ends(view: ModelView) -> Violations:
    """A model in posezoo's format declares its inputs and outputs.

    Example: a model.yml without outputs
    """
    spec = view.spec
    if view.variants and view.is_native and not (spec.inputs and spec.outputs):
        yield RuleViolation(view.location(), "inputs and outputs are not both declared", "inputs")


@rule()
def known_network(view: ModelView) -> Violations:
    """The network exists, takes the declared arguments, and has the declared names of inputs
    and outputs.

    Example: network: {name: higher_hrnet, width: 9000}
    """
    spec = view.spec
    if spec.network is None:
        return
    try:
        network = find_network(spec.network.name)
        outputs = network.output_names(**spec.network.arguments)
    except (UnknownModelError, NetworkError) as error:
        yield view.declared("network", f"network: {error.problem}", spec.network.name)
        return
    is_of_another = network.name in view.zoo.registry.entries
    if is_of_another and not view.name.startswith(network.name):
        message = f"network: {network.name} is the network of the model with this name"
        # A model whose own name is not that of a network may be trained for something else.
        severity = None if is_network(view.name) else Severity.WARNING
        yield view.declared("network", message, network.name, severity=severity)
        return
    expected = ", ".join((network.input.name, *outputs))
    for variant in view.variants:
        names = [port.name for port in variant.inputs]
        declared = ", ".join(names + variant.output_names)
        if declared != expected:
            message = f"inputs and outputs: those of {variant.full_name} are not {expected}"
            yield view.declared("outputs", message, declared, expected)


@rule()
def measured(view: ModelView) -> Violations:
    """measured.yml can be read, its variants exist, and no date is in the future.

    Example: tag: x1 in measured.yml, and no variant x1
    """
    spec = view.declaration
    if isinstance(view.parsed, SpecError):
        return
    path = spec.path.with_name(NAME)
    try:
        measurements = read_measured(path)
    except SpecError as error:
        message = error.problem.removeprefix(f"{spec.path.parent}{os.sep}")
        yield RuleViolation(error, message, error.field)
        return
    tomorrow = str(date.today() + timedelta(days=1))  # it is later elsewhere
    for day in sorted({each.date for each in measurements if each.date > tomorrow}):
        message = f"{NAME}: {day} is in the future"
        yield RuleViolation(FileLocation(path), message, "date", day)
    tags = {measurement.tag for measurement in measurements}
    for tag in sorted(tags - ({variant.tag for variant in view.variants} or {""})):
        message = f"{NAME}: no variant has the tag {tag!r}"
        yield RuleViolation(FileLocation(path), message, "tag", tag)


_BESIDE: Mapping[str, Callable[[ModelSpec], object]] = {
    "recorded_outputs": read_recording,
    "int8_ranges": lambda spec: INT8_MAKER.part.check_declared(spec),
}


@rule()
def files_beside(view: ModelView) -> Violations:
    """The files with recorded outputs and with ranges of INT8 are the declared ones, and are not
    those of another model, too.

    Example: the checksum of another model's recorded_outputs
    """
    for variant, (field, read) in product(view.variants, _BESIDE.items()):
        try:
            if getattr(variant, field):
                read(variant)
        except ConversionError as error:
            yield view.declared(field, error.problem)
            continue
        digest = _read_digest(variant, field)
        for other in view.zoo.models_by(_read_digests)[digest]:
            if other.name != view.name:
                yield view.declared(field, f"{field}: {other.name} has the same file", digest)


def _read_digests(view: ModelView) -> Iterator[str]:
    for variant in view.variants:
        yield from filter(None, (_read_digest(variant, field) for field in _BESIDE))


def _read_digest(variant: ModelSpec, field: str) -> str:
    declared = getattr(variant, field)
    return declared.checksum.value if declared else ""


@rule("papers")
def known_papers(view: ModelView) -> Violations:
    """papers.yml, if a registry has one, can be read and describes the papers that models name.

    Example: origin: {paper: https://papers.invalid/1} without that address in papers.yml
    """
    address = view.spec.origin.paper
    if not address:
        return
    path = registry_root(view.spec) / papers.NAME
    try:
        described = papers.read_papers(path)
    except SpecError as error:
        yield RuleViolation(error, error.problem, error.field)
        return
    if described and address not in described:
        message = (
            f"origin.paper: {path.name} does not describe {address}, so the card cannot cite it"
        )
        yield view.declared("origin.paper", message, address)
