"""scikit-learn's protocol for parameters, and PyOD's names for ours."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from . import _core, _synonyms
from ._values import plain, to_python

if TYPE_CHECKING:
    from typing_extensions import Self

#: What :meth:`Detector.predict` calls outliers and others.
Labels = Literal["pyod", "sklearn"]

#: What happens to missing values.
Missing = Literal["fail", "drop", "median"]

#: How categories become numbers.
Encoding = Literal["onehot", "frequency"]

#: What happens to categories that no fitted row was of.
Unknown = Literal["fail", "other"]

#: Whether the fitted rows may hold outliers.
Reference = Literal["mixed", "clean"]

#: Parameters that say what is done about missing values, categories and dates.
TREATMENT = ("missing", "na", "encode", "unknown", "max_categories", "dates")

#: Parameters that belong to the call, not to the Spec.
CALL = ("contamination", "random_state", "n_jobs", "verbose", "labels", *TREATMENT)


class Parameters:
    """What a detector was told, and how it becomes a Spec."""

    #: The name of its Spec, which is also its name on the command line.
    _detector: ClassVar[str] = ""

    #: What scikit-learn before 1.6 asks for, later its tags.
    _estimator_type: ClassVar[str] = "outlier_detector"

    @classmethod
    def from_preset(cls, name: str, **parameters: Any) -> Self:
        """A detector with the hyper-parameters of a preset, some of them set otherwise.

        Every detector has ``default`` and ``paper``; :class:`qualm.DUM` has more.
        """
        return cls(**{**cls._of_preset(name), **parameters})

    @classmethod
    def _of_preset(cls, name: str) -> dict[str, Any]:
        """The parameters that make a preset; an unknown one is an error."""
        keys = to_python(json.loads(_core.preset(cls._detector, name)))
        del keys["detector"]
        return keys

    @classmethod
    def _of_spec(cls, keys: dict[str, Any]) -> dict[str, Any]:
        """The parameters that make a detector with these hyper-parameters."""
        return keys

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        """All parameters with their defaults.

        A subclass that passes further arguments on, as ``**keywords``, has those of its base
        as well.
        """
        found: dict[str, Any] = {}
        for base in cls.__mro__:
            if "__init__" not in vars(base):
                continue
            _, *parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
            passed_on = False
            for parameter in parameters:
                if parameter.kind is parameter.VAR_KEYWORD:
                    passed_on = True
                elif parameter.kind is not parameter.VAR_POSITIONAL:
                    found.setdefault(parameter.name, parameter.default)
            if "_detector" in vars(base) or not passed_on:
                break
        return found

    @classmethod
    def _hide_synonyms(cls) -> None:
        """Leaves ``**pyod`` out of the signature: scikit-learn takes all in it for parameters."""
        signature = inspect.signature(vars(cls)["__init__"])
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        vars(cls)["__init__"].__signature__ = signature.replace(parameters=own)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """All parameters by name, those given under PyOD's names under ours; ``deep`` makes no
        difference."""
        try:
            return {name: vars(self)[name] for name in self._defaults()}
        except KeyError as error:
            raise AttributeError(
                f"{type(self).__name__}.__init__ has the parameter {error}, but does not keep it "
                f"as self.{error.args[0]}, which scikit-learn's protocol asks for"
            ) from None

    def set_params(self, **parameters: Any) -> Self:
        """Sets parameters by name, ours or PyOD's; they count from the next :meth:`fit`."""
        known = list(self._defaults())
        for name in parameters:
            if name not in known and not _synonyms.is_synonym(self._detector, name):
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {self!r}. "
                    f"Valid parameters are: {known!r}."
                )
        synonyms = {name: parameters.pop(name) for name in list(parameters) if name not in known}
        self._take(synonyms, parameters)
        for name, value in parameters.items():
            setattr(self, name, value)
        return self

    def _take(self, synonyms: Mapping[str, Any], beside: Mapping[str, Any] | None = None) -> None:
        """Sets what was given under PyOD's names; `beside` are the parameters given by ours.

        In a constructor these are not known: a parameter that has not its default was given.
        """
        if not synonyms:
            return
        owner = type(self).__name__
        defaults = self._defaults()
        for name, value in _synonyms.canonical(self._detector, owner, synonyms).items():
            twice = getattr(self, name) != defaults[name] if beside is None else name in beside
            if twice:
                raise TypeError(f"{owner}: {name} was given twice, once under PyOD's name")
            setattr(self, name, value)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            # PyOD's names of parameters; scikit-learn's of the values that a fit used, as in
            # `n_neighbors_`.
            own = getattr(type(self), name, None)
            if isinstance(own, property):
                # It raised an AttributeError, whose message shall not be lost.
                return own.fget(self)
            renamed = _synonyms.RENAMED.get(self._detector, {})
            if name in renamed:
                return getattr(self, renamed[name])
            if name.endswith("_") and not name.startswith("_") and "_model" in vars(self):
                used = self.spec_
                if name[:-1] in used:
                    return used[name[:-1]]
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _treatment(self) -> str | None:
        """What is done about missing values, categories and dates, as JSON; None for nothing."""
        given = {name: getattr(self, name) for name in TREATMENT}
        if isinstance(given["na"], str):
            raise TypeError(f"na = {given['na']!r}: expected a list of texts, such as ['NA', '?']")
        given["na"] = [str(text) for text in given["na"]]
        given["dates"] = bool(given["dates"])
        nothing: dict[str, Any] = {
            "missing": "fail",
            "na": [],
            "encode": None,
            "unknown": "fail",
            "max_categories": None,
            "dates": False,
        }
        return None if given == nothing else json.dumps(given)

    def _changed(self) -> dict[str, Any]:
        """The parameters that have not their defaults."""
        defaults, given = self._defaults(), self.get_params()
        return {k: v for k, v in given.items() if repr(v) != repr(defaults[k])}

    def _as_constructed(self) -> str:
        changed = (f"{name}={value!r}" for name, value in self._changed().items())
        return f"{type(self).__name__}({', '.join(changed)})"

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="outlier_detector",
            target_tags=TargetTags(required=False),
            transformer_tags=None,
            # No classifier, but what has probabilities is asked for them.
            classifier_tags=ClassifierTags(multi_class=False),
            regressor_tags=None,
            input_tags=InputTags(sparse=True),
        )

    def _request(self, n_rows: int, n_columns: int) -> str:
        """What is to be fitted to rows of this shape, as JSON: the native half resolves and
        checks it.

        A parameter that is None is left to the preset.
        """
        base: type[Parameters] = next(b for b in type(self).__mro__ if "_detector" in vars(b))
        given: dict[str, Any] = {name: getattr(self, name) for name in base._defaults()}
        preset = given.pop("preset", "default")
        if not isinstance(preset, str):
            raise TypeError(f"preset = {preset!r}: expected a name, such as 'default'")
        keys = {k: v for k, v in given.items() if k not in CALL and v is not None}
        keys = _synonyms.by_rows(self._detector, keys, n_rows, n_columns)
        for name, value in keys.items():
            if isinstance(value, (float, np.floating)) and not np.isfinite(value):
                raise ValueError(f"{name} = {value}: expected a finite number")
        request = {"detector": self._detector, "preset": preset, "keys": keys}
        return json.dumps(request, default=plain)
