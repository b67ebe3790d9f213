#include "pgwake/lease-client.h"

#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "pgwake/format.h"
#include "pgwake/sanitize.h"

#include <errno.h>

/* The first try is at once, further ones after these delays. */
#define RETRY_FLOOR_USEC (20 * USEC_PER_MSEC)
#define RETRY_CEILING_USEC USEC_PER_SEC
/* A daemon that is gone for longer than a minute is not being restarted. */
#define GONE_AFTER_USEC USEC_PER_MINUTE
#define GONE_RETRY_USEC (5 * USEC_PER_SEC)
#define REFUSED_RETRY_USEC (30 * USEC_PER_SEC)
/* A lease that lasted for less counts as a failed try. */
#define LASTED_USEC USEC_PER_SEC
/* A restart is too short to report. */
#define TELL_AFTER_USEC (5 * USEC_PER_SEC)
/* Before anything depends on the lease, a daemon that was there before is awaited. */
#define RESTART_USEC (10 * USEC_PER_SEC)

#define GONE "-"

int lease_client_init(struct lease_client *client, struct context *context, const char *name, const char *owner, bool patient,
                      uint64_t deadline_boot_usec) {
        *client = (struct lease_client){
                .context = context,
                .name = name,
                .deadline_boot_usec = deadline_boot_usec,
                .patient = patient,
                .expected_boot_usec = USEC_INFINITY,
        };
        client->path = client_path("/lease", name, (const struct parameter[]){{"owner", owner}, {0}});
        return client->path ? 0 : -ENOMEM;
}

void lease_client_deinit(struct lease_client *client) {
        client->exchange = exchange_free(client->exchange);
        client->look = exchange_free(client->look);
        sse_deinit(&client->sse);
        json_decref(client->lease);
        free(client->path);
        *client = (struct lease_client){0};
}

void lease_client_settle(struct lease_client *client) {
        client->settled = true;
        client->look = exchange_free(client->look);
}

static void lease_learn(struct lease_client *client, bool ready, const char *state, const char *reason, const char *message) {
        client->ready = ready;
        (void)text_copy(client->state, sizeof(client->state), state);
        (void)text_copy(client->reason, sizeof(client->reason), reason);
        (void)text_copy(client->message, sizeof(client->message), message);
}

static void lease_expect(struct lease_client *client, uint64_t expected_usec) {
        client->expected_boot_usec = expected_usec == USEC_INFINITY ? USEC_INFINITY : usec_add(clock_boot_usec(), expected_usec);
}

/* The first event: the lease is ours, and this is the state of its database. */
static int lease_take_lease(struct lease_client *client, json_t *json) {
        struct lease_answer answer;
        char wrong[DECODE_PATH_MAX];

        if (decode(json, lease_answer_fields, &answer, wrong) < 0)
                return -EBADMSG;
        json_decref(client->lease);
        client->lease = json_incref(json_object_get(json, "lease"));
        client->id = answer.lease.id;
        client->stage = LEASE_HELD;
        client->held_boot_usec = clock_boot_usec();
        lease_learn(client, answer.verdict.ready, answer.verdict.state, answer.verdict.reason, answer.verdict.message);
        lease_expect(client, answer.verdict.expected_ready_usec);
        return 0;
}

/* Ends after which a new lease can be taken. */
static bool lease_mends(const char *slug) {
        return streq(slug, "stopping") || streq(slug, "expired");
}

static int lease_take_end(struct lease_client *client, json_t *json) {
        char wrong[DECODE_PATH_MAX];
        struct lease_end_answer end;

        if (decode(json, lease_end_fields, &end, wrong) < 0 || !*end.reason)
                return -EBADMSG;
        client->end.passes = lease_mends(end.reason);
        (void)text_copy(client->end.slug, sizeof(client->end.slug), end.reason);
        (void)text_copy(client->end.text, sizeof(client->end.text), end.message ? end.message : "the daemon ended it");
        return 0;
}

static int lease_take_state(struct lease_client *client, const char *data) {
        _cleanup_(json_freep) json_t *json = NULL;
        struct event_status event;
        int r;

        r = event_read(data, false, &json, &event);
        if (r < 0 || !event.state || !streq(event.database, client->name))
                return r;
        lease_learn(client, event.ready, event.state, event.reason, event.message);
        client->look_wanted = !client->settled && !client->ready && client->context->err.is_terminal;
        return 0;
}

static int lease_on_event(void *userdata, const char *kind, const char *data) {
        struct lease_client *client = userdata;
        _cleanup_(json_freep) json_t *json = NULL;
        bool lease = streq(kind, "lease");

        if (streq(kind, "gap")) {
                client->look_wanted = client->missed = !client->settled;
                return 0;
        }
        if (!lease && !streq(kind, "end"))
                return lease_take_state(client, data);
        json = json_loads(data, JSON_REJECT_DUPLICATES, NULL);
        if (!json)
                return -EBADMSG;
        if (!client->context->options.json && sanitize_json(json) < 0)
                return -ENOMEM;
        return lease ? lease_take_lease(client, json) : lease_take_end(client, json);
}

