"""The reader of dotenv files against the real python-dotenv: files as people write them, files with odd contents, and damaged ones.

What the two do not share is listed in pgwaked.conf(5), and here: a byte order mark, NUL bytes, and a bound for what ${...} may blow up.
"""

import io
import json
import logging
import os
import random
import subprocess
from pathlib import Path
from unittest import mock

import dotenv
import pytest

from rig.daemon import built, check_sanitizers
from rig.patience import patient

BOM = b"\xef\xbb\xbf"

# name -> text. Bytes where it is not UTF-8.
CORPUS = {
    "plain": "A=1\nB=two\n",
    "no newline at the end": "A=1\nB=two",
    "empty": "",
    "only a newline": "\n",
    "only white space": " \t \n  ",
    "only comments": "# one\n  # two\n#A=1\n",
    "empty value": "A=\nB=1\n",
    "empty value at the end": "A=",
    "empty quoted values": "A=''\nB=\"\"\n",
    "no equals sign": "A\nB=1\nC",
    "space around the equals sign": "A = 1\nB =2\nC= 3\nD\t=\t4\n",
    "space before the name": "  A=1\n\tB=2\n",
    "space at the end": "A=1  \nB='2'  \nC=\"3\"\t\n",
    "space inside": "A=one two  three\n",
    "export": "export A=1\nexport  B=2\nexport\tC=3\n  export D=4\n",
    "export without a name": "export\nexport \nexport =1\nA=1\n",
    "export of a name alone": "export A\n",
    "export is a name": "export=1\nexporting=2\nexport_=3\n",
    "comment behind a value": "A=1 # one\nB=2# none\nC=3\t# three\nD='4' # four\nE=\"5\"#five\n",
    "comment instead of a value": "A=#none\nB= #none\nC=   # none\n",
    "hash in quotes": "A='# a'\nB=\"b # b\"\n",
    "hash in a name": "A#B=1\nC=1\n",
    "hash without space": "A=postgres://u:p#w@h/d\n",
    "two comments": "A=1 # 2 # 3\nB=1 #\n",
    "single quotes": "A='one'\nB='o\"ne'\nC='it\\'s'\nD='a\\\\b'\nE='a\\nb'\nF='\\\"'\n",
    "double quotes": 'A="one"\nB="o\'ne"\nC="say \\"x\\""\nD="a\\\\b"\nE="a\\nb\\tc\\rd"\nF="\\a\\b\\f\\v"\nG="\\x41\\u0041\\z\\$"\n',
    "escapes without quotes": "A=a\\nb\nB=a\\\\b\nC=\\\"x\\\"\n",
    "a quote in the middle": "A=a'b'c\nB=a\"b\"c\nC=it's\n",
    "something behind the quotes": "A='1'2\nB=3\nC=\"4\" 5\nD=6\n",
    "a quote not closed": "A='1\nB=2\n",
    "a double quote not closed": 'A="1\nB=2\nC=3',
    "a quote closed lines later": "A='1\nB=2\nC='3'\nD=4\n",
    "an escaped quote that closes": "A='1\\'\nB=2\n",
    "an escaped double quote that closes": 'A="1\\"\nB=2\n',
    "backslashes before the quote": "A='1\\\\'\nB=\"1\\\\\"\nC='1\\\\\\'\n",
    "several lines": 'A="one\ntwo\n\n three"\nB=\'x\ny\'\nC=1\n',
    "a key of an RSA sort": 'KEY="-----BEGIN-----\nabc+/=\ndef==\n-----END-----\n"\nA=1\n',
    "CRLF": "A=1\r\nB='2'\r\n\r\n# x\r\nC=\"3\r\n4\"\r\nD=\r\n",
    "CR alone": "A=1\rB=2\r\rC='3\r4'\r",
    "mixed line ends": "A=1\r\nB=2\nC=3\rD=4\n\rE=5\r\n",
    "quoted names": "'A'=1\n'B C' = 2\n'D=E'=3\n''=4\n'F\n\"G\"=5\n",
    "odd names": "1A=1\nA-B=2\nA.B=3\nA B=4\n$A=5\nÄ=6\n-=7\n=8\n==9\nA:B=10\n",
    "a name twice": "A=1\nA=2\nB=${A}\nA=3\n",
    "a name again without a value": "A=1\nA\nB=${A:-x}\n",
    "variables": "A=1\nB=${A}\nC=x${A}y${B}z\nD=${C}${C}\n",
    "variables that come later": "A=${B}\nB=1\nC=${B}\n",
    "a variable of itself": "A=${A}\nB=1\nB=${B}${B}\n",
    "defaults": "A=${X:-1}\nB=${A:-2}\nC=${X:-}\nE=\nF=${E:-3}\nG\nH=${G:-4}\n",
    "defaults with odd text": "A=${X:-a:b}\nB=${X:-${Y}}\nC=${X:-a b # c}\nD='${X:-it}'\nE=${X:-:-}\n",
    "no variables": "A=$B\nB=$\nC=${\nD=${}\nE=${X\nF=$$\nG=${X:?no}\nH=${X-1}\nI={X}\nJ=${X:+1}\n",
    "variables in quotes": "A=1\nB='${A}'\nC=\"${A}\"\nD='\\${A}'\nE=\"\\${A}\"\nF=\\${A}\n",
    "nested braces": "A=1\nB=${${A}}\nC=${A}}\nD={${A}}\n",
    "a variable over lines": 'A="${X\nY}"\nB="${X:-a\nb}"\n',
    "variables with quoted names": "'A B'=1\nC=${A B}\n",
    "a line that is nothing": "A=1\n%%%\nthis is no setting\nB=2\n",
    "a shell script": "#!/bin/sh\nset -e\nexport A=1; B=2\nif true; then C=3; fi\nunset A\n",
    "YAML": "a: 1\nb:\n  - c\nD=1\n",
    "INI": "[section]\nA=1\n; comment\nB = 2\n",
    "JSON": '{\n "a": "b",\n "c": 1\n}\n',
    "a URL": "DATABASE_URL=postgresql+psycopg2://u:p%40ss@h:5432/d?sslmode=require&channel_binding=require\n",
    "a URL in quotes": "DATABASE_URL='postgres://u:p@h/d?options=-c%20a%3Db'\nX=\"${DATABASE_URL}\"\n",
    "a URL put together": ("POSTGRES_USER=u\nPOSTGRES_PASSWORD=p#w$1\nPOSTGRES_HOST=h\nPOSTGRES_PORT=5432\nPOSTGRES_DATABASE_NAME=d\n"
                           "AT=${POSTGRES_USER}:${POSTGRES_PASSWORD}@${POSTGRES_HOST}:${POSTGRES_PORT:-5432}\n"
                           "DATABASE_URL=postgresql://${AT}/${POSTGRES_DATABASE_NAME}\n"),
    "equals signs": "A==\nB=a=b=c\nC='='\n",
    "wide spaces": "A\u00a0=\u00a01\u00a0\nB=x\u2003# y\n\u3000C=2\nD='3'\u2009\nE=a\u00a0b\n",
    "line separators": "A=1\u2028B=2\nC=3\x0bD=4\nE=5\x0cF=6\nG=7\x85H=8\nI=9\x1cJ\n",
    "other scripts": "NAME=Ärger\nB='日本語'\nC=\"🐘 \\n\"\n日本=1\n",
    "control characters": "A=\x01\x02\nB='\x7f'\nC=\x1b[0m\n",
    "a lone backslash": "A=\\\nB='\\'\nC=\"\\\"\n",
    "long": "A=" + "x" * 60_000 + "\nB=${A}\n",
    "many": "".join(f"N{i}=${{N{i - 1}}}{i % 10}\n" for i in range(500)),
    "tabs": "\tA\t=\t'1'\t#\tx\t\n",
    "vertical tab behind a quote": "A='1'\x0b\nB=2\n",
    "not UTF-8": b"A=1\nB=\xff\n",
    "Latin-1": "A=Ärger\n".encode("latin-1"),
    "a surrogate": b"A=\xed\xa0\x80\n",
    "overlong": b"A=\xc0\xaf\n",
    "UTF-16": "A=1\n".encode("utf-16"),
}


