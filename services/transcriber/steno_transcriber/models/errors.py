"""What can be wrong with a model. Pure.

ModelError
├── UnknownModel     neither a name in the catalogue nor a directory
├── ModelMissing     known, but not pulled yet
├── ModelDamaged     a file is not what the catalogue says
└── ModelUnreachable no source could give it
"""

from steno.errors import StenoError


class ModelError(StenoError):
    """A speech model cannot be had or used; the message says what to do."""

    error_class = "model"


class UnknownModel(ModelError):
    """Neither a name in the catalogue nor a directory with a model in it."""


class ModelMissing(ModelError):
    """The model is known, but is not on this machine."""


class ModelDamaged(ModelError):
    """A file is there and is not what the catalogue says."""


class ModelUnreachable(ModelError):
    """None of its sources could give a model."""
