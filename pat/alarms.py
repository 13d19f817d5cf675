"""Optional parts of a method's homogeneity section: alarms beside the end-point, each with its own risk."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pat.core.discharge import LEAST_READINGS
from pat.sections import Problem, Section

Risk = Annotated[float, Field(gt=0.0, lt=0.5)]


class DischargeRules(Section):
    """How a discharge is watched for segregation."""

    risk_per_discharge: Risk
    """Chance that the discharge of an even blend ever raises the segregation alarm."""
    max_readings: Annotated[int, Field(ge=LEAST_READINGS)]
    """Most readings of a discharge that this chance holds for."""
    start_readings: Annotated[int, Field(ge=10)] = 30
    """Readings at the start that are only compared with."""

    def _problems(self) -> list[Problem]:
        if self.start_readings < self.max_readings:
            return []
        return [("start_readings", f"less than max_readings ({self.max_readings})", self.start_readings)]


class SensorRules(Section):
    """When several sensors on one blend disagree."""

    risk_per_batch: Risk
    """Chance that sensors which see the same ever raise the alarm in a run of max_revolutions."""
    number: Annotated[int, Field(ge=2)] = 2
    """Most sensors that this chance holds for."""
    allowed_difference: Annotated[float, Field(ge=0.0)] = 0.0
    """Difference of two sensors' means that is none, in the units of the analyte: the bias that the method may have
    from one sensor to another."""
