"""Scripts as modules: those of tools/, benchmarks/ and demo/ are no packages."""

import importlib.util


def load(path):
    """The module of a script; the name says that it is not run as a program."""
    spec = importlib.util.spec_from_file_location(f'script_{path.stem}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
