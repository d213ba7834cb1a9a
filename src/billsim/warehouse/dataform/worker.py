"""Compiles a Dataform project by @dataform/core in QuickJS: the one job of a process that reads it on standard input, and so may be killed.

Run as a file, with the folder that holds the module `quickjs` as its argument. QuickJS has no file, network or process to offer to JavaScript, and is
given one function: it tells which file runs, on standard error, so that whoever kills the process can name that file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """One project in, as JSON; its compiled graph, or what is wrong, out."""
    sys.path.insert(0, sys.argv[1])
    given = json.load(sys.stdin.buffer)
    limit(given["cpu_s"], given["memory_bytes"])
    sys.stdout.write(compiled(given))


def limit(cpu_s: int, memory_bytes: int) -> None:
    """Has the system end this process beyond `cpu_s` seconds of CPU. What QuickJS allocates is limited by itself, all else by the system."""
    try:
        import resource
    except ModuleNotFoundError:
        return  # not a Unix: whoever started the process stops waiting for it
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        most = 2 * memory_bytes + (512 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def compiled(given: dict[str, Any]) -> str:
    """What loader.js answers, as JSON; or {"error"} where QuickJS itself gives up."""
    import quickjs  # type: ignore[import-untyped]

    context = quickjs.Context()
    context.set_memory_limit(given["memory_bytes"])
    context.set_max_stack_size(4 << 20)
    context.add_callable("note", note)
    context.set("given", json.dumps({key: given[key] for key in ("root", "files", "request")}))
    loader = Path(__file__).with_name("loader.js").read_text(encoding="utf-8")
    call = "const [job, tell] = [given, note]; delete globalThis.given; delete globalThis.note; return load(JSON.parse(job), tell);"
    try:
        return str(context.eval(f"(function () {{ const load = {loader.strip().removesuffix(';')}; {call} }})()"))
    except quickjs.JSException as wrong:
        return json.dumps({"error": {"message": str(wrong).splitlines()[0] if str(wrong) else "out of memory", "path": ""}, "absent": {}})


def note(path: str) -> None:
    """Says which file of the project runs from now on."""
    sys.stderr.write(f"{path}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
