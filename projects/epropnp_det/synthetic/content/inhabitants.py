"""Who is on the street: parked, driving, walking and standing objects that never overlap."""

from __future__ import annotations

import numpy as np

from .catalog import CYCLES, sample_size
from .conditions import Conditions
from .crowds import add_crowds
from .population import Population
from .world import LANE, REACH, Actor

_PARKED = ('car', 'truck', 'trailer', 'bus', 'construction_vehicle', 'motorcycle', 'bicycle')
_PARKED_ODDS = (0.50, 0.11, 0.08, 0.07, 0.06, 0.10, 0.08)
_DRIVING = ('car', 'truck', 'bus', 'motorcycle', 'bicycle', 'construction_vehicle')
_DRIVING_ODDS = (0.57, 0.12, 0.07, 0.11, 0.09, 0.04)


def populate(population: Population, conditions: Conditions) -> tuple[Actor, ...]:
    """Fill a street: work zones first, then traffic, parked vehicles and people.

    Args:
        population: an empty one.
        conditions: of the scene: whether there are crowds, or nobody.

    Returns:
        All actors.
    """
    if conditions.empty:
        return ()
    _work_zones(population)
    _one_of_each(population)
    _lane_traffic(population)
    _crossing_traffic(population)
    _parked_rows(population)
    _people(population)
    _street_furniture(population)
    if conditions.crowd:
        add_crowds(population)
    return tuple(population.actors)


def _work_zones(pop: Population) -> None:
    """Cones that taper towards a row of barriers, with a machine and workers behind them."""
    rng, street = pop.rng, pop.street
    for x0 in np.arange(pop.start_x + rng.uniform(0, 40), pop.end_x, rng.uniform(45, 70)):
        if not pop.free_of_crossing(x0 + 12, 16):
            continue
        side = rng.choice([-1, 1])
        edge = street.half - street.parking + 0.1 if street.parking > 2 else street.half + 0.3
        for k in range(rng.integers(4, 7)):
            along, across = x0 + 2.2 * k, edge + 1.4 - 0.25 * k + rng.normal(0, 0.08)
            pop.add('traffic_cone', '', (along, side * across), rng.uniform(-np.pi, np.pi))
        x = x0 + 2.2 * 6 + 1
        for _ in range(rng.integers(4, 8)):
            # A barrier's long side is its width: it heads across the street.
            yaw = side * np.pi / 2 + rng.normal(0, 0.04)
            actor = pop.add('barrier', '', (x, side * (edge + 0.1)), yaw)
            x += actor.shape.size[1] + 0.15 if actor else 2.5
        middle = x0 + rng.uniform(16, 24)
        depth = edge + rng.uniform(3.2, 4.2)
        pop.add(
            'construction_vehicle', 'vehicle.parked', (middle, side * depth), rng.uniform(-3, 3)
        )
        for _ in range(2):
            spot = (middle + rng.uniform(-8, 8), side * (edge + rng.uniform(1.5, 5)))
            pop.add('pedestrian', 'pedestrian.standing', spot, rng.uniform(-np.pi, np.pi))


def _one_of_each(pop: Population) -> None:
    """Rare classes near the drive, so that each scene can be evaluated on all ten."""
    rng, street = pop.rng, pop.street
    last = pop.end_x - REACH
    strip = street.half - street.parking / 2
    for name in ('trailer', 'bus', 'truck', 'construction_vehicle', 'motorcycle', 'bicycle'):
        placed = 0
        for _ in range(30):
            side, x = rng.choice([-1, 1]), rng.uniform(-15, last + 35)
            if placed < 2 and pop.free_of_crossing(x, 12):
                yaw = 0.0 if side < 0 else np.pi
                placed += _park(pop, name, x, side * strip, yaw) is not None
    for name in ('barrier', 'traffic_cone'):
        for _ in range(6):
            side, x = rng.choice([-1, 1]), rng.uniform(-10, last + 22)
            if pop.free_of_crossing(x, 6):
                pop.add(name, '', (x, side * (street.half + 0.5)), side * np.pi / 2)


def _drive(pop: Population, x: float, y: float, yaw: float, speed: float) -> float:
    """Put one vehicle, or a truck with its trailer, into a lane; returns the length used."""
    name = pop.rng.choice(_DRIVING, p=_DRIVING_ODDS)
    if name in CYCLES:
        attribute = 'cycle.with_rider'
        if speed < 0.5:
            name, attribute = 'car', 'vehicle.stopped'
    else:
        attribute = 'vehicle.moving' if speed > 0.5 else 'vehicle.stopped'
    forward = np.array([np.cos(yaw), np.sin(yaw)])
    actor = pop.add(name, attribute, (x, y), yaw, speed)
    if actor is None:
        return 3.0
    used = actor.shape.size[0]
    if name == 'truck' and pop.rng.random() < 0.5:
        size = sample_size('trailer', attribute, pop.rng)
        gap = (used + size[0]) / 2 + 0.8
        pop.add('trailer', attribute, np.array([x, y]) - gap * forward, yaw, speed, size)
        used += size[0] + 1
    return used


