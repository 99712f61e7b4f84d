"""A power cut, simulated: the image of a mounted file system as it is at that moment, without what waits in memory.

Needs root, to mount one in a file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults import DONE, run
from test_killed_and_full import COMMANDS, contents

STRIDE = 11


@contextmanager
def mounted(image: Path) -> Iterator[Path]:
    place = image.parent / "mounted"  # the same for each: a run knows where it was imported from
    place.mkdir()
    subprocess.run(["mount", "-o", "loop", image, place], check=True, capture_output=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
        place.rmdir()


def disk(path: Path) -> Path:
    """A file with an empty ext4 in it, where one can be mounted."""
    if os.geteuid() or shutil.which("mkfs.ext4") is None:
        pytest.skip("only root can mount a disk image")
    with path.open("wb") as file:
        file.truncate(48 << 20)
    subprocess.run(["mkfs.ext4", "-q", path], check=True)
    try:
        with mounted(path):
            return path
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no disk image can be mounted here: {error.stderr!r}")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llamafactory", "easyr1", "import", "eval"])
def test_what_a_power_cut_leaves_is_whole_or_made_anew(name: str, tmp_path: Path) -> None:
    command = COMMANDS[name]
    empty = disk(tmp_path / "empty.img")
    whole = tmp_path / "whole" / "out"
    code, changes = run(lambda: command(whole), tmp_path)
    assert code == DONE
    wrong = []
    for at in (*range(2, changes, STRIDE), 0):
        image, cut = tmp_path / f"{at}.img", tmp_path / f"{at}-cut.img"
        shutil.copyfile(empty, image)
        with mounted(image) as place:
            code, _ = run(lambda place=place: command(place / "out"), place, "kill" if at else "", at)  # type: ignore[misc]
            shutil.copyfile(image, cut)
        with mounted(cut) as place:
            left = {file: data for file, data in contents(place / "out").items() if not file.startswith(".build")}
            if at == 0 and left != contents(whole):
                wrong.append((at, "finished, and not whole"))
            again, _ = run(lambda place=place: command(place / "out"), place)  # type: ignore[misc]
            if again != DONE or contents(place / "out") != contents(whole):
                wrong.append((at, f"again {again}"))
        image.unlink()
        cut.unlink()
    print(f"{name}: {len(range(2, changes, STRIDE)) + 1} trials")
    assert not wrong, wrong
