"""HTTP to the letter: what a request is for, by which name it asks, and what is said to one that is none."""

import pytest

from rig.exact import Wire
from rig.ports import Port
from rig.rawhttp import ask, get, status_of

QUIET = 'conninfo = "host=127.0.0.1 port=1 user=a dbname=a"; policy = "observe"; door_interval = "0s";'
ALIVE = b'{"alive":true}'


@pytest.fixture(name="port")
def reserved_port():
    with Port() as port:
        yield port.number


@pytest.fixture(name="daemon")
def listening_daemon(make_daemon, port):
    daemon = make_daemon(f'{{ name = "main"; {QUIET} }}',
                         settings={"status": {"listen": [f"127.0.0.1:{port}"], "allowed_hosts": ["Status.example.com"]}}).start()
    daemon.tcp = ("127.0.0.1", port)
    return daemon


def plain(target, *headers, version="1.1"):
    return "\r\n".join([f"GET {target} HTTP/{version}", *headers, "Connection: close", "", ""]).encode("latin-1")


def test_an_absolute_target_is_its_path(daemon):
    for where in (daemon.status_socket, daemon.control_socket, daemon.tcp):
        with Wire(where) as wire:
            for target, status in (("http://localhost/livez", 200), ("HTTP://localhost:9817/livez", 200), ("http://[::1]/readyz/main", 503),
                                   ("http://localhost/readyz?accept=asleep", 503), ("http://localhost/status/%6dain", 200),
                                   ("http://localhost", 200), ("http://localhost/", 200), ("http://localhost?x=1", 400),
                                   ("http://localhost/none", 404), ("http:///livez", 404), ("http://localhost%2flivez", 404),
                                   ("http://me@localhost/livez", 404), ("ftp://localhost/livez", 404), ("http:/livez", 404)):
                assert wire.ask(target).status == status, (where, target)
            assert wire.ask("http://localhost/livez").body == ALIVE


OURS = ("localhost", "LOCALHOST:80", "localhost.", "127.0.0.1", "127.0.0.1:9817", "127.1.2.3", "[::1]", "[::1]:9817", "[::ffff:127.0.0.1]",
        "status.example.com", "STATUS.EXAMPLE.COM:9817", "status.example.com.")
FOREIGN = ("evil.example", "localhost.evil.example", "example.com", "a.status.example.com", "127.0.0.1.evil.example", "128.0.0.1",
           "0.0.0.0", "[::]",
           "[::2]", "[::1", "::1", "localhost:x", "localhost:80:90", "[localhost]", "", ":80", "127.1", "me@localhost", "x" * 1000)


REFUSED = {
    b"GET /livez\r\n\r\n": 400, b"GET /livez HTTP/1.1x\r\n\r\n": 400, b"GET /livez HTTQ/1.1\r\n\r\n": 400,
    b"GET /livez HTTP/2.0\r\nHost: localhost\r\n\r\n": 505, b"GET /livez HTTP/0.9\r\n\r\n": 505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": 505,
    get("/livez", "GET", "No colon here"): 400, get("/livez", "GET", "Content-Length: x"): 400,
    get("/livez", "GET", "Content-Length: -1"): 400,
    get("/livez", "GET", "Content-Length: 99999999999999999999999"): 413,
    get("/livez", "POST", "Transfer-Encoding: chunked") + b"x\r\n\r\n": 400,
    # Where the arguments do not fit beside what was read already: libmicrohttpd 0.9 has parsed half of the line by then, and 1.0 says 414.
    **{get("/livez?" + "&".join(["a=1"] * n)): (431, 414) for n in (240, 300, 1000, 3000)}, get("/livez?" + "&" * 2000): (431, 414),
    get("/livez", "GET", "Cookie: " + "; ".join(["a=b"] * 1000)): 431,
    get("/" + "x" * 40_000): 414, get("/livez", "GET", "X: " + "x" * 40_000): 431, get("/livez", "GET", *["X: y"] * 5_000): 431,
}


def test_what_the_library_refuses_is_refused_once_and_in_our_words(daemon):
    for where in (daemon.status_socket, daemon.control_socket, daemon.tcp):
        for request, status in REFUSED.items():
            for before in (0, 1, 3):
                with Wire(where) as wire:
                    wire.send(get("/livez") * before + request)
                    for _ in range(before):
                        assert wire.answer().body == ALIVE
                    answer = wire.answer()
                    statuses = status if isinstance(status, tuple) else (status,)
                    assert answer.status in statuses and answer.headers["connection"] == "close", (where, request[:80], answer.status)
                    assert answer.headers["content-type"] == "application/json"
                    assert answer.json.keys() == {"error", "message"}, answer.body
                    wire.end()


