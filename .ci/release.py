"""Build a release, check it and try it: `make release` puts all that a release consists of into
dist/.

The same commit gives the same bytes, with the same Python and the versions of constraints.txt.
SECURITY.md says how a user verifies a release, and .github/workflows/release.yml publishes one.
"""

from __future__ import annotations

import argparse
import configparser
import difflib
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import uuid
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from email import message_from_string
from email.message import Message
from hashlib import sha256
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
THIS_PYTHON = platform.python_version().rpartition(".")[0]
#: Where the wheel has the folders of the repository, and what else is in it.
PACKED = {
    "src/posezoo/": "posezoo/",
    "models/": "posezoo/models/",
    "licenses/": "posezoo/licenses/",
}
WHEEL_INFO = [
    "METADATA",
    "RECORD",
    "WHEEL",
    "entry_points.txt",
    "licenses/LICENSE",
    "top_level.txt",
]
#: What setuptools adds to the repository's files in the sdist.
EGG_INFO = [
    "PKG-INFO",
    "SOURCES.txt",
    "dependency_links.txt",
    "entry_points.txt",
    "requires.txt",
    "top_level.txt",
]
#: The heading in docs/releasing.md of what no machine does.
LAST_STEPS = "What needs the internet or an account"
NO_REPOSITORY = "setup.cfg has no address of the repository below [publisher]"
#: The largest file that an index usually takes.
MAX_BYTES = 100_000_000


class ReleaseError(Exception):
    """Why there is no release."""


@dataclass(frozen=True)
class Release:
    """What is released: a commit, and what its setup.cfg and CHANGELOG.md say."""

    commit: str
    committed_at: int  # seconds since 1970
    version: str
    pythons: tuple[str, ...]
    notes: str

    @property
    def full_version(self) -> str:
        """What ``--version`` prints."""
        return f"{self.version}+g{self.commit[:8]}"


def run(*command: str | Path, **options: object) -> str:
    """The standard output of a command, which `subprocess.run` runs with these options.

    Raises:
        ReleaseError: it failed; the message has what it printed.
    """
    ended = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, **options)  # type: ignore[call-overload]
    if ended.returncode:
        printed = f"{ended.stdout}{ended.stderr}".strip()
        raise ReleaseError(
            f"{shlex.join(map(str, command))}: exit code {ended.returncode}\n{printed}"
        )
    return str(ended.stdout)


def make_release(dist: Path, folder: Path, untried: bool, neighbours: bool) -> None:
    """Replace `dist` by a release, tried or not with each Python and beside the neighbours; leave
    it alone if anything is wrong.
    """
    release = read_release()
    if dist.exists() and any(dist.iterdir()) and not (dist / "SHA256SUMS").exists():
        raise ReleaseError(
            f"{dist} is not a release's folder: remove it, or name another with --dist"
        )
    built = build(release, folder / "first")
    made = folder / "made"
    made.mkdir()
    for name, content in built.items():
        (made / name).write_bytes(content)
    check_files(release, made)
    again = build(release, folder / "second clone")
    if different := [name for name in {*built, *again} if built.get(name) != again.get(name)]:
        raise ReleaseError(f"a second build has other bytes: {', '.join(different)}")
    for name, content in built.items():
        print(f"{name}: {len(content)} bytes, the same in two builds")
        if len(content) > MAX_BYTES:
            raise ReleaseError(f"{name}: an index takes at most {MAX_BYTES} bytes")
    check_readme(own_files(release, made)[0])
    run(sys.executable, "-m", "twine", "check", "--strict", *made.iterdir())
    wheels = download(release, made, (sys.executable, "-m", "pip"), THIS_PYTHON, folder)
    sbom = render_sbom(release, made, wheels)
    for version in () if untried else release.pythons:
        if python := find_python(version):
            try_release(release, made, version, python, folder)
        else:
            print(f"Python {version}: not on this machine, not tried")
    if neighbours:
        beside = f"ENTER=--wheel {own_files(release, made)[0]} neighbours"
        print(run("make", "--no-print-directory", "environments", beside, cwd=ROOT), end="")
        print("the wheel beside other programs: it moves none of their packages")
    (made / f"posezoo-{release.version}.cdx.json").write_text(sbom, "utf-8")
    sums = [
        f"{sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(made.iterdir())
    ]
    (made / "SHA256SUMS").write_text("".join(sums), "utf-8")
    (made / "NOTES.md").write_text(release.notes, "utf-8")
    shutil.rmtree(dist, ignore_errors=True)
    shutil.move(made, dist)
    print(
        f"posezoo {release.version} of commit {release.commit} is in {dist}:\n{''.join(sums)}",
        end="",
    )
    print(describe_next(release))


