"""What the extension index, CMake and Slicer's start want of the extension's files."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import urllib.parse
from importlib.metadata import requires
from pathlib import Path

import pytest
from PIL import Image

from mrml_samples import MODULE, REPOSITORY

EXTENSION = REPOSITORY / "MIQASlicerExtension"
TOP = (REPOSITORY / "CMakeLists.txt").read_text(encoding="utf-8")
ENTRY = EXTENSION / "MIQA.json"
FIELDS = ("HOMEPAGE", "CATEGORY", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS")
# What an entry of the index may hold: slicer-extension-catalog-entry-schema-v1.0.2.
SCHEMA = {
    "type": "object",
    "required": ["$schema", "category", "scm_url"],
    "additionalProperties": False,
    "properties": {
        **{name: {"type": "string"} for name in ("$schema", "category", "scm_url", "scm_revision", "build_subdirectory")},
        "build_dependencies": {"type": "array", "items": {"type": "string"}},
        "enabled": {"type": "boolean"},
        "scm_type": {"enum": ["git", "local"]},
        "tier": {"type": "integer", "minimum": 1, "maximum": 5},
    },
}


def field(name: str) -> str:
    (value,) = re.findall(rf'set\(EXTENSION_{name} "([^"]+)"\)', TOP)
    return value


def test_cmake_declares_what_the_index_looks_for():
    (project,) = re.findall(r"project\s*\(\s*([^\s)]+)", TOP)
    assert project == ENTRY.stem
    assert not project.lower().startswith("slicer")
    for name in FIELDS:
        assert field(name)
    assert field("DEPENDS") == "PyTorch"
    assert "find_package(Slicer REQUIRED)" in TOP
    assert "add_subdirectory(MIQASlicerExtension/MIQA)" in TOP


def test_addresses_of_pictures_are_files_of_this_repository():
    entry = json.loads(ENTRY.read_text(encoding="utf-8"))
    home = entry["scm_url"].removesuffix(".git")
    assert field("HOMEPAGE").startswith(home)
    addresses = [field("ICONURL"), *field("SCREENSHOTURLS").split()]
    assert len(addresses) >= 3
    for address in addresses:
        owner_and_name = urllib.parse.urlsplit(home).path
        prefix = f"https://raw.githubusercontent.com{owner_and_name}/main/"
        assert address.startswith(prefix)
        with Image.open(REPOSITORY / address.removeprefix(prefix)) as picture:
            assert picture.format == "PNG"


def test_entry_of_the_index_passes_its_checks():
    import jsonschema

    entry = json.loads(ENTRY.read_text(encoding="utf-8"))
    jsonschema.validate(entry, SCHEMA)
    assert entry["$schema"].startswith("https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/")
    assert entry["category"] == field("CATEGORY") == "Quantification", "one of the index's own categories"
    parts = urllib.parse.urlsplit(entry["scm_url"])
    assert parts.scheme in ("https", "git")
    assert "slicer" in Path(parts.path).stem.lower(), "the index wants Slicer in the repository's name"
    assert entry["build_dependencies"] == field("DEPENDS").split()
    assert (REPOSITORY / "LICENSE").is_file()


def test_icon_is_square_and_not_empty():
    with Image.open(MODULE / "Resources/Icons/MIQA.png") as icon:
        assert icon.size == (128, 128)
        assert icon.mode == "RGBA"
        assert len(icon.convert("RGB").getcolors(1 << 16)) > 100


def listed(name: str) -> set[str]:
    (block,) = re.findall(rf"set\({name}\n(.*?)\n  \)", (MODULE / "CMakeLists.txt").read_text(encoding="utf-8"), re.DOTALL)
    return set(block.split())


def test_cmake_lists_every_script_and_resource():
    scripts = {str(path.relative_to(MODULE)) for path in MODULE.rglob("*.py")}
    resources = {str(path.relative_to(MODULE)) for path in (MODULE / "Resources").rglob("*") if path.is_file()}
    assert listed("MODULE_PYTHON_SCRIPTS") == scripts
    assert listed("MODULE_PYTHON_RESOURCES") == resources
    assert "slicer_add_python_unittest(SCRIPT ${MODULE_NAME}.py)" in (MODULE / "CMakeLists.txt").read_text(encoding="utf-8")


SLICER_CONFIG = """
set(Slicer_USE_FILE ${CMAKE_CURRENT_LIST_DIR}/use.cmake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${CMAKE_CURRENT_LIST_DIR}/empty.cmake)
set(Slicer_EXTENSION_CPACK ${CMAKE_CURRENT_LIST_DIR}/empty.cmake)
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR lib/scripted)
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR lib/scripted)
set(BUILD_TESTING ON)
"""
SLICER_USE = """
include(CMakeParseArguments)
function(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(M "WITH_GENERIC_TESTS" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  foreach(file ${M_SCRIPTS} ${M_RESOURCES})
    get_filename_component(folder ${file} DIRECTORY)
    install(FILES ${file} DESTINATION ${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}/${folder})
  endforeach()
endfunction()
function(slicer_add_python_unittest)
  cmake_parse_arguments(T "" "SCRIPT" "" ${ARGN})
  if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${T_SCRIPT})
    message(FATAL_ERROR "no test ${T_SCRIPT}")
  endif()
endfunction()
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The extension as CMake installs it, with stand-ins for Slicer's own macros."""
    if shutil.which("cmake") is None:
        pytest.skip("cmake is absent")
    folder = tmp_path_factory.mktemp("cmake")
    config = folder / "slicer"
    config.mkdir()
    (config / "SlicerConfig.cmake").write_text(SLICER_CONFIG)
    (config / "use.cmake").write_text(SLICER_USE)
    (config / "empty.cmake").write_text("")
    build, prefix = folder / "build", folder / "installed"
    configure = ["cmake", "-S", REPOSITORY, "-B", build, f"-DSlicer_DIR={config}", f"-DCMAKE_INSTALL_PREFIX={prefix}"]
    for command in (configure, ["cmake", "--install", build]):
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
    return prefix / "lib/scripted"


def test_installed_extension_is_whole_and_its_worker_runs(installed):
    for file in listed("MODULE_PYTHON_SCRIPTS") | listed("MODULE_PYTHON_RESOURCES"):
        assert (installed / file).is_file()
    assert (installed / "MIQALib/miqanet_core/weights/miqanet_tiny.safetensors").is_file()
    assert not list(installed.rglob("__pycache__"))
    command = [sys.executable, installed / "MIQALib/worker.py", "score", "absent", "--progress", "jsonl", "--out", "x"]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=installed, env={})
    lines = [json.loads(line) for line in worker.stdout]
    assert worker.wait(60) == 1
    worker.stdin.close()
    worker.stdout.close()
    assert [line["event"] for line in lines] == ["process", "error"]
    assert lines[1]["message"].startswith("absent: does not exist")


