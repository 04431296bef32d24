"""Every command has the same shape and a row in the table of its folder."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NO_COMMANDS = {'reference_pnp.py'}
COMMANDS = [
    path.relative_to(ROOT)
    for folder in ('tools', 'benchmarks', 'demo')
    for path in sorted((ROOT / folder).glob('*.py'))
    if path.name not in NO_COMMANDS
]


@pytest.mark.parametrize('command', COMMANDS, ids=str)
def test_help_shows_an_example(command):
    source = (ROOT / command).read_text(encoding='utf-8')
    text = ast.get_docstring(ast.parse(source))
    assert re.search(rf'Example.*:\n.*python {re.escape(str(command))}', text, re.DOTALL)
    # The help is this text as it stands.
    assert 'description=__doc__' in source and 'RawDescriptionHelpFormatter' in source


@pytest.mark.parametrize('command', COMMANDS, ids=str)
def test_errors_are_one_line(command):
    source = (ROOT / command).read_text(encoding='utf-8')
    assert source.rstrip().endswith("if __name__ == '__main__':\n    main()")
    for message in re.findall(r'except [^\n]*:\n\s+sys\.exit\((f?.*)\)', source):
        assert re.match(r"f?'(error|interrupted): ", message), message


@pytest.mark.parametrize('folder', ['tools', 'benchmarks'])
def test_every_command_has_a_row(folder):
    table = (ROOT / folder / 'README.md').read_text(encoding='utf-8')
    for command in COMMANDS:
        if command.parts[0] == folder:
            assert f'`{command.name}' in table, f'{folder}/README.md has no row for {command.name}'
