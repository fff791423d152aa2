"""Code that comes with a model and creates the file to convert; a feature runs it, with the user's
consent.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.declarations.routes import Obstacle
from posezoo.core.errors import ConversionError
from posezoo.core.events import Listener, ignore_event
from posezoo.core.layout import ModelLayout
from posezoo.core.plugins import Hook

_NO_SANDBOX = Obstacle("sandbox", "its code runs only in a sandbox, which this installation lacks")


class UpstreamCode:
    """Runs no code; a feature overrides all of it."""

    promise = ""  # what the sandbox lets the code do, for the user

    def find_obstacle(self, *, starts: bool = True) -> Obstacle | None:  # noqa: ARG002
        """Why no code can be run on this system; None if it can. ``starts``: the sandbox is started
        to see this.
        """
        return _NO_SANDBOX

    def describe(self, spec: ModelSpec) -> tuple[str, ...]:  # noqa: ARG002
        """A text for each piece of the model's code that creates the file to convert.

        Raises:
            ConversionError: there is none, or its arguments in model.yml cannot be used.
        """
        return ()

    def run(
        self, spec: ModelSpec, layout: ModelLayout, listener: Listener = ignore_event
    ) -> AbstractContextManager[ModelLayout]:
        """Run a model's code; the entered layout names the folder of its results, which is removed
        at the end.

        Raises:
            ConversionError: a file is missing or has another digest; or the code cannot be run, or
                fails.
            OutputError: the folder of its results cannot be created.
        """
        del layout, listener
        raise ConversionError(f"{spec.full_name}: {_NO_SANDBOX.why}")


UPSTREAM_CODE = Hook(UpstreamCode())
