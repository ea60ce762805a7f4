"""Two real processes over the loopback address, started by the command that users start them by."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import sciml_jax as sj

PROGRAM = Path(__file__).with_name("two_processes.py")


def launch(*arguments, timeout=300):
    environment = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS", "JAX_ENABLE_X64")}
    command = [sys.executable, "-m", "sciml_jax", "launch", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout)


@pytest.mark.slow
def test_an_ensemble_over_two_processes():
    done = launch("--processes", 2, PROGRAM)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[0] process 0 agrees" in done.stdout and "[1] process 1 agrees" in done.stdout


def test_one_that_fails_ends_the_others(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys, time\n"
        "number = os.environ['SCIML_JAX_PROCESS']\n"
        "if number == '1':\n    time.sleep(1)\n    sys.exit(7)\n"
        "open(os.path.join(sys.argv[1], number), 'w').write(str(os.getpid()))\ntime.sleep(100)\n"
    )
    done = launch("--processes", 3, program, tmp_path, timeout=60)
    assert done.returncode == 7, done.stderr
    assert not alive(tmp_path, 2)


def alive(folder, count):
    """Which of the processes that wrote their numbers into the folder still run."""
    found = []
    for path in [folder / "0", folder / "2"][:count]:
        try:
            os.kill(int(path.read_text()), 0)
            found.append(path.name)
        except (ProcessLookupError, FileNotFoundError):
            pass
    return found


@pytest.mark.parametrize("how", ["terminated", "nobody reads"])
def test_a_launcher_that_ends_takes_its_processes_along(tmp_path, how):
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys, time\n"
        "open(os.path.join(sys.argv[1], os.environ['SCIML_JAX_PROCESS']), 'w').write(str(os.getpid()))\n"
        "for i in range(2000):\n    print('x' * 1000, flush=True)\n    time.sleep(0.02)\n"
    )
    command = [sys.executable, "-m", "sciml_jax", "launch", "--processes", "1", str(program), str(tmp_path)]
    launcher = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert launcher.stdout.readline().startswith(b"[0] x")
    assert alive(tmp_path, 1)
    if how == "terminated":
        launcher.terminate()
        launcher.stdout.read()
    launcher.stdout.close()
    assert launcher.wait(timeout=30) == 128 + 15
    assert not alive(tmp_path, 1)


def test_arguments_and_environment(tmp_path):
    program = tmp_path / "program.py"
    program.write_text("import os, sys\nprint(sys.argv[1], *[os.environ['SCIML_JAX_' + s] for s in sys.argv[2:]])\n")
    names = ("COORDINATOR", "PROCESSES", "PROCESS")
    place = ("--machines", 3, "--machine", 2, "--coordinator", "10.0.0.1:1234")
    done = launch("--processes", 2, *place, program, "-x", *names)
    assert sorted(done.stdout.splitlines()) == [f"[{k}] -x 10.0.0.1:1234 6 {k}" for k in (4, 5)]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["missing.py"], "there is no program missing.py"),
        (["--machine", 1, PROGRAM], "--machine counts from 0"),
        (["--machines", 2, PROGRAM], "several machines need --coordinator HOST:PORT"),
        (["--processes", 0, PROGRAM], "0 is less than 1"),
    ],
)
def test_wrong_arguments(arguments, message, capsys):
    from sciml_jax.cli import main

    assert main(["launch", *map(str, arguments)]) == 2
    assert message in capsys.readouterr().err


def test_alone_without_a_launcher():
    """Neither launched nor on a cluster: in a process of its own, since it must come before any array."""
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    program = "import sciml_jax as sj; print(sj.ensemble.connect(), sj.ensemble.connect('127.0.0.1:1', 1, 0))"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["1", "1"], done.stderr


def test_connect_comes_first():
    with pytest.raises(RuntimeError, match="before"):
        sj.ensemble.connect("127.0.0.1:1234", 2, 0)
