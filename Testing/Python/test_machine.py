"""A look at the computer: what it says, what it advises, and that a broken package does not end it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from WSPCirrhosisLib import machine


def test_the_command_prints_a_table_and_names_no_folder(command, tmp_path: Path):
    done = command("system", "--folder", tmp_path / "not" / "there")
    assert done.returncode == 0, done.stderr
    lines = {line.split("  ")[0]: line for line in done.stdout.splitlines()}
    assert "cores" in lines["Processor"] and "GiB free of" in lines["Memory"]
    assert "GiB free" in lines["Disk for results"] and "providers: " in lines["onnxruntime"]
    assert str(tmp_path) not in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for NVIDIA's tool is a shell script")
def test_graphics_cards_are_told_with_their_memory(tmp_path: Path, monkeypatch):
    # The lines that nvidia-smi prints for this query; the tool itself exists only beside a card.
    tool = tmp_path / "nvidia-smi"
    tool.write_text(
        "#!/bin/sh\necho 'NVIDIA H200, 143771, 143161, 570.86.15'\necho 'NVIDIA T4, 15360, [N/A], 570.86.15'\n",
        encoding="utf-8",
    )
    tool.chmod(0o755)
    monkeypatch.setattr(machine, "PROBES", dict.fromkeys(machine.PROBES, "raise SystemExit(1)"))
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    found = [fact.found for fact in machine.look(tmp_path) if fact.what == "Graphics card"]
    assert found == [
        "NVIDIA H200, 139.8 GiB free of 140.4, driver 570.86.15",
        "NVIDIA T4, ? GiB free of 15.0, driver 570.86.15",
    ]


def test_a_package_that_crashes_is_told_and_ends_nothing_else(tmp_path: Path, monkeypatch):
    (tmp_path / "onnxruntime.py").write_text("import os; os.abort()\n", encoding="utf-8")
    (tmp_path / "torch.py").write_text("raise ImportError('no libcudart')\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    facts = {fact.what: fact for fact in machine.look(tmp_path)}
    assert "cannot be loaded" in facts["onnxruntime"].found and facts["onnxruntime"].advice
    assert "no libcudart" in facts["torch"].found


def test_facts_survive_json_and_stay_readable():
    facts = [machine.Fact("Memory", "1 GiB free", "Close other programs."), machine.Fact("A", "b")]
    again = [machine.Fact(**fact) for fact in json.loads(json.dumps(machine.as_json(facts)))]
    assert again == facts
    assert machine.as_text(facts) == "Memory  1 GiB free  Close other programs.\nA       b"
