#include "told.h"

#include "breach.h"
#include "clocks.h"
#include "witness.h"

#include <string.h>

/* A step has no more events (health/step.h). */
#define TOLD_MAX EVENT_LIST_MAX

struct said {
        enum state state;
        enum reason reason;
        bool ready;
        uint64_t generation;
};

static struct {
        struct said last;
        struct said step[TOLD_MAX]; /* by the present step, after what was told before */
        unsigned n;
        uint64_t generation; /* in any event */
} told[DATABASES_MAX];

#define SAID(said) state_name((said)->state), reason_slug((said)->reason)

void told_begin(void) {
        memset(told, 0, sizeof(told));
}

void told_from(unsigned database, const struct view *view) {
        told[database].last = (struct said){view->state, view->reason, view->ready, view->generation};
        told[database].n = 0;
        told[database].generation = view->generation;
}

static uint64_t lifetime_usec(const struct witness *w) {
        const struct database_config *config = w->config;

        if (config->fresh_for_usec)
                return config->fresh_for_usec;
        return (w->session ? config->ping_interval_usec : config->login_interval_usec) * 5 / 2;
}

void told_assert_ready(unsigned database, bool asks) {
        const struct witness *w = &witnesses[database];
        uint64_t renewed = MAX(w->answered_usec, w->asked_for_since_usec);

        if (w->unasked)
                breach_note(INVARIANT_READY, "%s is ready, and nothing was answered that was asked as it is now", w->config->name);
        else if (w->session && !asks)
                return;
        else if (w->answered_usec == 0 || w->cut)
                breach_note(INVARIANT_READY, "%s is ready, and nothing was answered", w->config->name);
        else if (clock_boot_usec() > renewed + lifetime_usec(w) + TOGETHER_USEC)
                breach_note(INVARIANT_READY, "%s is ready, and the last answer is %llu ms old", w->config->name,
                            (unsigned long long)(clock_boot_usec() - w->answered_usec) / 1000);
}

/* The previous statement, of this step or an earlier one. */
static const struct said *told_last(unsigned database) {
        return told[database].n ? &told[database].step[told[database].n - 1] : &told[database].last;
}

static void assert_not_taken_back(unsigned database, const struct said *said) {
        const char *name = witnesses[database].config->name;

        for (unsigned i = 0; i < told[database].n; i++) {
                const struct said *before = &told[database].step[i];

                if (before->ready && !said->ready)
                        breach_note(INVARIANT_TOLD, "%s is told to be ready, and by the same step not to be (%s %s)", name, SAID(said));
                if (before->state == said->state && before->reason == said->reason && before->generation == said->generation)
                        breach_note(INVARIANT_TOLD, "%s is told twice by one step to be %s %s", name, SAID(said));
        }
}

void told_event(unsigned database, const struct event *event, const struct view *view) {
        const struct said said = {event->state, event->reason, event->ready, event->generation};
        const char *name = witnesses[database].config->name;

        told[database].generation = event->generation;
        if (event->kind != EVENT_STATE)
                return;
        if (event->previous != told_last(database)->state)
                breach_note(INVARIANT_TOLD, "%s is told to have been %s, and was told to be %s %s", name, state_name(event->previous),
                            SAID(told_last(database)));
        assert_not_taken_back(database, &said);
        if (event->ready)
                told_assert_ready(database, view->asks);
        if (told[database].n < TOLD_MAX)
                told[database].step[told[database].n++] = said;
}

void told_step_over(unsigned database) {
        told[database].last = *told_last(database);
        told[database].n = 0;
}

void told_assert(unsigned database, const struct view *view) {
        const struct said *last = told_last(database);

        if (last->state != view->state || last->reason != view->reason)
                breach_note(INVARIANT_TOLD, "%s is %s %s, and was told to be %s %s", witnesses[database].config->name,
                            state_name(view->state), reason_slug(view->reason), SAID(last));
        if (told[database].generation != view->generation)
                breach_note(INVARIANT_TOLD, "the generation of %s is %llu, and %llu was told", witnesses[database].config->name,
                            (unsigned long long)view->generation, (unsigned long long)told[database].generation);
}
