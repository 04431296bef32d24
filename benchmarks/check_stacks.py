"""Runs the same checks with both sets of versions on one machine and prints them side by side.

Example:
    python benchmarks/check_stacks.py [--stacks classic modern] [--checks layer fuzz suite demo]

For each set a clone of this repository's HEAD is made in FOLDER/<set>, with an environment of its
own (`STACK=<set> make setup`; kept, and used again). Then, in each: the layer's tests with their
golden numbers, the fuzz of the layer's promises, the whole test suite, and the demo. The table
shows what each check says in its own words, and its wall time. Status 1 where a check failed. Needs
about 15 GB of disk, and hours of a small machine where all checks are asked for.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Callable, NamedTuple

from check_pnp_versions import summary

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = """
import sys, torch, torchvision, numpy, mmcv, mmdet3d
print('Python', sys.version.split()[0], 'torch', torch.__version__, 'numpy', numpy.__version__,
      'mmcv', mmcv.__version__, 'mmdet3d', mmdet3d.__version__)
"""
FOREIGN = ('PYTHONPATH', 'PYTHONHOME', 'VIRTUAL_ENV', 'MAKEFLAGS', 'MAKELEVEL', 'PYTHON')


class Check(NamedTuple):
    """One command and how its result is read."""

    name: str
    command: Callable[[str], list[str]]  # of the environment's interpreter
    result: Callable[[str, Path], str]  # of the output and the clone


class Cell(NamedTuple):
    """What one check said with one set."""

    text: str
    good: bool


def counted(output: str, clone: Path) -> str:
    """What pytest counts: '12 passed, 1 skipped in 3.45s'."""
    return summary(output)


def last_line(output: str, clone: Path) -> str:
    """The last line that says anything."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else 'no output'


def demo_metrics(output: str, clone: Path) -> str:
    """NDS and mAP of the demo's summary."""
    record = clone / 'work_dirs/demo/summary.json'
    if not record.is_file():
        return last_line(output, clone)
    metrics = json.loads(record.read_text())['metrics']
    return ', '.join(f'{name} {metrics[name]:.4f}' for name in ('NDS', 'mAP'))


CHECKS = (
    Check('layer', lambda python: [python, '-m', 'pytest', 'tests/pnp'], counted),
    Check('fuzz', lambda python: [python, 'benchmarks/fuzz_pnp.py'], last_line),
    Check('suite', lambda python: ['make', 'test'], counted),
    Check('demo', lambda python: ['make', 'demo'], demo_metrics),
)


def run(command: Sequence[str], clone: Path, log: Path, stack: str) -> tuple[int, str]:
    """Run a command in a clone; its output goes to the log and to the caller."""
    environ = {name: text for name, text in os.environ.items() if name not in FOREIGN}
    result = subprocess.run(
        command,
        cwd=str(clone),
        env={**environ, 'STACK': stack},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with log.open('a') as stream:
        stream.write(f'$ {" ".join(command)}\n{result.stdout}\n')
    return result.returncode, result.stdout


def update_clone(folder: Path, source: Path = ROOT) -> None:
    """Make a clone of the repository, or bring it to the same commit; ignored files stay.

    Raises:
        subprocess.CalledProcessError: Git fails; its message is on the screen.
    """
    if not folder.exists():
        subprocess.run(['git', 'clone', '--quiet', str(source), str(folder)], check=True)
    fetch = ['git', '-C', str(folder), 'fetch', '--quiet', str(source), 'HEAD']
    subprocess.run(fetch, check=True)
    reset = ['git', '-C', str(folder), 'checkout', '--quiet', '--detach', 'FETCH_HEAD']
    subprocess.run(reset, check=True)


def check_stack(stack: str, clone: Path, checks: Sequence[Check]) -> dict[str, Cell]:
    """Set up one set and run the checks; a set-up that fails leaves the rest out."""
    log = clone.with_name(f'{stack}.log')
    log.write_text('')
    python = str(clone / '.venv/bin/python')
    first = (
        Check('setup', lambda _: ['make', 'setup'], last_line),
        Check('versions', lambda _: [python, '-W', 'ignore', '-c', VERSIONS], last_line),
    )
    cells: dict[str, Cell] = {}
    for check in (*first, *checks):
        start = time.monotonic()
        print(f'  {check.name} ...', end=' ', flush=True)
        status, output = run(check.command(python), clone, log, stack)
        seconds = time.monotonic() - start
        cells[check.name] = Cell(f'{check.result(output, clone)} ({seconds:.0f} s)', status == 0)
        print(cells[check.name].text, flush=True)
        if status and check in first:
            break
    print(f'  log: {log}')
    return cells


def table(columns: dict[str, dict[str, Cell]]) -> str:
    """Lay out the checks by row and the sets by column, in Markdown; failures are marked."""
    names = list(dict.fromkeys(name for cells in columns.values() for name in cells))
    lines = ['| check | ' + ' | '.join(columns) + ' |', '|---' * (len(columns) + 1) + '|']
    for name in names:
        cells = [found.get(name, Cell('not run', False)) for found in columns.values()]
        texts = [cell.text if cell.good else f'**FAILED** {cell.text}' for cell in cells]
        lines.append(f'| {name} | ' + ' | '.join(text.replace('|', '/') for text in texts) + ' |')
    return '\n'.join(lines)


def main() -> None:
    """Parse the command line, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    both = ('classic', 'modern')
    names = [check.name for check in CHECKS]
    parser.add_argument('--stacks', nargs='+', choices=both, default=both)
    parser.add_argument('--checks', nargs='*', choices=names, default=names)
    parser.add_argument('--folder', type=Path, default=ROOT / 'work_dirs/stacks')
    args = parser.parse_args()
    columns = {}
    for stack in args.stacks:
        print(stack, flush=True)
        clone = args.folder.resolve() / stack
        clone.parent.mkdir(parents=True, exist_ok=True)
        update_clone(clone)
        chosen = [check for check in CHECKS if check.name in args.checks]
        columns[stack] = check_stack(stack, clone, chosen)
    print(table(columns))
    sys.exit(not all(cell.good for cells in columns.values() for cell in cells.values()))


if __name__ == '__main__':
    main()
