"""What the gates share: our C sources, and their text without comments and strings."""

import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

_SKIPPED = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.MULTILINE)


def c_files():
    out = subprocess.run([os.path.join(ROOT, "tools", "c-files")], capture_output=True, text=True, check=True)
    return out.stdout.split()


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def _blank(match):
    return re.sub(r"[^\n]", " ", match.group())


def code_of(text):
    """The text with comments and literals blanked out; every line keeps its number."""
    return _SKIPPED.sub(_blank, text)


def without_directives(code):
    return _DIRECTIVE.sub(_blank, code)
