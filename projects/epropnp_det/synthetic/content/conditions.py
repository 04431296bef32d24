"""What a scene is like: light, weather, crowds, hills, other cameras, or nobody there at all."""

from __future__ import annotations

from typing import NamedTuple


class Conditions(NamedTuple):
    """Deviations from a dry day on a level street with its usual traffic.

    Attributes:
        dusk: the sun has set, lamps are on.
        night: it is dark, lamps are on.
        rain: overcast and hazy, streaks and drops, wet roads, fewer LiDAR returns.
        crowd: groups of people and densely parked rows.
        empty: no object is annotated, because there is none.
        hills: the ground undulates, and boxes pitch and roll with it.
        rig: the cameras are those of another vehicle, see `remount`.
    """

    dusk: bool = False
    night: bool = False
    rain: bool = False
    crowd: bool = False
    empty: bool = False
    hills: bool = False
    rig: bool = False

    @property
    def dark(self) -> bool:
        """Whether lamps are on."""
        return self.dusk or self.night

    def describe(self) -> str:
        """Words for the scene's description, as nuScenes has them: `Night, rain`."""
        return ', '.join(name for name, on in zip(self._fields, self) if on).capitalize()


def parse_conditions(text: str) -> Conditions:
    """Read words that are joined by `+`, e.g. `night+rain`; `day` says nothing.

    Args:
        text: the words.

    Returns:
        The conditions.

    Raises:
        ValueError: a word is unknown, or two contradict each other.
    """
    words = set(text.split('+')) - {'day'}
    unknown = sorted(words - set(Conditions._fields))
    if unknown:
        known = ', '.join(('day', *Conditions._fields))
        raise ValueError(f'condition {unknown[0]!r} of {text!r} is unknown; there are {known}')
    if len({'day', 'dusk', 'night'} & set(text.split('+'))) > 1 or {'empty', 'crowd'} <= words:
        raise ValueError(f'{text!r} contradicts itself')
    return Conditions(**dict.fromkeys(words, True))


# Scenes take turns through a preset. Positions 1 and 5 of the mini scenes are mini_val.
PRESETS = {
    'simple': ('day',),
    'rich': (
        'day+crowd',
        'rain+crowd',
        'night',
        'day',
        'empty',
        'night',
        'night+rain',
        'dusk',
        'rain',
        'dusk+rain+crowd',
    ),
}