def describe_next(release: Release) -> str:
    """What a person does now: the commit to tag, and the steps in docs/releasing.md."""
    if ".dev" in release.version:
        return (
            "This is a version of development: before a release, set version in setup.cfg and the"
            " heading in CHANGELOG.md (docs/releasing.md), commit, and run make release again."
        )
    page = (ROOT / "docs" / "releasing.md").read_text("utf-8")
    steps, *_ = page.partition(f"\n## {LAST_STEPS}\n")[2].strip().split("\n\n")
    tag = f"git tag --annotate v{release.version} --message 'posezoo {release.version}'"
    return f"The commit to tag: {tag} {release.commit}\n\n{LAST_STEPS}:\n\n{steps}"


def read_release() -> Release:
    """The release that the present commit is.

    Raises:
        ReleaseError: files differ from the commit, or CHANGELOG.md does not name the version.
    """
    if changed := run("git", "-C", ROOT, "status", "--porcelain"):
        raise ReleaseError(
            f"these files are not as committed; commit or remove them:\n{changed.rstrip()}"
        )
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    version = setup["metadata"]["version"]
    title, missing = rf"{re.escape(version)} - \d{{4}}-\d\d-\d\d", f"{version} - YYYY-MM-DD"
    if ".dev" in version:
        title = missing = "Unreleased"
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if not section:
        raise ReleaseError(
            f"CHANGELOG.md lacks the version of setup.cfg, {version}: add '## {missing}'"
        )
    commit, committed_at = run("git", "-C", ROOT, "log", "-1", "--format=%H %ct").split()
    pythons = tuple(re.findall(r"Python :: (3\.\d+)", setup["metadata"]["classifiers"]))
    return Release(commit, int(committed_at), version, pythons, section[1].strip() + "\n")


def build(release: Release, folder: Path) -> dict[str, bytes]:
    """The sdist, the wheel and the stand-ins' wheels, by name, built from a new clone in a folder.

    The wheel is built from the sdist, so the sdist has what a build needs. The stand-ins are packed
    by the posezoo in the wheel.
    """
    source, dist = folder / "source", folder / "dist"
    run("git", "clone", "--quiet", "--no-checkout", ROOT, source)
    run("git", "-C", source, "checkout", "--quiet", release.commit)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, source)
    with zipfile.ZipFile(own_files(release, dist)[0]) as wheel:
        wheel.extractall(folder / "unpacked")
    environ = {**os.environ, "PYTHONPATH": str(folder / "unpacked")}
    run(sys.executable, source / ".ci" / "stand_ins.py", dist, env=environ)
    return {path.name: path.read_bytes() for path in sorted(dist.iterdir())}


def own_files(release: Release, made: Path) -> list[Path]:
    """The wheel and the sdist of posezoo itself."""
    return [
        made / f"posezoo-{release.version}-py3-none-any.whl",
        made / f"posezoo-{release.version}.tar.gz",
    ]


def check_files(release: Release, made: Path) -> None:
    """Raise a ReleaseError unless the wheel has all of src, models and licenses, and the sdist
    everything.
    """
    tracked = run("git", "-C", ROOT, "ls-tree", "-r", "-z", "--name-only", release.commit).split(
        "\0"
    )[:-1]
    in_wheel = [f"posezoo-{release.version}.dist-info/{name}" for name in WHEEL_INFO]
    for folder, target in PACKED.items():
        in_wheel += [
            target + name.removeprefix(folder) for name in tracked if name.startswith(folder)
        ]
    in_wheel.append("posezoo/commit.txt")
    own_wheel, own_sdist = own_files(release, made)
    with zipfile.ZipFile(own_wheel) as wheel:
        compare_names("wheel", wheel.namelist(), in_wheel)
    in_sdist = [*tracked, "PKG-INFO", "src/posezoo/commit.txt"]
    in_sdist += [f"src/posezoo.egg-info/{name}" for name in EGG_INFO]
    with tarfile.open(own_sdist) as sdist:
        compare_names("sdist", [name.partition("/")[2] for name in sdist.getnames()], in_sdist)


