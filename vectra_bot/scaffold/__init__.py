"""New distributions from templates: a strategy or a plugin that installs, is tested and runs at once.

Imports errors only: names that are taken are found by their entry points. The templates are package data; in
each, ``$name``, ``$module``, ``$cls`` and ``$version`` are replaced.
"""

from vectra_bot.scaffold.project import Project, ProjectKind, write_project

__all__ = ["Project", "ProjectKind", "write_project"]
