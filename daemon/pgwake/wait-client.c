#include "pgwake/wait-client.h"

#include "base/clock.h"
#include "base/duration.h"

#include <errno.h>

/* The longest time of one held request; then it is sent again. */
#define HELD_MAX_USEC (10 * USEC_PER_MINUTE)
/* The extra time for the daemon's answer to arrive. */
#define GRACE_USEC (2 * USEC_PER_SEC)
/* An answer that comes too early is not followed by the next request at once. */
#define PAUSE_USEC USEC_PER_SEC
/* A daemon that was there before may be in a restart. */
#define RESTART_USEC (10 * USEC_PER_SEC)
#define RESTART_RETRY_USEC (100 * USEC_PER_MSEC)

void wait_client_init(struct wait_client *client, struct context *context, const struct wait_aim *aim, const char *name) {
        *client = (struct wait_client){
                .context = context,
                .aim = aim,
                .name = name,
                /* For a state, only the wake is requested; looks and events show the state. */
                .held_wanted = !aim->state || aim->wake,
                .look_wanted = !aim->state,
                .expected_boot_usec = USEC_INFINITY,
        };
}

void wait_client_deinit(struct wait_client *client) {
        exchange_free(client->held);
        exchange_free(client->look);
        free(client->state);
        free(client->reason);
        free(client->message);
}

static int wait_client_replace(char **text, const char *value) {
        char *copy = strdup(value ? value : "");

        if (!copy)
                return -ENOMEM;
        free(*text);
        *text = copy;
        return 0;
}

int wait_client_learn(struct wait_client *client, const char *state, const char *reason, const char *message) {
        if (wait_client_replace(&client->state, state) < 0 || wait_client_replace(&client->reason, reason) < 0 ||
            wait_client_replace(&client->message, message) < 0)
                return -ENOMEM;
        if (client->aim->state && streq(client->aim->state, client->state))
                client->stage = WAIT_REACHED;
        return 0;
}

/* The path of the held request, and its timeout. */
static char *wait_client_held_path(const struct wait_client *client, uint64_t now, uint64_t *ret_timeout) {
        bool wake = client->aim->wake && !client->woken;
        uint64_t left = MIN(usec_sub(client->aim->deadline_boot_usec, now), HELD_MAX_USEC);
        char span[DURATION_MAX];

        *ret_timeout = usec_add(left, client->aim->spread_usec + GRACE_USEC);
        if (client->aim->state || left == 0) {
                *ret_timeout = CLIENT_ANSWER_USEC;
                return client_path(wake ? "/wake" : "/readyz", client->name, NULL);
        }
        /* Rounded up to whole milliseconds, for a simple text. */
        left = (left + USEC_PER_MSEC - 1) / USEC_PER_MSEC * USEC_PER_MSEC;
        return client_path(wake ? "/wake" : "/readyz", client->name,
                           (const struct parameter[]){{"wait", duration_format(span, left)}, {"spread", client->aim->spread}, {0}});
}

static int wait_client_start_held(struct wait_client *client, uint64_t now) {
        _cleanup_free_ char *path = NULL;
        struct request request = {.method = client->aim->wake && !client->woken ? REQUEST_POST : REQUEST_GET};

        path = wait_client_held_path(client, now, &request.timeout_usec);
        request.path = path;
        client->held_wanted = false;
        client->ask_boot_usec = usec_add(now, PAUSE_USEC);
        return path ? client_start(client->context->client, &request, &client->held) : -ENOMEM;
}

static int wait_client_start_look(struct wait_client *client) {
        _cleanup_free_ char *path = client_path("/status", client->name, NULL);

        client->look_wanted = false;
        if (!path)
                return -ENOMEM;
        return client_start(client->context->client, &(struct request){.path = path, .timeout_usec = CLIENT_ANSWER_USEC}, &client->look);
}

int wait_client_start(struct wait_client *client, uint64_t now_boot_usec) {
        int r = 0;

        if (client->stage != WAIT_PENDING)
                return 0;
        if (client->held_wanted && !client->held && client->ask_boot_usec <= now_boot_usec)
                r = wait_client_start_held(client, now_boot_usec);
        if (r == 0 && client->look_wanted && !client->look)
                r = wait_client_start_look(client);
        return r;
}

uint64_t wait_client_next(const struct wait_client *client) {
        return client->stage == WAIT_PENDING && client->held_wanted && !client->held ? client->ask_boot_usec : USEC_INFINITY;
}

/* Whether nothing will wake it: no policy that does so by itself, no lease, no other demand. */
static bool wait_client_is_left_alone(const struct database_status *database) {
        bool keeps_awake = database->policy && streq(database->policy, "keep-awake") && !database->budget.spent;

        /* A lease is demand. */
        if (keeps_awake || database->demand.known)
                return false;
        if (streq(database->state, "asleep"))
                return true;
        /* If the next check is not a door check, the state will be known soon. */
        return streq(database->state, "unknown") && (!database->next_check.known || streq(database->next_check.kind, "door"));
}