def check_readme(wheel: Path) -> None:
    """Raise a ReleaseError unless an index can show README.md, and each link there leads to a
    place.
    """
    from readme_renderer import markdown  # other programs ask this one for a Python alone

    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        fields = message_from_string(archive.read(name).decode())
    html = markdown.render(str(fields.get_payload()))
    if html is None:
        raise ReleaseError("README.md cannot be rendered as an index does")
    links = re.findall(r'(?:href|src)="([^"]*)"', html)
    relative = [each for each in links if not each.startswith(("https://", "http://", "#"))]
    if not fields.get_all("Project-URL"):
        print(f"README.md: {len(relative)} links lead nowhere on an index: {NO_REPOSITORY}")
    elif relative:
        raise ReleaseError(f"README.md: an index cannot follow {', '.join(relative)}")


def compare_names(kind: str, names: Iterable[str], expected: Iterable[str]) -> None:
    """Raise a ReleaseError with the files that an archive lacks, or has and should not have."""
    lines = difflib.ndiff(sorted(expected), sorted(names))
    if wrong := [line for line in lines if line.startswith(("+", "-"))]:
        raise ReleaseError(
            f"the {kind} lacks files (-) or has others (+); see package_data in setup.cfg, and"
            " MANIFEST.in:\n" + "\n".join(wrong)
        )


def find_python(version: str) -> Path | None:
    """The Python 3.x that runs this, is on PATH or is one of pyenv's; None if there is none."""
    if version == THIS_PYTHON:
        return Path(sys.executable)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for path in (shutil.which(f"python{version}"), *pyenv.glob(f"{version}.*/bin/python{version}")):
        if (
            path
            and not subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode
        ):
            return Path(path)
    return None


def download(
    release: Release, made: Path, pip: tuple[str | Path, ...], version: str, folder: Path
) -> Path:
    """The folder of the wheel, what its extra `run` requires on a Python 3.x, and what builds the
    sdist.
    """
    wheels = folder / f"wheels for {version}"
    if not wheels.exists():
        pins = ("--constraint", ROOT / "constraints.txt")
        options = ("--disable-pip-version-check", "--only-binary=:all:", *pins, "--dest", wheels)
        wheel = own_files(release, made)[0]
        run(*pip, "download", *options, f"{wheel}[run]", "setuptools>=77,<82", "wheel")
    return wheels


def try_release(release: Release, made: Path, version: str, python: Path, folder: Path) -> None:
    """Install the wheel and the sdist into fresh environments of a Python, and run both.

    After the downloads (what both require, and a mirror of the default model), there is no network,
    if it can be taken away.
    """
    mirror = folder / "mirror"
    offline = ("unshare", "--map-root-user", "--net") if shutil.which("unshare") else ()
    if (
        not offline
        or subprocess.run([*offline, "true"], capture_output=True, check=False).returncode
    ):
        offline = ()
    for file in own_files(release, made):
        env, home = folder / f"{version}{file.suffix}", folder / f"home of {version}{file.suffix}"
        home.mkdir()
        run(python, "-m", "venv", env)
        pip, posezoo = env / "bin" / "pip", env / "bin" / "posezoo"
        wheels = download(release, made, (pip,), version, folder)
        run(pip, "install", "--no-index", "--find-links", wheels, f"{file}[run]", cwd=home)
        run(pip, "check")
        if not mirror.exists():
            create = ("mirror", "create", mirror, "blazepose-full")
            run(posezoo, *create, "--cache_dir", home / "mirror", cwd=home)
        # No settings, caches or variables of the user who runs this, and not the checkout.
        alone = {"HOME": str(home), "PATH": os.defpath, "POSEZOO_MIRROR": str(mirror)}
        printed = run(posezoo, "--version", cwd=home, env=alone)
        run(*offline, posezoo, "doctor", cwd=home, env=alone)
        named = ("run", "blazepose-full", "--output", "quickstart")
        run(*offline, posezoo, *named, cwd=home, env=alone)
        found = json.loads((home / "quickstart" / "poses.json").read_text("utf-8"))
        people = [len(image["poses"]) for image in found["images"]]
        records = [
            json.loads(path.read_text("utf-8")) for path in home.rglob("FP16/provenance.json")
        ]
        versions = {printed, *(f"posezoo {record['posezoo']}\n" for record in records)}
        if people != [1, 1] or not records or versions != {f"posezoo {release.full_version}\n"}:
            raise ReleaseError(
                f"{file.name}: {people} people, {len(records)} IR made by {versions}"
            )
        try_stand_ins(made, pip, offline, home, alone)
        network = (
            "without a network" if offline else "with a network, which cannot be taken away here"
        )
        print(f"Python {version}: {file.name} installed; doctor and quickstart passed {network}")


