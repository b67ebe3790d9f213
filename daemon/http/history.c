/* GET /history/NAME: the past. The store answers the question in a thread of its own, while the exchange is held. */
#include "http/server-private.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/macro.h"
#include "base/text.h"
#include "base/timer.h"
#include "history/reader.h"
#include "history/store.h"
#include "http/answer.h"
#include "http/route.h"

#include <assert.h>
#include <sys/epoll.h>
#include <sys/queue.h>

#define SINCE_USEC (7 * USEC_PER_DAY)
#define LIMIT 1000
/* 0 is no time in an answer. */
#define BEGINNING_USEC USEC_PER_SEC
/* Requests of one listener at a time. */
#define WAITING_MAX 32
/* The store gives up an answer before this, unless its thread hangs in the disk. */
#define LATE_USEC (11 * USEC_PER_SEC)
#define LATE_ACCURACY_USEC (100 * USEC_PER_MSEC)

struct history_requests {
        struct server *server;
        sd_event_source *source; /* there are answers */
        struct timer late;
        LIST_HEAD(, history_request) pending;
};

/* A held exchange. */
struct history_request {
        struct history_requests *all;
        struct listener *listener;
        struct exchange *exchange;
        struct question *question;
        uint64_t late_monotonic_usec;
        char name[TEXT_NAME_MAX + 1];
        bool csv;
        LIST_ENTRY(history_request) link;
};

static struct history_request *history_request_new(struct history_requests *all, struct request *request) {
        struct history_request *pending = calloc(1, sizeof(*pending));

        if (!pending)
                return NULL;
        pending->all = all;
        pending->listener = request->listener;
        pending->exchange = request->exchange;
        pending->csv = request->query.csv;
        pending->late_monotonic_usec = usec_add(clock_monotonic_usec(), LATE_USEC);
        (void)text_copy(pending->name, sizeof(pending->name), request->name);
        LIST_INSERT_HEAD(&all->pending, pending, link);
        pending->listener->n_questions++;
        return pending;
}

static void history_request_free(struct history_request *pending) {
        LIST_REMOVE(pending, link);
        assert(pending->listener->n_questions > 0);
        pending->listener->n_questions--;
        free(pending);
}

static void history_on_left(void *userdata) {
        struct history_request *pending = userdata;

        reader_cancel(pending->question);
        history_request_free(pending);
}

static void send_content(struct history_request *pending, const struct query_answer *answer) {
        exchange_reply(pending->exchange, &(struct reply){
                                                  .status = 200,
                                                  .content_type = pending->csv ? "text/csv; charset=utf-8; header=present" : NULL,
                                                  .body = &answer->content,
                                          });
}

static void answer_late(struct history_request *pending) {
        answer_unavailable(pending->all->server, pending->exchange, RETRY_UNKNOWN_SEC, "late",
                           "the answer took too long; ask for less, or later");
}

static void on_answered(void *userdata, struct query_answer *answer) {
        struct history_request *pending = userdata;
        struct server *server = pending->all->server;

        switch (answer->result) {
        case QUERY_ANSWERED:
                send_content(pending, answer);
                break;
        case QUERY_UNKNOWN:
                answer_unknown_database(server, pending->exchange, pending->name);
                break;
        case QUERY_LATE:
                answer_late(pending);
                break;
        case QUERY_FAILED:
                answer_unavailable(server, pending->exchange, RETRY_UNKNOWN_SEC, "history_off",
                                   answer->error == -EUCLEAN ? "the file of the history is damaged"
                                   : answer->error == -EBUSY ? "another process holds the file of the history"
                                                             : strerror(-answer->error));
                break;
        }
        history_request_free(pending);
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct history_requests *history = userdata;

        (void)source;
        (void)fd;
        (void)events;
        reader_take_answers(store_reader(history->server->hooks.store));
        return 0;
}

/* Schedules the next look, if a client waits. */
static void plan_look(struct history_requests *history) {
        const struct history_request *pending;
        uint64_t next = USEC_INFINITY;

        LIST_FOREACH(pending, &history->pending, link)
                next = MIN(next, pending->late_monotonic_usec);
        timer_set(&history->late, next);
}

static void on_late(void *userdata) {
        struct history_requests *history = userdata;
        uint64_t now = clock_monotonic_usec();

        for (struct history_request *pending = LIST_FIRST(&history->pending), *next; pending; pending = next) {
                next = LIST_NEXT(pending, link);
                if (pending->late_monotonic_usec > now)
                        continue;
                reader_cancel(pending->question);
                answer_late(pending);
                history_request_free(pending);
        }
        plan_look(history);
}

