"""`python -m sciml_jax` is the command `sciml-jax`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
