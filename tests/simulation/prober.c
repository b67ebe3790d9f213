/*
 * Plays the probers against the servers of the world: an attempt passes its phases, each timed by the server, and is reported as probe/
 * reports it (probe/attempt-run.h, probe/slot.h). A good login replaces the session, a failed one leaves it, and an unanswered ping ends
 * it; the end of an idle session is reported by itself, before a ping can meet it.
 */
#include "probe/pool.h"

#include "base/text.h"
#include "clocks.h"
#include "witness.h"

#include <errno.h>
#include <stdlib.h>

/* If a session ends while the network is away, its end is seen this long after the network is back: the server repeats it. */
#define REPEATED_USEC (2 * USEC_PER_SEC)
/* Keepalives find a silent peer in this time (probe/parameters.c). */
#define KEEPALIVES_USEC USEC_PER_MINUTE

struct session {
        struct server *server; /* NULL: no session is held */
        unsigned start;        /* of the server */
        bool gone;             /* it ended, and the daemon does not know yet */
        bool silent;           /* no packet came: keepalives found it */
        uint64_t lost_usec;    /* on the host's clock: when its keepalives give up, unless a packet comes back before */
        char sqlstate[SQLSTATE_LENGTH + 1];
        struct world_timer timer;
};

struct slot {
        uint64_t database; /* the caller's id; 0: free */
        unsigned index;    /* in the world */
        struct probe_request request;
        struct attempt attempt;
        bool running, drop_session;
        enum phase phase;
        struct server *server;
        struct reply reply;
        unsigned start;
        uint64_t began_usec, mark_usec, deadline_usec; /* monotonic clock */
        struct world_timer timer;
        struct session session;
};

struct probe_pool {
        probe_report_handler handler;
        void *userdata;
        struct slot slots[2 * DATABASES_MAX];
};

static struct probe_pool *pool;

static struct slot *find(uint64_t database) {
        for (size_t i = 0; i < ARRAY_LENGTH(pool->slots); i++)
                if (pool->slots[i].database == database)
                        return &pool->slots[i];
        return NULL;
}

/* -- the session ------------------------------------------------------------------------------------------------------------------ */

static void close_session(struct slot *slot) {
        struct session *session = &slot->session;

        timer_stop(&session->timer);
        if (session->server && !session->gone)
                server_release_session(session->server);
        session->server = NULL;
        session->gone = session->silent = false;
}

static void hold_session(struct slot *slot) {
        close_session(slot);
        slot->session.server = slot->server;
        slot->session.start = slot->start;
        server_hold_session(slot->server);
}

static void deliver(struct slot *slot, const struct probe_report *report, const struct server *server, bool died) {
        witness_told(slot->index, report, server, died);
        pool->handler(pool->userdata, report);
}

static void end_attempt(struct slot *slot, enum reason reason);

static enum reason end_reason(const struct session *session) {
        return session->sqlstate[0] ? REASON_SESSION_CUT : REASON_SESSION_LOST;
}

/* A ping that waits for its answer meets the end: only the ping is reported. */
static void end_ping(struct slot *slot) {
        (void)text_copy(slot->attempt.sqlstate, sizeof(slot->attempt.sqlstate), slot->session.sqlstate);
        slot->attempt.session_ended = true;
        end_attempt(slot, end_reason(&slot->session));
}

/* Whether the end of a session is known by now: an unreachable peer is found dead by its silence. Otherwise looks again later. */
static bool end_is_known(struct session *session) {
        uint64_t now = clock_monotonic_usec(), back = server_reached_usec(session->server);

        if (back <= clock_boot_usec())
                return session->gone;
        if (session->lost_usec <= now) {
                if (!session->gone)
                        server_release_session(session->server);
                session->gone = session->silent = true;
                session->sqlstate[0] = '\0';
                return true;
        }
        timer_set_host(&session->timer, MIN(session->lost_usec, now + back - clock_boot_usec() + REPEATED_USEC));
        return false;
}

