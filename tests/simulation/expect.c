#include "expect.h"

#include "breach.h"
#include "clocks.h"
#include "daemon.h"
#include "witness.h"

static void expect_state(const struct happening *h, const struct view *view) {
        bool reason_differs = h->kind == EXPECT_STATE && !streq(h->value, reason_slug(view->reason));

        if (!streq(h->key, state_name(view->state)) || reason_differs)
                breach_note(INVARIANT_EXPECTED, "expected %s %s %s, is %s %s", h->database, h->key, h->value, state_name(view->state),
                            reason_slug(view->reason));
}

static void expect_number(const struct happening *h, const char *what, uint64_t number) {
        if (number != h->number)
                breach_note(INVARIANT_EXPECTED, "expected %llu %s of %s, there were %llu", (unsigned long long)h->number, what, h->database,
                            (unsigned long long)number);
}

/* Within 5 %. */
static void expect_latency(const struct happening *h, uint64_t latency_usec) {
        uint64_t slack = h->usec / 20;

        if (latency_usec + slack < h->usec || latency_usec > h->usec + slack)
                breach_note(INVARIANT_EXPECTED, "expected that the last wake of %s took %llu ms, it took %llu ms", h->database,
                            (unsigned long long)h->usec / 1000, (unsigned long long)latency_usec / 1000);
}

void expect_check(const struct happening *h, unsigned database, const struct view *seen) {
        const struct target *target = daemon_target(database);
        struct view view = *seen;

        if (target)
                view_read(target, clock_now(), &view);
        if (h->kind == EXPECT_STATE || h->kind == EXPECT_STATE_ALONE)
                expect_state(h, &view);
        else if (h->kind == EXPECT_LOGINS)
                expect_number(h, "logins", witnesses[database].logins);
        else if (h->kind == EXPECT_DOORS)
                expect_number(h, "doors", witnesses[database].doors);
        else if (h->kind == EXPECT_WAKES)
                expect_number(h, "wakes", view.wakes);
        else if (h->kind == EXPECT_GENERATION)
                expect_number(h, "generation", view.generation);
        else if (h->kind == EXPECT_LATENCY)
                expect_latency(h, view.last_wake.latency_usec);
        else if (view.ready_or_asleep != (h->kind == EXPECT_READY_OR_ASLEEP))
                breach_note(INVARIANT_EXPECTED, "%s is %saccepted as asleep", h->database, view.ready_or_asleep ? "" : "not ");
        if (breach.broken && breach.line == 0 && breach.invariant == INVARIANT_EXPECTED)
                breach.line = h->line;
}