def test_installed_panel_takes_the_installed_library(installed):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from MIQALib.core_package import load_core; load_core()\n"
        "import miqanet_core, miqanet_core.presenter, miqanet_core.policy\n"
        "print(miqanet_core.__file__); print(*sorted({n.split('.')[0] for n in sys.modules}))\n"
        "print(miqanet_core.policy.Policy.default().diagnostic)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, installed], capture_output=True, text=True, timeout=60, check=True, env={}
    )
    origin, modules, threshold = done.stdout.splitlines()
    assert Path(origin) == installed / "MIQALib/miqanet_core/__init__.py"
    assert threshold == "60.0"
    # Slicer brings numpy and nothing else of what the library needs.
    brought = {"numpy", "miqanet_core", "MIQALib"}
    theirs = {re.split(r"[^\w.-]", line)[0].lower() for line in requires("miqanet_core") or [] if "extra ==" not in line}
    assert not (set(map(str.lower, modules.split())) & theirs) - brought


def imports_at_start(path: Path) -> set[str]:
    """Top-level packages that importing the file imports."""
    found = set()
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Import):
            found |= {alias.name.split(".")[0] for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            found.add((statement.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("path", [*MODULE.glob("*.py"), *MODULE.glob("MIQALib/*.py")], ids=lambda path: path.name)
def test_no_third_party_import_and_no_work_at_import(path):
    of_slicer = {"slicer", "qt", "ctk", "vtk", "MIQALib", "AbstractScriptedSubjectHierarchyPlugin"}
    assert imports_at_start(path) - set(sys.stdlib_module_names) <= of_slicer
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.If):  # if __name__ == "__main__"
            assert "__name__" in ast.dump(statement.test)
            continue
        allowed = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
        docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        assert docstring or isinstance(statement, allowed), f"line {statement.lineno} does something"


def test_requirements_are_the_librarys_without_what_slicer_and_pytorch_bring():
    from MIQALib.install import TORCH, requirements

    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    (block,) = re.findall(r"^dependencies = \[\n(.*?)\n\]", text, re.DOTALL | re.MULTILINE)
    ours = {re.match(r'\s*"([^"]+)"', line).group(1) for line in block.splitlines()}
    left_out = {line for line in ours if re.split(r"[^\w-]", line)[0] in (*TORCH, "numpy", "SimpleITK", "tomli")}
    assert len(left_out) == 5
    # Of the extras, the panel needs what writes DICOM objects.
    assert set(requirements()) == (ours - left_out) | {"highdicom>=0.25"}
