"""pgwaked's log lines, logfmt or JSON, as entries that tests can ask for by field."""

import json
import re

_PAIR = re.compile(r'([^\s=]+)=("(?:[^"\\]|\\.)*"|\S*)')


class Entry(dict):
    """One entry. Keys are lower-case without the PGWAKE_ prefix: entry["state"] is PGWAKE_STATE or state."""

    def __init__(self, fields: dict, line: str):
        super().__init__({_key(key): value for key, value in fields.items()})
        self.line = line

    def matches(self, wanted: dict) -> bool:
        return all(str(self.get(_key(key))) == str(value) for key, value in wanted.items())


def _key(name: str) -> str:
    return name.lower().removeprefix("pgwake_")


def parse_line(line: str) -> Entry | None:
    """The entry in a line; None for a line that is neither format."""
    line = line.strip()
    if line.startswith("{"):
        try:
            return Entry(json.loads(line), line)
        except ValueError:
            return None
    pairs = {key: _unquote(value) for key, value in _PAIR.findall(line)}
    return Entry(pairs, line) if pairs and _PAIR.match(line) else None


def parse(text: str) -> list[Entry]:
    return [entry for line in text.splitlines() if (entry := parse_line(line)) is not None]


def _unquote(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value[1:-1]
