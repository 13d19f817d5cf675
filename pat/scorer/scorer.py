"""Scorer: a verified artefact, ready to predict spectra and to follow batches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pat import artefact
from pat.artefact import Artefact, Content
from pat.core.agreement import Agreement
from pat.core.evidence import Rule
from pat.core.segregation import Alarm
from pat.core.witnesses import StatisticLimit, Witnesses, constants_of
from pat.errors import ArtefactError, InputError
from pat.scorer.blend import Blend, batch_of
from pat.scorer.discharge import Discharge, checked
from pat.scorer.predictor import Prediction, Predictor

if TYPE_CHECKING:
    from pat.audit import Trail
    from pat.release import Release
    from pat.trust import Trust

# Another CPU kernel moves the last digits; a model that answers further off is another model.
_KNOWN_ANSWER_TOLERANCE = 1e-9


class Scorer:
    """A method as the line uses it.

    Parameters
    ----------
    content : Content
        Content of an artefact; `Scorer.load` reads and verifies one.
    trail : Trail, optional
        Audit trail in which every batch is recorded: opened, its changes of state, closed or aborted. Without one
        nothing is recorded.

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
    alarm : Alarm or None
        Segregation alarm of a discharge, where the method registers one; see `start_discharge`.
    agreement : Agreement or None
        Alarm of sensors that disagree, where the method registers one; see `pat.scorer.Sensors`.
    release : Release or None
        Who has written, reviewed, approved and released it, and until when it may be used; None where it was loaded to
        explore, or made from content alone.

    Raises
    ------
    ArtefactError
        If the content does not hold together.
    """

    def __init__(self, content: Content, *, trail: Trail | None = None) -> None:
        self.digest = content.digest
        self.trail = trail
        self.release: Release | None = None
        self.document = content.document
        self._predictor = Predictor(content)
        self.wavelength = self._predictor.wavelength
        try:
            self.rule = Rule.from_dict(content.document["rule"]) if content.document["rule"] else None
            said = content.document.get("statistics")
            self._witnesses = Witnesses.from_plain(said, content.arrays) if said else None
            alarm, agreement = (content.document.get(key) for key in ("discharge", "agreement"))
            self.alarm = Alarm.from_dict(alarm) if alarm else None
            self.agreement = Agreement.from_dict(agreement) if agreement else None
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"the artefact's content does not hold together: {error!r}") from error
        self.statistic_limits: dict[str, StatisticLimit] = self._witnesses.limits if self._witnesses else {}

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        trust: Trust | str | Path | None = None,
        product: str | None = None,
        instrument: str | None = None,
        allow_unreleased: bool = False,
        trail: Trail | None = None,
    ) -> Scorer:
        """Read and verify a released artefact, and prove that it still gives its known answers.

        Parameters
        ----------
        path : path
            A released folder, ``models/<name>/released/<digest>``; to explore, an artefact's own folder as well.
        trust : Trust or path, optional
            What the site trusts, or its folder; by default ``PAT_TRUST``, else the system's configuration folder.
        product : str, optional
            Product that is to be scored; another one than the artefact's is refused.
        instrument : str, optional
            Instrument that it is to be scored with; needed where the release is for some alone.
        allow_unreleased : bool, default False
            Do not ask whether it was released, to explore: no signature is checked, and every reading says that it is
            unreleased.
        trail : Trail, optional
            Audit trail in which every batch is recorded, from `pat.audit.Trail.open`.

        Raises
        ------
        ArtefactError
            If it is damaged, altered, not released, revoked, expired, not yet valid, for another product or
            instrument, or computes other numbers here than in the laboratory.
        TrustError
            An `ArtefactError` as well: if a signature or one of the site's lists does not hold.
        """
        from pat import release

        path, released = Path(path), release.is_released(path)
        if allow_unreleased:
            found = artefact.read(path / release.ARTEFACT if released else path)
            scorer = cls.proven(found, path)
            scorer.refuse_product(product, path)
            scorer.trail = trail
            return scorer
        if not released:
            if not (path / release.ARTEFACT).is_dir():
                artefact.read(path)  # what is damaged, or no artefact, is called that first
            raise ArtefactError(
                f"{path} has not been released ({release.RECORD} is missing); to explore with it, pass "
                "allow_unreleased=True (on the command line --allow-unreleased): every reading will carry that"
            )
        scorer = cls.released(path, trust=trust, product=product, instrument=instrument)[1]
        scorer.trail = trail
        return scorer

    @classmethod
    def released(
        cls,
        path: Path,
        *,
        trust: Trust | str | Path | None = None,
        product: str | None = None,
        instrument: str | None = None,
    ) -> tuple[Artefact, Scorer]:
        """Read a released folder as `load` does, and return what was read with its scorer."""
        from pat import release

        found, record = release.load(path, trust=trust, product=product, instrument=instrument)
        scorer = cls.proven(found, path)
        scorer.release = record
        return found, scorer

    def refuse_product(self, product: str | None, where: object) -> None:
        """Refuse another product than the artefact's; None is not asked.

        Raises
        ------
        ArtefactError
            If it is another one.
        """
        if product is not None and product != self.document["product"]:
            raise ArtefactError(f"{where}: wrong product, it is for {self.document['product']!r}, got {product!r}")

    @property
    def unreleased(self) -> bool:
        """Whether nobody has released it, as far as was asked: its readings are for exploration alone."""
        return self.release is None

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

    def _in_use(self) -> Rule:
        """Return the rule for one more batch; a release may have expired since it was loaded."""
        if self.release is not None:
            self.release.refuse_expired(self.digest)
        return self.require_rule()

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
        """Begin to follow a batch; where there is an audit trail, under its next run number.

        Raises
        ------
        InputError
            If the method has no homogeneity rule, or the batch no name.
        ArtefactError
            If the release has expired.
        TrailError
            If it cannot be recorded.
        """
        blend = self._blend(batch)
        if self.trail is not None:
            blend.record_in(self.trail.open_run(batch, artefact=self.digest))
        return blend

    def _blend(self, batch: str) -> Blend:
        rule, known = self._in_use(), self._predictor
        constants = constants_of(rule, known.t2_limit, known.q_limit, self._witnesses)
        return Blend(known, rule, batch, artefact=self.digest, constants=constants, unreleased=self.unreleased)

    def resume(self, state: dict[str, Any]) -> Blend:
        """Carry on with a batch from `Blend.snapshot`, bit for bit.

        Raises
        ------
        InputError
            If the snapshot is incomplete, altered, or of another artefact.
        TrailError
            If it cannot be recorded, or the snapshot is of a run that the audit trail does not have.
        """
        blend = self._blend(batch_of(state, self.digest))
        blend.restore(state)
        if self.trail is not None:
            blend.record_in(self.trail.resume_run(blend.batch, artefact=self.digest, state=state["run"]))
        return blend

    def start_discharge(self, batch: str, alarm: Alarm | None = None) -> Discharge:
        """Begin to follow a batch while it is emptied.

        Parameters
        ----------
        batch : str
            Its name.
        alarm : Alarm, optional
            Segregation alarm, from `pat.homogeneity.segregation.make_alarm`; the artefact's own where none is given.

        Raises
        ------
        InputError
            If the method has no homogeneity rule, or the batch no name.
        ArtefactError
            If the release has expired.
        """
        rule, dose = self._in_use(), self.document["claim"].get("spectra_per_dose")
        known, unreleased, alarm = self._predictor, self.unreleased, alarm or self.alarm
        return Discharge(known, rule, batch, artefact=self.digest, dose=dose, alarm=alarm, unreleased=unreleased)

    def resume_discharge(self, state: dict[str, Any]) -> Discharge:
        """Carry on with a discharge from `Discharge.snapshot`, bit for bit.

        Raises
        ------
        InputError
            If the snapshot is incomplete, altered, or of another artefact.
        """
        state = checked(state, self.digest)
        discharge = self.start_discharge(state["batch"], Alarm.from_dict(state["alarm"]) if state["alarm"] else None)
        discharge.restore(state)
        return discharge
