"""Imports go one way: cli -> pipelines -> dtvideo -> poses -> numpy, scipy, standard library."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("poses", "dtvideo", "pipelines", "cli")
SOURCES = sorted(
    path.relative_to(ROOT)
    for layer in LAYERS
    for path in (*ROOT.glob(f"{layer}/**/*.py"), *ROOT.glob(f"{layer}.py"))
)
OTHERS = sorted(
    path.relative_to(ROOT)
    for folder in ("tests", "benchmarks", "examples", "scripts")
    for path in ROOT.glob(f"{folder}/**/*.py")
)


def imported_names(path: Path) -> Iterator[tuple[str, int, int]]:
    """Yield the module named by each import, its level and its column."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0, node.col_offset) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.level, node.col_offset


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_a_module_imports_its_own_layer_or_a_lower_one(path):
    rank = LAYERS.index(path.parts[0].removesuffix(".py"))
    tops = {name.partition(".")[0] for name, _, _ in imported_names(path)}
    above = [layer for layer in LAYERS[rank + 1 :] if layer in tops]
    assert not above, f"{path} imports {above}, which is above it"


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_no_import_is_relative(path):
    assert all(level == 0 for _, level, _ in imported_names(path))


@pytest.mark.parametrize("path", [p for p in SOURCES if p.parts[0] == "poses"], ids=str)
def test_poses_knows_no_torch(path):
    tops = {name.partition(".")[0] for name, _, _ in imported_names(path)}
    assert not tops & {"torch", "diffusers", "transformers"}


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_optional_packages_are_imported_on_use(path):
    optional = {
        "mediapipe",
        "controlnet_aux",
        "rtmlib",
        "onnxruntime",
        "rembg",
        "decord",
        "matplotlib",
        "ray",
        "tensorboard",
    }
    at_top = {name.partition(".")[0] for name, _, column in imported_names(path) if column == 0}
    assert not at_top & optional


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_nothing_is_unpickled(path):
    """`pickle` is imported for the name of its error alone, `torch.load` not used at all."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    used = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    unpickling = {"torch.load", "pickle.load", "pickle.loads", "pickle.Unpickler", "joblib.load"}
    assert not used & unpickling
    allowed = [keyword for keyword in ast.walk(tree) if isinstance(keyword, ast.keyword)]
    names = {each.arg for each in allowed if ast.unparse(each.value) == "True"}
    assert "allow_pickle" not in names


@pytest.mark.parametrize("path", [*SOURCES, *OTHERS], ids=str)
def test_files_stay_readable_in_one_sitting(path):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    lines = len((ROOT / path).read_text(encoding="utf-8").splitlines())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    longest = max((node.end_lineno - node.lineno + 1 for node in functions), default=0)
    assert lines <= 400, f"{path} has {lines} lines"
    assert longest <= 50, f"{path} has a function of {longest} lines"


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        ("cli, pipelines.flags", {"torch", "diffusers", "numpy", "scipy", "cv2", "av"}),
        ("poses, dtvideo.errors, pipelines.job", {"torch", "diffusers", "cv2", "av"}),
        ("pipelines.batch, pipelines.batch_report", {"torch", "diffusers", "cv2", "av"}),
        ("pipelines.farm, pipelines.timeline", {"torch", "diffusers", "cv2", "av"}),
    ],
)
def test_what_a_command_line_needs_loads_without_the_heavy_packages(modules, heavy):
    check = f"import sys; import {modules}; sys.exit(' '.join({heavy} & set(sys.modules)))"
    finished = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert not finished.stderr.strip()
