"""Makes the set-up script importable, which is no package and lives on the standard library."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / 'tools' / 'setup_env'))
