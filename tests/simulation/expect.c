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
static void expect_time(const struct happening *h, const char *what, uint64_t usec) {
        uint64_t slack = h->usec / 20;

        if (usec + slack < h->usec || usec > h->usec + slack)
                breach_note(INVARIANT_EXPECTED, "expected %llu ms as %s of %s, it is %llu ms", (unsigned long long)h->usec / 1000, what,
                            h->database, (unsigned long long)usec / 1000);
}

static void expect_cause(const struct happening *h, enum wake_cause cause) {
        if (!streq(wake_cause_name(cause), h->key))
                breach_note(INVARIANT_EXPECTED, "expected %s as cause of the last wake of %s, it is %s", h->key, h->database,
                            wake_cause_name(cause));
}

void expect_check(const struct happening *h, unsigned database, const struct view *seen) {
        const struct database *db = daemon_database(database);
        struct view view = *seen;

        if (db)
                view_read(db, clock_now(), &view);
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
                expect_time(h, "latency of the last wake", view.last_wake.latency_usec);
        else if (h->kind == EXPECT_CAUSE)
                expect_cause(h, view.last_wake.cause);
        else if (h->kind == EXPECT_MONTH)
                expect_time(h, "time awake this month", view.account.month_awake_usec);
        else if (view.ready_or_asleep != (h->kind == EXPECT_READY_OR_ASLEEP))
                breach_note(INVARIANT_EXPECTED, "%s is %saccepted as asleep", h->database, view.ready_or_asleep ? "" : "not ");
        if (breach.broken && breach.line == 0 && breach.invariant == INVARIANT_EXPECTED)
                breach.line = h->line;
}