static int lease_receive(void *userdata, const char *data, size_t size) {
        struct lease_client *client = userdata;

        return sse_feed(&client->sse, data, size, lease_on_event, client);
}

static int lease_start(struct lease_client *client, uint64_t now) {
        struct request request = {
                .method = REQUEST_POST,
                .path = client->path,
                .timeout_usec = USEC_INFINITY,
                .receive = lease_receive,
                .userdata = client,
        };

        sse_restart(&client->sse);
        client->end = (struct lease_loss){0};
        client->answer_boot_usec = client->patient && !client->settled ? client->deadline_boot_usec : usec_add(now, CLIENT_ANSWER_USEC);
        return client_start(client->context->client, &request, &client->exchange);
}

/* A complete answer that is no lease: {"error", "message"}. */
static void lease_read_refusal(const struct exchange *exchange, struct lease_loss *loss) {
        _cleanup_(json_freep) json_t *json = json_loadb(exchange->body.data ? exchange->body.data : "", exchange->body.size, 0, NULL);
        struct refusal_answer refusal;
        char wrong[DECODE_PATH_MAX];

        if (decode(json, refusal_fields, &refusal, wrong) < 0)
                refusal = (struct refusal_answer){.error = "refused"};
        (void)text_copy(loss->slug, sizeof(loss->slug), refusal.error);
        (void)text_copy(loss->text, sizeof(loss->text), refusal.message ? refusal.message : "the daemon's answer is not understood");
        loss->passes = (exchange->status == 429 || exchange->status == 503) && !streq(loss->slug, "too_many_leases");
}

static struct lease_loss lease_read_loss(const struct lease_client *client) {
        const struct exchange *exchange = client->exchange;
        struct lease_loss loss = client->end;

        if (loss.slug[0])
                return loss;
        if (exchange->error < 0) {
                loss.passes = exchange->error == -ECONNRESET || exchange->error == -ETIMEDOUT || !exchange->connected;
                (void)snprintf(loss.slug, sizeof(loss.slug), "%s", loss.passes ? "" : "malformed");
                (void)snprintf(loss.text, sizeof(loss.text), "the daemon %s", exchange->problem);
        } else if (exchange->status == 200) {
                loss.passes = true;
                (void)text_copy(loss.text, sizeof(loss.text), "the daemon ended the connection");
        } else
                lease_read_refusal(exchange, &loss);
        return loss;
}

/* Nothing depends on the lease yet: reports the end. */
static int lease_tell_end(struct lease_client *client, const struct lease_loss *loss) {
        const struct exchange *exchange = client->exchange;
        _cleanup_(answer_deinit) struct answer answer = {0};
        const char *advice = format_advice(loss->slug);

        if (!client->end.slug[0] && exchange->error < 0)
                (void)tell_no_answer(client->context, exchange);
        else if (!client->end.slug[0] && exchange->status != 200) {
                if (answer_read(client->context, exchange, &answer) == 0)
                        (void)tell_refusal(client->context, &answer, client->name);
        } else
                complain("%s: %s%s%s%s", client->name, loss->text, *loss->slug ? " (" : "", loss->slug, *loss->slug ? ")" : "");
        if (streq(loss->slug, "paused"))
                complain("pgwake resume %s ends the pause", client->name);
        else if (advice)
                complain("%s", advice);
        return EXIT_CODE_OWN_FAILURE;
}

/* Whether the daemon was there a moment ago and may be back soon. */
static bool lease_may_be_restart(const struct lease_client *client, const struct lease_loss *loss, uint64_t now) {
        return loss->passes && client->was_connected && client->exchange->error != -ETIMEDOUT && now < client->deadline_boot_usec &&
               now - client->lost_boot_usec < RESTART_USEC;
}

/* Reports each loss once, until the lease is back; not a short one. */
static void lease_tell_loss(struct lease_client *client, const struct lease_loss *loss, uint64_t now) {
        const char *kind = loss->passes ? GONE : loss->slug, *advice = loss->passes ? NULL : format_advice(loss->slug);

        if ((loss->passes && now - client->lost_boot_usec < TELL_AFTER_USEC) || streq(client->told, kind))
                return;
        (void)text_copy(client->told, sizeof(client->told), kind);
        if (loss->passes)
                complain("%s: the lease is lost, %s; it is asked for again and again", client->name, loss->text);
        else
                complain("%s: the lease is lost: %s (%s)%s%s; it is asked for again every 30 s", client->name, loss->text, loss->slug,
                         advice ? " " : "", advice ? advice : "");
}

