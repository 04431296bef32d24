"""Images of more than eight bits, made eight bits by the range of their values."""

from __future__ import annotations

import numpy as np

from .notices import notice

USUAL_BITS = (8, 10, 12, 14, 16)


def to_eight_bits(pixels: np.ndarray, value_range: float | None, name: str) -> np.ndarray:
    """Scales pixels to 0 to 255.

    Args:
        pixels: uint8, uint16 or float, (H, W, ...). uint8 stays as it is.
        value_range: The value that becomes 255, such as 4095 for twelve bits; None takes the least
            of 8, 10, 12, 14 and 16 bits that holds this image, and says so. A dark image of a
            camera may so be taken for one of fewer bits: state the range to be sure.
        name: Of the image, for messages.

    Raises:
        ValueError: If the range is not positive, or the values are not finite.
    """
    if pixels.dtype == np.uint8:
        return pixels
    if value_range is not None:
        if not value_range > 0:
            raise ValueError(f'value_range must be positive, got {value_range}')
        return _scaled(pixels, float(value_range))
    if not np.isfinite(pixels).all():
        raise ValueError(f'{name} has pixels that are not finite; state value_range')
    if np.issubdtype(pixels.dtype, np.floating):
        largest = float(pixels.max(initial=0))
        guess = 1.0 if largest <= 1 else 255.0 if largest <= 255 else None
        if guess is not None:
            _say(pixels.dtype, name, f'0 to {guess:g}', guess)
            return _scaled(pixels, guess)
    bits = _bits(pixels)
    _say(pixels.dtype, name, f'{bits} bits', 2**bits - 1)
    if np.issubdtype(pixels.dtype, np.integer):
        return (pixels >> (bits - 8)).astype(np.uint8)
    return _scaled(pixels, 2.0**bits - 1)


def _bits(pixels: np.ndarray) -> int:
    largest = float(pixels.max(initial=0))
    return next((bits for bits in USUAL_BITS if largest < 2**bits), USUAL_BITS[-1])


def _scaled(pixels: np.ndarray, value_range: float) -> np.ndarray:
    scaled = np.nan_to_num(pixels.astype(np.float32)) * (255 / value_range)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def _say(dtype: np.dtype, name: str, what: str, value_range: float) -> None:
    notice(
        ('value range', what),
        f'{name} has {dtype} pixels, taken for {what} and made eight bits; if that is too dark or '
        f'too bright, state value_range (now {value_range:g})',
    )