/* Reports once per database what keeps the wait from ending by itself. */
static void wait_client_note_obstacle(struct wait_client *client, const struct database_status *database) {
        if (client->noted || client->aim->state)
                return;
        if (database->reason && streq(database->reason, "paused"))
                complain("%s is paused, and not checked until that is over; pgwake resume %s ends it", client->name, client->name);
        else if (wait_client_is_left_alone(database) && database->budget.spent)
                complain("%s is %s, and its budget of awake hours is spent: nothing wakes it before the next month", client->name,
                         database->state);
        else if (wait_client_is_left_alone(database) && !client->aim->wake)
                complain("%s is %s, and to wait for it does not wake it; pgwake wait --wake %s does", client->name, database->state,
                         client->name);
        else if (streq(database->state, "blocked"))
                complain("%s is blocked (%s), a person must act: %s", client->name, database->reason ? database->reason : "-",
                         database->message ? database->message : "-");
        else
                return;
        client->noted = true;
}

static int wait_client_take_database(struct wait_client *client, json_t *json, uint64_t now, bool is_status, bool *ret_ready) {
        _cleanup_free_ struct database_status *databases = NULL;
        size_t n;
        int r;

        r = answer_databases(client->context, json, &databases, &n);
        if (r != 0)
                return r;
        if (n != 1)
                return tell_malformed(client->context, "not exactly one database");
        if (wait_client_learn(client, databases[0].state, databases[0].reason, databases[0].message) < 0)
                return tell_error(-ENOMEM, EXIT_CODE_NOT_READY);
        client->expected_boot_usec =
                databases[0].expected_ready_usec == USEC_INFINITY ? USEC_INFINITY : usec_add(databases[0].expected_ready_usec, now);
        if (is_status)
                wait_client_note_obstacle(client, &databases[0]);
        *ret_ready = databases[0].ready;
        return 0;
}

/* The connection was lost: if the daemon was there before, it is tried again for a while. */
static int wait_client_on_lost(struct wait_client *client, uint64_t now) {
        const struct exchange *exchange = client->held;
        bool absent = exchange->error == -ECONNRESET || !exchange->connected;

        client->was_connected = client->was_connected || exchange->connected;
        if (!client->lost_boot_usec)
                client->lost_boot_usec = now;
        if (!absent || !client->was_connected || now - client->lost_boot_usec >= RESTART_USEC || now >= client->aim->deadline_boot_usec)
                return tell_no_answer(client->context, exchange);
        client->held_wanted = true;
        client->ask_boot_usec = now + RESTART_RETRY_USEC;
        return 0;
}

/* Not yet: requested again, unless the time is over. */
static void wait_client_on_not_yet(struct wait_client *client, uint64_t now) {
        if (now >= client->aim->deadline_boot_usec)
                client->stage = WAIT_OVER;
        else
                client->held_wanted = !client->aim->state;
}

static int wait_client_on_held(struct wait_client *client, uint64_t now) {
        _cleanup_(answer_deinit) struct answer answer = {0};
        bool ready = false;
        int r;

        if (client->held->error < 0)
                return wait_client_on_lost(client, now);
        client->lost_boot_usec = 0;
        client->was_connected = true;
        r = answer_read(client->context, client->held, &answer);
        if (r != 0)
                return r;
        if (json_object_get(answer.json, "error")) {
                /* Overload, or a daemon that is stopping: temporary. Anything else is not. */
                if ((answer.status != 429 && answer.status != 503) || now >= client->aim->deadline_boot_usec)
                        return tell_refusal(client->context, &answer, client->name);
                wait_client_on_not_yet(client, now);
                client->held_wanted = true;
                return 0;
        }
        if (answer.status != 200 && answer.status != 202 && answer.status != 503)
                return tell_refusal(client->context, &answer, client->name);
        client->woken = client->woken || answer.status == 202;
        r = wait_client_take_database(client, answer.json, now, false, &ready);
        if (r != 0 || client->stage != WAIT_PENDING)
                return r;
        if (answer.status == 200 && !client->aim->state)
                client->stage = WAIT_REACHED;
        else {
                wait_client_on_not_yet(client, now);
                /* An answer to a request without `wait` is followed by the held request at once. */
                if (answer.status == 202)
                        client->ask_boot_usec = now;
        }
        return 0;
}

/* A look that fails costs only its news, unless it is the source of the state. */
static int wait_client_on_look(struct wait_client *client, uint64_t now) {
        _cleanup_(answer_deinit) struct answer answer = {0};
        bool ready;
        int r;

        if (!client->aim->state && (client->look->error < 0 || client->look->status != 200))
                return 0;
        if (client->look->error < 0) {
                /* The stream fails for the same reason, and brings the next look. */
                if (client->look->error == -ECONNRESET || !client->look->connected)
                        return 0;
                return tell_no_answer(client->context, client->look);
        }
        r = answer_read(client->context, client->look, &answer);
        if (r != 0)
                return r;
        /* Overload, or a daemon that is stopping: the stream gets the same, and will bring news. */
        if (answer.status == 429 || answer.status == 503)
                return 0;
        if (answer.status != 200)
                return tell_refusal(client->context, &answer, client->name);
        return wait_client_take_database(client, answer.json, now, true, &ready);
}

int wait_client_turn(struct wait_client *client, uint64_t now_boot_usec) {
        int r = 0;

        if (client->held && client->held->done) {
                if (client->stage == WAIT_PENDING)
                        r = wait_client_on_held(client, now_boot_usec);
                client->held = exchange_free(client->held);
        }
        if (r == 0 && client->look && client->look->done) {
                if (client->stage == WAIT_PENDING)
                        r = wait_client_on_look(client, now_boot_usec);
                client->look = exchange_free(client->look);
        }
        return r;
}
