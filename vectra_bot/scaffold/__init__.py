"""New distributions from templates: a strategy or a plugin that installs, is tested and runs at once.

Imports loading and plugins, for the names that are taken. The templates are package data; in each, ``$name``,
``$module``, ``$cls`` and ``$version`` are replaced.
"""

from vectra_bot.scaffold.project import Project, ProjectKind, write_project

__all__ = ["Project", "ProjectKind", "write_project"]
