"""Rules on index pages and tables of devices: every model has a row, and every row has a model."""

from __future__ import annotations

from collections.abc import Iterator

from posezoo.lint.finding import FileLocation, RuleViolation
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import defined_rules, rule

#: If more than this fraction of a folder's models are on a page, the others should be there, too.
USUAL_SHARE = 0.8


@rule(
    "index-row",
    "index.md and device_support.md have a row for each model of their folder, or for its composite or "
    "parts, and none for another name; a page that posezoo drew has a rule of its own.",
    "a new model that index.md does not list",
)
def index_row(view: ModelView) -> Iterator[RuleViolation]:
    models = [*view.zoo.models.values()]
    for path, listed in view.zoo.listed_names.items():
        inside = [each for each in models if path.parent in each.folder.parents]
        missing = [each for each in inside if not listed.keys() & each.related_names]
        if view in missing and len(missing) < (1 - USUAL_SHARE) * len(inside):
            message = f"{path.name} has no row for {view.name}"
            yield RuleViolation(FileLocation(str(path)), message, "index", "", view.name)
        # The first model reports the rows of no model.
        others = listed.keys() - view.zoo.registry.entries.keys() if view is models[0] else ()
        for name in sorted(others):
            message = f"{path.name} has a row for {name}, which is no model of this registry"
            yield RuleViolation(FileLocation(str(path), listed[name]), message, "index", name)


@rule(
    "index-columns",
    "A row of the index about several models has one value for all of them in each column, or one for each.",
    "[a](./a/README.md)<br>[b](./b/README.md) and three accuracies",
)
def index_columns(view: ModelView) -> Iterator[RuleViolation]:
    for row in view.zoo.index.get(view.name, ()):
        for text in row.unclear:
            message = f"{text} has neither one value nor one for each model of the row"
            yield RuleViolation(FileLocation(row.file, row.line), message, "index", text)


RULES = defined_rules(globals())
