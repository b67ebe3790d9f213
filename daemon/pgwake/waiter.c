#include "pgwake/waiter.h"

#include "base/clock.h"
#include "base/duration.h"
#include "base/text.h"

#include <errno.h>

/* One held question is no longer than this; then it is asked again. */
#define HELD_MAX_USEC (10 * USEC_PER_MINUTE)
/* What the daemon's answer may need on its way after the time is over. */
#define GRACE_USEC (2 * USEC_PER_SEC)
/* An answer that comes too early is not followed by the next question at once. */
#define PAUSE_USEC USEC_PER_SEC
/* A daemon that was there may be restarted under us. */
#define RESTART_USEC (10 * USEC_PER_SEC)
#define RESTART_RETRY_USEC (100 * USEC_PER_MSEC)

void waiter_init(struct waiter *waiter, struct context *context, const struct waiter_aim *aim, const char *name) {
        *waiter = (struct waiter){
                .context = context,
                .aim = aim,
                .name = name,
                /* For a state only the wake is asked; the state comes by looks and events. */
                .held_wanted = !aim->state || aim->wake,
                .look_wanted = !aim->state,
                .expected_boot_usec = USEC_INFINITY,
        };
}

void waiter_deinit(struct waiter *waiter) {
        exchange_free(waiter->held);
        exchange_free(waiter->look);
        free(waiter->state);
        free(waiter->reason);
        free(waiter->message);
}

static int replace(char **text, const char *value) {
        char *copy = strdup(value ? value : "");

        if (!copy)
                return -ENOMEM;
        free(*text);
        *text = copy;
        return 0;
}

int waiter_learn(struct waiter *waiter, const char *state, const char *reason, const char *message) {
        if (replace(&waiter->state, state) < 0 || replace(&waiter->reason, reason) < 0 || replace(&waiter->message, message) < 0)
                return -ENOMEM;
        if (waiter->aim->state && streq(waiter->aim->state, waiter->state))
                waiter->stage = WAITER_REACHED;
        return 0;
}

/* The held question and the time that it may take. */
static char *held_path(const struct waiter *waiter, uint64_t now, uint64_t *ret_timeout) {
        bool wake = waiter->aim->wake && !waiter->woken;
        uint64_t left = MIN(usec_sub(waiter->aim->deadline_boot_usec, now), HELD_MAX_USEC);
        char span[DURATION_MAX];

        *ret_timeout = usec_add(left, waiter->aim->spread_usec + GRACE_USEC);
        if (waiter->aim->state || left == 0) {
                *ret_timeout = CLIENT_ANSWER_USEC;
                return client_path(wake ? "/wake" : "/readyz", waiter->name, NULL);
        }
        /* Rounded up to the milliseconds that everybody understands. */
        left = (left + USEC_PER_MSEC - 1) / USEC_PER_MSEC * USEC_PER_MSEC;
        return client_path(wake ? "/wake" : "/readyz", waiter->name,
                           (const struct parameter[]){{"wait", duration_format(span, left)}, {"spread", waiter->aim->spread}, {0}});
}

static int start_held(struct waiter *waiter, uint64_t now) {
        _cleanup_free_ char *path = NULL;
        struct request request = {.method = waiter->aim->wake && !waiter->woken ? REQUEST_POST : REQUEST_GET};

        path = held_path(waiter, now, &request.timeout_usec);
        request.path = path;
        waiter->held_wanted = false;
        waiter->ask_boot_usec = usec_add(now, PAUSE_USEC);
        return path ? client_start(waiter->context->client, &request, &waiter->held) : -ENOMEM;
}

static int start_look(struct waiter *waiter) {
        _cleanup_free_ char *path = client_path("/status", waiter->name, NULL);

        waiter->look_wanted = false;
        if (!path)
                return -ENOMEM;
        return client_start(waiter->context->client, &(struct request){.path = path, .timeout_usec = CLIENT_ANSWER_USEC}, &waiter->look);
}

int waiter_start(struct waiter *waiter, uint64_t now_boot_usec) {
        int r = 0;

        if (waiter->stage != WAITER_PENDING)
                return 0;
        if (waiter->held_wanted && !waiter->held && waiter->ask_boot_usec <= now_boot_usec)
                r = start_held(waiter, now_boot_usec);
        if (r == 0 && waiter->look_wanted && !waiter->look)
                r = start_look(waiter);
        return r;
}

uint64_t waiter_next(const struct waiter *waiter) {
        return waiter->stage == WAITER_PENDING && waiter->held_wanted && !waiter->held ? waiter->ask_boot_usec : USEC_INFINITY;
}

/* Whether nothing is going to wake it: no policy that does so by itself, no lease, no other demand. */
static bool is_left_alone(const struct database_view *database) {
        bool keeps_awake = database->policy && streq(database->policy, "keep-awake") && !database->budget_spent;

        if (keeps_awake || database->demand || json_array_size(database->leases) > 0)
                return false;
        if (streq(database->state, "asleep"))
                return true;
        /* Where the next check is no door check, it will be known soon. */
        return streq(database->state, "unknown") && (!database->next_kind || streq(database->next_kind, "door"));
}

