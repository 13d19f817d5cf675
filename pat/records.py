"""What a step of the laboratory leaves: a JSON document with files beside it, in a folder of their own.

The document holds the hash of every file beside it, and its own. So a folder is read whole or not at all: what is
damaged, edited, or put together from two folders is refused.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pat.errors import InputError
from pat.files import canonical_json, locked, readable_json, replaced_folder, sha256

_OWN_KEYS = ("format", "files", "sha256")


@dataclass(frozen=True)
class Record:
    """One kind of folder.

    Attributes
    ----------
    name : str
        What it holds, in words: ``calibration``.
    document : str
        Name of its JSON file.
    files : tuple of str
        Names of the files beside it.
    format : int
        Number of the form that the document has.
    command : str
        What makes such a folder, for messages.
    """

    name: str
    document: str
    files: tuple[str, ...]
    format: int
    command: str

    def save(self, folder: str | Path, document: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        """Write a folder in one step, in place of one of this kind that is there.

        Parameters
        ----------
        folder : path
        document : mapping
            Plain JSON without NaN.
        files : mapping of str to bytes
            Content of the files beside it.

        Raises
        ------
        InputError
            If something else is there, which is left alone.
        """
        target = Path(folder)
        self._refuse_foreign(target)
        hashes = {name: sha256(data) for name, data in sorted(files.items())}
        said = {"format": self.format, **document, "files": hashes}
        said["sha256"] = sha256(canonical_json(said))
        with replaced_folder(target) as fresh:
            for name, data in files.items():
                (fresh / name).write_bytes(data)
            (fresh / self.document).write_text(readable_json(said), encoding="utf-8")

    def load(self, folder: str | Path) -> tuple[dict[str, Any], dict[str, bytes]]:
        """Read a folder that `save` wrote: the document, and the files beside it.

        Raises
        ------
        InputError
            If there is none, or it is damaged, altered or of another format.
        """
        source = Path(folder)
        document = self._document(source)
        files: dict[str, bytes] = {}
        hashes = document.get("files")
        if not isinstance(hashes, dict):
            raise self.wrong(source, "one that does not name its files")
        for name in self.files:
            expected = hashes.get(name)
            if expected is None:  # a file that not every such folder has
                continue
            files[name] = self._bytes(source / name)
            if sha256(files[name]) != expected:
                raise self.wrong(source, f"one whose {name} is damaged or of another {self.name}")
        return {key: value for key, value in document.items() if key not in _OWN_KEYS}, files

    def remove(self, folder: str | Path) -> None:
        """Remove a folder of this kind, if it is there.

        Raises
        ------
        InputError
            If something else is there, which is left alone.
        """
        target = Path(folder)
        self._refuse_foreign(target)
        if target.exists():
            with locked(target):
                # Without its document it is no such folder any more, whatever happens to the rest.
                (target / self.document).unlink(missing_ok=True)
                shutil.rmtree(target)

    def wrong(self, folder: Path, came: str) -> InputError:
        """Return the error that a folder holds something else than it should."""
        return InputError(f"{folder}: expected a {self.name}, got {came}: run `{self.command}` again")

    def _refuse_foreign(self, target: Path) -> None:
        if not target.exists():
            return
        names = {path.name for path in target.iterdir()} if target.is_dir() else None
        if names is None or (names and self.document not in names):
            raise InputError(f"{target}: expected a new folder or one with a {self.name}, got something else")
        strange = sorted(names - {self.document, *self.files})
        if strange:
            raise InputError(
                f"{target}: expected a folder with a {self.name} alone, got {', '.join(strange)} too, which would be "
                "lost: move it elsewhere"
            )

    def _document(self, source: Path) -> dict[str, Any]:
        data = self._bytes(source / self.document)
        try:
            document = json.loads(data)
            own = document.pop("sha256", None)
            held = own == sha256(canonical_json(document))
        except (ValueError, AttributeError, TypeError, RecursionError) as error:
            raise self.wrong(source, f"a damaged one, {self.document} is no JSON document") from error
        if document.get("format") != self.format:
            raise self.wrong(source, f"one of format {document.get('format')} where {self.format} is read")
        if not held:
            raise self.wrong(source, f"one whose {self.document} is damaged or was edited")
        return dict(document)

    def _bytes(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            if path.name != self.document:
                raise self.wrong(path.parent, f"one without its {path.name}") from None
            raise InputError(f"{path.parent}: expected a {self.name}, got none: run `{self.command}` first") from None
        except OSError as error:
            raise self.wrong(path.parent, f"one whose {path.name} cannot be read ({error.strerror})") from error
