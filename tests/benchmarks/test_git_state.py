"""The commit of a working folder is told without running what a stranger's folder configures."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from infimed_plugins.benchmarks.run_metadata import git_state

SHA = "0123456789abcdef0123456789abcdef01234567"


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "repo")
    git(tmp_path / "repo", "commit", "-q", "--allow-empty", "-m", "first")
    return tmp_path / "repo"


def test_the_commit_is_gits_own_on_a_branch_packed_detached_and_in_a_worktree(repository: Path) -> None:
    (repository / "deep" / "er").mkdir(parents=True)
    commit = {"commit": git(repository, "rev-parse", "HEAD")}
    assert git_state(repository) == git_state(repository / "deep" / "er") == commit
    git(repository, "worktree", "add", "-q", "../tree", "-b", "other")
    git(repository.parent / "tree", "commit", "-q", "--allow-empty", "-m", "second")
    other = {"commit": git(repository.parent / "tree", "rev-parse", "HEAD")}
    assert git_state(repository.parent / "tree") == other != commit
    git(repository, "pack-refs", "--all")
    assert git_state(repository) == commit
    assert git_state(repository.parent / "tree") == other
    git(repository, "checkout", "-q", "--detach")
    assert git_state(repository) == commit


def test_another_repository_that_a_hook_names_is_not_the_folders(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(repository / ".git"))
    assert git_state(tmp_path) is None


def test_nothing_of_the_folder_is_run(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
    program.chmod(0o755)
    (repository / "file").write_text("x")
    git(repository, "add", "file")
    for key in ("core.fsmonitor", "core.pager", "diff.external", "filter.x.clean", "core.sshCommand"):
        git(repository, "config", key, str(program))
    (repository / ".gitattributes").write_text("* filter=x\n")
    (repository / "file").write_text("y")
    monkeypatch.chdir(repository)
    assert git_state(Path.cwd()) is not None
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "head", ["", "ref: ../../private", "ref: /etc/passwd", "ref: refs/heads/none", "secret words", SHA[:-1], "\xff"]
)
def test_a_head_that_names_no_commit_is_none(head: str, tmp_path: Path) -> None:
    (tmp_path / "private").write_text("secret")
    (tmp_path / "in" / ".git").mkdir(parents=True)
    (tmp_path / "in" / ".git" / "HEAD").write_text(head)
    assert git_state(tmp_path / "in") is None
    assert git_state(tmp_path / "in" / ".git") is None


def test_a_pipe_in_the_place_of_a_head_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    os.mkfifo(tmp_path / ".git" / "HEAD")
    assert git_state(tmp_path) is None


@pytest.mark.parametrize("named", ["/etc", "../private", "\0", "nowhere"])
def test_a_git_file_that_leads_elsewhere_shows_nothing(named: str, tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "HEAD").write_text("secret")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / ".git").write_text(f"gitdir: {named}")
    assert git_state(tmp_path / "in") is None
