"""What users hand in, read as it is in the world: images, cameras, small text files, folders.

Every path of the package that opens an image goes through `images`, every one that reads
intrinsics through `calibrations` and `intrinsics`, every small text file through `texts`.
Needs NumPy and OpenCV, knows nothing of networks, data sets or mm*.
"""

from .calibrations import Calibration, calibration_of, read_calibrations
from .distortion import Distortion, undistort
from .image_cameras import (
    ImageCamera,
    camera_from_focal,
    camera_of_frames,
    camera_of_image,
    fitting_intrinsics,
)
from .image_folders import find_images
from .images import (
    CameraImage,
    ImageInfo,
    decode_image,
    read_camera_image,
    read_image,
    read_image_info,
    write_image,
)
from .intrinsics import check_intrinsics, examine_intrinsics, rescale_intrinsics
from .mountings import fitting_mounting, ground_plane, mounting_from_height
from .notices import InputWarning, notice
from .orientation import EXIF_MODES
from .paths import closest_match, join_path, printable
from .texts import read_lines, read_text
from .videos import Video, open_video

__all__ = [
    'Calibration',
    'CameraImage',
    'Distortion',
    'EXIF_MODES',
    'ImageCamera',
    'ImageInfo',
    'InputWarning',
    'Video',
    'calibration_of',
    'camera_from_focal',
    'camera_of_frames',
    'camera_of_image',
    'check_intrinsics',
    'closest_match',
    'decode_image',
    'examine_intrinsics',
    'find_images',
    'fitting_intrinsics',
    'fitting_mounting',
    'ground_plane',
    'join_path',
    'mounting_from_height',
    'notice',
    'open_video',
    'printable',
    'read_calibrations',
    'read_camera_image',
    'read_image',
    'read_image_info',
    'read_lines',
    'read_text',
    'rescale_intrinsics',
    'undistort',
    'write_image',
]
