#include "pgwake/holder.h"

#include "base/random.h"
#include "base/clock.h"
#include "base/text.h"
#include "pgwake/sanitize.h"
#include "pgwake/event-stream.h"
#include "pgwake/format.h"
#include "pgwake/service.h"
#include "model/reason.h"

#include <errno.h>

/* The first try is at once, the others follow with these between them. */
#define RETRY_FLOOR_USEC (20 * USEC_PER_MSEC)
#define RETRY_CEILING_USEC USEC_PER_SEC
/* Who is gone for longer than a minute is not being restarted. */
#define GONE_AFTER_USEC USEC_PER_MINUTE
#define GONE_RETRY_USEC (5 * USEC_PER_SEC)
#define REFUSED_RETRY_USEC (30 * USEC_PER_SEC)
/* A lease that lasted for less counts as a try in vain. */
#define LASTED_USEC USEC_PER_SEC
/* A restart is not worth a word. */
#define TELL_AFTER_USEC (5 * USEC_PER_SEC)
/* Before anything depends on the lease, a daemon that was there is waited for. */
#define RESTART_USEC (10 * USEC_PER_SEC)

#define GONE "-"

int holder_init(struct holder *holder, struct context *context, const char *name, const char *owner, uint64_t deadline_boot_usec) {
        *holder = (struct holder){
                .context = context,
                .name = name,
                .deadline_boot_usec = deadline_boot_usec,
                /* While the machine starts, its sockets are there long before the daemon. */
                .patient = service_is_awaited(),
                .expected_boot_usec = USEC_INFINITY,
        };
        holder->path = client_path("/lease", name, (const struct parameter[]){{"owner", owner}, {0}});
        return holder->path ? 0 : -ENOMEM;
}

void holder_deinit(struct holder *holder) {
        holder->exchange = exchange_free(holder->exchange);
        holder->look = exchange_free(holder->look);
        sse_deinit(&holder->sse);
        json_decref(holder->lease);
        free(holder->path);
        *holder = (struct holder){0};
}

void holder_settle(struct holder *holder) {
        holder->settled = true;
        holder->look = exchange_free(holder->look);
}

const char *holder_advice(const char *slug) {
        enum reason reason;

        if (!slug || reason_from_slug(slug, &reason) < 0 || reason == REASON_NONE || !reason_info(reason)->advice || !*reason_info(reason)->advice)
                return NULL;
        return reason_info(reason)->advice;
}

static void learn(struct holder *holder, bool ready, const char *state, const char *reason, const char *message) {
        holder->ready = ready;
        (void)text_copy(holder->state, sizeof(holder->state), state);
        (void)text_copy(holder->reason, sizeof(holder->reason), reason);
        (void)text_copy(holder->message, sizeof(holder->message), message);
}

static void expect(struct holder *holder, uint64_t expected_usec) {
        holder->expected_boot_usec = expected_usec == USEC_INFINITY ? USEC_INFINITY : usec_add(clock_boot_usec(), expected_usec);
}

/* The first event: the lease is ours, and this is how its database is. */
static int take_lease(struct holder *holder, json_t *json) {
        struct answer_fields {
                json_t *lease;
                uint64_t id;
        } read = {0};
        const struct field fields[] = {
                {"lease", FIELD_OBJECT, true, offsetof(struct answer_fields, lease)},
                {"lease.id", FIELD_COUNT, true, offsetof(struct answer_fields, id)},
        };
        struct database_view database;
        const char *wrong;

        if (decode_fields(json, fields, ARRAY_LENGTH(fields), &read, &wrong) < 0 || decode_database(json, &database, &wrong) < 0)
                return -EBADMSG;
        json_decref(holder->lease);
        holder->lease = json_incref(read.lease);
        holder->id = read.id;
        holder->stage = HOLDER_HELD;
        holder->held_boot_usec = clock_boot_usec();
        learn(holder, database.ready, database.state, database.reason, database.message);
        expect(holder, database.expected_usec);
        return 0;
}

/* Slugs of ends that a new lease mends. */
static bool mends(const char *slug) {
        return streq(slug, "stopping") || streq(slug, "expired");
}

static int take_end(struct holder *holder, json_t *json) {
        struct end_fields {
                const char *reason, *message;
        } read = {.message = "the daemon ended it"};
        const struct field fields[] = {
                {"reason", FIELD_TEXT, true, offsetof(struct end_fields, reason)},
                {"message", FIELD_TEXT, false, offsetof(struct end_fields, message)},
        };
        const char *wrong;

        if (decode_fields(json, fields, ARRAY_LENGTH(fields), &read, &wrong) < 0 || !*read.reason)
                return -EBADMSG;
        holder->end.passes = mends(read.reason);
        (void)text_copy(holder->end.slug, sizeof(holder->end.slug), read.reason);
        (void)text_copy(holder->end.text, sizeof(holder->end.text), read.message);
        return 0;
}

