"""What can be set, and how a value is checked: parameters of strategies and plugins, options of configs."""

from vectra_bot.params.configurable import (
    Configurable,
    configure,
    param,
    parameters,
    settings_of,
)
from vectra_bot.params.declaration import (
    Heading,
    Option,
    Parameter,
    Refused,
    declared,
    like,
    option,
    option_of,
    options_of,
)
from vectra_bot.params.values import convert, shortest

__all__ = [
    "Configurable",
    "Heading",
    "Option",
    "Parameter",
    "Refused",
    "configure",
    "convert",
    "declared",
    "like",
    "option",
    "option_of",
    "options_of",
    "param",
    "parameters",
    "settings_of",
    "shortest",
]
