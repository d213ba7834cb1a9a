"""Dataform projects, compiled as Dataform compiles them, without Node."""

from billsim.warehouse.dataform.compiler import SHIPPED, compile_folder, ship, shipped
from billsim.warehouse.dataform.folder import COMPILED
from billsim.warehouse.dataform.graph import Definition, Graph, Kind, Target, UnitTest, dump, in_order, load
from billsim.warehouse.dataform.sandbox import Limits

__all__ = [
    "COMPILED",
    "SHIPPED",
    "Definition",
    "Graph",
    "Kind",
    "Limits",
    "Target",
    "UnitTest",
    "compile_folder",
    "dump",
    "in_order",
    "load",
    "ship",
    "shipped",
]
