#include "people.h"

#include "base/text.h"
#include "clocks.h"
#include "daemon.h"
#include "scheduler/lease.h"
#include "witness.h"

#define HOLDERS_MAX 32
/* A holder whose connection broke tries again after this time. */
#define COMES_BACK_USEC (500 * USEC_PER_MSEC)

struct holder {
        bool used;
        char person[WORLD_NAME_MAX];
        unsigned database;
        struct lease *lease; /* NULL: its connection broke, and it will try again */
        struct world_timer timer;
};

static struct holder holders[HOLDERS_MAX];

/* A lease with a time limit, of any person. */
static struct timed_lease {
        bool used;
        unsigned database;
        uint64_t until_real_usec, due_usec;
} timed_leases[HOLDERS_MAX];

static void take(struct holder *holder);

static void on_timer(void *userdata) {
        take(userdata);
}

void people_begin(void) {
        for (size_t i = 0; i < HOLDERS_MAX; i++)
                holders[i] = (struct holder){.timer = {.fire = on_timer, .userdata = &holders[i]}};
        memset(timed_leases, 0, sizeof(timed_leases));
}

/* The lease ended, but not by its holder: `pgwake hold` ends then. */
static void on_ended(void *userdata, enum lease_end end) {
        struct holder *holder = userdata;

        (void)end;
        holder->used = false;
        holder->lease = NULL;
        witness_lease_end(holder->database, 0, 0);
}

static void on_timed_ended(void *userdata, enum lease_end end) {
        struct timed_lease *timed = userdata;

        timed->used = false;
        witness_lease_end(timed->database, end == LEASE_END_EXPIRED ? timed->until_real_usec : 0, timed->due_usec);
}

/* A program whose lease is refused gives up. */
static void take(struct holder *holder) {
        const struct lease_request request = {.owner = holder->person, .ended = on_ended, .userdata = holder};
        struct database *db = daemon_find(holder->database);
        enum reason refusal;

        witness_lease(holder->database);
        if (db && lease_take(daemon_engine(), db, &request, &refusal, &holder->lease) >= 0)
                return;
        holder->used = false;
        witness_refuse_lease(holder->database);
}

static struct holder *find(const char *person, unsigned database) {
        for (size_t i = 0; i < HOLDERS_MAX; i++)
                if (holders[i].used && holders[i].database == database && streq(holders[i].person, person))
                        return &holders[i];
        return NULL;
}

static struct holder *find_free(void) {
        for (size_t i = 0; i < HOLDERS_MAX; i++)
                if (!holders[i].used)
                        return &holders[i];
        return NULL;
}

static struct timed_lease *find_free_timed(void) {
        for (size_t i = 0; i < HOLDERS_MAX; i++)
                if (!timed_leases[i].used)
                        return &timed_leases[i];
        return NULL;
}

static void take_timed(const char *person, unsigned database, uint64_t for_usec) {
        struct timed_lease *timed = find_free_timed();
        const struct lease_request request = {.owner = person, .for_usec = for_usec, .ended = on_timed_ended, .userdata = timed};
        struct database *db = daemon_find(database);
        struct lease *lease;
        enum reason refusal;

        if (!timed)
                return;
        *timed = (struct timed_lease){true, database, clock_real_usec() + for_usec, clock_boot_usec() + for_usec};
        witness_lease(database);
        if (db && lease_take(daemon_engine(), db, &request, &refusal, &lease) >= 0)
                return;
        timed->used = false;
        witness_refuse_lease(database);
}

void people_take_lease(const char *person, unsigned database, uint64_t for_usec) {
        struct holder *holder;

        if (for_usec > 0) {
                take_timed(person, database, for_usec);
                return;
        }
        holder = find(person, database) ? NULL : find_free();
        if (!holder)
                return;
        holder->used = true;
        holder->database = database;
        (void)text_copy(holder->person, sizeof(holder->person), person);
        take(holder);
}

void people_release_lease(const char *person, unsigned database) {
        struct holder *holder = find(person, database);

        if (!holder)
                return;
        holder->used = false;
        timer_stop(&holder->timer);
        if (!holder->lease)
                return;
        lease_release(daemon_engine(), holder->lease);
        holder->lease = NULL;
        witness_lease_end(database, 0, 0);
}

void people_wake(unsigned database) {
        struct database *db = daemon_find(database);
        uint64_t until;

        if (!db)
                return;
        until = witness_call(database, database_ready(db));
        if (engine_wake(daemon_engine(), db, WAKE_CALL) != REASON_NONE)
                witness_refuse_call(database, until);
}

void people_pause(unsigned database, uint64_t for_usec) {
        struct database *db = daemon_find(database);

        if (!db)
                return;
        witness_pause(database, for_usec);
        engine_pause(daemon_engine(), db, for_usec);
}

void people_lose_daemon(void) {
        for (size_t i = 0; i < HOLDERS_MAX; i++)
                holders[i].lease = NULL;
        memset(timed_leases, 0, sizeof(timed_leases));
}

void people_meet_daemon(void) {
        for (size_t i = 0; i < HOLDERS_MAX; i++)
                if (holders[i].used && !holders[i].lease)
                        timer_set_host(&holders[i].timer, clock_monotonic_usec() + COMES_BACK_USEC);
}
