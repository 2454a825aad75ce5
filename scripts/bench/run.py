"""Runs measures and prints what they find as Markdown. `scripts/bench.sh` prepares what is needed, and calls this."""

import subprocess
import sys
import traceback

import doors
import events
import exchange
import fog
import links
import machine
import place
import services
import sessions
import sizes
import sla
import table

MEASURES = {
    "get": exchange.get, "query": exchange.query, "post": exchange.post, "mixed": exchange.mixed,
    "memory": sizes.memory, "start": sizes.start, "million": sizes.million, "idle": sizes.idle,
    "events": events.events, "links": links.links, "children": links.children,
    "replicate": fog.replicate, "forward": fog.forward, "takeover": fog.takeover,
    "sessions": sessions.sessions, "cookie": sessions.cookie,
    "assess": sla.assess, "agreements": sla.agreements, "services": services.measure,
    "doors": doors.measure,
}


def main(names):
    """Prints a table of the named measures. Status 1 if one could not be taken; a missed goal is a result."""
    unknown = [name for name in names if name not in MEASURES]
    if unknown or not names:
        print(f"error: expected measures among {' '.join(MEASURES)}, found {unknown or 'none'}", file=sys.stderr)
        return 2
    print("\n".join(machine.facts()) + "\n", flush=True)
    print(table.HEAD, flush=True)
    broken = 0
    for name in names:
        print(f"==> {name}", file=sys.stderr, flush=True)
        try:
            for row in MEASURES[name]():
                print(row, flush=True)
        except (place.Failure, OSError, ValueError, KeyError, subprocess.SubprocessError) as failure:
            broken += 1
            if not isinstance(failure, place.Failure):
                traceback.print_exc()
            print(f"error: {name} could not be measured: {failure}", file=sys.stderr, flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