int history_requests_new(struct server *server, struct history_requests **ret_history) {
        int fd = server->hooks.store ? reader_fd(store_reader(server->hooks.store)) : -1, r = 0;
        struct history_requests *history = calloc(1, sizeof(*history));

        if (!history)
                return -ENOMEM;
        history->server = server;
        if (fd >= 0)
                r = sd_event_add_io(server->event, &history->source, fd, EPOLLIN, on_readable, history);
        if (r >= 0)
                r = timer_init(&history->late, server->event, CLOCK_MONOTONIC, LATE_ACCURACY_USEC, "history-late", on_late, history);
        if (r < 0) {
                (void)history_requests_free(history);
                return r;
        }
        if (history->source)
                (void)sd_event_source_set_description(history->source, "history-answers");
        *ret_history = history;
        return 0;
}

void history_requests_stop(struct history_requests *history) {
        struct history_request *pending;

        while ((pending = LIST_FIRST(&history->pending))) {
                reader_cancel(pending->question);
                answer_stopping(history->server, pending->exchange);
                history_request_free(pending);
        }
}

struct history_requests *history_requests_free(struct history_requests *history) {
        if (!history)
                return NULL;
        assert(LIST_EMPTY(&history->pending));
        sd_event_source_disable_unref(history->source);
        timer_deinit(&history->late);
        free(history);
        return NULL;
}

static uint64_t moment_of(const struct query_time *time, bool given, uint64_t otherwise, uint64_t now) {
        if (!given)
                return otherwise;
        return time->is_ago ? usec_sub(now, time->usec) : time->usec;
}

/* Makes the question for the store; false if it is invalid, and was answered. */
static bool make_query(struct request *request, struct history_query *ret_query) {
        const struct query *query = &request->query;
        uint64_t now = clock_real_usec();
        uint64_t since = moment_of(&query->since, query->given & ARGUMENT_SINCE, usec_sub(now, SINCE_USEC), now);

        *ret_query = (struct history_query){
                .kind = query->kind,
                .since_real_usec = MAX(since, BEGINNING_USEC),
                .until_real_usec = moment_of(&query->until, query->given & ARGUMENT_UNTIL, now, now),
                .now_real_usec = now,
                .limit = query->given & ARGUMENT_LIMIT ? query->limit : LIMIT,
                .csv = query->csv,
                .detail = request->listener->permission == PERMISSION_CONTROL,
                .watched = request->database != NULL,
                .urgent = request->listener->permission == PERMISSION_CONTROL,
        };
        (void)text_copy(ret_query->name, sizeof(ret_query->name), request->name);
        if (ret_query->since_real_usec < ret_query->until_real_usec)
                return true;
        answer_error(request->server, request->exchange, 400, "bad_request", "since= must be before until=");
        return false;
}

/* The file can be read even if nothing can be written to it, and while other processes read it. */
static bool history_is_readable(enum store_health health) {
        return health == STORE_GOOD || health == STORE_FULL || health == STORE_READ_ONLY || health == STORE_LOCKED;
}

static bool history_refuse(struct request *request) {
        struct server *server = request->server;
        enum store_health health = STORE_NONE;
        char sentence[256] = "";

        if (server->hooks.store)
                health = store_health(server->hooks.store, sentence, sizeof(sentence));
        if (history_is_readable(health))
                return false;
        answer_unavailable(server, request->exchange, RETRY_UNKNOWN_SEC, "history_off",
                           *sentence ? sentence : "no history is kept: history.path is \"\"");
        return true;
}

static void history_refuse_one_more(struct request *request) {
        answer_busy(request->server, request->exchange, "too many questions about the past wait for their answers; ask again soon");
}

/*
 * The listeners share the questions that the store accepts, so that the clients of one do not lock out those of another. Control has its
 * own.
 */
static bool is_its_share_used(const struct history_requests *history, const struct listener *listener) {
        unsigned n_listeners = 0;

        if (listener->permission == PERMISSION_CONTROL)
                return false;
        for (const struct listener *other = history->server->listeners; other; other = other->next)
                n_listeners += other->permission != PERMISSION_CONTROL;
        return listener->n_questions >= MAX(QUERY_ORDINARY_MAX / n_listeners, 1u);
}

void history_get(struct request *request) {
        struct history_requests *history = request->server->history;
        struct history_request *pending;
        struct history_query query;
        int r;

        if (!make_query(request, &query) || history_refuse(request))
                return;
        if (request->listener->n_questions >= WAITING_MAX || is_its_share_used(history, request->listener)) {
                history_refuse_one_more(request);
                return;
        }
        pending = history_request_new(history, request);
        r = pending ? reader_ask(store_reader(request->server->hooks.store), &query, on_answered, pending, &pending->question) : -ENOMEM;
        if (r >= 0) {
                exchange_hold(request->exchange, history_on_left, pending);
                plan_look(history);
                return;
        }
        if (pending)
                history_request_free(pending);
        if (r == -EBUSY)
                history_refuse_one_more(request);
        else
                answer_unavailable(request->server, request->exchange, RETRY_UNKNOWN_SEC, "history_off", strerror(-r));
}
