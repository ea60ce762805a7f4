"""Arguments whose mistakes are one line."""

import argparse
from collections.abc import Callable


class UsageError(ValueError):
    """Arguments that cannot be used: one line that names the argument, what was given and the cure."""


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` that raises `UsageError` instead of printing the usage and leaving."""

    def error(self, message: str):
        raise UsageError(f"{message} (see {self.prog} --help)")


def integer(least: int) -> Callable[[str], int]:
    """The type of an argument: an integer of at least `least`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not an integer") from None
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is less than {least}")
        return value

    return parse


def positive_float(text: str) -> float:
    """The type of an argument: a positive number."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not positive and finite")
    return value


def names(text: str) -> list[str]:
    """The type of an argument: names separated by commas."""
    found = [name.strip() for name in text.split(",")]
    if not all(found):
        raise argparse.ArgumentTypeError(f"{text!r} has an empty name: separate names by commas, as in prey,predator")
    return found