static void report_end(void *userdata) {
        struct slot *slot = userdata;
        struct session *session = &slot->session;
        struct server *server = session->server;
        struct probe_report report = {
                .kind = PROBE_REPORT_SESSION,
                .database = slot->database,
                .attempt = {
                        .check = CHECK_PING,
                        .session_ended = true,
                        .started_boot_usec = clock_boot_usec(),
                        .ended_boot_usec = clock_boot_usec(),
                        .started_real_usec = clock_real_usec(),
                        .last_phase = PHASE_QUERY,
                },
        };

        if (!end_is_known(session))
                return;
        if (slot->running && slot->request.check == CHECK_PING) {
                end_ping(slot);
                return;
        }
        report.bare_eof = !session->silent && session->sqlstate[0] == '\0';
        report.attempt.reason = end_reason(session);
        (void)text_copy(report.attempt.sqlstate, sizeof(report.attempt.sqlstate), session->sqlstate);
        close_session(slot);
        deliver(slot, &report, server, true);
}

void pool_out_of_reach(const struct server *server) {
        for (size_t i = 0; pool && i < ARRAY_LENGTH(pool->slots); i++) {
                struct session *session = &pool->slots[i].session;

                if (!session->server || (server && session->server != server))
                        continue;
                session->lost_usec = clock_monotonic_usec() + KEEPALIVES_USEC;
                if (!session->gone)
                        timer_set_host(&session->timer, session->lost_usec);
        }
}

void pool_server_went(const struct server *server, const char *sqlstate) {
        for (size_t i = 0; pool && i < ARRAY_LENGTH(pool->slots); i++) {
                struct session *session = &pool->slots[i].session;

                if (session->server != server || session->gone)
                        continue;
                session->gone = true;
                (void)text_copy(session->sqlstate, sizeof(session->sqlstate), sqlstate);
                timer_set_host(&session->timer, clock_monotonic_usec() + server->latency_usec);
        }
}

/* -- one attempt ------------------------------------------------------------------------------------------------------------------ */

static void leave_phase(struct slot *slot) {
        uint64_t now = clock_monotonic_usec();

        slot->attempt.phase_usec[slot->phase] += MAX(usec_sub(now, slot->mark_usec), UINT64_C(1));
        slot->mark_usec = now;
}

/* Like slot_take_session(): a ping that was answered with an error keeps its session. */
static bool settle_session(struct slot *slot) {
        bool good = slot->attempt.reason == REASON_NONE, kept = good || slot->attempt.reason == REASON_QUERY_FAILED, died = false;

        if (slot->request.check == CHECK_LOGIN && good && slot->request.hold_session && !slot->drop_session)
                hold_session(slot);
        if (slot->request.check == CHECK_PING && !kept) {
                died = slot->session.gone;
                close_session(slot);
        }
        if (slot->drop_session)
                close_session(slot);
        slot->drop_session = false;
        return died;
}

static void answer_server(struct slot *slot) {
        const struct server *server = slot->server;

        if (slot->request.check == CHECK_DOOR || slot->attempt.reason != REASON_NONE)
                return;
        slot->attempt.server = (struct server_info){
                .uptime_usec = usec_sub(clock_boot_usec(), server->started_usec),
                .started_real_usec = clocks_true_real_usec(server->started_usec),
                .lag_usec = slot->request.want_lag ? (server->in_recovery ? server->lag_usec : 0) : USEC_INFINITY,
                .version = 150018,
                .in_recovery = server->in_recovery,
                .read_only = server->in_recovery,
        };
}

static void end_attempt(struct slot *slot, enum reason reason) {
        struct attempt *attempt = &slot->attempt;
        struct probe_report report = {.kind = PROBE_REPORT_ATTEMPT, .database = slot->database};
        bool died;

        leave_phase(slot);
        attempt->reason = reason;
        attempt->ended_boot_usec = clock_boot_usec();
        attempt->total_usec = MAX(clock_monotonic_usec() - slot->began_usec, UINT64_C(1));
        if (reason != REASON_NONE)
                (void)text_copy(attempt->detail, sizeof(attempt->detail), reason_slug(reason));
        answer_server(slot);
        slot->running = false;
        timer_stop(&slot->timer);
        died = settle_session(slot);
        attempt->session_held = slot->session.server != NULL;
        report.attempt = *attempt;
        deliver(slot, &report, slot->server, died);
}

