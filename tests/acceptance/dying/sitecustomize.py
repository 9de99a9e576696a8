"""Python loads this at start from a directory of PYTHONPATH: a process that is killed at a chosen step.

DIE_AT is `module:function:before` or `…:after`, a method is `Class.method`. DIE_ONCE names a file that the first death
makes, so that the process that takes over lives.
"""

import importlib.abc
import importlib.util
import os
import signal
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

MODULE, FUNCTION, MOMENT = os.environ["DIE_AT"].split(":")
ONCE = Path(os.environ["DIE_ONCE"])


def _die() -> None:
    try:
        ONCE.touch(exist_ok=False)
    except FileExistsError:
        return
    os.killpg(0, signal.SIGKILL)


class _Mortal(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads MODULE as it is, and wraps FUNCTION before another module can import it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.loader is not None
        self._loader, spec.loader = spec.loader, self
        return spec

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        *owner, name = FUNCTION.split(".")
        place = getattr(module, owner[0]) if owner else module
        mortal = getattr(place, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if MOMENT == "before":
                _die()
            result = mortal(*args, **kwargs)
            _die()
            return result

        setattr(place, name, wrapped)


sys.meta_path.insert(0, _Mortal())
