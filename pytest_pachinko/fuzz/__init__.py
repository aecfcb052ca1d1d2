"""Playing streams of messages against an application, and checking what it does."""

from pytest_pachinko.fuzz.checks import Check
from pytest_pachinko.fuzz.checks import CHECKS
from pytest_pachinko.fuzz.checks import close_codes
from pytest_pachinko.fuzz.play import play
from pytest_pachinko.fuzz.played import Played

__all__ = ["CHECKS", "Check", "Played", "close_codes", "play"]