def test_on_loopback_only_the_names_of_loopback_and_those_that_are_allowed_are_answered(daemon):
    """Else a page whose name is made to lead here by its owner's DNS reads names, owners and history in somebody's browser."""
    for host in OURS:
        assert status_of(ask(daemon.tcp, plain("/livez", f"Host: {host}"))) == 200, host
        assert status_of(ask(daemon.tcp, plain(f"http://{host}/livez", "Host: evil.example"))) == 200, host
    for host in FOREIGN:
        for path in ("/livez", "/status", "/events?follow=0", "/history/main?kind=states", "/none"):
            answer = ask(daemon.tcp, plain(path, f"Host: {host}"))
            assert status_of(answer) == 421 and b'"error":"misdirected"' in answer and b"allowed_hosts" in answer, (host, path)
        assert status_of(ask(daemon.status_socket, plain("/livez", f"Host: {host}"))) == 200
        assert status_of(ask(daemon.control_socket, plain("/livez", f"Host: {host}"))) == 200
    for host in ("evil.example", "128.0.0.1"):
        assert status_of(ask(daemon.tcp, plain(f"http://{host}/livez", "Host: localhost"))) == 421, "the target's own host is what counts"
    assert status_of(ask(daemon.tcp, plain("/livez", version="1.0"))) == 200, "no browser: it would say whom it asks"
    assert status_of(ask(daemon.tcp, plain("/livez", "Host: evil.example", version="1.0"))) == 421


def test_beyond_loopback_every_name_is_answered(make_daemon, port):
    make_daemon(settings={"status": {"listen": [f"0.0.0.0:{port}"]}}).start()
    assert status_of(ask(("127.0.0.1", port), plain("/livez", "Host: any.example"))) == 200


@pytest.mark.parametrize("headers", [("Content-Length: 0", "Content-Length: 40"), ("Content-Length: 40", "Content-Length: 0"),
                                     ("Content-Length : 40",), ("X : y",)])
def test_what_follows_a_request_whose_end_is_said_in_two_ways_is_no_request(daemon, headers):
    for where in (daemon.status_socket, daemon.control_socket):
        answer = ask(where, get("/livez", "GET", *headers) + get("/livez") + get("/livez"))
        assert status_of(answer) in (400, 413) and answer.count(b"HTTP/1.1 ") == 1, (where, answer)


@pytest.mark.parametrize("line", [":", ": ", ": x", ":a: b", ":\tx", "::", ": Content-Length: 40"])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_a_field_without_a_name_does_not_end_the_head(daemon, line, end):
    """What follows it would be a request of its own, which a proxy before us has not seen."""
    for where in (daemon.status_socket, daemon.control_socket, daemon.tcp):
        for before in ([], ["Host: localhost"], ["Host: localhost", "X: y"], ["Host: localhost", "X:"]):
            request = end.join(["GET /livez HTTP/1.1", *before, line, "POST /pause/main?for=1h HTTP/1.1", "Host: localhost", "", ""])
            answer = ask(where, request.encode())
            assert status_of(answer) == 400 and answer.count(b"HTTP/1.1 ") == 1, (where, request, answer)
    assert "paused" not in daemon.get("/status/main", "control").text


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_a_head_ends_at_its_empty_line(daemon, end):
    """Whatever its last field is, and whatever comes behind it at once."""
    for last in ("X: y", "X:", "X: y ", "X: :", "X::", "X: " + "y" * 3000):
        request = end.join(["GET /livez HTTP/1.1", "Host: localhost", last, "", ""]).encode()
        for behind in (b"", request, request * 3):
            with Wire(daemon.status_socket) as wire:
                wire.send(request + behind)
                for _ in range(1 + behind.count(b"GET ")):
                    assert wire.answer().body == ALIVE, (last, behind)


def test_a_request_of_version_1_1_has_one_host(daemon):
    for where in (daemon.status_socket, daemon.tcp):
        for headers in ((), ("Host: localhost", "Host: localhost"), ("Host: localhost", "host: evil.example")):
            answer = ask(where, plain("/livez", *headers))
            assert status_of(answer) == 400 and answer.count(b"HTTP/1.1 400") == 1 and b'"error":"bad_request"' in answer, (where, headers)
        assert status_of(ask(where, plain("http://localhost/livez"))) == 400
        with Wire(where) as wire:
            wire.send(b"GET /livez HTTP/1.1\r\n\r\n")
            refused = wire.answer()
            assert refused.status == 400
            # libmicrohttpd 1.0 refuses it by itself, and ends the connection.
            if refused.headers.get("connection") == "close":
                wire.end()
            else:
                assert wire.ask("/livez").body == ALIVE
