"""Stands in for Slicer's ``parameterNodeWrapper``, which is not in the wheel: typed members with defaults, checked ranges."""

from __future__ import annotations

from types import ModuleType
from typing import Any, NamedTuple, get_origin, get_type_hints


class Choice(NamedTuple):
    """One of these."""

    choices: list


class Default(NamedTuple):
    """The value before the first."""

    value: Any


class WithinRange(NamedTuple):
    """From ``minimum`` to ``maximum``."""

    minimum: float
    maximum: float


def wrap(cls: type) -> type:
    """The class with a constructor that sets defaults; ``on_change`` is called with each change."""
    hints = get_type_hints(cls, include_extras=True)

    class Wrapped(cls):  # type: ignore[misc, valid-type]
        def __init__(self, node: object = None) -> None:
            self.__dict__["on_change"] = lambda: None
            for name, hint in hints.items():
                notes = hint.__metadata__ if get_origin(hint) is not None and hasattr(hint, "__metadata__") else ()
                given = [note.value for note in notes if isinstance(note, Default)]
                self.__dict__[name] = given[0] if given else getattr(cls, name, None)

        def AddObserver(self, event: str, method: Any, priority: float = 0.0) -> int:  # noqa: N802 - VTK's name
            self.__dict__["on_change"] = lambda: method(self, event)
            return 1

        def RemoveObserver(self, tag: int) -> None:  # noqa: N802
            self.__dict__["on_change"] = lambda: None

        def connectGui(self, ui: Any) -> int:  # noqa: N802 - Slicer's name; which widget is whose is in the .ui
            return 1

        def disconnectGui(self, tag: int) -> None:  # noqa: N802
            assert tag == 1

        def __setattr__(self, name: str, value: Any) -> None:
            for note in getattr(hints.get(name), "__metadata__", ()):
                if isinstance(note, WithinRange) and not note.minimum <= value <= note.maximum:
                    raise ValueError(name)
                if isinstance(note, Choice) and value not in note.choices:
                    raise ValueError(name)
            if value != self.__dict__[name]:
                self.__dict__[name] = value
                self.on_change()

    return Wrapped


module = ModuleType("slicer.parameterNodeWrapper")
for part in (Choice, Default, WithinRange):
    setattr(module, part.__name__, part)
module.parameterNodeWrapper = wrap  # type: ignore[attr-defined]
