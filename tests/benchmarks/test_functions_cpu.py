"""CPU of functions is told apart by the processes that run them."""

import os
import subprocess
import sys
import time

from tests.benchmarks.functions_cpu import FunctionsCpu, children_of, cpu_seconds_of, function_of

WORK = "import sys\nsum(range(3_000_000))\nprint('done', flush=True)\nsys.stdin.read()"


def test_what_a_function_uses_is_its_own_also_when_its_process_is_gone() -> None:
    named = {**os.environ, "AWS_LAMBDA_FUNCTION_NAME": "tableferry-orders-WritePages"}
    environments = [named, named, {**os.environ, "AWS_LAMBDA_FUNCTION_NAME": ""}]
    looking = FunctionsCpu(os.getpid()).start()
    processes = [
        subprocess.Popen([sys.executable, "-c", WORK], env=each, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for each in environments
    ]
    used = {}
    for process in processes:
        assert process.stdout
        process.stdout.readline()
        used[process.pid] = cpu_seconds_of(process.pid) or 0.0
        assert process.pid in children_of(os.getpid())
    deadline = time.monotonic() + 10
    while not {process.pid for process in processes[:2]} <= looking.seen and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    for process in processes:
        process.communicate()
    found = looking.stop()
    assert list(found) == ["WritePages"]
    assert found["WritePages"].processes == 2
    assert found["WritePages"].cpu_seconds >= sum(used[process.pid] for process in processes[:2])


def test_a_process_that_is_not_there_is_no_function() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert function_of(process.pid) == ""
    assert cpu_seconds_of(process.pid) is None
