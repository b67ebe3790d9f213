#include "health/account.h"

#include "base/macro.h"
#include "health/policy.h"
#include "health/verdict.h"

/* The wall clock may be set while the end of a month is awaited. */
#define MONTH_LOOK_USEC USEC_PER_HOUR
/* An idle held session causes no steps of its own: settle the account this often, so that status and history stay current. */
#define SENTINEL_LOOK_USEC (10 * USEC_PER_SEC)

/* Until when our last query can keep the server awake, even without demand. */
static uint64_t tail_boot_usec(const struct database *d) {
        return d->asked_boot_usec ? usec_add(d->asked_boot_usec, database_suspend_after_usec(d)) : 0;
}

/* The part of the time between FROM and TO that we caused: from when we began to keep it awake until our last query's effect ends. */
static uint64_t ours_usec(const struct database *d, uint64_t from, uint64_t to) {
        return usec_sub(policy_asks(d) ? to : MIN(to, tail_boot_usec(d)), MAX(from, d->asking_since_boot_usec));
}

/* Keeps the total of the month before, so that a clock set to another month and back restores each month's own time. */
static void turn_month(struct account *account, unsigned month) {
        unsigned before = account->month;
        uint64_t awake_usec = account->month_awake_usec;

        if (month == before)
                return;
        account->month = month;
        account->month_awake_usec = month == account->other_month ? account->other_month_awake_usec : 0;
        account->other_month = before;
        account->other_month_awake_usec = awake_usec;
}

/* Adds the time from FROM to TO. If a month begins inside that span, only the part since then counts for that month. */
static void add_span(const struct database *d, struct account *account, uint64_t from, uint64_t to, struct instant now) {
        uint64_t length = usec_sub(to, from), end_real_usec = usec_sub(now.real_usec, usec_sub(now.boot_usec, to));
        uint64_t lasted;

        if (length == 0)
                return;
        account->awake_usec += length;
        account->ours_usec += ours_usec(d, from, to);
        turn_month(account, clock_month(end_real_usec, &lasted));
        account->month_awake_usec += MIN(length, lasted);
}

static bool is_alive(const struct database *d) {
        return d->session_held || state_is_awake(d->state);
}

/*
 * Until when the database is known to have been awake. Without a session its end is not seen: a server that suspends counts as awake until
 * our last query allows it to suspend. If it stayed awake longer, the uptime in its next answer adds the rest.
 */
static uint64_t known_until(const struct database *d, struct instant now) {
        if (d->session_held || !d->provider->suspends || !d->asked_boot_usec)
                return now.boot_usec;
        return MIN(now.boot_usec, MAX(d->counted_boot_usec, tail_boot_usec(d)));
}

void account_begin(struct database *d, uint64_t uptime_usec, struct instant now) {
        if (d->account_runs)
                return;
        d->account_runs = true;
        d->counted_suspended_usec = now.suspended_usec;
        d->counted_boot_usec = MAX(d->counted_boot_usec, usec_sub(now.boot_usec, uptime_usec));
}

/*
 * Until when time is counted. Nobody observed the database while the host was suspended, so that time is left out, even before the suspend
 * is reported.
 */
static uint64_t account_end(const struct database *d, struct instant now) {
        uint64_t slept = usec_sub(now.suspended_usec, d->counted_suspended_usec), until;

        if (!d->account_runs)
                return d->counted_boot_usec;
        until = known_until(d, now);
        return slept > CLOCK_SUSPEND_MIN_USEC ? MIN(until, MAX(usec_sub(now.boot_usec, slept), d->counted_boot_usec)) : until;
}

static void count_until(struct database *d, struct instant now) {
        uint64_t until = account_end(d, now);

        add_span(d, &d->account, d->counted_boot_usec, until, now);
        d->counted_boot_usec = until;
        d->counted_suspended_usec = now.suspended_usec;
        d->account_runs = is_alive(d) && until == now.boot_usec;
}

void account_settle(struct database *d, struct instant now) {
        if (d->account_runs)
                count_until(d, now);
        turn_month(&d->account, clock_month(now.real_usec, NULL));
}

struct account database_account(const struct database *d, struct instant now) {
        uint64_t until = account_end(d, now);
        struct account account = d->account;

        add_span(d, &account, d->counted_boot_usec, until, now);
        turn_month(&account, clock_month(now.real_usec, NULL));
        account.counted_real_usec = usec_sub(now.real_usec, usec_sub(now.boot_usec, until));
        return account;
}

static uint64_t sentinel_look(const struct database *d) {
        bool pinged = policy_asks(d) && (d->state == STATE_AWAKE || d->state == STATE_DEGRADED);

        return d->account_runs && d->session_held && !pinged ? usec_add(d->counted_boot_usec, SENTINEL_LOOK_USEC) : USEC_INFINITY;
}

static uint64_t budget_due(const struct database *d) {
        uint64_t budget = d->config->budget_awake_usec;

        if (budget == 0)
                return USEC_INFINITY;
        if (d->budget_spent)
                return d->month_look_boot_usec;
        return d->account_runs ? usec_add(d->counted_boot_usec, usec_sub(budget, d->account.month_awake_usec)) : USEC_INFINITY;
}

uint64_t account_due(const struct database *d) {
        return MIN(budget_due(d), sentinel_look(d));
}

static bool is_spent(const struct database *d) {
        return d->config->budget_awake_usec > 0 && d->account.month_awake_usec >= d->config->budget_awake_usec;
}

static void plan_month_look(struct database *d, struct instant now) {
        uint64_t late;
        bool turns = clock_month(now.real_usec + MONTH_LOOK_USEC, &late) != clock_month(now.real_usec, NULL);

        d->month_look_boot_usec = usec_add(now.boot_usec, turns ? usec_sub(MONTH_LOOK_USEC, late) : MONTH_LOOK_USEC);
}

/* Until when MEMORY had counted. After the clock was set back the elapsed time is unknown, and taken as none. */
static uint64_t counted_before_boot_usec(const struct memory *memory, struct instant now) {
        uint64_t counted = memory->account.counted_real_usec ? memory->account.counted_real_usec : memory->saved_real_usec;

        return usec_sub(now.boot_usec, usec_sub(now.real_usec, counted));
}

void account_restore(struct database *d, const struct memory *memory, struct instant now) {
        d->account = memory->account;
        turn_month(&d->account, clock_month(now.real_usec, NULL));
        d->counted_boot_usec = counted_before_boot_usec(memory, now);
        d->budget_spent = is_spent(d);
        plan_month_look(d, now);
}

void account_restore_late(struct database *d, const struct account *sum, const struct memory *before, struct instant now) {
        uint64_t begun = usec_sub(d->counted_boot_usec, d->account.awake_usec), counted = counted_before_boot_usec(before, now);
        uint64_t up_since = usec_sub(d->asked_boot_usec, d->server.uptime_usec);

        d->account = *sum;
        if (d->asked_boot_usec)
                add_span(d, &d->account, MAX(counted, up_since), begun, now);
        else if (!d->account_runs)
                d->counted_boot_usec = counted;
}

void account_check_budget(struct database *d, struct instant now, struct event_list *events) {
        bool spent = is_spent(d);

        if (spent)
                plan_month_look(d, now);
        if (spent == d->budget_spent)
                return;
        verdict_budget(d, spent, now, events);
        if (spent)
                d->demand_until_boot_usec = 0; /* the engine ends leases */
        else
                d->asking_since_boot_usec = d->wanted_boot_usec = now.boot_usec;
}
