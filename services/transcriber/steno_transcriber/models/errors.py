"""The errors of models. Pure.

ModelError
├── UnknownModel     neither a name in the catalogue nor a directory
├── ModelMissing     known, but not pulled yet
├── ModelDamaged     a file is not what the catalogue says
└── ModelUnreachable no source could give it
"""

from steno.errors import StenoError


class ModelError(StenoError):
    """A speech model is not available or not usable; the message says what to do."""

    error_class = "model"


class UnknownModel(ModelError):
    """Neither a name in the catalogue nor a directory with a model in it."""


class ModelMissing(ModelError):
    """The model is known, but is not on this machine."""


class ModelDamaged(ModelError):
    """A file is present but differs from the catalogue."""


class ModelUnreachable(ModelError):
    """No source could provide the model."""
