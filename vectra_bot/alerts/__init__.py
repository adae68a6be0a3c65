"""What an alert rule is, how the engine calls rules, and what decides the delivery of their alerts.

A rule is deterministic: the engine feeds it with events, and each alert that it gives is stored as an
``alert_trigger`` document, the same in every replay. Rules see no preferences.
"""

from vectra_bot.alerts.book import AlertBook, RuleFault
from vectra_bot.alerts.model import AlertModel
from vectra_bot.alerts.rule import RULE_CALLBACKS, AlertDraft, AlertRule, RuleSurroundings
from vectra_bot.alerts.sink import AlertNotice, AlertSink

__all__ = [
    "RULE_CALLBACKS",
    "AlertBook",
    "AlertDraft",
    "AlertModel",
    "AlertNotice",
    "AlertRule",
    "AlertSink",
    "RuleFault",
    "RuleSurroundings",
]
