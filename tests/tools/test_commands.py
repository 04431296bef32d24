"""What the tables of tools/ and benchmarks/ name exists, and has the shape that they promise."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def commands():
    """The first command of each row of the tables."""
    for folder in ('tools', 'benchmarks'):
        text = (ROOT / folder / 'README.md').read_text(encoding='utf-8')
        for row in re.findall(r'^\|.*\|$', text, re.MULTILINE):
            for name in re.findall(r'`((?:demo/)?\w+\.py)\b', row)[:1]:
                yield ROOT / name if '/' in name else ROOT / folder / name


COMMANDS = list(commands())


def test_every_command_has_a_row():
    found = {path for folder in ('tools', 'benchmarks') for path in (ROOT / folder).glob('*.py')}
    runnable = {path for path in found if '__main__' in path.read_text(encoding='utf-8')}
    assert runnable and runnable <= set(COMMANDS)


@pytest.mark.parametrize('command', COMMANDS, ids=lambda path: path.name)
def test_help_shows_an_example(command):
    source = command.read_text(encoding='utf-8')
    text = ast.get_docstring(ast.parse(source)) or ''
    path = re.escape(str(command.relative_to(ROOT)))
    assert re.search(rf'Example.*:\n.*python {path}', text, re.DOTALL)
    # The help is this text as it stands.
    assert 'description=__doc__' in source and 'RawDescriptionHelpFormatter' in source


@pytest.mark.parametrize('command', COMMANDS, ids=lambda path: path.name)
def test_errors_are_one_line(command):
    source = command.read_text(encoding='utf-8')
    assert source.rstrip().endswith("if __name__ == '__main__':\n    main()")
    for message in re.findall(r'except [^\n]*:\n\s+sys\.exit\((f?.*)\)', source):
        assert re.match(r"f?'(error|interrupted): ", message), message
