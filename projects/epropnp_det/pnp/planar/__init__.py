"""The heavy computations in torch as a CPU likes them, for CPUs without Numba.

A small operation costs a GPU a launch and a CPU nothing, a library call for a small matrix the
reverse. So here objects are the last axis, and every line is one elementwise operation over all of
them, whatever the size of the little systems; what is large is computed in place, in chunks that
fit a cache. `reference` says what is computed.
"""

from functools import partial

from ..backend import Backend
from ..reference.posterior import sample_posterior
from .costs import pose_costs, pose_costs_gradient
from .solver import solve, solve_subsets
from .subsets import draw_subsets

BACKEND = Backend(
    'planar',
    draw_subsets,
    solve_subsets,
    solve,
    pose_costs,
    pose_costs_gradient,
    partial(sample_posterior, costs=pose_costs),
)
