"""A license text that requires a holder is refused without one by every command that checks a registry."""

import pytest

from fakes.command import json_of, posezoo
from fakes.zoo import model_yml, write_model


@pytest.mark.parametrize("spdx", ["MIT", "BSD-3-Clause"])
@pytest.mark.parametrize(
    ("first", "found"),
    [
        ("Copyright (c) 2019 HRNet", []),
        ("Copyright <YEAR> <COPYRIGHT HOLDER>", ["license-text"]),
        ("MIT License", ["license-text"]),
    ],
)
def test_a_text_without_a_holder_is_refused(tmp_path, spdx, first, found):
    write_model(tmp_path / "models", "net", model_yml(license={"spdx": spdx, "text": "X.txt"}))
    (tmp_path / "licenses" / "X.txt").write_text(f"{first}\n\nPermission is hereby granted\n")
    ended = posezoo("lint", "--models_dir", tmp_path / "models", "--format", "json", cwd=tmp_path)
    assert ended.returncode == len(found)
    assert [load["rule"] for load in json_of(ended)["findings"]] == found
