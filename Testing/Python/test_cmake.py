"""The extension installs whole: every file is listed, and what is installed loads and runs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import host
import pytest

# Does with the extension's lists what Slicer's own macro does, as far as copying goes.
SLICER_CONFIG = r"""
set(Slicer_USE_FILE "${CMAKE_CURRENT_LIST_DIR}/Nothing.cmake")
set(Slicer_EXTENSION_GENERATE_CONFIG "${Slicer_USE_FILE}")
set(Slicer_EXTENSION_CPACK "${Slicer_USE_FILE}")
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR "qt-scripted-modules")
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR "lib/qt-scripted-modules")
macro(slicer_add_python_unittest)
endmacro()
function(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MODULE "WITH_GENERIC_TESTS;WITH_SUBDIR" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(MODULE_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "Unknown: ${MODULE_UNPARSED_ARGUMENTS}")
  endif()
  set(destination "${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR}")
  if(MODULE_WITH_SUBDIR)
    get_filename_component(folder ${CMAKE_CURRENT_SOURCE_DIR} NAME)
    set(destination "${destination}/${folder}")
  endif()
  foreach(file ${MODULE_SCRIPTS} ${MODULE_RESOURCES})
    if(NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
      message(FATAL_ERROR "Listed but not there: ${file}")
    endif()
    get_filename_component(folder "${destination}/${file}" DIRECTORY)
    file(COPY "${CMAKE_CURRENT_SOURCE_DIR}/${file}" DESTINATION "${folder}")
  endforeach()
endfunction()
"""


def listed(folder: str) -> set[str]:
    text = (host.ROOT / folder / "CMakeLists.txt").read_text(encoding="utf-8")
    return set(re.findall(r"^\s+([\w$/{}.-]+\.(?:py|ui|png|txt))$", text, re.M))


def test_every_file_of_the_library_is_listed():
    present = {path.name for path in (host.ROOT / "WSPCirrhosisLib").glob("*.py")}
    assert listed("WSPCirrhosisLib") == present


def test_every_file_of_the_module_is_listed():
    folder = host.ROOT / "WSPCirrhosis"
    present = {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in (".py", ".ui", ".png", ".txt")
    } - {"CMakeLists.txt"}
    named = {name.replace("${MODULE_NAME}", "WSPCirrhosis") for name in listed("WSPCirrhosis")}
    assert named == present


def test_every_test_that_runs_inside_slicer_is_a_test_of_a_slicer_build_too():
    cmake = (host.ROOT / "Testing" / "CMakeLists.txt").read_text(encoding="utf-8")
    files = (host.ROOT / "Testing" / "Python").glob("test_*.py")
    inside = {
        path.stem
        for path in files
        if re.search(r"host\.(run_|slicer_command)", path.read_text("utf-8"))
    }
    # This file, whose small CMake build stands in for Slicer's.
    inside -= {Path(__file__).stem}
    assert set(re.findall(r"\btest_\w+", cmake)) == inside


def test_the_catalog_entry_and_the_cmake_file_name_the_same_repository():
    entry = json.loads(
        (host.ROOT / "Resources" / "ExtensionsIndex" / "WSPCirrhosis.json").read_text("utf-8")
    )
    cmake = (host.ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    homepage = re.search(r'EXTENSION_HOMEPAGE "(.*)"', cmake)[1]
    depends = re.search(r'EXTENSION_DEPENDS "(.*)"', cmake)[1]
    assert entry["scm_url"] == f"{homepage}.git"
    assert homepage.rsplit("/", 1)[1].startswith("Slicer")
    assert entry["build_dependencies"] == depends.split(";")


@pytest.mark.skipif(
    not (shutil.which("cmake") and shutil.which("c++")), reason="needs cmake and a C++ compiler"
)
def test_what_cmake_installs_loads_as_a_module_and_runs_the_library(tmp_path: Path):
    slicer, build = tmp_path / "slicer", tmp_path / "build"
    slicer.mkdir()
    (slicer / "SlicerConfig.cmake").write_text(SLICER_CONFIG, encoding="utf-8")
    (slicer / "Nothing.cmake").write_text("", encoding="utf-8")
    known = ["-DCMAKE_C_COMPILER_FORCED=1", "-DCMAKE_CXX_COMPILER_FORCED=1"]
    command = ["cmake", "-S", host.ROOT, "-B", build, f"-DSlicer_DIR={slicer}", *known]
    configured = subprocess.run(command, capture_output=True, text=True, check=False)
    assert configured.returncode == 0, configured.stderr
    installed = build / "qt-scripted-modules"
    models = sorted(path.name for path in (host.ROOT / "Resources" / "Models").iterdir())
    packaged = tmp_path / "package"
    subprocess.run(["cmake", "--install", build, "--prefix", packaged], check=True, timeout=60)
    for place in (installed, packaged / "lib" / "qt-scripted-modules"):
        there = place / "Resources" / "Models"
        assert sorted(path.name for path in there.iterdir()) == models
    body = """
import slicer, WSPCirrhosisLib
from WSPCirrhosisLib.model_registry import ModelRegistry
(demo,), problems = ModelRegistry("nothing of the user's").models()
assert demo.is_here and str(demo.path).startswith(sys.argv[1]) and not problems, demo
assert WSPCirrhosisLib.__file__.startswith(sys.argv[1]), WSPCirrhosisLib.__file__
assert slicer.modules.wspcirrhosis.title == "WSP Cirrhosis"
slicer.selfTests["WSPCirrhosis"]()
"""
    host.run_body(tmp_path, body, installed, modules=installed)
