"""Files and folders appear whole or not at all; what is there stays unless asked for."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.files import (
    new_folder,
    refuse_existing,
    refuse_inside,
    write_json,
    write_whole,
)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), write_whole(path) as stream:
        stream.write("new")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_only_when_it_is_complete(tmp_path):
    target = tmp_path / "deep" / "out"
    with pytest.raises(RuntimeError), new_folder(target) as folder:
        (folder / "part").write_text("x")
        raise RuntimeError
    assert not any(tmp_path.iterdir())
    with new_folder(target) as folder:
        (folder / "part").write_text("x")
        assert not target.exists()
    assert [path.name for path in target.iterdir()] == ["part"]


def test_an_existing_output_is_replaced_only_when_asked_and_only_at_the_end(tmp_path):
    target = tmp_path / "out"
    with new_folder(target) as folder:
        (folder / "old").write_text("x")
    with pytest.raises(InputError, match="output.exists"), new_folder(target):
        pass
    with pytest.raises(RuntimeError), new_folder(target, overwrite=True, known=["old"]):
        raise RuntimeError
    assert (target / "old").exists()
    with new_folder(target, overwrite=True, known=["old"]) as folder:
        (folder / "new").write_text("x")
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_with_anything_of_the_users_is_never_replaced(tmp_path):
    (tmp_path / "out" / "deep").mkdir(parents=True)
    (tmp_path / "out" / "report.html").write_text("ours")
    (tmp_path / "out" / "deep" / "thesis.txt").write_text("mine")
    with (
        pytest.raises(InputError, match="“deep/thesis.txt”, which no earlier run wrote"),
        new_folder(tmp_path / "out", overwrite=True, known=["report.html"]),
    ):
        pass
    assert (tmp_path / "out" / "deep" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_somebody_puts_there_in_the_meantime_stays(tmp_path, overwrite):
    target = tmp_path / "out"
    with pytest.raises(InputError, match="output.exists"), new_folder(target, overwrite):
        target.mkdir()
        (target / "thesis.txt").write_text("mine")
    assert (target / "thesis.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_link_to_a_folder_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with new_folder(tmp_path / "link") as folder:
        (folder / "new").write_text("x")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "new").exists()


def test_an_output_that_holds_an_input_is_refused(tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(InputError, match="output.holds_input"):
        refuse_inside(tmp_path, [tmp_path / "data" / "ct.nrrd"])
    refuse_inside(tmp_path / "data" / "out", [tmp_path / "data" / "ct.nrrd"])


def test_an_empty_folder_counts_as_nothing(tmp_path):
    refuse_existing(tmp_path)


@pytest.mark.parametrize(
    "number, code",
    [(errno.ENOSPC, "output.disk_full"), (errno.EROFS, "output.not_writable")],
)
def test_the_systems_refusals_say_what_to_do(tmp_path, number, code):
    with pytest.raises(InputError, match=code), write_whole(tmp_path / "x"):
        raise OSError(number, os.strerror(number))


def test_a_full_disk_is_told_of_whatever_torch_makes_of_it(tmp_path):
    """A file size limit makes the kernel refuse the write half-way, as a full disk does."""
    script = (
        "import resource, signal, sys, torch; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000));"
        "from WSPCirrhosisLib.files import write_whole\n"
        "with write_whole(sys.argv[1], 'wb') as stream: torch.save(torch.rand(100000), stream)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "checkpoint.pt")],
        capture_output=True,
        text=True,
    )
    assert "output.disk_full" in done.stderr
    assert not any(tmp_path.iterdir())


def test_an_input_that_cannot_be_read_is_not_blamed_on_the_output(tmp_path):
    with pytest.raises(FileNotFoundError), new_folder(tmp_path / "deep" / "out"):
        (tmp_path / "input").read_text()


def test_a_really_full_disk_leaves_nothing_behind(tmp_path):
    """Under a file size limit the kernel refuses the write half-way, as a full disk does."""
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        "from WSPCirrhosisLib.files import write_json; write_json(sys.argv[1], ['x' * 5000])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "out.json")], capture_output=True, text=True
    )
    assert "output.disk_full" in done.stderr
    assert not any(tmp_path.iterdir())


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "x.json", {"value": float("nan")})
    assert not any(tmp_path.iterdir())
