"""The contract types `allowed` and `forbidden_apart` of import-linter.

`allowed`: a room's direct imports stay within a list. Everything of our own packages that is not on the list
is forbidden, so a new module is closed to all rooms until the table names it. `forbidden_apart`: a forbidden
contract for a room apart from a part of it that has a contract of its own.
"""

from __future__ import annotations

from grimp import ImportGraph
from importlinter.application import output
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.domain import fields
from importlinter.domain.contract import Contract, ContractCheck
from importlinter.domain.helpers import module_expressions_to_modules
from importlinter.domain.imports import Module


class AllowedContract(Contract):
    """Each source, with what is below it, imports only itself and the allowed modules.

    A name ending in ``!`` allows that module alone, without what is below it. A wildcard makes every
    module it matches a source of its own, so siblings stay apart. A module set ``apart`` has a contract of
    its own, and the rest of its room may not import it.
    """

    type_name = "allowed"

    source_modules = fields.SetField(subfield=fields.ModuleExpressionField())
    allowed_modules = fields.SetField(subfield=fields.StringField(), required=False)
    apart_modules = fields.SetField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        roots = {str(name) for name in self.session_options["root_packages"]}
        sources = {m.name for m in module_expressions_to_modules(graph, self.source_modules)}
        allowed = {str(name) for name in self.allowed_modules or ()}
        apart = {str(name) for name in self.apart_modules or ()}
        for name in {name.rstrip("!") for name in allowed} | sources | apart:
            if name not in graph.modules:
                raise ValueError(f"module {name} does not exist")
        broken = []
        for source in sorted(sources):
            for importer in sorted({source} | graph.find_descendants(source)):
                if any(_within(importer, name) for name in apart):
                    continue
                for imported in sorted(graph.find_modules_directly_imported_by(importer)):
                    if imported.split(".")[0] not in roots:
                        continue
                    inside = _within(imported, source)
                    if inside and not any(_within(imported, name) for name in apart):
                        continue
                    if inside or not any(_permits(entry, imported) for entry in allowed):
                        details = graph.get_import_details(importer=importer, imported=imported)
                        lines = [str(detail["line_number"]) for detail in details]
                        broken.append(f"{importer} -> {imported} (l. {', '.join(lines)})")
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for line in check.metadata["broken"]:
            output.print_error(f"-   {line}", bold=False)
        output.new_line()


class ForbiddenApartContract(ForbiddenContract):
    """A forbidden contract that does not look at the modules set ``apart``, nor at ways through them."""

    type_name = "forbidden_apart"

    apart_modules = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        for name in sorted(str(module) for module in self.apart_modules):
            if name not in graph.modules:
                raise ValueError(f"module {name} does not exist")
            for module in {name} | graph.find_descendants(name):
                graph.remove_module(module)
        return super().check(graph, verbose)


def _within(name: str, package: str) -> bool:
    return Module(name).is_in_package(Module(package))


def _permits(entry: str, imported: str) -> bool:
    if entry.endswith("!"):
        return imported == entry[:-1]
    return _within(imported, entry)
