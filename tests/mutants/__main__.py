"""`make mutants ARGS="retry --every 5"`: a table of modules, and each mutant that no test sees."""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from . import runner
from .explained import EXPLAINED
from .operators import mutants
from .targets import TARGETS

_ROW = "{:<30} {:>8} {:>8} {:>8} {:>10} {:>10} {:>7}"


def main(arguments: list[str]) -> int:
    """Try the mutants; the exit code is 1 if one survives that is not explained."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", help="parts of the modules' paths; unless given, all")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each Nth mutant")
    parser.add_argument("--from", type=int, default=0, metavar="N", help="the first of them")
    parser.add_argument(
        "--line", type=int, nargs="+", metavar="N", help="only those of these lines"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default: 1)")
    parser.add_argument("--package", type=Path, help="another package, in a folder with its tests")
    parser.add_argument("--tests", nargs="+", default=[], help="the tests of the other package")
    given = parser.parse_args(arguments)
    package = given.package or _installed()
    root = given.package.parent if given.package else Path.cwd()
    targets = {
        module: given.tests or TARGETS[module]
        for module in (given.modules if given.package else TARGETS)
        if not given.modules or any(part in module for part in given.modules)
    }
    if not targets:
        parser.error(f"No module is called so; there are {', '.join(TARGETS)}.")
    if not given.package:
        runner.preload()
    with ExitStack() as stack:
        trees = []
        for _ in range(given.jobs):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mutants-"))
            trees.append(runner.copy_tree(root, package, Path(folder)))
        sample = slice(getattr(given, "from"), None, given.every)
        return _report(trees, package, targets, sample, given.line)


def _installed() -> Path:
    import langchain_parallel

    return Path(langchain_parallel.__file__).parent


def _report(
    trees: list[Path],
    package: Path,
    targets: dict[str, tuple[str, ...]],
    sample: slice,
    lines: list[int] | None,
) -> int:
    survivors: list[tuple[str, int, str, str]] = []
    stale = set(EXPLAINED)
    killed_of_all = late_of_all = tried_of_all = 0
    _print(_ROW.format("module", "mutants", "killed", "too long", "explained", "survived", "rate"))
    for module, tests in targets.items():
        everyone = list(mutants((package / module).read_text()))
        stale -= {(module, one.before, one.after) for one in everyone}
        chosen = [one for one in everyone[sample] if not lines or one.line in lines]
        killed = late = explained = survived = 0
        for tried in runner.try_mutants(trees, f"{package.name}/{module}", tests, chosen):
            mutant = tried.mutant
            if tried.killed:
                killed += 1
                late += not tried.in_time
            elif (module, mutant.before, mutant.after) in EXPLAINED:
                explained += 1
            else:
                survived += 1
                survivors.append((module, mutant.line, mutant.before, mutant.after))
                print(
                    f"{module}:{mutant.line}\n  - {mutant.before}\n  + {mutant.after}",
                    file=sys.stderr,
                    flush=True,
                )
        killed_of_all, late_of_all = killed_of_all + killed, late_of_all + late
        tried_of_all += len(chosen)
        _print(
            _ROW.format(
                module, len(chosen), killed, late, explained, survived, _rate(killed, len(chosen))
            )
        )
    _print(
        _ROW.format(
            "all",
            tried_of_all,
            killed_of_all,
            late_of_all,
            "",
            len(survivors),
            _rate(killed_of_all, tried_of_all),
        )
    )
    for module, line, before, after in survivors:
        _print(f"\n{module}:{line}\n  - {before}\n  + {after}")
    for module, before, after in sorted(one for one in stale if one[0] in targets):
        _print(f"\n{module}: explained, but no mutant any more\n  - {before}\n  + {after}")
    return 1 if survivors else 0


def _rate(killed: int, tried: int) -> str:
    return f"{100 * killed / tried:.1f} %" if tried else ""


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
