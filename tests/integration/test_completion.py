"""Completion in bash and zsh: what it offers is what the programs' own --help says, command by command."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from rig.daemon import built, clean_environment

TOP = Path(__file__).resolve().parents[2]

BASH = """
source {file}
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
{function}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""

# The functions of zsh's completion system, as far as they are used: they print what they are given.
ZSH = """
compadd() {{ [[ $1 == -a ]] && print -l -- ${{(P)2}} || print -l -- $@ }}
_describe() {{ print -l -- ${{${{(P)2}}%%:*}} }}
_files() {{ print FILES }}
_message() {{ }}
words=({words})
CURRENT=$#words
source {file}
"""


def help_of(program: str, *argv: str) -> str:
    return subprocess.run([built(program), *argv, "--help"], capture_output=True, text=True, check=True).stdout


def options_of(text: str) -> set[str]:
    return set(re.findall(r"^  (?:-\w, |    )?(--[a-z-]+)", text, flags=re.M))


def commands() -> list[str]:
    return re.findall(r"^  ([a-z]+) {2,}\S", help_of("pgwake"), flags=re.M)


@pytest.fixture(params=["bash", "zsh"])
def complete(request, tmp):
    """complete(program, *words) -> the set of what the shell offers in place of the last word. pgwaked and pgwake are in PATH."""
    shell = shutil.which(request.param)
    if not shell:
        pytest.skip(f"no {request.param}")
    programs = tmp / "bin"
    programs.mkdir()
    for program in ("pgwaked", "pgwake"):
        (programs / program).symlink_to(built(program).resolve())
    environment = clean_environment(tmp)
    environment["PATH"] = f"{programs}:{environment['PATH']}"

    def make(program: str, *words: str, socket: Path | None = None) -> set[str]:
        quoted = " ".join(f"'{word}'" for word in (program, *words))
        if request.param == "bash":
            file = TOP / "etc/bash-completion" / program
            script, argv = BASH.format(file=file, words=quoted, function=f"_{program}"), [shell, "--norc", "--noprofile"]
        else:
            file = TOP / "etc/zsh-completion" / f"_{program}"
            script, argv = ZSH.format(file=file, words=quoted), [shell, "-f"]
        more = {"PGWAKE_SOCKET": str(socket)} if socket else {}
        done = subprocess.run([*argv, "-c", script], capture_output=True, text=True, check=False, env={**environment, **more}, cwd=tmp)
        assert not done.stderr, done.stderr
        offered = {line for line in done.stdout.splitlines() if line}
        # bash is given what fits, zsh finds that out itself.
        return {each for each in offered if each.startswith(words[-1]) or each == "FILES"}

    make.shell = request.param
    return make


def test_the_first_word_is_one_of_the_commands(complete):
    assert complete("pgwake", "") == set(commands())
    assert complete("pgwake", "wa") == {each for each in commands() if each.startswith("wa")}


def test_every_command_has_its_own_options(complete):
    for command in commands():
        assert complete("pgwake", command, "--") == options_of(help_of("pgwake", command)), command


def test_pgwaked_has_its_options(complete):
    assert complete("pgwaked", "--") == options_of(help_of("pgwaked"))


def test_names_are_the_daemons(complete, make_daemon):
    daemon = make_daemon([{"name": name, "conninfo": "host=127.0.0.1 port=1 user=app", "wake_at_start": False} for name in ("main", "more-of-it")]).start()
    socket = daemon.status_socket
    assert complete("pgwake", "wait", "", socket=socket) == {"main", "more-of-it"}
    assert complete("pgwake", "wait", "main", "--timeout", "5s", "mo", socket=socket) == {"more-of-it"}
    assert complete("pgwake", "hold", "m", socket=socket) == {"main", "more-of-it"}
    assert complete("pgwake", "reload", "", socket=socket) == set()
    daemon.stop()
    assert complete("pgwake", "wait", "", socket=socket) == set()


def test_values_of_options_are_offered_where_they_are_known(complete, tmp):
    (tmp / "a.sock").touch()
    assert "asleep" in complete("pgwake", "wait", "--for", "")
    assert complete("pgwake", "check", "--accept", "") == {"asleep"}
    assert complete("pgwake", "wait", "--timeout", "") == set()
    assert complete("pgwake", "--socket", "a") == ({"a.sock"} if complete.shell == "bash" else {"FILES"})
    assert complete("pgwaked", "-c", "a") == ({"a.sock"} if complete.shell == "bash" else {"FILES"})


def test_the_states_are_those_of_the_program(complete):
    """`wait --for` takes each that is offered; the daemon is not asked for that."""
    offered = complete("pgwake", "wait", "--for", "")
    table = subprocess.run([built("pgwaked"), "--dump-machine"], capture_output=True, text=True, check=True).stdout
    words = {word for line in table.splitlines() for word in line.split("\t")}
    assert offered - {"ready"} <= words and len(offered) == 9