def by_python(text: bytes):
    """As load_dotenv() and dotenv_values() read a file, in an empty environment. None: it raises."""
    with mock.patch.dict(os.environ, clear=True):
        try:
            return dict(dotenv.dotenv_values(stream=io.TextIOWrapper(io.BytesIO(text), encoding="utf-8")))
        except UnicodeDecodeError:
            return None


@pytest.fixture(name="printer", scope="session")
def dotenv_printer():
    """The program that prints what pgwaked reads."""
    program = Path(os.environ.get("BUILDDIR", built("pgwaked").parent)) / "tests/fuzz/dotenv-print"
    done = subprocess.run(["make", "-C", str(program.parents[2]), "tests/fuzz/dotenv-print"], capture_output=True, text=True, check=False)
    assert program.exists(), done.stdout + done.stderr
    return program


def by_pgwaked(program, texts):
    data = b"".join(b"%d\n%s" % (len(text), text) for text in texts)
    done = subprocess.run([program], input=data, capture_output=True, timeout=patient(120), check=False)
    check_sanitizers(done.stderr.decode(errors="replace"))
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.decode().split("\n")[:-1]]
    assert len(answers) == len(texts)
    return answers


@pytest.fixture(autouse=True)
def quiet():
    logging.getLogger("dotenv.main").setLevel(logging.ERROR)


