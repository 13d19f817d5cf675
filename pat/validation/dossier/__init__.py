"""The validation dossier: every item that an inspector asks for, with its criterion, its figure and its evidence."""

from pat.validation.dossier.building import Dossier, Found, build
from pat.validation.dossier.item import Item, Verdict
from pat.validation.dossier.measured import Readings, readings_of

__all__ = ["Dossier", "Found", "Item", "Readings", "Verdict", "build", "readings_of"]
