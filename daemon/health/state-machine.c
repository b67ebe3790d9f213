#include "health/state-machine.h"

#include "base/macro.h"

#define BIT(state) (1u << (state))
#define ANY ((1u << _STATE_MAX) - 1)
#define UNKNOWN BIT(STATE_UNKNOWN)
#define ASLEEP BIT(STATE_ASLEEP)
#define WAKING BIT(STATE_WAKING)
#define AWAKE BIT(STATE_AWAKE)
#define DEGRADED BIT(STATE_DEGRADED)
#define FULL BIT(STATE_FULL)
#define DOWN BIT(STATE_DOWN)
#define BLOCKED BIT(STATE_BLOCKED)

/* The first row that fits decides. Every (state, event) has one: tests/unit/test-state-machine.c walks them all. */
static const struct machine_row rows[] = {
        {ANY, MACHINE_ANSWERED, STATE_AWAKE, ACTION_RENEW | ACTION_REASON | ACTION_WAKE_ENDS,
         "A query was answered: it is awake, whatever was thought before. A login may have woken it, where nothing told that it fell asleep."},
        {ASLEEP, MACHINE_RISING, STATE_WAKING, ACTION_REASON | ACTION_WAKE_BEGINS | ACTION_WAKE_ENDS,
         "It sleeps no more, but after failures it has not yet answered `rise` times in a row."},
        {ANY, MACHINE_RISING, MACHINE_STAYS, ACTION_WAKE_ENDS,
         "It answered after failures, but not yet `rise` times in a row. Its wake, if there was one, is over."},
        {ANY, MACHINE_UNMET, STATE_DEGRADED, ACTION_RENEW | ACTION_REASON | ACTION_WAKE_ENDS,
         "It answered, but not what was expected of it."},
        {ANY, MACHINE_FULL, STATE_FULL, ACTION_RENEW | ACTION_REASON | ACTION_WAKE_FAILS,
         "The server itself said that no slot is free: it is awake. One such answer is proof."},
        {ANY, MACHINE_BLOCKED, STATE_BLOCKED, ACTION_RENEW | ACTION_REASON | ACTION_WAKE_FAILS,
         "It was reached and refused in a way that only a person can change. One such answer is proof."},
        {WAKING, MACHINE_FAILING, STATE_WAKING, ACTION_REASON,
         "An attempt inside a wake failed; the next may reach the woken server."},
        {ASLEEP | BLOCKED, MACHINE_FAILING, MACHINE_STAYS, 0,
         "One failure does not disprove what was seen."},
        {DOWN, MACHINE_FAILING, STATE_DOWN, ACTION_REASON | ACTION_RENEW | ACTION_WAKE_FAILS,
         "Still down; only the reason may be another."},
        {ANY, MACHINE_FAILING, STATE_UNKNOWN, ACTION_REASON,
         "The last question was not answered, so nobody can say that it is awake; it is not yet down."},
        {ANY, MACHINE_FAILED, STATE_DOWN, ACTION_RENEW | ACTION_REASON | ACTION_WAKE_FAILS,
         "`fall` failures in a row."},
        {UNKNOWN | ASLEEP | DOWN, MACHINE_SLOW, STATE_WAKING, ACTION_REASON | ACTION_WAKE_BEGINS,
         "The login was taken and waits for its answer past `slow`: that is how a wake looks."},
        {ANY, MACHINE_SLOW, MACHINE_STAYS, 0,
         "A slow login to a database that is awake, waking or blocked says nothing new."},
        {UNKNOWN, MACHINE_LATE, MACHINE_STAYS, ACTION_REASON,
         "A server that never sleeps took the login and is late with its answer: nothing is known until it comes."},
        {ANY, MACHINE_LATE, MACHINE_STAYS, 0,
         "What was known holds until the answer comes, or until it is too old."},
        {WAKING, MACHINE_STARTING, STATE_WAKING, ACTION_REASON,
         "It is still starting: the wake goes on; what it met last is the reason."},
        {ANY, MACHINE_STARTING, STATE_WAKING, ACTION_REASON | ACTION_WAKE_BEGINS,
         "The server says that it is starting."},
        {WAKING, MACHINE_WAKE_TIMEOUT, STATE_DOWN, ACTION_RENEW | ACTION_REASON,
         "The wake lasted longer than `wake_timeout`."},
        {ANY, MACHINE_WAKE_TIMEOUT, MACHINE_STAYS, 0,
         "There is no wake that could be late."},
        {UNKNOWN | AWAKE | DEGRADED | FULL, MACHINE_CUT, STATE_UNKNOWN, ACTION_GENERATION | ACTION_REASON,
         "The held session ended: older sessions are dead, and what the server is now only a new question tells."},
        {WAKING, MACHINE_CUT, STATE_WAKING, ACTION_GENERATION | ACTION_REASON,
         "A session from before, or of a first answer, ended: the wake goes on, and that is what is known last."},
        {ANY, MACHINE_CUT, MACHINE_STAYS, ACTION_GENERATION,
         "Older sessions are dead; what a login found stands until a login clears it."},
        {UNKNOWN, MACHINE_SURVIVED, STATE_AWAKE, ACTION_RENEW | ACTION_REASON | ACTION_WAKE_ENDS,
         "The held session outlived the time in which its keepalives find a dead one: its server is awake."},
        {ANY, MACHINE_SURVIVED, MACHINE_STAYS, 0,
         "A session that lives says nothing against what a check found."},
        {UNKNOWN | FULL | DOWN, MACHINE_SLEPT, STATE_ASLEEP, ACTION_RENEW,
         "The session ended as this provider's suspend ends it, no sooner than it may, and the door is good: asleep."},
        {ANY, MACHINE_SLEPT, MACHINE_STAYS, 0,
         "Newer evidence than the cut is there."},
        {ASLEEP, MACHINE_DOOR_GOOD, STATE_ASLEEP, ACTION_RENEW,
         "The door is good: still asleep, not unreachable."},
        {UNKNOWN | FULL | DOWN | BLOCKED, MACHINE_DOOR_GOOD, STATE_UNKNOWN, ACTION_REASON,
         "What a door check found is over; whether it sleeps or is awake only a login would tell."},
        {ANY, MACHINE_DOOR_GOOD, MACHINE_STAYS, 0,
         "A good door alone never makes it awake."},
        {ANY, MACHINE_EXPIRED, STATE_UNKNOWN, ACTION_REASON,
         "The evidence, or why it could not be asked, is too old; so is a wake that the host slept through, or that nobody needs any longer."},
        {ANY, MACHINE_NO_NETWORK, STATE_UNKNOWN, ACTION_RENEW | ACTION_REASON | ACTION_WAKE_FAILS,
         "No remote host at all can be reached: the fault is ours, not the database's."},
        {UNKNOWN | WAKING, MACHINE_NO_MEANS, STATE_UNKNOWN, ACTION_RENEW | ACTION_REASON,
         "We had no means to ask: that is why nothing is known."},
        {ANY, MACHINE_NO_MEANS, MACHINE_STAYS, 0,
         "What we could not ask says nothing; what was known holds until it is too old."},
        {ANY, MACHINE_PAUSED, STATE_UNKNOWN, ACTION_REASON | ACTION_WAKE_FAILS,
         "An administrator stopped the checks."},
        {ANY, MACHINE_RESUMED, STATE_UNKNOWN, ACTION_REASON,
         "The pause is over; nothing is known yet."},
};

