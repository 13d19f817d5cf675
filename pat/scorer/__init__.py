"""The line's import: load a released artefact, score spectra, follow a batch while it is being mixed.

It needs numpy, and cryptography to check who has released the artefact.

::

    from pat.scorer import Scorer

    scorer = Scorer.load("models/demo/released/<digest>", product="Demo blend", instrument="NIR-1")
    blend = scorer.start("B-0042")
    reading = blend.update(absorbance, revolution=17)
"""

from pat.core.endpoint import Cause, State, Status, Transition, Verdict, Verdicts
from pat.core.forecast import Forecast
from pat.scorer.blend import Blend
from pat.scorer.discharge import Discharge, DischargeReading
from pat.scorer.predictor import Prediction
from pat.scorer.reading import Reading
from pat.scorer.scorer import Scorer
from pat.scorer.sensors import SensorReading, Sensors

__all__ = [
    "Blend",
    "Cause",
    "Discharge",
    "DischargeReading",
    "Forecast",
    "Prediction",
    "Reading",
    "Scorer",
    "SensorReading",
    "Sensors",
    "State",
    "Status",
    "Transition",
    "Verdict",
    "Verdicts",
]