static int take_state(struct holder *holder, const char *data) {
        _cleanup_(json_freep) json_t *json = NULL;
        struct event_view event;
        int r;

        r = event_view_read(data, false, &json, &event);
        if (r < 0 || !event.state || !streq(event.database, holder->name))
                return r;
        learn(holder, event.ready, event.state, event.reason, event.message);
        holder->look_wanted = !holder->settled && !holder->ready && holder->context->err.is_terminal;
        return 0;
}

static int on_event(void *userdata, const char *kind, const char *data) {
        struct holder *holder = userdata;
        _cleanup_(json_freep) json_t *json = NULL;
        bool lease = streq(kind, "lease");

        if (streq(kind, "gap")) {
                holder->look_wanted = holder->missed = !holder->settled;
                return 0;
        }
        if (!lease && !streq(kind, "end"))
                return take_state(holder, data);
        json = json_loads(data, JSON_REJECT_DUPLICATES, NULL);
        if (!json)
                return -EBADMSG;
        if (!holder->context->options.json && sanitize_json(json) < 0)
                return -ENOMEM;
        return lease ? take_lease(holder, json) : take_end(holder, json);
}

static int receive(void *userdata, const char *data, size_t size) {
        struct holder *holder = userdata;

        return sse_feed(&holder->sse, data, size, on_event, holder);
}

static int start(struct holder *holder, uint64_t now) {
        struct request request = {
                .method = REQUEST_POST,
                .path = holder->path,
                .timeout_usec = USEC_INFINITY,
                .receive = receive,
                .userdata = holder,
        };

        sse_restart(&holder->sse);
        holder->end = (struct holder_loss){0};
        holder->answer_boot_usec = holder->patient && !holder->settled ? holder->deadline_boot_usec : usec_add(now, CLIENT_ANSWER_USEC);
        return client_start(holder->context->client, &request, &holder->exchange);
}

/* A whole answer that is no lease: {"error", "message"}. */
static void read_refusal(const struct exchange *exchange, struct holder_loss *loss) {
        _cleanup_(json_freep) json_t *json = json_loadb(exchange->body.data ? exchange->body.data : "", exchange->body.size, 0, NULL);
        const char *slug = json_string_value(json_object_get(json, "error")), *message = json_string_value(json_object_get(json, "message"));

        (void)text_copy(loss->slug, sizeof(loss->slug), slug ? slug : "refused");
        (void)text_copy(loss->text, sizeof(loss->text), message ? message : "the daemon's answer is not understood");
        loss->passes = (exchange->status == 429 || exchange->status == 503) && !streq(loss->slug, "too_many_leases");
}

static struct holder_loss read_loss(const struct holder *holder) {
        const struct exchange *exchange = holder->exchange;
        struct holder_loss loss = holder->end;

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
                read_refusal(exchange, &loss);
        return loss;
}

/* Nothing depends on the lease yet: it ends here. */
static int tell_end(struct holder *holder, const struct holder_loss *loss) {
        const struct exchange *exchange = holder->exchange;
        _cleanup_(answer_deinit) struct answer answer = {0};
        const char *advice = holder_advice(loss->slug);

        if (!holder->end.slug[0] && exchange->error < 0)
                (void)tell_no_answer(holder->context, exchange);
        else if (!holder->end.slug[0] && exchange->status != 200) {
                if (answer_read(holder->context, exchange, &answer) == 0)
                        (void)tell_refusal(holder->context, &answer, holder->name);
        } else
                complain("%s: %s%s%s%s", holder->name, loss->text, *loss->slug ? " (" : "", loss->slug, *loss->slug ? ")" : "");
        if (streq(loss->slug, "paused"))
                complain("pgwake resume %s ends the pause", holder->name);
        else if (advice)
                complain("%s", advice);
        return EXIT_CODE_OWN_FAILURE;
}

/* Whether somebody who was there a moment ago may be back soon. */
static bool may_be_restart(const struct holder *holder, const struct holder_loss *loss, uint64_t now) {
        return loss->passes && holder->was_connected && holder->exchange->error != -ETIMEDOUT && now < holder->deadline_boot_usec &&
               now - holder->lost_boot_usec < RESTART_USEC;
}

/* Each loss is told once, until the lease is back; a short one not at all. */
static void tell_loss(struct holder *holder, const struct holder_loss *loss, uint64_t now) {
        const char *kind = loss->passes ? GONE : loss->slug, *advice = loss->passes ? NULL : holder_advice(loss->slug);

        if ((loss->passes && now - holder->lost_boot_usec < TELL_AFTER_USEC) || streq(holder->told, kind))
                return;
        (void)text_copy(holder->told, sizeof(holder->told), kind);
        if (loss->passes)
                complain("%s: the lease is lost, %s; it is asked for again and again", holder->name, loss->text);
        else
                complain("%s: the lease is lost: %s (%s)%s%s; it is asked for again every 30 s", holder->name, loss->text, loss->slug,
                         advice ? " " : "", advice ? advice : "");
}

