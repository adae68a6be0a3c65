"""The plugins of a backtest of alerts: rules by plugin name or file, and the model that states chances."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen

from vectra_bot.alerts import AlertModel, AlertRule
from vectra_bot.errors import InputError, safe_error
from vectra_bot.hookspecs import hookimpl
from vectra_bot.loading import class_of_file
from vectra_bot.loading.given import installed_plugins
from vectra_bot.loading.plugins import PluginChoice, load_plugins
from vectra_bot.params import configure
from vectra_bot.plugins import PluginManager

Register = Callable[[AlertRule | AlertModel], None]


@frozen
class _Given:
    """A plugin that registers what the user named; each session has its own."""

    rules: tuple[type[AlertRule], ...]
    model: type[AlertModel] | None

    @hookimpl(trylast=True)
    def register_alert_rules(self, register: Register) -> None:
        """Register the rules and the model."""
        for rule in self.rules:
            register(configure(rule, {}))
        if self.model is not None:
            register(self.model())


def rule_plugins(
    names: Sequence[str],
    model: str | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> Callable[[], PluginManager]:
    """Return what makes the plugins of one session.

    Args:
        names: plugins by name, and rules as ``./file.py[:Class]``.
        model: ``./file.py[:Class]`` of an :class:`AlertModel`; the law if None.
        settings: parameters by plugin name.

    Raises:
        UnknownNameError: a plugin or class is not known.
        InputError, StrategyError: a file cannot be used.
        ConfigError: a rule or a parameter is wrong.
    """
    files = [name for name in names if name.partition(":")[0].endswith(".py") or "/" in name]
    rules = tuple(class_of_file(name, AlertRule) for name in files)
    chosen = None if model is None else class_of_file(model, AlertModel)
    plugins = [name for name in names if name not in files]
    for rule in rules:
        configure(rule, {})
    if chosen is not None:
        _check_model(chosen)
    others = installed_plugins().keys() - {*plugins, *(settings or ())}
    choice = PluginChoice(settings=settings or {}, enable=tuple(plugins), disable=tuple(others))

    def make() -> PluginManager:
        manager = load_plugins(choice)
        manager.register("(rules)", _Given(rules, chosen))
        return manager

    make()
    return make


def _check_model(model: type[AlertModel]) -> None:
    try:
        model()
    except Exception as error:
        raise InputError(
            f"alert model {model.__name__} cannot be created ({safe_error(error)}): correct it"
        ) from error


__all__ = ["rule_plugins"]
