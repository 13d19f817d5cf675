"""The register: versions of a method, the one in use, and the one that waits for a person's decision."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pat.audit import Trail
from pat.errors import InputError
from pat.tracking.store import COMPLETE, DIGEST, FOLDER, client_of, experiment_of, runs_with

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, CHALLENGER = "champion", "challenger"
"""Aliases of registered versions: the one in use, and the one that waits for a person's decision."""

RELEASED = "released"
"""Tag of a version that was promoted: whether its artefact was released then."""

REGISTER, PROMOTE, METHOD = "register", "promote", "method"
"""Actions and kind of object in the audit trail, by which `pat.retraining.history` knows them."""


@dataclass(frozen=True)
class TrackedVersion:
    """One registered version of a method.

    Attributes
    ----------
    run_id : str
        MLflow's name of the run.
    version : int
        Number of the registered version.
    digest : str
        Content digest of the artefact.
    new : bool
        Whether this call registered it; False where it was there before.
    released : bool
        Whether it was promoted as a released artefact.
    """

    run_id: str
    version: int
    digest: str
    new: bool
    released: bool = False

    def said(self) -> dict[str, Any]:
        """Return what a listing or an entry of the trail says of it."""
        return {"version": self.version, "digest": self.digest, "released": self.released}


def model_name(method_name: str) -> str:
    """Name of a method's experiment and registered model.

    Examples
    --------
    >>> model_name("demo")
    'pat-demo'
    """
    return f"pat-{method_name}"


def find(method_name: str, digest: str, *, root: str | Path = ".") -> TrackedVersion | None:
    """Return the version that an artefact was registered as, None where it was not, or not completely."""
    client, name = client_of(root), model_name(method_name)
    runs = runs_with(client, experiment_of(client, root, name), {DIGEST: digest, COMPLETE: "yes"})
    version = version_of(client, name, runs[0]) if runs else None
    return None if version is None else TrackedVersion(runs[0].info.run_id, version, digest, new=False)


def champion(method_name: str, *, root: str | Path = ".") -> TrackedVersion | None:
    """Return the version in use, None where nobody has chosen one."""
    return _aliased(method_name, CHAMPION, root)


def challenger(method_name: str, *, root: str | Path = ".") -> TrackedVersion | None:
    """Return the version that waits for a person's decision, None where there is none."""
    return _aliased(method_name, CHALLENGER, root)


def find_version(method_name: str, number: int, *, root: str | Path = ".") -> TrackedVersion:
    """Return a registered version by its number.

    Raises
    ------
    InputError
        If there is no such version.
    """
    client, name = client_of(root), model_name(method_name)
    found = {int(v.version): v for v in client.search_model_versions(f"name='{name}'")}
    if number not in found:
        known = ", ".join(map(str, sorted(found))) or "no version at all"
        raise InputError(f"{name}: expected one of the registered versions ({known}), got {number}")
    return _tracked(found[number])


def promote(
    method_name: str, version: int, *, released: bool = False, reason: str = "", root: str | Path = "."
) -> TrackedVersion:
    """Make a registered version the champion; it waits for no decision any more.

    Nothing but a person's command calls this: neither logging nor retraining promotes anything.

    Parameters
    ----------
    method_name : str
    version : int
    released : bool, default False
        Whether the caller has proven that its artefact is released; `pat.retraining.promote` does. Every listing shows
        it.
    reason : str
        Why, for the audit trail.
    root : path
        The project's folder.

    Raises
    ------
    InputError
        If there is no such version.
    TrailError
        If it cannot be recorded; then nothing is promoted.
    """
    client, name = client_of(root), model_name(method_name)
    promoted = replace(find_version(method_name, version, root=root), released=released)
    before = champion(method_name, root=root)
    # The trail is the record, and the alias mirrors it: a promotion that dies in between is in the trail, and done by
    # the next call.
    record(PROMOTE, method_name, promoted, old=before.said() if before else None, reason=reason)
    client.set_model_version_tag(name, str(version), RELEASED, "yes" if released else "no")
    client.set_registered_model_alias(name, CHAMPION, str(version))
    waiting = challenger(method_name, root=root)
    if waiting is not None and waiting.version == version:
        client.delete_registered_model_alias(name, CHALLENGER)
    return promoted


def record(action: str, method_name: str, version: TrackedVersion, *, old: Any = None, reason: str = "") -> None:
    """Record in the audit trail what was done to a version."""
    Trail.open().record(
        action,
        kind=METHOD,
        id=method_name,
        version=version.version,
        old=old,
        new=version.said(),
        reason=reason,
        artefact=version.digest,
    )


def version_of(client: MlflowClient, name: str, run: Run) -> int | None:
    """Return the version that a run was registered as; None where it was not, or somebody deleted it."""
    found = client.search_model_versions(f"name='{name}' and run_id='{run.info.run_id}'")
    return min((int(version.version) for version in found), default=None)


def register(client: MlflowClient, name: str, run: Run, tags: dict[str, str]) -> int:
    """Register what a run holds as the next version of a model; return its number."""
    if not client.search_registered_models(f"name='{name}'"):
        client.create_registered_model(name)
    run_id = run.info.run_id
    return int(client.create_model_version(name, f"runs:/{run_id}/{FOLDER}", run_id=run_id, tags=tags).version)


def _aliased(method_name: str, alias: str, root: str | Path) -> TrackedVersion | None:
    client, name = client_of(root), model_name(method_name)
    models = client.search_registered_models(f"name='{name}'")
    if not models or alias not in models[0].aliases:
        return None
    return _tracked(client.get_model_version_by_alias(name, alias))


def _tracked(version: ModelVersion) -> TrackedVersion:
    if DIGEST not in version.tags:
        raise InputError(
            f"{version.name} version {version.version}: expected a version with a tag `{DIGEST}`, "
            "got one that this project did not register"
        )
    released = version.tags.get(RELEASED) == "yes"
    return TrackedVersion(str(version.run_id), int(version.version), version.tags[DIGEST], new=False, released=released)
