"""`make sfn-image`: a container image of the embedded engine, from what is installed here; nothing is downloaded.

It stands in for Amazon's image where that cannot be pulled, so that the way through a container is walked for real. It
holds the running Python, the packages that moto's Step Functions and its server need, the libraries that `ldd` names,
and the few modules of ours that serve it; no base image.
"""

import io
import re
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution, version
from pathlib import Path, PurePosixPath

import docker
from docker.errors import DockerException
from packaging.requirements import Requirement

from infra.local.emulator.client import PROJECT_ROOT
from tests.step_functions_local.container import PORT

IMAGE = f"tableferry/step-functions-embedded:moto-{version('moto')}"
ROOTS = ("moto[stepfunctions]", "aiohttp", "flask", "flask-cors")
"""What the server imports, with what these need in turn."""
OURS = ("infra/__init__.py", "infra/local/__init__.py", "infra/local/emulator", "tests/step_functions_local")
SERVICES = ("lambda", "stepfunctions")
"""botocore's models that are taken along: all of them are 120 MB, and the interpreter calls nothing else here."""
HOME = PurePosixPath("/opt/python")
PACKAGES = PurePosixPath("/opt/packages")
PROJECT = PurePosixPath("/opt/tableferry")
LEFT_OUT = {"test", "tests", "site-packages", "idlelib", "tkinter", "ensurepip", "lib2to3", "turtledemo"}
FOUND_BY_NAME = ("libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2")
"""What glibc opens by itself to look a host's name up; `ldd` does not see it. Newer ones have it built in."""

_LIBRARY = re.compile(r"^\s*(?:\S+ => )?(/\S+) \(0x", re.MULTILINE)


def main() -> int:
    """Build the image and print its name."""
    try:
        client = docker.from_env()
    except DockerException as error:
        print(f"no Docker daemon answers ({error}); start one, then run this again", file=sys.stderr)  # noqa: T201 - a foreground program
        return 1
    with tempfile.NamedTemporaryFile(suffix=".tar") as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            for there, here in sorted(files().items()):
                archive.add(here.resolve(), str(there).lstrip("/"), recursive=False)
            _add_made(archive)
        file.flush()
        repository, _, tag = IMAGE.partition(":")
        client.api.import_image_from_file(file.name, repository, tag, changes=_changes())
    client.close()
    print(IMAGE)  # noqa: T201 - a foreground program
    return 0


def files() -> dict[PurePosixPath, Path]:
    """Return the image's files: path in the image to path here."""
    python = Path(sys.executable).resolve()
    found = {HOME / "bin" / "python3": python}
    library = HOME / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    for scheme in ("stdlib", "platstdlib"):
        found |= _tree(Path(sysconfig.get_path(scheme)), library)
    for needed in _closure():
        found |= dict(_files_of(needed))
    for name in OURS:
        here = PROJECT_ROOT / name
        found |= _tree(here, PROJECT / name) if here.is_dir() else {PROJECT / name: here}
    return found | _libraries([python, *(here for here in found.values() if ".so" in here.name)])


def _tree(here: Path, there: PurePosixPath) -> dict[PurePosixPath, Path]:
    return {
        there / file.relative_to(here).as_posix(): file
        for file in here.rglob("*")
        if file.is_file() and not LEFT_OUT & set(file.relative_to(here).parts)
    }


def _closure() -> list[Distribution]:
    """Return the installed distributions that ROOTS need, with themselves."""
    found: dict[str, Distribution] = {}
    seen: set[str] = set()
    waiting = [Requirement(root) for root in ROOTS]
    while waiting:
        requirement = waiting.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        needed = distribution(requirement.name)
        found[requirement.name.lower()] = needed
        for line in needed.requires or []:
            inner = Requirement(line)
            extras = requirement.extras or {""}
            if inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(inner)
    return list(found.values())


def _files_of(needed: Distribution) -> Iterator[tuple[PurePosixPath, Path]]:
    for file in needed.files or []:
        parts = file.parts
        if ".." in parts:  # a console script
            continue
        if parts[:2] == ("botocore", "data") and len(parts) > 3 and parts[2] not in SERVICES:
            continue
        here = Path(str(needed.locate_file(file)))
        if here.is_file():
            yield PACKAGES / PurePosixPath(*parts), here


def _libraries(binaries: list[Path]) -> dict[PurePosixPath, Path]:
    """Return the shared libraries that binaries need, where the loader looks for them: at the same path as here."""
    said = subprocess.run(  # noqa: S603 - files of this machine's own Python
        ["ldd", *map(str, binaries)],  # noqa: S607 - wherever the system has it
        capture_output=True,
        text=True,
        check=False,  # it fails for a binary that is static, and tells the rest all the same
    )
    found = {Path(path) for path in _LIBRARY.findall(said.stdout)}
    if not found:
        raise RuntimeError(f"ldd names no library of {binaries[0]}: {said.stderr or said.stdout}")
    by_name = {path.parent / name for path in found if path.name.startswith("libc.so") for name in FOUND_BY_NAME}
    return {PurePosixPath(path): path for path in found | {path for path in by_name if path.exists()}}


def _add_made(archive: tarfile.TarFile) -> None:
    """Add what is no file here."""
    for name, mode in (("tmp", 0o1777), ("home/StepFunctionsLocal", 0o755)):
        folder = tarfile.TarInfo(name)
        folder.type, folder.mode = tarfile.DIRTYPE, mode
        archive.addfile(folder)
    content = b"hosts: files dns\n"
    switch = tarfile.TarInfo("etc/nsswitch.conf")
    switch.size = len(content)
    archive.addfile(switch, io.BytesIO(content))


def _changes() -> list[str]:
    # Every address of the container, which has only its own; on this machine its port is published on 127.0.0.1.
    command = f'"-m", "tests.step_functions_local.embedded_server", "--host", "0.0.0.0", "--port", "{PORT}"'
    return [
        f"ENV PYTHONHOME={HOME}",
        f"ENV PYTHONPATH={PROJECT}:{PACKAGES}",
        "USER 65534:65534",
        f"WORKDIR {PROJECT}",
        f"EXPOSE {PORT}",
        f'ENTRYPOINT ["{HOME}/bin/python3", {command}]',
    ]


if __name__ == "__main__":
    sys.exit(main())
