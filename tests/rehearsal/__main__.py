"""Run it: `python -m tests.rehearsal demo`, `rehearse` for all of it, `starter` for the smallest centre alone.

0 when every step passed, else 1.
"""

from __future__ import annotations

import argparse
import sys

from tests.rehearsal.console import Console
from tests.rehearsal.story import demo, live_with_it, rehearse

STORIES = {"demo": demo, "rehearse": rehearse, "starter": live_with_it}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.rehearsal", description=__doc__)
    parser.add_argument("story", choices=STORIES)
    story = STORIES[parser.parse_args().story]
    try:
        story(Console())
    except Exception as error:
        # Where it happened stands in the log that the story has named.
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
