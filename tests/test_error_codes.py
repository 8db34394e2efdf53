"""The page of the error codes names those that the code has, and no others."""

import ast
import re
from pathlib import Path

from dtvideo.models.weights import BITS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
CODE = re.compile(r"[UMCVRPSFBX]\d{1,2}")


def codes_in(path):
    """Return the codes of a source file: texts that are one, or begin with one as a line does."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    texts = [
        each.value
        for each in nodes
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]
    whole = {text for text in texts if CODE.fullmatch(text) and text not in BITS}
    return whole | {code for text in texts for code in re.findall(r"^error\[(\w+)\]", text)}


def told():
    """Return the codes in the first column of the page's tables."""
    cells = re.findall(r"^\| ([A-Z]\d[\w, ]*) \|", PAGE, flags=re.MULTILINE)
    return {code for cell in cells for code in cell.split(", ")}


def test_every_code_is_on_the_page_and_no_other():
    files = [ROOT / "cli.py"]
    for package in ("pipelines", "dtvideo", "poses"):
        files += (ROOT / package).rglob("*.py")
    assert told() == set().union(*map(codes_in, files))
