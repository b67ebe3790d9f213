"""pgwaked's configuration files (libconfig), written from Python values."""

from pathlib import Path


def render(settings: dict) -> str:
    """dict -> group, list of dicts -> list of groups, other lists -> array; str, bool, int and float as they are."""
    return "".join(f"{key} = {_value(value, 0)};\n" for key, value in settings.items())


def _value(value: object, depth: int) -> str:
    inner, outer = "  " * (depth + 1), "  " * depth
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, Path)):
        return quote(str(value))
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, dict):
        lines = "".join(f"{inner}{key} = {_value(each, depth + 1)};\n" for key, each in value.items())
        return "{\n" + lines + outer + "}"
    if isinstance(value, (list, tuple)):
        open_, close = ("[", "]") if value and not isinstance(value[0], dict) else ("(", ")")
        items = (",\n" + inner).join(_value(each, depth + 1) for each in value)
        return f"{open_}\n{inner}{items}\n{outer}{close}" if value else "()"
    raise TypeError(f"no setting can be {value!r}")


def quote(text: str) -> str:
    """A libconfig string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def merge(base: dict, more: dict) -> dict:
    """`more` over `base`, group by group."""
    merged = dict(base)
    for key, value in more.items():
        merged[key] = merge(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    return merged
