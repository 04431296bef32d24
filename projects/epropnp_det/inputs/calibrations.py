"""Calibration files in the formats that people have, as one kind of value.

`read_calibrations` takes

* ``.csv`` / ``.txt``: a matrix, a row of 4 (fx fy cx cy), 9 or 12 numbers, or KITTI's ``P2: ...``;
* ``.json``: a matrix; an object with a matrix under one of its usual names, or with fx fy cx cy; an
  object from image name to either; a row or the table ``calibrated_sensor`` of nuScenes; a mono3d
  annotation file; the latter two tell how the camera is mounted, others by ``cam2ego``, 4 x 4;
* ``.yaml``: OpenCV's, ROS' ``camera_info``, Kalibr's; OpenCV's ``.xml``; NumPy's ``.npy``;
* a folder of such files, named like the images.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from .distortion import Distortion, make_distortion
from .intrinsics import as_matrix, check_intrinsics, rescale_intrinsics
from .markup import read_opencv, read_yaml
from .mountings import check_mounting, ground_plane, recorded_mounting
from .paths import closest_match, forward_slashes, printable
from .tables_of_numbers import read_kitti, read_table
from .texts import plain_spaces, read_text

MATRIX_NAMES = (
    'cam2img', 'cam_intrinsic', 'camera_intrinsic', 'camera_intrinsics', 'camera_matrix',
    'cameramatrix', 'intrinsic_matrix', 'intrinsic', 'intrinsics', 'k', 'mtx', 'm1',
)  # fmt: skip
PROJECTION_NAMES = ('p2', 'projection_matrix', 'p_rect', 'p')
DISTORTION_NAMES = (
    'distortion_coefficients', 'distortion_coeffs', 'distcoeffs', 'dist_coeffs', 'dist_coefs',
    'distortion', 'dist', 'd',
)  # fmt: skip
WIDTH_NAMES = ('image_width', 'width', 'w', 'img_width')
HEIGHT_NAMES = ('image_height', 'height', 'h', 'img_height')
SIZE_NAMES = ('image_size', 'resolution', 'img_size', 'size')
MODEL_NAMES = ('distortion_model', 'camera_model', 'camera_type', 'model', 'lens', 'type')
FOCAL_NAMES = (('fx', 'fy', 'cx', 'cy'), ('f', 'f', 'cx', 'cy'), ('focal', 'focal', 'cx', 'cy'))
SUFFIXES = ('.csv', '.txt', '.json', '.yaml', '.yml', '.xml')
FORMATS = (
    'a matrix (csv, json), OpenCV yaml or xml, ROS camera_info yaml, Kalibr yaml, KITTI calib txt, '
    'a nuScenes calibrated_sensor row, or {"image name": matrix}'
)


class Calibration(NamedTuple):
    """A camera as a file describes it.

    Attributes:
        cam2img: Intrinsics, float64 (3, 3).
        size: Width and height in pixels that they are for, where the file says.
        distortion: Of the lens, None where there is none.
        cam2ego: How the camera is mounted (``mountings``), (4, 4), where the file says.
    """

    cam2img: np.ndarray
    size: tuple[int, int] | None = None
    distortion: Distortion | None = None
    cam2ego: np.ndarray | None = None

    def of_size(self, size: tuple[int, int]) -> Calibration:
        """The camera of its images, resized to another width and height.

        Raises:
            ValueError: If the size of the calibration is not known, or of another shape.
        """
        if self.size is None:
            raise ValueError('the size that the intrinsics are for is not known')
        return self._replace(cam2img=rescale_intrinsics(self.cam2img, self.size, size), size=size)


def read_calibrations(path: str | Path) -> Calibration | dict[str, Calibration]:
    """Reads one calibration for all images, or one per image.

    Args:
        path: File or folder; the module's docstring lists the formats.

    Returns:
        The calibration, or a dict from (the end of) the path of an image to its calibration.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the content is no calibration; the message names the file.
    """
    path = Path(path)
    if path.is_dir():
        return _read_folder(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'no intrinsics file {printable(path)}; pass --focal if you know only that'
        )
    try:
        if path.suffix.lower() in ('.npy', '.npz'):
            return _from_numpy(path)
        return _parse(plain_spaces(read_text(path)), path)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, yaml.YAMLError) as error:
        text = ' '.join(str(error.args[0] if error.args else error).split())
        raise ValueError(f'{printable(path)}: {text}') from error


def calibration_of(
    name: str | Path, calibrations: Calibration | Mapping[str, Calibration]
) -> Calibration:
    """The calibration of an image.

    Args:
        name: Path of the image, looked up by its folders (``CAM_FRONT``), its name without suffix,
            and ``closest_match``.
        calibrations: What ``read_calibrations`` gave.

    Raises:
        KeyError: If the file does not name the image, or names several that it may be.
    """
    if not isinstance(calibrations, Mapping):
        return calibrations
    parts = forward_slashes(str(name)).split('/')
    for folder in reversed(parts[:-1]):
        if folder in calibrations:
            return calibrations[folder]
    stem = parts[-1].rpartition('.')[0]
    if stem in calibrations and parts[-1] not in calibrations:
        return calibrations[stem]
    try:
        return closest_match(name, calibrations, _alike)
    except KeyError as error:
        raise KeyError(f'no intrinsics: {error.args[0]}') from error


def _alike(first: Calibration, second: Calibration) -> bool:
    same = _alike_inside(first, second)
    return same and np.array_equal(first.cam2ego, second.cam2ego)


def _alike_inside(first: Calibration, second: Calibration) -> bool:
    """Whether two cameras are alike but for how they are mounted."""
    same = np.array_equal(first.cam2img, second.cam2img)
    return same and (first.size, first.distortion) == (second.size, second.distortion)


def _read_folder(folder: Path) -> dict[str, Calibration]:
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.name[0] != '.')
    if not files:
        raise ValueError(f'{printable(folder)} holds no calibration file ({", ".join(SUFFIXES)})')
    found = {}
    for file in files:
        calibration = read_calibrations(file)
        if isinstance(calibration, dict):
            raise ValueError(
                f'{printable(file)}: a file in a folder is for one image, named like it'
            )
        found[file.stem] = calibration
    return found


def _parse(text: str, path: Path) -> Calibration | dict[str, Calibration]:
    suffix = path.suffix.lower()
    start = text.lstrip()[:40]
    if suffix == '.json' or start[:1] == '{':
        return _from_value(json.loads(text), path)
    if suffix == '.xml' or start.startswith(('<?xml', '<opencv_storage', '%YAML:1')):
        return _from_object(read_opencv(text))
    if suffix in ('.yaml', '.yml'):
        return _from_value(read_yaml(text), path)
    if start[:1] == '[':  # json, or what NumPy prints
        with contextlib.suppress(json.JSONDecodeError):
            return _from_value(json.loads(text), path)
    projection = read_kitti(text)
    if projection is not None:
        return Calibration(as_matrix(projection[:, :3]))
    return Calibration(_matrix(read_table(text)))


def _matrix(value: Any) -> np.ndarray:
    """(3, 3) of a matrix in any of its spellings."""
    if isinstance(value, Mapping):
        lowered = {str(key).lower(): item for key, item in value.items()}
        if 'data' in lowered:
            value = lowered['data']
        else:
            focal = _focal(lowered)
            if focal is None:
                raise ValueError(f'no matrix in an object of {sorted(lowered)}')
            return focal
    try:
        numbers = np.asarray(value, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise ValueError(f'intrinsics must be three rows of three numbers ({error})') from error
    if numbers.size == 4 and numbers.ndim <= 2 and 1 in (*numbers.shape, numbers.ndim):
        fx, fy, cx, cy = numbers.reshape(-1)
        numbers = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
    elif numbers.size in (9, 12, 16) and (numbers.ndim == 1 or 1 in numbers.shape):
        numbers = numbers.reshape({9: (3, 3), 12: (3, 4), 16: (4, 4)}[numbers.size])
    return check_intrinsics(numbers)


def _focal(values: Mapping) -> np.ndarray | None:
    """Of fx, fy, cx, cy."""
    for names in FOCAL_NAMES:
        if all(name in values for name in names):
            return _matrix([values[name] for name in names])
    return None


def _from_value(content: Any, path: Path) -> Calibration | dict[str, Calibration]:
    """Of what a json or yaml file holds."""
    if isinstance(content, list):
        if content and all(isinstance(item, Mapping) for item in content):
            return _from_sensors(content, path)
        return Calibration(_matrix(content))
    if not isinstance(content, Mapping):
        raise ValueError(f'expected {FORMATS}; got {type(content).__name__}')
    if isinstance(content.get('images'), list):  # a mono3d annotation file
        return {
            forward_slashes(image['file_name']): Calibration(
                as_matrix(np.array(image['cam_intrinsic'], dtype=np.float64)[:3, :3]),
                _size(image),
                cam2ego=_above_ground(recorded_mounting(image)),
            )
            for image in content['images']
        }
    try:
        return _from_object(content)
    except KeyError:
        pass  # no matrix at this level: one level of names
    nested = {str(key): item for key, item in content.items() if isinstance(item, (Mapping, list))}
    if not nested or len(nested) < len(content) and not _looks_like_cameras(nested):
        raise ValueError(
            f'expected {FORMATS}; the file has {", ".join(map(str, content)) or "nothing"}'
        )
    found = {}
    for name, item in nested.items():
        try:
            value = _from_object(item) if isinstance(item, Mapping) else Calibration(_matrix(item))
        except (KeyError, ValueError) as error:
            raise ValueError(f'{name}: {error.args[0]}') from error
        found[forward_slashes(name)] = value
    if len(found) == 1 and re.fullmatch(r'cam\w*', next(iter(found))):
        return next(iter(found.values()))
    return found


def _looks_like_cameras(nested: Mapping) -> bool:
    """Whether the entries are cameras in a file that holds other things, too."""
    return all(isinstance(item, Mapping) for item in nested.values())


def _from_object(content: Mapping) -> Calibration:
    """Of one object that holds a matrix.

    Raises:
        KeyError: If it holds none.
    """
    values = {str(key).lower(): item for key, item in content.items()}
    matrix = next((_matrix(values[n]) for n in MATRIX_NAMES if _holds(values, n)), None)
    if matrix is None:
        matrix = _focal(values)
    if matrix is None:
        rows = next((values[n] for n in PROJECTION_NAMES if _holds(values, n)), None)
        if rows is None:
            raise KeyError(f'no matrix among {", ".join(values)}')
        rows = rows.get('data') if isinstance(rows, Mapping) else rows
        matrix = as_matrix(np.array(rows, dtype=np.float64).reshape(-1, 4)[:3, :3])
    return Calibration(matrix, _size(values), _distortion(values), _mounting(values))


def _holds(values: Mapping, name: str) -> bool:
    return (
        isinstance(values.get(name), (list, tuple, Mapping, np.ndarray)) and len(values[name]) > 0
    )


def _size(values: Mapping) -> tuple[int, int] | None:
    """Width and height, where they are stated."""
    width = next((values[name] for name in WIDTH_NAMES if name in values), None)
    height = next((values[name] for name in HEIGHT_NAMES if name in values), None)
    pair = next((values[name] for name in SIZE_NAMES if name in values), None)
    if width is None and isinstance(pair, Mapping):
        return _size({str(key).lower(): item for key, item in pair.items()})
    if width is None and isinstance(pair, (list, tuple)) and len(pair) == 2:
        width, height = pair
    if not all(isinstance(value, (int, float)) and value > 0 for value in (width, height)):
        return None
    return int(width), int(height)


def _distortion(values: Mapping) -> Distortion | None:
    model = ' '.join(str(values[name]) for name in MODEL_NAMES if isinstance(values.get(name), str))
    if any('fisheye' in name and bool(item) for name, item in values.items()):
        model += ' fisheye'
    if 'xi' in values:
        model += ' omni'
    coefficients = next((values[n] for n in DISTORTION_NAMES if values.get(n) is not None), None)
    if isinstance(coefficients, Mapping):
        lowered = {str(key).lower(): item for key, item in coefficients.items()}
        coefficients = lowered.get('data')
        if coefficients is None:
            coefficients = _named_coefficients(lowered)
    if coefficients is None:
        coefficients = _named_coefficients(values)
    if coefficients is None or np.size(coefficients) == 0:
        return None
    return make_distortion(coefficients, model)


def _named_coefficients(values: Mapping) -> list[float] | None:
    """Of k1, k2, p1, p2, k3, ... or of k1 to k4 where there is no p."""
    if 'k1' not in values:
        return None
    tangential = 'p1' in values or 'p2' in values
    names = ['k1', 'k2', 'p1', 'p2', 'k3', 'k4', 'k5', 'k6'] if tangential else None
    names = names or (
        ['k1', 'k2', 'k3', 'k4'] if 'k4' in values else ['k1', 'k2', 'p1', 'p2', 'k3']
    )
    return [float(values.get(name) or 0.0) for name in names]


def _mounting(values: Mapping) -> np.ndarray | None:
    """Under its own name, or of a row of nuScenes' calibrated_sensor."""
    if values.get('cam2ego') is not None:
        return check_mounting(values['cam2ego'])
    if 'sensor_token' not in values:  # other files have rotations into frames of their own
        return None
    return _above_ground(recorded_mounting(values, 'rotation', 'translation'))


