"""Parts of a controlled document: frozen, strict, and every wrong key named."""

from __future__ import annotations

from typing import Any, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

# (key within the section, what was expected, what came)
Problem: TypeAlias = tuple[str, str, Any]


class Section(BaseModel):
    """A frozen part of the document: unknown keys are errors, and text is never taken for a number."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    def _problems(self) -> list[Problem]:
        """Say which conditions that join several keys are not met."""
        return []

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        problems = [_line_error(*problem) for problem in self._problems()]
        if problems:
            # Raised inside a validator, its lines join those of the other sections under their own paths.
            raise ValidationError.from_exception_data(type(self).__name__, problems)
        return self


def _line_error(key: str, expected: str, got: Any) -> InitErrorDetails:
    # The text travels as context, because pydantic would read braces in a message as a template.
    error = PydanticCustomError("method", "{expected}", {"expected": expected})
    return InitErrorDetails(type=error, loc=tuple(key.split(".")), input=got)
