"""The bench's widgets and views show and do what the real ones would; one bench process runs all checks."""

import os
from pathlib import Path

import bench
import pytest

pytest.importorskip("PySide6", reason="the bench's window needs PySide6-Essentials")
pytestmark = pytest.mark.skipif(
    bool(os.environ.get("SLICER_EXECUTABLE")), reason="these are the bench's own widgets"
)
CHECKS = Path(__file__).with_name("inside_bench_widgets.py")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    return bench.run_inside(CHECKS, tmp_path_factory.mktemp("widgets"))


@pytest.mark.parametrize("name", bench.names(CHECKS))
def test_inside_the_bench(outcomes, name):
    bench.expect(outcomes, name)
