/*
 * GET /history/NAME: what happened. The question is put to the store, which answers it in a thread of its own while the exchange is held;
 * a long answer goes out in pieces.
 */
#include "http/history.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/macro.h"
#include "base/text.h"
#include "http/answer.h"
#include "http/handlers.h"
#include "history/reader.h"
#include "history/store.h"

#include <sys/epoll.h>

#define SINCE_USEC (7 * USEC_PER_DAY)
#define LIMIT 1000
/* 0 is no time in an answer. */
#define BEGINNING_USEC USEC_PER_SEC
/* Of one listener: answers that are on their way, with those that are waited for. */
#define WAITING_MAX 32
/* What is shorter goes out in one piece. */
#define WHOLE_BYTES 65536
/* The store gives an answer up before that, unless its thread hangs in the disk. */
#define LATE_USEC (11 * USEC_PER_SEC)
#define LATE_ACCURACY_USEC (100 * USEC_PER_MSEC)

struct history_site {
        struct site *site;
        sd_event_source *source; /* answers have come */
        sd_event_source *late;
        struct held *first;
};

/* An exchange that is held, or to which a long answer is on its way. */
struct held {
        struct history_site *site;
        struct listener *listener;
        struct exchange *exchange;
        struct question *question; /* NULL: it was answered */
        uint64_t late_monotonic_usec;
        char name[TEXT_NAME_MAX + 1];
        bool csv;
        struct buffer content;
        size_t sent;
        struct held *previous, *next;
};

static struct held *held_new(struct history_site *site, struct request *request) {
        struct held *held = calloc(1, sizeof(*held));

        if (!held)
                return NULL;
        held->site = site;
        held->listener = request->listener;
        held->exchange = request->exchange;
        held->csv = request->query.csv;
        held->late_monotonic_usec = usec_add(clock_monotonic_usec(), LATE_USEC);
        (void)text_copy(held->name, sizeof(held->name), request->name);
        held->next = site->first;
        if (held->next)
                held->next->previous = held;
        site->first = held;
        held->listener->n_questions++;
        return held;
}

static void held_free(struct held *held) {
        if (held->previous)
                held->previous->next = held->next;
        else
                held->site->first = held->next;
        if (held->next)
                held->next->previous = held->previous;
        held->listener->n_questions--;
        answer_held_no_more(held->listener, held->content.size);
        buffer_deinit(&held->content);
        free(held);
}

static void on_left(void *userdata) {
        struct held *held = userdata;

        reader_cancel(held->question);
        held_free(held);
}

static ssize_t read_content(void *userdata, char *buffer, size_t size) {
        struct held *held = userdata;
        size_t n = MIN(size, held->content.size - held->sent);

        if (n == 0)
                return STREAM_ENDS;
        memcpy(buffer, held->content.data + held->sent, n);
        held->sent += n;
        return (ssize_t)n;
}

static void free_content(void *userdata) {
        held_free(userdata);
}

static void send_content(struct held *held, struct query_answer *answer) {
        struct reply reply = {.status = 200, .content_type = held->csv ? "text/csv; charset=utf-8; header=present" : NULL};

        if (answer->content.size <= WHOLE_BYTES) {
                reply.body = &answer->content;
                exchange_reply(held->exchange, &reply);
                held_free(held);
                return;
        }
        if (!answer_may_hold(held->listener, answer->content.size)) {
                answer_too_much_held(held->site->site, held->exchange);
                held_free(held);
                return;
        }
        held->content = answer->content;
        answer->content = (struct buffer){0};
        exchange_stream(held->exchange, &reply, false, &(struct stream){.read = read_content, .free = free_content, .userdata = held});
}

static void answer_late(struct held *held) {
        answer_unavailable(held->site->site, held->exchange, answer_retry_after_sec(USEC_INFINITY), "late",
                           "the answer took too long; ask for less, or later");
}

static void on_answered(void *userdata, struct query_answer *answer) {
        struct held *held = userdata;
        struct site *site = held->site->site;

        held->question = NULL;
        switch (answer->result) {
        case QUERY_ANSWERED:
                send_content(held, answer);
                return;
        case QUERY_UNKNOWN:
                answer_unknown_database(site, held->exchange, held->name);
                break;
        case QUERY_LATE:
                answer_late(held);
                break;
        case QUERY_FAILED:
                answer_unavailable(site, held->exchange, answer_retry_after_sec(USEC_INFINITY), "history_off",
                                   answer->error == -EUCLEAN ? "the file of the history is damaged"
                                   : answer->error == -EBUSY ? "another process holds the file of the history"
                                                             : strerror(-answer->error));
                break;
        }
        held_free(held);
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct history_site *history = userdata;

        (void)source;
        (void)fd;
        (void)events;
        reader_take_answers(store_reader(history->site->hooks.store));
        return 0;
}

