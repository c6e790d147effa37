"""Hosts DynamoDB Local's JVM in a Python process, so that it listens on 127.0.0.1 and dies with its parent.

DynamoDB Local binds every interface and has no option against it. Here its Jetty server is made by its own code, its
connectors are then told host and port, and only then it is started. Run as a script by `engines`:

    python dynamodb_engine.py <libjvm> <folder of DynamoDBLocal.jar> <folder for temporary files>

Once it listens, one line of JSON goes to standard output: {"port": 41234}. Everything the JVM prints goes to standard
error. The process ends when its standard input does.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import jpype

HEAP = "-Xmx1g"  # without a bound the heap has grown to several gigabytes


def start_server(libjvm: str, emulator: Path, temporary: str) -> int:
    """Start DynamoDB Local in this process and return the port of 127.0.0.1 it listens on."""
    libraries = emulator / "DynamoDBLocal_lib"
    jpype.startJVM(
        libjvm,
        HEAP,
        "-XX:+UseSerialGC",  # least CPU and memory of all on two cores
        "-XX:-UsePerfData",  # leaves no file in the temporary folder when it is killed
        f"-Djava.library.path={libraries}",
        f"-Djava.io.tmpdir={temporary}",
        "--enable-native-access=ALL-UNNAMED",
        classpath=[str(emulator / "DynamoDBLocal.jar"), *(str(jar) for jar in sorted(libraries.glob("*.jar")))],
        convertStrings=False,
    )
    runner = jpype.JClass("com.amazonaws.services.dynamodbv2.local.main.ServerRunner")
    # Port 8000 is never bound: the connectors are changed before the server starts.
    arguments = jpype.JArray(jpype.JString)(["-inMemory", "-disableTelemetry", "-port", "8000"])
    server = runner.createServerFromCommandLineArgs(arguments)
    connectors = _jetty(server).getConnectors()
    for connector in connectors:
        connector.setHost("127.0.0.1")
        connector.setPort(0)
    server.start()
    return int(connectors[0].getLocalPort())


def _jetty(server: Any) -> Any:  # noqa: ANN401 — Java objects have no Python types
    """Return the Jetty server, which DynamoDB Local keeps in a private field."""
    for field in server.getClass().getDeclaredFields():
        if str(field.getType().getName()) == "org.eclipse.jetty.server.Server":
            field.setAccessible(True)
            return field.get(server)
    raise LookupError("this DynamoDB Local keeps no Jetty server in a field; it is not the version that was tested")


def main() -> None:
    """Serve until standard input ends."""
    # Java writes to file descriptor 1 whatever Python makes of sys.stdout.
    ready = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    port = start_server(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
    print(json.dumps({"port": port}), file=ready, flush=True)
    while os.read(0, 4096):
        pass
    # The data is in memory and nobody is left to read it: no orderly shutdown of the JVM is worth waiting for.
    os._exit(0)


if __name__ == "__main__":
    main()
