"""Memory for results that is used again once nobody holds them."""

import math
from threading import RLock

import numpy as np

_ALIGNMENT = 64  # bytes, of what XLA shares with NumPy instead of copying
_MOST = 1 << 28  # bytes that are kept for later
_free: list[np.ndarray] = []
_lock = RLock()  # a result may be dropped by whatever runs in this thread, also in here


class _Lease:
    """A block of memory as long as an array on it exists."""

    def __init__(self, block: np.ndarray, size: int):
        self.block = block
        start = -block.ctypes.data % _ALIGNMENT
        self.__array_interface__ = block[start : start + size].__array_interface__

    def __del__(self):
        with _lock:
            _free.append(self.block)
            while sum(block.nbytes for block in _free) > _MOST:
                _free.pop(0)


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array without values whose memory XLA can use as it is: it starts at a multiple of 64 bytes.

    A system hands out new memory page by page, and clears it: writing to it for the first time takes as long as two to
    ten copies. So a block of an array that has been deleted, with all that share its memory, is taken where one of this
    size is there; up to 256 MiB are kept.
    """
    size = math.prod(shape) * dtype.itemsize
    with _lock:
        block = next((block for block in _free if block.nbytes == size + _ALIGNMENT), None)
        _free[:] = [other for other in _free if other is not block]
    lease = _Lease(np.empty(size + _ALIGNMENT, np.uint8) if block is None else block, size)
    return np.asarray(lease).view(dtype).reshape(shape)