/* The next look, when somebody waits. */
static void plan_look(struct history_site *history) {
        uint64_t next = USEC_INFINITY;

        for (const struct held *held = history->first; held; held = held->next)
                if (held->question)
                        next = MIN(next, held->late_monotonic_usec);
        (void)sd_event_source_set_time(history->late, next);
        (void)sd_event_source_set_enabled(history->late, next == USEC_INFINITY ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

static int on_late(sd_event_source *source, uint64_t usec, void *userdata) {
        struct history_site *history = userdata;
        uint64_t now = clock_monotonic_usec();

        (void)source;
        (void)usec;
        for (struct held *held = history->first, *next; held; held = next) {
                next = held->next;
                if (!held->question || held->late_monotonic_usec > now)
                        continue;
                reader_cancel(held->question);
                answer_late(held);
                held_free(held);
        }
        plan_look(history);
        return 0;
}

int history_site_new(struct site *site, struct history_site **ret_history) {
        int fd = site->hooks.store ? reader_fd(store_reader(site->hooks.store)) : -1, r = 0;
        struct history_site *history = calloc(1, sizeof(*history));

        if (!history)
                return -ENOMEM;
        history->site = site;
        if (fd >= 0)
                r = sd_event_add_io(site->event, &history->source, fd, EPOLLIN, on_readable, history);
        if (r >= 0)
                r = sd_event_add_time(site->event, &history->late, CLOCK_MONOTONIC, USEC_INFINITY, LATE_ACCURACY_USEC, on_late, history);
        if (r < 0) {
                (void)history_site_free(history);
                return r;
        }
        if (history->source)
                (void)sd_event_source_set_description(history->source, "history-answers");
        (void)sd_event_source_set_description(history->late, "history-late");
        (void)sd_event_source_set_enabled(history->late, SD_EVENT_OFF);
        *ret_history = history;
        return 0;
}

void history_site_stop(struct history_site *history) {
        for (struct held *held = history->first, *next; held; held = next) {
                next = held->next;
                if (!held->question)
                        continue;
                reader_cancel(held->question);
                answer_stopping(history->site, held->exchange);
                held_free(held);
        }
}

struct history_site *history_site_free(struct history_site *history) {
        if (!history)
                return NULL;
        sd_event_source_disable_unref(history->source);
        sd_event_source_disable_unref(history->late);
        free(history);
        return NULL;
}

static uint64_t moment_of(const struct query_time *time, bool given, uint64_t otherwise, uint64_t now) {
        if (!given)
                return otherwise;
        return time->is_ago ? usec_sub(now, time->usec) : time->usec;
}

/* What is asked for; false when that makes no sense and was answered. */
static bool make_ask(struct request *request, struct history_query *ask) {
        const struct query *query = &request->query;
        uint64_t now = clock_real_usec();

        *ask = (struct history_query){
                .kind = query->kind,
                .since_real_usec = MAX(moment_of(&query->since, query->given & ARGUMENT_SINCE, usec_sub(now, SINCE_USEC), now), BEGINNING_USEC),
                .until_real_usec = moment_of(&query->until, query->given & ARGUMENT_UNTIL, now, now),
                .now_real_usec = now,
                .limit = query->given & ARGUMENT_LIMIT ? query->limit : LIMIT,
                .csv = query->csv,
                .detail = request->listener->access == ACCESS_CONTROL,
                .watched = request->database != NULL,
                .urgent = request->listener->access == ACCESS_CONTROL,
        };
        (void)text_copy(ask->name, sizeof(ask->name), request->name);
        if (ask->since_real_usec < ask->until_real_usec)
                return true;
        answer_error(request->site, request->exchange, 400, "bad_request", "since= must be before until=");
        return false;
}

/* What is in the file can be read while nothing can be written to it, also beside others who read it. */
static bool is_readable(enum store_health health) {
        return health == STORE_GOOD || health == STORE_FULL || health == STORE_READ_ONLY || health == STORE_LOCKED;
}

static bool refuse(struct request *request) {
        struct site *site = request->site;
        enum store_health health = STORE_NONE;
        char sentence[256] = "";

        if (site->hooks.store)
                health = store_health(site->hooks.store, sentence, sizeof(sentence));
        if (is_readable(health))
                return false;
        answer_unavailable(site, request->exchange, answer_retry_after_sec(USEC_INFINITY), "history_off",
                           *sentence ? sentence : "no history is kept: history.path is \"\"");
        return true;
}

static void refuse_one_more(struct request *request) {
        answer_busy(request->site, request->exchange, "too many questions about the past wait for their answers; ask again soon");
}

/* What the store takes is shared by the listeners, so that those of one do not keep away those of another. Control has its own. */
static bool is_its_share_used(const struct history_site *history, const struct listener *listener) {
        unsigned n_listeners = 0, n_asked = 0;

        if (listener->access == ACCESS_CONTROL)
                return false;
        for (const struct listener *other = history->site->listeners; other; other = other->next)
                n_listeners += other->access != ACCESS_CONTROL;
        for (const struct held *held = history->first; held; held = held->next)
                n_asked += held->question && held->listener == listener;
        return n_asked >= MAX(QUERY_ORDINARY_MAX / n_listeners, 1u);
}

void history_get(struct request *request) {
        struct history_site *history = request->site->history;
        struct held *held;
        struct history_query ask;
        int r;

        if (!make_ask(request, &ask) || refuse(request))
                return;
        if (request->listener->n_questions >= WAITING_MAX || is_its_share_used(history, request->listener)) {
                refuse_one_more(request);
                return;
        }
        held = held_new(history, request);
        r = held ? reader_ask(store_reader(request->site->hooks.store), &ask, on_answered, held, &held->question) : -ENOMEM;
        if (r >= 0) {
                exchange_hold(request->exchange, on_left, held);
                plan_look(history);
                return;
        }
        if (held)
                held_free(held);
        if (r == -EBUSY)
                refuse_one_more(request);
        else
                answer_unavailable(request->site, request->exchange, answer_retry_after_sec(USEC_INFINITY), "history_off", strerror(-r));
}