/* Once per database: what keeps the waiting from ending by itself. */
static void note_obstacle(struct waiter *waiter, const struct database_view *database) {
        if (waiter->noted || waiter->aim->state)
                return;
        if (database->reason && streq(database->reason, "paused"))
                complain("%s is paused, and not checked until that is over; pgwake resume %s ends it", waiter->name, waiter->name);
        else if (is_left_alone(database) && database->budget_spent)
                complain("%s is %s, and its budget of awake hours is spent: nothing wakes it before the next month", waiter->name,
                         database->state);
        else if (is_left_alone(database) && !waiter->aim->wake)
                complain("%s is %s, and to wait for it does not wake it; pgwake wait --wake %s does", waiter->name, database->state,
                         waiter->name);
        else if (streq(database->state, "blocked"))
                complain("%s is blocked (%s), a person must act: %s", waiter->name, database->reason ? database->reason : "-",
                         database->message ? database->message : "-");
        else
                return;
        waiter->noted = true;
}

static int take_database(struct waiter *waiter, json_t *json, uint64_t now, bool is_status, bool *ret_ready) {
        _cleanup_free_ struct database_view *databases = NULL;
        size_t n;
        int r;

        r = answer_databases(waiter->context, json, &databases, &n);
        if (r != 0)
                return r;
        if (n != 1)
                return tell_malformed(waiter->context, "not exactly one database");
        if (waiter_learn(waiter, databases[0].state, databases[0].reason, databases[0].message) < 0)
                return tell_error(-ENOMEM, EXIT_CODE_NOT_READY);
        waiter->expected_boot_usec = usec_add(databases[0].expected_usec, databases[0].expected_usec == USEC_INFINITY ? 0 : now);
        if (is_status)
                note_obstacle(waiter, &databases[0]);
        *ret_ready = databases[0].ready;
        return 0;
}

/* The connection was lost: asked again for a while when the daemon was there before. */
static int on_lost(struct waiter *waiter, uint64_t now) {
        const struct exchange *exchange = waiter->held;
        bool absent = exchange->error == -ECONNRESET || !exchange->connected;

        waiter->was_connected = waiter->was_connected || exchange->connected;
        if (!waiter->lost_boot_usec)
                waiter->lost_boot_usec = now;
        if (!absent || !waiter->was_connected || now - waiter->lost_boot_usec >= RESTART_USEC || now >= waiter->aim->deadline_boot_usec)
                return tell_no_answer(waiter->context, exchange);
        waiter->held_wanted = true;
        waiter->ask_boot_usec = now + RESTART_RETRY_USEC;
        return 0;
}

/* Not yet: asked again, unless the time is over. */
static void on_not_yet(struct waiter *waiter, uint64_t now) {
        if (now >= waiter->aim->deadline_boot_usec)
                waiter->stage = WAITER_OVER;
        else
                waiter->held_wanted = !waiter->aim->state;
}

static int on_held(struct waiter *waiter, uint64_t now) {
        _cleanup_(answer_deinit) struct answer answer = {0};
        bool ready = false;
        int r;

        if (waiter->held->error < 0)
                return on_lost(waiter, now);
        waiter->lost_boot_usec = 0;
        waiter->was_connected = true;
        r = answer_read(waiter->context, waiter->held, &answer);
        if (r != 0)
                return r;
        if (json_object_get(answer.json, "error")) {
                /* Too much to do, or about to end: that passes. Anything else does not. */
                if ((answer.status != 429 && answer.status != 503) || now >= waiter->aim->deadline_boot_usec)
                        return tell_refusal(waiter->context, &answer, waiter->name);
                on_not_yet(waiter, now);
                waiter->held_wanted = true;
                return 0;
        }
        if (answer.status != 200 && answer.status != 202 && answer.status != 503)
                return tell_refusal(waiter->context, &answer, waiter->name);
        waiter->woken = waiter->woken || answer.status == 202;
        r = take_database(waiter, answer.json, now, false, &ready);
        if (r != 0 || waiter->stage != WAITER_PENDING)
                return r;
        if (answer.status == 200 && !waiter->aim->state)
                waiter->stage = WAITER_REACHED;
        else {
                on_not_yet(waiter, now);
                /* What was asked without waiting is followed by the held question at once. */
                if (answer.status == 202)
                        waiter->ask_boot_usec = now;
        }
        return 0;
}

/* A look that fails costs only its news, unless it is how the state is known. */
static int on_look(struct waiter *waiter, uint64_t now) {
        _cleanup_(answer_deinit) struct answer answer = {0};
        bool ready;
        int r;

        if (!waiter->aim->state && (waiter->look->error < 0 || waiter->look->status != 200))
                return 0;
        if (waiter->look->error < 0) {
                /* The stream is told the same and brings the next look. */
                if (waiter->look->error == -ECONNRESET || !waiter->look->connected)
                        return 0;
                return tell_no_answer(waiter->context, waiter->look);
        }
        r = answer_read(waiter->context, waiter->look, &answer);
        if (r != 0)
                return r;
        /* Too much to do, or about to end: so it is for the stream, and that is how more will be known. */
        if (answer.status == 429 || answer.status == 503)
                return 0;
        if (answer.status != 200)
                return tell_refusal(waiter->context, &answer, waiter->name);
        return take_database(waiter, answer.json, now, true, &ready);
}

int waiter_turn(struct waiter *waiter, uint64_t now_boot_usec) {
        int r = 0;

        if (waiter->held && waiter->held->done) {
                if (waiter->stage == WAITER_PENDING)
                        r = on_held(waiter, now_boot_usec);
                waiter->held = exchange_free(waiter->held);
        }
        if (r == 0 && waiter->look && waiter->look->done) {
                if (waiter->stage == WAITER_PENDING)
                        r = on_look(waiter, now_boot_usec);
                waiter->look = exchange_free(waiter->look);
        }
        return r;
}
