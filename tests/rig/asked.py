"""Every request of the sockets, as hypothesis makes them up, and what the manual says of each whatever the databases do."""

from dataclasses import dataclass, field

from hypothesis import strategies as st

NAMES = ("main", "eu-1", "a", "b" * 63)
STRANGE_NAMES = ("none", "mai", "MAIN", "main%2f", "x" * 300)

WAITS = (("0s", "1ms", "20ms"), ("", "1", "-1s", "1e9h", "61min", "99999999999999999999s", "20ms%0a"))
SPREADS = (("0s", "1ms"), ("301s", "x"))
FORS = (("0s", "2h", "90d"), ("91d", "", "-1s"))
TIMES = (("1h", "7d", "1ms", "2026-11-22T16:00:00Z", "2026-11-22t16:00:00.25%2B01:00"),
         ("yesterday", "2026-02-31T00:00:00Z", "2026-11-22", "0000-01-01T00:00:00Z"))

# The good values of each argument, and the bad ones.
ARGUMENTS = {
    "wait": WAITS, "spread": SPREADS, "for": FORS, "since": TIMES, "until": TIMES,
    "accept": (("asleep",), ("everything", "")),
    "owner": (("x", "b%C3%A4r.service", "o" * 255, "a+b"), ("", "o" * 256, "a%0ab", "%E2%80%AE")),
    "db": (NAMES, ("MAIN", "a_.", "")),
    "follow": (("0",), ("maybe", "")),
    "kind": (("wakes", "states", "outages", "hours", "report"), ("everything",)),
    "limit": (("1", "1000", "100000"), ("0", "100001", "-1", "x")),
    "format": (("json", "csv"), ("xml",)),
    "remove": (("all",), ("none",)),
}


@dataclass(frozen=True)
class Route:
    path: str
    parameter: str  # "", "name" or "id"
    method: str
    arguments: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()


ROUTES = (
    Route("/", "", "GET"), Route("/livez", "", "GET"), Route("/metrics", "", "GET"), Route("/status", "", "GET"),
    Route("/status", "name", "GET"),
    Route("/readyz", "", "GET", ("wait", "spread", "accept")), Route("/readyz", "name", "GET", ("wait", "spread", "accept")),
    Route("/events", "", "GET", ("db", "follow"), ("follow",)),
    Route("/history", "name", "GET", ("kind", "since", "until", "limit", "format"), ("kind",)),
    Route("/wake", "name", "POST", ("wait", "spread")), Route("/lease", "name", "POST", ("for", "owner"), ("for",)),
    Route("/lease", "id", "DELETE"), Route("/pause", "name", "POST", ("for",), ("for",)), Route("/reload", "", "POST", ("remove",)),
)


@dataclass(frozen=True, repr=False)
class Request:
    """One request. `method` may be another than the route's. `lease` is the place of a lease among those that there are."""

    route: Route
    method: str
    name: str = ""
    lease: int = 0
    arguments: tuple[tuple[str, str], ...] = ()
    is_wrong: bool = False  # its arguments are
    headers: tuple[str, ...] = ()
    value: dict = field(init=False, compare=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.value.update(self.arguments)

    def __repr__(self) -> str:
        headers = "".join(f", {each}" for each in self.headers)
        return f"<{self.method} {self.target(self.lease)}{' (wrong)' if self.is_wrong else ''}{headers}>"

    @property
    def changes(self) -> bool:
        return self.method in ("POST", "DELETE")

    def target(self, lease_id: int = 0) -> str:
        """As it stands in the first line."""
        parameter = {"": "", "name": f"/{self.name}", "id": f"/{lease_id}"}[self.route.parameter]
        query = "&".join(f"{name}={value}" for name, value in self.arguments)
        return self.route.path + parameter + (f"?{query}" if query else "")

    def refused(self, may_change: bool) -> int:
        """The status with which it is refused whatever there is, or 0."""
        if self.changes and not may_change:
            return 403
        if self.method != self.route.method and not (self.method == "HEAD" and self.route.method == "GET"):
            return 405
        return 400 if self.is_wrong else 0


def _makes_no_sense(route: Route, given: dict[str, str]) -> bool:
    """What no single argument tells."""
    return ("spread" in given and "wait" not in given or route.path == "/lease" and given.get("for") == "0s"
            or given.get("kind") == "report" and given.get("format") == "csv")


@st.composite
def arguments_of(draw, route: Route) -> tuple[tuple[tuple[str, str], ...], bool]:
    """Its arguments, and whether they are wrong. Now and then one is none of its own, or stands there twice."""
    names = [*route.needed, *draw(st.lists(st.sampled_from(route.arguments), unique=True))] if route.arguments else []
    names = list(dict.fromkeys(names))
    is_wrong = False
    if draw(st.integers(0, 9)) == 9:
        extra = draw(st.sampled_from(sorted(ARGUMENTS)))
        is_wrong = extra in names or extra not in route.arguments
        names.append(extra)
    found = []
    for name in names:
        good, bad = ARGUMENTS[name]
        is_bad = draw(st.integers(0, 14)) == 14
        is_wrong = is_wrong or is_bad
        found.append((name, draw(st.sampled_from(bad if is_bad else good))))
    return tuple(found), is_wrong or _makes_no_sense(route, dict(found))


@st.composite
def requests(draw) -> Request:
    route = draw(st.sampled_from(ROUTES))
    method = draw(st.sampled_from(["GET", "HEAD", "POST", "DELETE", "PUT"])) if draw(st.integers(0, 9)) == 9 else route.method
    if route.method == "GET" and method == "GET" and draw(st.integers(0, 5)) == 5:
        method = "HEAD"
    name = draw(st.sampled_from(STRANGE_NAMES if draw(st.integers(0, 9)) == 9 else NAMES))
    given, is_wrong = draw(arguments_of(route))
    headers = draw(st.lists(st.sampled_from(("Connection: close", "Last-Event-ID: 0", "Accept: application/openmetrics-text",
                                             'If-None-Match: "x"', "X-Other: y")), max_size=2, unique=True))
    return Request(route, method, name, draw(st.integers(0, 3)), given, is_wrong, tuple(headers))


def leaves_the_connection_open(request: Request) -> bool:
    """Another request may follow on it; and what it asks for does not depend on the answers before it."""
    return request.method != "HEAD" and "Connection: close" not in request.headers and request.route.parameter != "id"