static void ask_server(struct slot *slot) {
        if (slot->request.check == CHECK_PING)
                slot->reply = server_ask(slot->server, slot->start);
        else
                slot->reply = server_meet(slot->server, slot->phase, slot->request.check == CHECK_DOOR, slot->index);
}

/* The phases before the password usually only take time: while they do, they are one event. */
static void meet_on_the_way(struct slot *slot) {
        uint64_t passed = 0;

        while (slot->reply.kind == REPLY_GOES_ON && slot->phase < PHASE_TLS) {
                slot->attempt.phase_usec[slot->phase] = slot->reply.delay_usec;
                passed += slot->reply.delay_usec;
                slot->phase++;
                ask_server(slot);
        }
        slot->attempt.last_phase = MAX(slot->attempt.last_phase, slot->phase);
        slot->mark_usec += passed;
        slot->reply.delay_usec += passed;
}

static void meet(struct slot *slot) {
        uint64_t deadline = slot->deadline_usec, now = clock_monotonic_usec();

        ask_server(slot);
        if (slot->phase < PHASE_TLS)
                meet_on_the_way(slot);
        if (slot->reply.kind == REPLY_SILENCE || now + slot->reply.delay_usec > deadline) {
                slot->reply.kind = REPLY_SILENCE;
                slot->reply.delay_usec = usec_sub(deadline, now);
        }
        timer_set_host(&slot->timer, now + slot->reply.delay_usec);
}

static void enter(struct slot *slot, enum phase phase) {
        slot->phase = phase;
        slot->attempt.last_phase = MAX(slot->attempt.last_phase, phase);
        if (phase == PHASE_QUERY && slot->request.check == CHECK_LOGIN)
                slot->start = slot->server->starts;
        meet(slot);
}

static enum reason deadline_reason(const struct slot *slot) {
        const struct failure failure = {.kind = FAILURE_DEADLINE, .phase = slot->phase};

        return classify(&failure, slot->request.provider);
}

/* The server ended during the attempt. */
static bool lost_server(struct slot *slot) {
        bool asked = slot->phase == PHASE_QUERY && (slot->server->phase != SERVER_RUNNING || slot->server->starts != slot->start);

        if (!asked || slot->reply.kind == REPLY_SILENCE)
                return false;
        if (slot->request.check == CHECK_LOGIN) {
                end_attempt(slot, REASON_TCP_RESET);
                return true;
        }
        end_ping(slot);
        return true;
}

static void pass_phase(struct slot *slot) {
        bool last = slot->phase == PHASE_QUERY || (slot->phase == PHASE_AUTH && slot->request.check == CHECK_DOOR);

        if (last) {
                end_attempt(slot, REASON_NONE);
                return;
        }
        leave_phase(slot);
        enter(slot, slot->phase + 1);
}

static void on_reply(void *userdata) {
        struct slot *slot = userdata;

        if (lost_server(slot))
                return;
        switch (slot->reply.kind) {
        case REPLY_GOES_ON:
                pass_phase(slot);
                break;
        case REPLY_FAILS:
                (void)text_copy(slot->attempt.sqlstate, sizeof(slot->attempt.sqlstate), slot->reply.sqlstate);
                slot->attempt.own_network_suspect = slot->reply.own_network_suspect;
                end_attempt(slot, slot->reply.reason);
                break;
        case REPLY_ASK_AGAIN:
                meet(slot);
                break;
        case REPLY_SILENCE:
                slot->attempt.own_network_suspect = deadline_reason(slot) == REASON_DNS_TIMEOUT;
                end_attempt(slot, deadline_reason(slot));
                break;
        }
}

