"""The entry of the command line: which command, and what its errors become."""

import sys
from collections.abc import Sequence

from ..data import DataError
from . import fit, launch
from .parser import Parser, UsageError
from .versions import version

INTERRUPTED = 130
"""What a shell expects of a program that was stopped by Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `sciml-jax` with these arguments, default those of the program.

    **Returns:** the exit code: 0; 2 for arguments, data or folders that cannot be used, after one line on standard
    error; 130 after Ctrl-C.

    >>> from sciml_jax.cli import main
    >>> main(["fit", "--starts", "0"])
    2
    """
    parser = Parser(prog="sciml-jax", description="Differential equations and machine learning, in JAX.")
    parser.add_argument("--version", action="version", version=f"sciml-jax {version('sciml-jax')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    fit.add(commands)
    launch.add(commands)
    name = "sciml-jax"
    try:
        options = parser.parse_args(argv)
        if options.command is None:
            parser.print_help()
            return 0
        name = f"sciml-jax {options.command}"
        return options.run(options)
    except (DataError, UsageError) as error:
        print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except SystemExit as stop:  # --help and --version
        return stop.code if isinstance(stop.code, int) else 0
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return INTERRUPTED
