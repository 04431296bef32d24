"""Numbers in plain text: from a spreadsheet, NumPy, MATLAB or KITTI."""

from __future__ import annotations

import re

import numpy as np

BRACKETS = str.maketrans('[](){}"\'', '        ')
# Several rows in one line: blanks or commas within a row, semicolons between them.
MATLAB = re.compile(r'\s*[-+.\deE]+(\s*,\s+|\s+|,[-+.\deE]+,)[^;]*;')
HEADER = re.compile(r'[A-Za-z_]\w*')


def read_table(text: str) -> np.ndarray | dict[str, float]:
    """Rows of numbers, separated by commas, semicolons, tabs or blanks.

    Brackets, quotes, comments (``#``, ``%``) and a line of column names are left out; a comma is a
    decimal comma where semicolons or tabs separate the numbers; ``1, 2; 3, 4`` has two rows.

    Returns:
        (rows, columns); or a dict where a line of names precedes one line of numbers.

    Raises:
        ValueError: If it is no table of numbers.
    """
    lines = [re.split('[#%]', line)[0].translate(BRACKETS) for line in text.split('\n')]
    lines = [line.strip().rstrip(',') for line in lines if line.strip(' ,;\t')]
    if len(lines) == 1 and MATLAB.match(lines[0]):
        lines = lines[0].split(';')
    names = _names(lines[0]) if lines else []
    rows = [_numbers(line) for line in (lines[1:] if names else lines)]
    if not rows or len({len(row) for row in rows}) != 1:
        raise ValueError('intrinsics must be three rows of three numbers, each row on its own line')
    if names and len(rows) == 1 and len(names) == len(rows[0]):
        return dict(zip(names, rows[0]))
    return np.array(rows)


def _names(line: str) -> list[str]:
    """Column names, where the line holds nothing else."""
    cells = [cell.strip() for cell in re.split(r'[,;\t ]+', line) if cell.strip()]
    plain = all(HEADER.fullmatch(cell) for cell in cells)
    return [cell.lower() for cell in cells] if plain and 'nan' not in map(str.lower, cells) else []


def _numbers(line: str) -> list[float]:
    if ';' in line or '\t' in line:
        decimal_comma = '.' not in line
        cells = re.split(r'[;\t]', line.rstrip(';\t'))
        cells = [cell.strip().strip(',') for cell in cells]
        if decimal_comma:
            cells = [cell.replace(',', '.') for cell in cells]
        return [float(number) for cell in cells for number in cell.replace(',', ' ').split()]
    return [float(cell) for cell in line.replace(',', ' ').split()]


def read_kitti(text: str, camera: str = 'P2') -> np.ndarray | None:
    """Projection of a camera in a KITTI calibration file.

    Args:
        text: Lines such as ``P2: 12 numbers``, or of ``calib_cam_to_cam.txt``.
        camera: Which one; the left colour camera took ``image_2``.

    Returns:
        (3, 4), or None where it is no such file.

    Raises:
        ValueError: If the file has other cameras only.
    """
    entries = dict(re.findall(r'^\s*(P_rect_0\d|P\d)\s*:\s*(.+)$', text, re.MULTILINE))
    if not entries:
        return None
    number = camera[-1]
    row = entries.get(camera) or entries.get(f'P_rect_0{number}')
    if row is None:
        if len(entries) > 1:
            raise ValueError(f'no {camera} among {", ".join(entries)}')
        row = next(iter(entries.values()))
    values = np.array([float(cell) for cell in row.replace(',', ' ').split()])
    if values.size != 12:
        raise ValueError(f'{camera} must have 12 numbers, got {values.size}')
    return values.reshape(3, 4)