def _above_ground(cam2ego: np.ndarray | None) -> np.ndarray | None:
    """None also where a data set has numbers that tell nothing."""
    return None if cam2ego is None or ground_plane(cam2ego) is None else cam2ego


def _from_sensors(rows: list, path: Path) -> Calibration | dict[str, Calibration]:
    """Of the table calibrated_sensor: by file name where its sample_data lies beside it."""
    cameras = {
        row.get('token', str(number)): _from_object(row)
        for number, row in enumerate(rows)
        if row.get('camera_intrinsic')
    }
    if not cameras:
        raise ValueError('no row of the table has a camera_intrinsic')
    first = next(iter(cameras.values()))
    if all(_alike_inside(first, camera) for camera in cameras.values()):
        same = all(_alike(first, camera) for camera in cameras.values())
        return first if same else first._replace(cam2ego=None)
    records = path.with_name('sample_data.json')
    if not records.is_file():
        raise ValueError(
            f'the table holds {len(cameras)} cameras; put its sample_data.json beside it, or pass '
            'a json of the one row'
        )
    return {
        record['filename']: cameras[record['calibrated_sensor_token']]
        for record in json.loads(read_text(records))
        if record['calibrated_sensor_token'] in cameras
    }


def _from_numpy(path: Path) -> Calibration:
    try:
        content = np.load(path, allow_pickle=False)
    except EOFError as error:  # an empty file; a ValueError before numpy 1.24
        raise ValueError(f'no numbers in it: {error}') from error
    return Calibration(_matrix(content)) if path.suffix.lower() == '.npy' else _from_object(content)