def _lane_traffic(pop: Population) -> None:
    """Vehicles in every lane; one lane has one speed."""
    rng, street = pop.rng, pop.street
    duration = pop.times[-1]
    for direction in (1, -1):
        standing = rng.random() < 0.25  # a queue
        for lane in range(int(street.lanes)):
            y = -direction * (lane + 0.5) * LANE
            speed = 0.0 if standing and direction < 0 else rng.uniform(4, 11)
            if abs(y - pop.ego_y) < 0.1:
                speed = pop.ego_speed
            start = pop.start_x - max(direction * speed * duration, 0)
            end = pop.end_x + max(-direction * speed * duration, 0)
            x = start + rng.uniform(0, 20)
            while x < end:
                in_crossing = speed < 0.5 and not pop.free_of_crossing(x, 9)
                yaw = 0.0 if direction > 0 else np.pi
                used = 4.0 if in_crossing else _drive(pop, x, y + rng.normal(0, 0.15), yaw, speed)
                x += used + (rng.uniform(4, 9) if speed < 0.5 else rng.uniform(9, 34))


def _crossing_traffic(pop: Population) -> None:
    """Vehicles on the crossing street: some drive through, some wait for the light."""
    rng, street = pop.rng, pop.street
    for direction in (1, -1):
        x = street.cross_x + direction * street.cross_half / 2
        yaw = direction * np.pi / 2
        waiting = -direction * (street.half + 6)
        y = waiting
        for _ in range(rng.integers(1, 4)):
            y -= direction * (0.5 * _drive(pop, x, y, yaw, 0.0) + rng.uniform(4, 8))
        for _ in range(5):
            _drive(pop, x, rng.uniform(-60, 60), yaw, rng.uniform(3, 8))


def _park(pop: Population, name: str, x: float, y: float, yaw: float) -> Actor | None:
    attribute = 'cycle.without_rider' if name in CYCLES else 'vehicle.parked'
    return pop.add(name, attribute, (x, y), yaw + pop.rng.normal(0, 0.05))


def _parked_rows(pop: Population) -> None:
    """Vehicles along the kerb, or side by side at an angle where the strip is wide."""
    rng, street = pop.rng, pop.street
    if street.parking < 2:
        return
    for side in (-1, 1):
        angled = street.parking > 4
        # Drivers park in the direction of travel; at an angle they drive in nose or tail first.
        along = 0.0 if side < 0 else np.pi
        tilt = rng.choice([np.pi / 2, np.pi / 3]) if angled else 0.0
        x = pop.start_x
        while x < pop.end_x:
            x += rng.uniform(0.8, 2.5) if rng.random() < 0.7 else rng.uniform(5, 12)
            name = 'car' if angled else rng.choice(_PARKED, p=_PARKED_ODDS)
            shape_room = 2.9 if angled else {'bus': 12, 'trailer': 13, 'truck': 8}.get(name, 5)
            if not pop.free_of_crossing(x, 10 + shape_room / 2):
                x += 3
                continue
            yaw = along - tilt * np.sign(np.cos(along)) + (np.pi if rng.random() < 0.3 else 0.0)
            middle = side * (street.half - street.parking / 2 + 0.1)
            actor = _park(pop, name, x + shape_room / 2, middle, yaw if angled else along)
            x += (shape_room if angled else actor.shape.size[0] + 0.6) if actor else 1.0


def _people(pop: Population) -> None:
    """Walkers on both sidewalks and on the crossing, people who stand or sit."""
    rng, street = pop.rng, pop.street
    for side in (-1, 1):
        for x in np.arange(pop.start_x, pop.end_x, 7.0):
            spot = x + rng.uniform(-3, 3), side * (street.half + rng.uniform(0.6, street.sidewalk))
            chance = rng.random()
            if chance < 0.45:
                yaw = rng.choice([0, np.pi]) + rng.normal(0, 0.05)
                pop.add('pedestrian', 'pedestrian.moving', spot, yaw, rng.uniform(0.7, 1.8))
            elif chance < 0.68:
                yaw = rng.uniform(-np.pi, np.pi)
                pop.add('pedestrian', 'pedestrian.standing', spot, yaw)
            elif chance < 0.76:
                spot = spot[0], side * (street.half + street.sidewalk + 0.4)
                yaw = -side * np.pi / 2
                pop.add('pedestrian', 'pedestrian.sitting_lying_down', spot, yaw)
    for _ in range(8):
        x = street.cross_x + rng.choice([-1, 1]) * (street.cross_half + rng.uniform(1.5, 4))
        yaw = rng.choice([-1, 1]) * np.pi / 2
        y = rng.uniform(-street.half - 2, street.half + 2)
        pop.add('pedestrian', 'pedestrian.moving', (x, y), yaw, rng.uniform(0.9, 1.6))


def _street_furniture(pop: Population) -> None:
    """Two-wheelers on the sidewalk, riders at the edge of the road, single cones."""
    rng, street = pop.rng, pop.street
    for side in (-1, 1):
        for x in np.arange(pop.start_x, pop.end_x, 16.0):
            outer = side * (street.half + street.sidewalk * rng.uniform(0.7, 1.0))
            if rng.random() < 0.7:
                name = rng.choice(CYCLES)
                _park(pop, name, x + rng.uniform(0, 8), outer, rng.uniform(-np.pi, np.pi))
            if rng.random() < 0.35:
                spot = (x + rng.uniform(0, 16), side * (street.half + 0.5))
                pop.add('traffic_cone', '', spot, rng.uniform(-np.pi, np.pi))
            if rng.random() < 0.45:
                edge = side * (street.lanes * LANE + 0.2)
                yaw = 0.0 if side < 0 else np.pi
                name = rng.choice(CYCLES)
                spot = (x + rng.uniform(0, 16), edge)
                pop.add(name, 'cycle.with_rider', spot, yaw, rng.uniform(3, 6))
