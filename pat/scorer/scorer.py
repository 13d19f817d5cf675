"""Scorer: a verified artefact, ready to predict spectra and to follow batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pat import artefact
from pat.artefact import Artefact, Content
from pat.core.discharge import Alarm
from pat.core.evidence import Rule
from pat.core.witnesses import StatisticLimit, Witnesses, constants_of
from pat.errors import ArtefactError, InputError
from pat.scorer.blend import Blend, batch_of
from pat.scorer.discharge import Discharge, checked
from pat.scorer.predictor import Prediction, Predictor

# Another CPU kernel moves the last digits; a model that answers further off is another model.
_KNOWN_ANSWER_TOLERANCE = 1e-9


class Scorer:
    """A method as the line uses it.

    Parameters
    ----------
    content : Content
        Content of an artefact; `Scorer.load` reads and verifies one.

    Attributes
    ----------
    digest : str
        Content digest.
    document : dict
        The artefact's document: method, limits, rule, claim.
    wavelength : ndarray of shape (p,)
        Axis (nm) that spectra must come on.
    statistic_limits : dict of str to StatisticLimit
        Where each of `Blend.statistics` lies in the plateaus of accepted batches, and what a batch like them keeps
        (95 % of such batches, 95 % confidence). A value beyond is a reason to look; no verdict rests on it.

    Raises
    ------
    ArtefactError
        If the content does not hold together.
    """

    def __init__(self, content: Content) -> None:
        self.digest = content.digest
        self.document = content.document
        self._predictor = Predictor(content)
        self.wavelength = self._predictor.wavelength
        try:
            self.rule = Rule.from_dict(content.document["rule"]) if content.document["rule"] else None
            said = content.document.get("statistics")
            self._witnesses = Witnesses.from_plain(said, content.arrays) if said else None
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"the artefact's content does not hold together: {error!r}") from error
        self.statistic_limits: dict[str, StatisticLimit] = self._witnesses.limits if self._witnesses else {}

    @classmethod
    def load(cls, path: str | Path, *, allow_unreleased: bool = False) -> Scorer:
        """Read and verify an artefact, and prove that it still gives its known answers.

        Parameters
        ----------
        path : path
            The artefact's folder.
        allow_unreleased : bool, default False
            Accept an artefact that nobody has released, to explore; every reading then says so.

        Raises
        ------
        ArtefactError
            If it is damaged, altered, not released, or computes other numbers here than in the laboratory.
        """
        found = artefact.read(path)
        if not allow_unreleased:
            raise ArtefactError(
                f"{path} has not been released; to explore with it, pass allow_unreleased=True (on the command "
                "line --allow-unreleased): every reading will carry that"
            )
        return cls.proven(found, path)

    @classmethod
    def proven(cls, found: Artefact, where: object) -> Scorer:
        """Return the scorer of an artefact that was read, after proof that it still gives its known answers.

        Parameters
        ----------
        found : Artefact
        where : object
            What it is called in messages.

        Raises
        ------
        ArtefactError
            If its validation did not pass, or it computes other numbers here than in the laboratory.
        """
        if found.validation.get("passed") is not True:
            raise ArtefactError(f"{where}: its validation did not pass")
        scorer = cls(found.content)
        scorer._prove(where, found.known_answers)
        return scorer

    def _prove(self, path: object, known: artefact.Arrays) -> None:
        try:
            got = self.predict(known["absorbance"])
        except ValueError as error:  # spectra of another axis, or arrays of the model that do not fit together
            raise ArtefactError(f"{path}: known answers cannot be computed: {error}") from error
        if not got.value.size:
            raise ArtefactError(f"{path}: at least 1 known answer is needed, got 0")
        for name, off in artefact.largest_errors(got, known).items():
            if not off <= _KNOWN_ANSWER_TOLERANCE:
                raise ArtefactError(
                    f"{path}: known answers for {name} must come out within {_KNOWN_ANSWER_TOLERANCE:g} relative, "
                    f"got {off:.3g}"
                )

    def predict(self, absorbance: Any) -> Prediction:
        """Predict the content of spectra, each for itself.

        Parameters
        ----------
        absorbance : array_like of shape (n, p) or (p,)
            Raw spectra (AU) on the native axis.

        Returns
        -------
        Prediction
            Arrays of shape (n,); n is 1 for a single spectrum.

        Raises
        ------
        InputError
            If the spectra do not have p wavelengths.
        """
        return self._predictor.predict(absorbance)

    def require_rule(self) -> Rule:
        """Return the end-point rule.

        Raises
        ------
        InputError
            If the method has none.
        """
        if self.rule is None:
            raise InputError("this artefact has no homogeneity rule: it predicts, but follows no blend")
        return self.rule

    def start(self, batch: str) -> Blend:
        """Begin to follow a batch.

        Raises
        ------
        InputError
            If the method has no homogeneity rule, or the batch no name.
        """
        rule, known = self.require_rule(), self._predictor
        constants = constants_of(rule, known.t2_limit, known.q_limit, self._witnesses)
        return Blend(known, rule, batch, artefact=self.digest, constants=constants)

    def resume(self, state: dict[str, Any]) -> Blend:
        """Carry on with a batch from `Blend.snapshot`, bit for bit.

        Raises
        ------
        InputError
            If the snapshot is incomplete, altered, or of another artefact.
        """
        blend = self.start(batch_of(state, self.digest))
        blend.restore(state)
        return blend

    def start_discharge(self, batch: str, alarm: Alarm | None = None) -> Discharge:
        """Begin to follow a batch while it is emptied.

        Parameters
        ----------
        batch : str
            Its name.
        alarm : Alarm, optional
            Segregation alarm, from `pat.discharge.make_alarm`.

        Raises
        ------
        InputError
            If the method has no homogeneity rule, or the batch no name.
        """
        rule, dose = self.require_rule(), self.document["claim"].get("spectra_per_dose")
        return Discharge(self._predictor, rule, batch, artefact=self.digest, dose=dose, alarm=alarm)

    def resume_discharge(self, state: dict[str, Any]) -> Discharge:
        """Carry on with a discharge from `Discharge.snapshot`, bit for bit.

        Raises
        ------
        InputError
            If the snapshot is incomplete, altered, or of another artefact.
        """
        state = checked(state, self.digest)
        discharge = self.start_discharge(state["batch"], Alarm(**state["alarm"]) if state["alarm"] else None)
        discharge.restore(state)
        return discharge