def try_stand_ins(
    made: Path, pip: Path, offline: tuple[str, ...], home: Path, alone: dict[str, str]
) -> None:
    """Install the stand-ins beside posezoo, and use a command and a module of theirs.

    Their OpenCV would overwrite the one of the extra `run`, so it is left out.
    """
    stand_ins = made.glob("posezoo_*.whl")
    run(pip, "install", "--no-index", "--no-deps", *stand_ins, cwd=home)
    listing = ("--print_all", "--registry", "posezoo")
    run(*offline, pip.with_name("omz_downloader"), *listing, cwd=home, env=alone)
    code = "import mediapipe; mediapipe.solutions.pose.Pose"
    run(*offline, pip.with_name("python"), "-W", "error", "-c", code, cwd=home, env=alone)


def render_sbom(release: Release, made: Path, wheels: Path) -> str:
    """A CycloneDX SBOM of the sdist, the wheel and what the extra `run` installs, from their
    wheels.

    Its time is that of the commit, and its serial number comes from its content.
    """
    packages: dict[str, Message] = {}
    components: dict[str, Component] = {}
    for path in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(path) as wheel:
            (name,) = (
                name
                for name in wheel.namelist()
                if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)
            )
            fields = message_from_string(wheel.read(name).decode())
        packages[canonicalize_name(fields["Name"])] = fields
        components[canonicalize_name(fields["Name"])] = to_component(fields, path)
    requirements: dict[str, set[str]] = {}
    pending = ["posezoo"]
    while pending:
        name = pending.pop()
        extra = {"extra": "run" if name == "posezoo" else ""}
        wanted = map(Requirement, packages[name].get_all("Requires-Dist", ()))
        requirements[name] = {
            canonicalize_name(each.name)
            for each in wanted
            if not each.marker or each.marker.evaluate(extra)
        }
        pending += requirements[name] - requirements.keys()
    product = components["posezoo"]
    product.hashes.clear()  # it is two files, each with its own
    for path in own_files(release, made):
        url, kind = XsUri(path.name), ExternalReferenceType.DISTRIBUTION
        product.external_references.add(
            ExternalReference(type=kind, url=url, hashes=[sha256_of(path)])
        )
    bom = Bom(components=[components[name] for name in requirements if name != "posezoo"])
    bom.metadata.component = product
    bom.metadata.timestamp = datetime.fromtimestamp(release.committed_at, timezone.utc)
    for name, names in requirements.items():
        bom.register_dependency(components[name], [components[each] for each in names])
    bom.serial_number = uuid.UUID(int=0)
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_OID, JsonV1Dot6(bom).output_as_string())
    text = JsonV1Dot6(bom).output_as_string(indent=2) + "\n"
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise ReleaseError(f"the SBOM is not valid CycloneDX 1.6: {error}")
    return text


def to_component(fields: Message, wheel: Path) -> Component:
    """A package for the SBOM, by the metadata in its wheel, with the license that it declares."""
    classifiers = [
        text for text in fields.get_all("Classifier", ()) if text.startswith("License :: ")
    ]
    texts = [fields["License-Expression"], fields["License"]]
    texts += [text.rpartition(" :: ")[2] for text in classifiers]
    # Some give the whole text.
    licenses = [text for text in texts if text and len(text.splitlines()) == 1]
    return Component(
        name=fields["Name"],
        version=fields["Version"],
        bom_ref=canonicalize_name(fields["Name"]),
        description=fields["Summary"],
        licenses=[LicenseFactory().make_from_string(text) for text in licenses[:1]],
        purl=PackageURL("pypi", name=canonicalize_name(fields["Name"]), version=fields["Version"]),
        hashes=[sha256_of(wheel)],
    )


def sha256_of(path: Path) -> HashType:
    """The digest of a file, for the SBOM."""
    return HashType(alg=HashAlgorithm.SHA_256, content=sha256(path.read_bytes()).hexdigest())


def main() -> int:
    """Run the script; its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--dist", type=Path, default=ROOT / "dist", help="folder to replace (default: dist)"
    )
    parser.add_argument(
        "--untried", action="store_true", help="do not install it, and do not run it"
    )
    parser.add_argument(
        "--neighbours", action="store_true", help="install it beside other programs, too"
    )
    args = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a log shows each step at once
    os.umask(0o022)  # the wheel has the files' permissions
    try:
        with tempfile.TemporaryDirectory(prefix="release-") as folder:
            make_release(args.dist, Path(folder), args.untried, args.neighbours)
    except ReleaseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
