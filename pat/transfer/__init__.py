"""Transfer of a validated calibration to another instrument, by a few samples that were measured on both."""

from pat.transfer.choice import Candidate, Choice
from pat.transfer.pairing import Pairs, pair
from pat.transfer.run import METHODS, Transferred, transfer

__all__ = ["METHODS", "Candidate", "Choice", "Pairs", "Transferred", "pair", "transfer"]
