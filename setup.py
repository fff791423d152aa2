"""The packages below src with two folders of data, and the addresses that an index shows."""

import re
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
IMAGES = (".jpg", ".png", ".svg")


def read_repository() -> str:
    """The address of the repository; empty until a publisher fills it in."""
    config = ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config["publisher"]["repository"].rstrip("/")


def read_commit() -> str:
    """The commit, which the build backend states; HEAD if nobody builds a release."""
    path = ROOT / "src" / "posezoo" / "commit.txt"
    return path.read_text("ascii").strip() if path.exists() else "HEAD"


def with_absolute_links(text: str, repository: str, commit: str) -> str:
    """A page whose relative links lead to the repository's files, since an index has none."""

    def replace(match: re.Match[str]) -> str:
        kind = "raw" if match[1].endswith(IMAGES) else "blob"
        return f"]({repository}/{kind}/{commit}/{match[1]})"

    return re.sub(r"\]\((?!https?:|mailto:|#)([^)\s]+)\)", replace, text)


repository = read_repository()
readme = (ROOT / "README.md").read_text("utf-8")
urls = {}
if repository:
    readme = with_absolute_links(readme, repository, read_commit())
    urls = {
        "Repository": repository,
        "Documentation": f"{repository}/blob/HEAD/docs/index.md",
        "Changelog": f"{repository}/blob/HEAD/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }

setup(
    packages=[*find_packages("src"), "posezoo.models", "posezoo.licenses"],
    long_description=readme,
    project_urls=urls,
)
