"""Code and commit that work was done with: they follow the source, and say nothing that is not so."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pat import environment

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.requirement("URS-82")
def test_the_code_hash_and_the_commit_follow_the_source(tmp_path):
    shutil.copytree(ROOT / "pat", tmp_path / "pat", ignore=shutil.ignore_patterns("__pycache__"))
    program = """
import subprocess, sys
from pathlib import Path
from pat import environment

def git(*arguments):
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    return subprocess.run(["git", *who, *arguments], check=True, capture_output=True, text=True).stdout.strip()

print(environment.code_sha256())
assert environment.git() == {}
git("init"); git("add", "pat/environment.py"); git("commit", "-m", "first")
assert environment.git() == {"git_commit": git("rev-parse", "HEAD"), "git_dirty": "true"}
git("add", "."); git("commit", "-m", "second")
assert environment.git()["git_dirty"] == "false"
Path("pat/errors.py").write_text("# changed")
assert environment.git()["git_dirty"] == "true"
print(environment.code_sha256())
"""
    done = subprocess.run(
        [sys.executable, "-B", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    before, after = done.stdout.split()
    assert before == environment.code_sha256()
    assert after != before


@pytest.mark.requirement("URS-82")
def test_a_source_names_commit_pins_method_and_kernel():
    method = ROOT / "models" / "demo" / "method.yaml"
    found = environment.source(method)
    assert found["code_sha256"] == environment.code_sha256(ROOT / "pat")
    assert found["requirements_sha256"] == hashlib.sha256((ROOT / "requirements" / "dev.txt").read_bytes()).hexdigest()
    assert found["method"] == "models/demo/method.yaml"
    assert re.fullmatch(r"[0-9a-f]{40}", found["git_commit"])
    assert "method" not in environment.source(Path("/method.yaml"))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="kernels are pinned on x86-64 alone")
def test_the_kernel_is_what_numpy_computes_with_and_not_what_the_machine_has():
    program = "from pat import kernels; kernels.pin(); from pat import environment; print(environment.kernel())"
    clean = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES")}

    def kernel(**settings: str) -> str:
        command = [sys.executable, "-c", program]
        return subprocess.run(
            command, cwd=ROOT, env=clean | settings, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert kernel() == "x86_64; BLAS Haswell; numpy X86_V2 X86_V3"
    assert "BLAS Haswell" not in kernel(OPENBLAS_CORETYPE="Prescott")
    assert kernel(NPY_DISABLE_CPU_FEATURES="X86_V3 X86_V4 AVX512_ICL AVX512_SPR").endswith("numpy X86_V2")