/* The session's end was reported before the ping began: the ping fails as the session did. */
static void refuse_ping(struct slot *slot) {
        slot->phase = PHASE_QUERY;
        slot->reply = (struct reply){.kind = REPLY_FAILS, .reason = REASON_SESSION_LOST};
        slot->server = routes[slot->index].server;
        slot->start = slot->server->starts;
        timer_set_host(&slot->timer, clock_monotonic_usec());
}

/* -- Interface -------------------------------------------------------------------------------------------------------------------- */

int probe_pool_new(sd_event *event, unsigned n_probers, probe_report_handler handler, void *userdata, struct probe_pool **ret_pool) {
        (void)event;
        (void)n_probers;
        pool = calloc(1, sizeof(*pool));
        if (!pool)
                return -ENOMEM;
        pool->handler = handler;
        pool->userdata = userdata;
        *ret_pool = pool;
        return 0;
}

static void clear(struct slot *slot) {
        timer_stop(&slot->timer);
        close_session(slot);
        slot->running = false;
        slot->database = 0;
}

void probe_pool_stop(struct probe_pool *p) {
        (void)p;
}

struct probe_pool *probe_pool_free(struct probe_pool *p, uint64_t timeout_usec) {
        (void)timeout_usec;
        for (size_t i = 0; p && i < ARRAY_LENGTH(p->slots); i++)
                clear(&p->slots[i]);
        free(p);
        pool = NULL;
        return NULL;
}

static struct slot *take_slot(const struct probe_request *request) {
        struct slot *slot = find(request->database);

        if (slot)
                return slot;
        slot = find(0);
        if (!slot)
                abort();
        *slot = (struct slot){
                .database = request->database,
                .index = route_find(conninfo_get(request->conninfo, "host")),
                .timer = {.fire = on_reply, .userdata = slot},
                .session = {.timer = {.fire = report_end, .userdata = slot}},
        };
        return slot;
}

int probe_pool_check(struct probe_pool *p, const struct probe_request *request) {
        struct slot *slot = take_slot(request);
        uint64_t now = clock_monotonic_usec();

        (void)p;
        witness_asked(slot->index, request);
        if (slot->running)
                return -EBUSY;
        slot->request = *request;
        slot->running = true;
        slot->began_usec = slot->mark_usec = now;
        slot->deadline_usec = usec_add(now, request->timeout_usec);
        slot->attempt = (struct attempt){
                .id = request->attempt,
                .check = request->check,
                .started_boot_usec = clock_boot_usec(),
                .started_real_usec = clock_real_usec(),
        };
        if (request->check == CHECK_PING && !slot->session.server) {
                refuse_ping(slot);
                return 0;
        }
        if (request->check == CHECK_PING) {
                slot->server = slot->session.server;
                slot->start = slot->session.start;
                enter(slot, PHASE_QUERY);
                return 0;
        }
        slot->server = route_follow(slot->index);
        enter(slot, PHASE_RESOLVE);
        return 0;
}

bool probe_pool_phase(struct probe_pool *p, uint64_t database, enum phase *ret_phase) {
        const struct slot *slot = find(database);

        (void)p;
        if (!slot || !slot->running)
                return false;
        *ret_phase = slot->phase;
        return true;
}

void probe_pool_drop_session(struct probe_pool *p, uint64_t database) {
        struct slot *slot = find(database);

        (void)p;
        if (!slot)
                return;
        witness_dropped_session(slot->index);
        slot->drop_session = slot->running;
        if (!slot->running || slot->request.check != CHECK_PING)
                close_session(slot);
}

void probe_pool_forget(struct probe_pool *p, uint64_t database) {
        struct slot *slot = find(database);

        (void)p;
        if (!slot)
                return;
        witness_forgot(slot->index);
        clear(slot);
}

void probe_pool_stats(struct probe_pool *p, struct probe_pool_stats *ret_stats) {
        (void)p;
        *ret_stats = (struct probe_pool_stats){.probers = 1};
}
