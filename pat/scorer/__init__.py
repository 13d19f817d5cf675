"""The line's import: load an artefact, score spectra, follow a batch while it is being mixed (numpy alone).

::

    from pat.scorer import Scorer

    scorer = Scorer.load("models/demo/artefact", allow_unreleased=True)
    blend = scorer.start("B-0042")
    reading = blend.update(absorbance, revolution=17)
"""

from pat.core.endpoint import State, Status, Verdict, Verdicts
from pat.scorer.blend import Blend
from pat.scorer.predictor import Prediction
from pat.scorer.reading import Reading
from pat.scorer.scorer import Scorer

__all__ = ["Blend", "Prediction", "Reading", "Scorer", "State", "Status", "Verdict", "Verdicts"]