static void lease_plan_retry(struct lease_client *client, const struct lease_loss *loss, uint64_t now) {
        uint64_t ceiling = now - client->lost_boot_usec < GONE_AFTER_USEC ? RETRY_CEILING_USEC : GONE_RETRY_USEC;
        uint64_t delay = 0;

        client->failures++;
        if (!loss->passes)
                delay = REFUSED_RETRY_USEC;
        else if (client->failures > 1)
                delay = backoff_usec(client->failures - 1, RETRY_FLOOR_USEC, ceiling);
        client->retry_boot_usec = usec_add(now, delay);
}

static int lease_on_end(struct lease_client *client, uint64_t now) {
        struct lease_loss loss = lease_read_loss(client);
        bool deleted = streq(loss.slug, "deleted");

        client->was_connected = client->was_connected || client->exchange->connected;
        if (client->stage == LEASE_HELD && now - client->held_boot_usec >= LASTED_USEC)
                client->failures = 0;
        if (!client->lost_boot_usec)
                client->lost_boot_usec = now;
        client->loss = loss;
        client->stage = LEASE_ASKING;
        client->ready = false;
        if (!client->settled && !lease_may_be_restart(client, &loss, now))
                return lease_tell_end(client, &loss);
        if (deleted) {
                client->stage = LEASE_LEFT;
                client->retry_boot_usec = USEC_INFINITY;
                complain("%s: somebody ended the lease; it is not taken again", client->name);
        } else {
                if (client->settled)
                        lease_tell_loss(client, &loss, now);
                lease_plan_retry(client, &loss, now);
        }
        client->exchange = exchange_free(client->exchange);
        return 0;
}

static void lease_on_held(struct lease_client *client, uint64_t now) {
        char span[DURATION_MAX];

        if (client->told[0])
                complain("%s: the lease is back after %s", client->name, format_span(span, now - client->lost_boot_usec));
        client->told[0] = '\0';
        client->lost_boot_usec = 0;
}

/* The daemon alone produces the head of the answer, so that must not take long. */
static void lease_end_overdue(struct lease_client *client, uint64_t now) {
        struct exchange *exchange = client->exchange;
        char span[DURATION_MAX];

        if (exchange->done || exchange->began || now < client->answer_boot_usec)
                return;
        exchange->done = true;
        exchange->error = -ETIMEDOUT;
        (void)snprintf(exchange->problem, sizeof(exchange->problem), "did not answer within %s", format_span(span, CLIENT_ANSWER_USEC));
}

/* A look shows how long it should take, and replaces events that were missed. */
static int lease_turn_look(struct lease_client *client) {
        _cleanup_free_ char *path = NULL;

        if (client->look && client->look->done) {
                _cleanup_(answer_deinit) struct answer answer = {0};
                struct database_status database;
                char wrong[DECODE_PATH_MAX];

                if (client->look->error == 0 && client->look->status == 200 && answer_read(client->context, client->look, &answer) == 0 &&
                    decode(answer.json, database_fields, &database, wrong) == 0) {
                        lease_expect(client, database.expected_ready_usec);
                        if (client->missed && client->stage == LEASE_HELD)
                                lease_learn(client, database.ready, database.state, database.reason, database.message);
                        client->missed = false;
                }
                client->look = exchange_free(client->look);
        }
        if (!client->look_wanted || client->look)
                return 0;
        client->look_wanted = false;
        path = client_path("/status", client->name, NULL);
        if (!path)
                return -ENOMEM;
        return client_start(client->context->client, &(struct request){.path = path, .timeout_usec = CLIENT_ANSWER_USEC}, &client->look);
}

int lease_client_turn(struct lease_client *client, uint64_t now_boot_usec) {
        int r = 0;

        if (client->exchange) {
                if (client->stage == LEASE_HELD && client->lost_boot_usec)
                        lease_on_held(client, now_boot_usec);
                lease_end_overdue(client, now_boot_usec);
                if (client->exchange->done)
                        r = lease_on_end(client, now_boot_usec);
        }
        if (r != 0)
                return r;
        if (!client->exchange && client->retry_boot_usec <= now_boot_usec)
                r = lease_start(client, now_boot_usec);
        if (r == 0)
                r = lease_turn_look(client);
        if (r < 0 && client->settled) {
                client->retry_boot_usec = usec_add(now_boot_usec, GONE_RETRY_USEC);
                return 0;
        }
        if (r < 0)
                (void)tell_error(r, EXIT_CODE_OWN_FAILURE);
        return r < 0 ? EXIT_CODE_OWN_FAILURE : 0;
}

uint64_t lease_client_next(const struct lease_client *client) {
        if (!client->exchange)
                return client->retry_boot_usec;
        return client->exchange->began ? USEC_INFINITY : client->answer_boot_usec;
}
