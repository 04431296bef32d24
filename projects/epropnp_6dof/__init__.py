"""EPro-PnP-6DoF: poses of known objects from dense correspondences (docs/6dof.md).

`import epropnp_6dof` registers the network and its data set with mmdet and mmdet3d.
"""

import epropnp_det  # noqa: F401  checks the stack, registers the hooks of training

from . import data, models  # noqa: F401
