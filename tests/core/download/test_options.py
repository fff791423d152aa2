"""Licenses that the user did not allow are refused before the first request."""

from dataclasses import replace

import pytest

from fakes.files import declared, model
from fakes.server import Server
from posezoo.core.declarations.model import License
from posezoo.core.download.model_download import download_model, plan_download
from posezoo.core.download.options import DownloadOptions, is_license_allowed
from posezoo.core.errors import LicenseError
from posezoo.core.layout import ModelLayout


def test_other_terms_are_refused_before_any_request(tmp_path):
    with Server() as server:
        path = tmp_path / "models" / "public" / "pose" / "model.yml"
        spec = model(declared("net.pth", b"x", server.serve("net.pth", b"x")), path=path)
        layout, strict = (
            ModelLayout(tmp_path / "out", tmp_path / "out"),
            DownloadOptions(None, allow_licenses=("MIT", "BSD-*")),
        )
        for work in (download_model, plan_download):
            with pytest.raises(
                LicenseError,
                match=r"pose: its license is Apache-2\.0, but allow_licenses permits only",
            ):
                work(spec, layout, strict)
        assert server.requests == []
        assert not (tmp_path / "out").exists()
        download_model(spec, layout, replace(strict, allow_licenses=("apache-2.0",)))
        assert server.asked("net.pth") == 1


@pytest.mark.parametrize(
    ("terms", "allowed", "is_fine"),
    [
        (License("MIT"), ["MIT"], True),
        (License("BSD-3-Clause"), ["MIT", "BSD-*"], True),
        (License("LicenseRef-unclear"), ["*"], True),
        (License("LicenseRef-unclear"), ["Apache-2.0"], False),
        (License("MIT AND CC-BY-4.0"), ["MIT"], False),
        (License("MIT AND CC-BY-4.0"), ["MIT", "CC-*"], True),
        (License("GPL-3.0-only OR MIT AND ISC"), ["MIT", "ISC"], True),
        (License("GPL-3.0-only OR MIT AND ISC"), ["MIT"], False),
        (License("(MIT OR ISC) AND X"), ["MIT", "X"], False),
        (License(url="https://models.invalid/LICENSE"), ["https://models.invalid/*"], True),
        (License(url="https://models.invalid/LICENSE"), ["MIT"], False),
        (License(), ["*"], False),
    ],
)
def test_spdx_expressions_are_understood_as_far_as_models_have_them(terms, allowed, is_fine):
    assert is_license_allowed(terms, allowed) is is_fine