static void plan_retry(struct holder *holder, const struct holder_loss *loss, uint64_t now) {
        uint64_t ceiling = now - holder->lost_boot_usec < GONE_AFTER_USEC ? RETRY_CEILING_USEC : GONE_RETRY_USEC;
        uint64_t delay = 0;

        holder->failures++;
        if (!loss->passes)
                delay = REFUSED_RETRY_USEC;
        else if (holder->failures > 1)
                delay = backoff_usec(holder->failures - 1, RETRY_FLOOR_USEC, ceiling);
        holder->retry_boot_usec = usec_add(now, delay);
}

static int on_end(struct holder *holder, uint64_t now) {
        struct holder_loss loss = read_loss(holder);
        bool deleted = streq(loss.slug, "deleted");

        holder->was_connected = holder->was_connected || holder->exchange->connected;
        if (holder->stage == HOLDER_HELD && now - holder->held_boot_usec >= LASTED_USEC)
                holder->failures = 0;
        if (!holder->lost_boot_usec)
                holder->lost_boot_usec = now;
        holder->loss = loss;
        holder->stage = HOLDER_ASKING;
        holder->ready = false;
        if (!holder->settled && !may_be_restart(holder, &loss, now))
                return tell_end(holder, &loss);
        if (deleted) {
                holder->stage = HOLDER_LEFT;
                holder->retry_boot_usec = USEC_INFINITY;
                complain("%s: somebody ended the lease; it is not taken again", holder->name);
        } else {
                if (holder->settled)
                        tell_loss(holder, &loss, now);
                plan_retry(holder, &loss, now);
        }
        holder->exchange = exchange_free(holder->exchange);
        return 0;
}

static void on_held(struct holder *holder, uint64_t now) {
        char span[DURATION_MAX];

        if (holder->told[0])
                complain("%s: the lease is back after %s", holder->name, format_span(span, now - holder->lost_boot_usec));
        holder->told[0] = '\0';
        holder->lost_boot_usec = 0;
}

/* The head of the answer needs nobody but the daemon itself. */
static void end_overdue(struct holder *holder, uint64_t now) {
        struct exchange *exchange = holder->exchange;
        char span[DURATION_MAX];

        if (exchange->done || exchange->began || now < holder->answer_boot_usec)
                return;
        exchange->done = true;
        exchange->error = -ETIMEDOUT;
        (void)snprintf(exchange->problem, sizeof(exchange->problem), "did not answer within %s", format_span(span, CLIENT_ANSWER_USEC));
}

/* How long it should take, for the eyes, and what was said while we were not listening. */
static int turn_look(struct holder *holder) {
        _cleanup_free_ char *path = NULL;

        if (holder->look && holder->look->done) {
                _cleanup_(answer_deinit) struct answer answer = {0};
                struct database_view database;
                const char *wrong;

                if (holder->look->error == 0 && holder->look->status == 200 && answer_read(holder->context, holder->look, &answer) == 0 &&
                    decode_database(answer.json, &database, &wrong) == 0) {
                        expect(holder, database.expected_usec);
                        if (holder->missed && holder->stage == HOLDER_HELD)
                                learn(holder, database.ready, database.state, database.reason, database.message);
                        holder->missed = false;
                }
                holder->look = exchange_free(holder->look);
        }
        if (!holder->look_wanted || holder->look)
                return 0;
        holder->look_wanted = false;
        path = client_path("/status", holder->name, NULL);
        if (!path)
                return -ENOMEM;
        return client_start(holder->context->client, &(struct request){.path = path, .timeout_usec = CLIENT_ANSWER_USEC}, &holder->look);
}

int holder_turn(struct holder *holder, uint64_t now_boot_usec) {
        int r = 0;

        if (holder->exchange) {
                if (holder->stage == HOLDER_HELD && holder->lost_boot_usec)
                        on_held(holder, now_boot_usec);
                end_overdue(holder, now_boot_usec);
                if (holder->exchange->done)
                        r = on_end(holder, now_boot_usec);
        }
        if (r != 0)
                return r;
        if (!holder->exchange && holder->retry_boot_usec <= now_boot_usec)
                r = start(holder, now_boot_usec);
        if (r == 0)
                r = turn_look(holder);
        if (r < 0 && holder->settled) {
                holder->retry_boot_usec = usec_add(now_boot_usec, GONE_RETRY_USEC);
                return 0;
        }
        if (r < 0)
                (void)tell_error(r, EXIT_CODE_OWN_FAILURE);
        return r < 0 ? EXIT_CODE_OWN_FAILURE : 0;
}

uint64_t holder_next(const struct holder *holder) {
        if (!holder->exchange)
                return holder->retry_boot_usec;
        return holder->exchange->began ? USEC_INFINITY : holder->answer_boot_usec;
}