static const char *const event_names[_MACHINE_EVENT_MAX] = {
        [MACHINE_ANSWERED] = "answered",
        [MACHINE_RISING] = "rising",
        [MACHINE_UNMET] = "expectation unmet",
        [MACHINE_FULL] = "full",
        [MACHINE_BLOCKED] = "blocked",
        [MACHINE_FAILING] = "failing",
        [MACHINE_FAILED] = "failed",
        [MACHINE_SLOW] = "slow",
        [MACHINE_LATE] = "late",
        [MACHINE_STARTING] = "starting",
        [MACHINE_WAKE_TIMEOUT] = "wake timeout",
        [MACHINE_CUT] = "cut",
        [MACHINE_SURVIVED] = "survived",
        [MACHINE_SLEPT] = "slept",
        [MACHINE_DOOR_GOOD] = "door good",
        [MACHINE_EXPIRED] = "expired",
        [MACHINE_NO_NETWORK] = "no network",
        [MACHINE_NO_MEANS] = "no means",
        [MACHINE_PAUSED] = "paused",
        [MACHINE_RESUMED] = "resumed",
};

static const struct {
        enum machine_action action;
        const char *name;
} action_names[] = {
        {ACTION_RENEW, "renew"},           {ACTION_REASON, "reason"},       {ACTION_GENERATION, "generation"},
        {ACTION_WAKE_BEGINS, "wake begins"}, {ACTION_WAKE_ENDS, "wake ends"}, {ACTION_WAKE_FAILS, "wake fails"},
};

const char *machine_event_name(enum machine_event event) {
        return event_names[event];
}

const struct machine_row *machine_row_at(size_t i) {
        return i < ARRAY_LENGTH(rows) ? &rows[i] : NULL;
}

const struct machine_row *machine_step(enum state state, enum machine_event event) {
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
                if (rows[i].event == event && rows[i].from & BIT(state))
                        return &rows[i];
        return NULL;
}

/* The states for which this row decides: without those of an earlier row with the same event. */
static unsigned effective_from(size_t i) {
        unsigned from = rows[i].from;

        for (size_t j = 0; j < i; j++)
                if (rows[j].event == rows[i].event)
                        from &= ~rows[j].from;
        return from;
}

static void print_states(struct buffer *buffer, unsigned from) {
        const char *separator = "";

        if (from == ANY) {
                buffer_append_string(buffer, "any");
                return;
        }
        for (unsigned s = 0; s < _STATE_MAX; s++)
                if (from & BIT(s)) {
                        buffer_printf(buffer, "%s%s", separator, state_name((enum state)s));
                        separator = ",";
                }
}

static void print_actions(struct buffer *buffer, unsigned actions) {
        const char *separator = "";

        if (!actions)
                buffer_append_string(buffer, "-");
        for (size_t i = 0; i < ARRAY_LENGTH(action_names); i++)
                if (actions & action_names[i].action) {
                        buffer_printf(buffer, "%s%s", separator, action_names[i].name);
                        separator = ", ";
                }
}

void machine_print(struct buffer *buffer) {
        buffer_append_string(buffer, "EVENT\tFROM\tTO\tACTIONS\tMEANING\n");
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
                buffer_printf(buffer, "%s\t", event_names[rows[i].event]);
                print_states(buffer, effective_from(i));
                buffer_printf(buffer, "\t%s\t", rows[i].to == MACHINE_STAYS ? "stays" : state_name((enum state)rows[i].to));
                print_actions(buffer, rows[i].actions);
                buffer_printf(buffer, "\t%s\n", rows[i].sentence);
        }
}
