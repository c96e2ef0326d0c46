"""The normalizers of a sweep: one for each type, lent to its scopes, since making one takes 40 ms."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from stocktake.normalize.normalizer import Normalizer

if TYPE_CHECKING:
    from stocktake.normalize.redact import Redactor
    from stocktake.resource_types.spec import ResourceType

_KEPT_IDLE = 4


class Normalizers:
    """Lends normalizers. Its methods run in the catalog's own thread, and so does whatever is lent."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._lent: dict[str, tuple[Normalizer, int]] = {}
        self._idle: OrderedDict[str, Normalizer] = OrderedDict()

    def borrow(self, resource_type: ResourceType) -> Normalizer:
        """Return the normalizer of a type, to be given back."""
        name = resource_type.name
        if name in self._lent:
            normalizer, users = self._lent[name]
        else:
            is_idle = name in self._idle
            normalizer = self._idle.pop(name) if is_idle else Normalizer(resource_type, self._redactor)
            users = 0
        self._lent[name] = (normalizer, users + 1)
        return normalizer

    def give_back(self, type_name: str) -> None:
        """Say that a scope of the type needs it no longer."""
        normalizer, users = self._lent.pop(type_name)
        if users > 1:
            self._lent[type_name] = (normalizer, users - 1)
            return
        self._idle[type_name] = normalizer
        while len(self._idle) > _KEPT_IDLE:
            _, oldest = self._idle.popitem(last=False)
            oldest.close()

    def close(self) -> None:
        """Free all of them."""
        for normalizer, _ in self._lent.values():
            normalizer.close()
        for normalizer in self._idle.values():
            normalizer.close()
        self._lent.clear()
        self._idle.clear()