def test_a_corpus_of_odd_files_reads_as_python_dotenv_reads_it(printer):
    assert len(CORPUS) >= 60
    texts = [text if isinstance(text, bytes) else text.encode() for text in CORPUS.values()]
    for name, text, ours in zip(CORPUS, texts, by_pgwaked(printer, texts)):
        assert ours == by_python(text), (name, text[:500])


PIECES = ["A", "B", "C", "AB", "=", "=", "=", "\n", "\n", "\n", "\r\n", "\r", " ", " ", "\t", "'", "'", '"', '"', "\\", "\\'", '\\"', "\\n", "\\\\", "#",
          " #", "export", "export ", "${A}", "${B:-x}", "${", "}", ":-", "$", "1", "x y", "\u00a0", "\u2028", "\x0b", "\x0c", "\x1c", "\x85", "ä", "🐘",
          "\n'", "=\"", "='", "A=", "\nB=", "\nexport C = "]


def test_random_files_read_as_python_dotenv_reads_them(printer):
    """The same ones at every run."""
    dice = random.Random(6)
    corpus = [text for text in CORPUS.values() if isinstance(text, str) and len(text) < 500]
    texts = []
    for _ in range(30_000):
        text = "".join(dice.choice(PIECES) for _ in range(dice.randrange(1, 30)))
        if dice.random() < 0.3:
            seed = dice.choice(corpus)
            at = dice.randrange(len(seed) + 1)
            text = seed[:at] + text + seed[at + dice.randrange(4):]
        texts.append(text.encode())
    wrong = [(text, ours, theirs) for text, ours in zip(texts, by_pgwaked(printer, texts)) if ours != (theirs := by_python(text))]
    assert not wrong, f"{len(wrong)} of {len(texts)}: {min(wrong, key=lambda each: len(each[0]))}"
    values = sum(bool(by_python(text)) for text in texts)
    print(f"{len(texts)} random files read the same, {values} of them with a value")
    assert values > 10_000


def test_what_is_read_otherwise_than_python_dotenv_reads_it(printer):
    """As pgwaked.conf(5) says."""
    ours = by_pgwaked(printer, [BOM + b"A=1\n", b"A=1\0\n", b"A=0123456789\n" + b"A=${A}${A}\n" * 20, b"A=" + b"x" * 200_000])
    assert ours == [{"A": "1"}, None, None, None]
    assert by_python(BOM + b"A=1\n") == {"\ufeffA": "1"}
    assert by_python(b"A=1\0\n") == {"A": "1\0"}


def test_nothing_is_taken_from_the_environment(printer):
    with mock.patch.dict(os.environ, {"OUTSIDE": "x"}):
        assert by_pgwaked(printer, [b"A=${OUTSIDE}${HOME:-y}\n"]) == [{"A": "y"}]
