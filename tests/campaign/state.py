"""What is done: one line of JSON a unit, one file a kind and shard, so that shards can be put together with git."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from tests.campaign.base import Outcome


class State:
    """The units of one kind that are done with the files as they are now; `mark` tells those files."""

    def __init__(self, folder: Path, kind: str, mark: str, shard: tuple[int, int] = (1, 1)) -> None:
        self.kind, self.mark, self.folder = kind, mark, folder
        self.file = folder / f"{kind}.{shard[0]}-of-{shard[1]}.jsonl"
        self.done = {unit: outcome for file in self._files() for unit, outcome in self._read(file)}

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(f"{self.kind}.*-of-*.jsonl"))

    def _read(self, file: Path) -> Iterator[tuple[str, Outcome]]:
        for line in file.read_text("utf-8").splitlines():
            try:
                record = json.loads(line)
            except ValueError:  # the last line of a campaign that was killed
                continue
            if record["mark"] == self.mark:
                lists = {name: tuple(record[name]) for name in ("failures", "remarks")}
                yield record["unit"], Outcome(record["counts"], **lists)

    def add(self, unit: str, outcome: Outcome) -> None:
        """Remember a unit, on disk before this returns; what was shown of other files is forgotten."""
        self.done[unit] = outcome
        self.folder.mkdir(parents=True, exist_ok=True)
        own = [line for line in self._lines() if f'"mark": "{self.mark}"' in line]
        own.append(json.dumps({"unit": unit, "mark": self.mark, **asdict(outcome)}, ensure_ascii=True))
        aside = self.file.with_suffix(".new")
        with aside.open("w", encoding="utf-8") as stream:
            stream.write("\n".join(own) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(self.file)

    def _lines(self) -> list[str]:
        return self.file.read_text("utf-8").splitlines() if self.file.exists() else []
