"""Code and commit that work was done with: they follow the source, and say nothing that is not so."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from pat import environment

ROOT = Path(__file__).resolve().parents[1]


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
