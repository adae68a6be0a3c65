"""Parameters of strategies and plugins, options of configs: declaration, conversion, ranges.

Imports errors only. Does no I/O: values come from the caller, as text or typed.
"""

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
    advice,
    declared,
    like,
    option,
    option_of,
    options_of,
    parse_options,
)
from vectra_bot.params.secret import RECORDED, SecretReference, WrittenText, masked
from vectra_bot.params.values import convert, plain_number, shortest

__all__ = [
    "RECORDED",
    "Configurable",
    "Heading",
    "Option",
    "Parameter",
    "Refused",
    "SecretReference",
    "WrittenText",
    "advice",
    "configure",
    "convert",
    "declared",
    "like",
    "masked",
    "option",
    "option_of",
    "options_of",
    "param",
    "parameters",
    "parse_options",
    "plain_number",
    "settings_of",
    "shortest",
]
