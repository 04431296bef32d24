"""Crowds: groups of people who stand, wait or walk together, and rows without gaps."""

from __future__ import annotations

import numpy as np

from .population import Population

_STANDING, _MOVING = 'pedestrian.standing', 'pedestrian.moving'


def add_crowds(pop: Population) -> None:
    """Fill the gaps of a populated street.

    Args:
        pop: gains people and parked vehicles.
    """
    _fill_rows(pop)
    _waiting(pop)
    for x in np.arange(pop.start_x, pop.end_x, 8.0):
        side = pop.rng.choice([-1, 1])
        group = _walkers if pop.rng.random() < 0.5 else _talkers
        group(pop, x + pop.rng.uniform(0, 8), side)


def _fill_rows(pop: Population) -> None:
    """A car in every gap of the parking strip that has room for one."""
    street = pop.street
    middle = street.half - street.parking / 2 + 0.1
    angled = street.parking > 4
    for side in (-1, 1):
        along = 0.0 if side < 0 else np.pi
        yaw = along - np.pi / 2 if angled else along
        for x in np.arange(pop.start_x, pop.end_x, 0.9):
            if street.parking > 2 and pop.free_of_crossing(x, 12):
                turn = yaw + pop.rng.normal(0, 0.03)
                pop.add('car', 'vehicle.parked', (x, side * middle), turn)


def _walkers(pop: Population, x: float, side: int) -> None:
    """Three to nine people with the same pace and direction."""
    rng, street = pop.rng, pop.street
    yaw, pace = rng.choice([0.0, np.pi]), rng.uniform(0.9, 1.5)
    for _ in range(2 * rng.integers(3, 10)):  # half of them find no room
        spot = x + rng.normal(0, 1.8), side * (street.half + rng.uniform(0.6, street.sidewalk))
        pop.add('pedestrian', _MOVING, spot, yaw, pace)


def _talkers(pop: Population, x: float, side: int) -> None:
    """Four to twelve people around a point, who face it."""
    rng, street = pop.rng, pop.street
    middle = np.array([x, side * (street.half + 0.5 * street.sidewalk)])
    for _ in range(rng.integers(4, 13)):
        angle, radius = rng.uniform(-np.pi, np.pi), rng.uniform(0.7, 2.2)
        spot = middle + radius * np.array([np.cos(angle), 0.6 * np.sin(angle)])
        pop.add('pedestrian', _STANDING, spot, angle + np.pi + rng.normal(0, 0.3))


def _waiting(pop: Population) -> None:
    """People at the four corners of the crossing who wait, and a throng that crosses."""
    rng, street = pop.rng, pop.street
    for along in (-1, 1):
        edge = street.cross_x + along * (street.cross_half + 2.5)
        for side in (-1, 1):
            for _ in range(rng.integers(6, 16)):
                spot = edge + rng.normal(0, 1.2), side * (street.half + rng.uniform(0.5, 2.2))
                yaw = -side * np.pi / 2 + rng.normal(0, 0.4)
                pop.add('pedestrian', _STANDING, spot, yaw)
        for _ in range(14):
            yaw = rng.choice([-1, 1]) * np.pi / 2
            spot = edge + rng.normal(0, 0.9), rng.uniform(-street.half, street.half)
            pop.add('pedestrian', _MOVING, spot, yaw, rng.uniform(0.9, 1.6))
