"""Packaging: the layer alone (needs torch), or the detector on MMDetection3D (extra `det`)."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
README = ROOT / 'README.md'
VERSION = re.search(
    r"__version__ = '(.+)'", (ROOT / 'projects/epropnp_det/version.py').read_text(encoding='utf-8')
).group(1)


def requirements(name):
    """Read a requirements file without its comments."""
    lines = (ROOT / 'requirements' / name).read_text(encoding='utf-8').splitlines()
    return [line.split('#')[0].strip() for line in lines if line.split('#')[0].strip()]


SHIPPED = ('epropnp_det.weights', 'epropnp_6dof.weights')

setup(
    name='epropnp-det',
    version=VERSION,
    description='End-to-end probabilistic Perspective-n-Points, for monocular 3D object detection '
    'on MMDetection3D and for your own network',
    long_description=README.read_text(encoding='utf-8') if README.exists() else '',
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    license_files=['LICENSE'],
    keywords='perspective-n-points, pose estimation, 3D object detection, monocular, nuScenes',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'License :: OSI Approved :: Apache Software License',
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
    package_dir={'': 'projects'},
    packages=find_packages('projects', include=['epropnp_det*', 'epropnp_6dof*']),
    package_data={package: ['*.pth', '*.csv', '*.md'] for package in SHIPPED},
    # No upper bound: the layer runs on any newer Python, and `import epropnp_det` names what of
    # the detector's packages does not fit.
    python_requires='>=3.9',
    install_requires=['torch>=1.13'],
    extras_require={
        'pnp': [],
        # mmcv-full and the packages of no_deps.txt cannot stand here: docs/install.md says why.
        'det': requirements('detector.txt'),
        'test': requirements('dev.txt'),
        'onnx': ['onnx', 'onnxruntime'],
        'rerun': ['rerun-sdk>=0.22,<0.23'],  # newer ones want numpy 2
    },
    zip_safe=False,
)
