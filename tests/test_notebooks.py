"""The notebooks run from the first cell to the last, warn of nothing, and are committed without outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SECONDS_PER_CELL = 120


def read(path: Path) -> NotebookNode:
    notebook: NotebookNode = nbformat.read(path, as_version=4)
    return notebook


def execute(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Run in a fresh kernel that works in `folder`."""
    client = NotebookClient(
        notebook, timeout=SECONDS_PER_CELL, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    return client.execute()


def said_on_stderr(notebook: NotebookNode) -> list[str]:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"]


@pytest.fixture(autouse=True)
def _local_store(monkeypatch: pytest.MonkeyPatch) -> None:
    # What a notebook logs goes into its own temporary store, whatever store the caller uses.
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped(path):
    for cell in read(path).cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
        assert cell.metadata == {}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_as_jupyter_starts_it(path):
    """Jupyter's kernels work in the notebook's own folder; everything it writes is temporary."""
    before = sorted(FOLDER.iterdir())
    done = execute(read(path), FOLDER)
    assert said_on_stderr(done) == []
    assert any("image/png" in output.get("data", {}) for cell in done.cells for output in cell.get("outputs", []))
    assert [entry for entry in sorted(FOLDER.iterdir()) if entry.name != ".ipynb_checkpoints"] == before


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_finds_the_project_from_its_root(path):
    notebook = read(path)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    check = nbformat.v4.new_code_cell(f"assert ROOT.samefile({str(ROOT)!r})")
    notebook.cells = [code[0], check]
    execute(notebook, ROOT)
