/*
 * The loop has an epoll set of its own, not an sd_event. sd_event asks the kernel again after every event, and gets all ready sockets
 * again: with 64 of them an event costs five times what it costs here, with 1000 sixty times. Here a batch is fetched and worked off, so a
 * check costs the same with one database or ten thousand. The only deadline is the timeout of epoll_wait(): no timer is ever set, and no
 * wake-up comes when nothing is due.
 *
 * A step of a connect may be expensive (18 ms to load a bundle of certificates). Such steps wait in a list of their own, which gets 5 ms
 * per iteration: lost sessions, answers to queries and new checks need not wait for 64 TLS handshakes.
 */
#include "probe/worker-private.h"

#include "base/error.h"

#include <sys/epoll.h>

#define EVENTS_MAX 64
#define LISTED_USEC (5 * USEC_PER_MSEC)
#define DONE_MAX 32
#define DONE_COMPANY 8
#define DONE_WAIT_USEC USEC_PER_MSEC

/* Sockets and time. */

static bool on_socket(struct worker *worker, struct channel *channel) {
        enum op op;

        if (!slot_op(channel->slot, channel, &op))
                return true; /* closed in this iteration, before its event was handled */
        if (worker->stopping)
                worker_note_answer(worker, channel->slot);
        if (channel->due)
                return true;
        worker_stamp(worker, channel);
        if (op != OP_POLL)
                return worker_drive(worker, channel, op);
        channel->due = true;
        if (channel->listed)
                return true;
        channel->listed = true;
        STAILQ_INSERT_TAIL(&worker->listed, channel, link);
        return true;
}

static struct channel *take_listed(struct worker *worker) {
        struct channel *channel = STAILQ_FIRST(&worker->listed);

        STAILQ_REMOVE_HEAD(&worker->listed, link);
        channel->listed = false;
        return channel;
}

static bool poll_listed(struct worker *worker) {
        while (!STAILQ_EMPTY(&worker->listed)) {
                struct channel *channel = take_listed(worker);

                if (channel->due && !worker_drive(worker, channel, OP_POLL))
                        return false;
                if (!STAILQ_EMPTY(&worker->listed) && usec_sub(clock_monotonic_usec(), worker->now_usec) >= LISTED_USEC)
                        break;
        }
        return true;
}

/* An event that was seen in time is not late because it waits in the list. */
static bool is_due(const struct worker *worker, const struct slot *slot) {
        const struct channel *channel = slot_attempt_channel(slot);

        return attempt_due(&slot->run) <= worker->now_usec && !(channel && channel->due);
}

static bool expire(struct worker *worker) {
        struct slot *slot, *next;

        for (slot = LIST_FIRST(&worker->active); slot; slot = next) {
                struct channel *channel = slot_attempt_channel(slot);

                next = LIST_NEXT(slot, active);
                if (!is_due(worker, slot))
                        continue;
                if (attempt_expired(&slot->run, channel && channel->away, worker->now_usec) == ATTEMPT_ENDED) {
                        worker_finish(worker, slot);
                        continue;
                }
                worker_stamp(worker, channel);
                if (!worker_drive(worker, channel, slot->run.op))
                        return false;
        }
        worker->next_due_usec = USEC_INFINITY;
        LIST_FOREACH(slot, &worker->active, active)
                worker_arm(worker, slot);
        return true;
}

static void free_buried(struct worker *worker) {
        struct slot **link = &worker->to_free;

        while (*link) {
                struct slot *slot = *link;

                if (slot->channels[0].listed || slot->channels[1].listed) {
                        link = &slot->next_to_free;
                        continue;
                }
                *link = slot->next_to_free;
                slot_free(slot);
        }
}

static int timeout_msec(const struct worker *worker) {
        uint64_t left;

        if (!STAILQ_EMPTY(&worker->listed))
                return 0;
        if (!STAILQ_EMPTY(&worker->done))
                return DONE_WAIT_USEC / USEC_PER_MSEC;
        if (worker->next_due_usec == USEC_INFINITY)
                return -1;
        left = usec_sub(worker->next_due_usec, clock_monotonic_usec());
        return (int)MIN((left + USEC_PER_MSEC - 1) / USEC_PER_MSEC, (uint64_t)INT32_MAX);
}

/* While many attempts are in flight, ended ones wait a moment for more: waking the main loop costs as much as all the rest of a ping. */
static bool done_may_wait(const struct worker *worker) {
        return worker->n_done < DONE_MAX && worker->n_active >= DONE_COMPANY &&
               usec_sub(worker->now_usec, worker->done_since_usec) < DONE_WAIT_USEC;
}

bool worker_turn(struct worker *worker) {
        struct epoll_event events[EVENTS_MAX];
        bool messages = false;
        int n = epoll_wait(worker->epoll_fd, events, EVENTS_MAX, timeout_msec(worker));

        worker->now_usec = clock_monotonic_usec();
        worker->now_boot_usec = clock_boot_usec();
        for (int i = 0; i < n; i++)
                if (!events[i].data.ptr)
                        messages = true;
                else if (!on_socket(worker, events[i].data.ptr))
                        return false;
        if (messages && !worker_take_messages(worker))
                return false;
        if (worker->now_usec >= worker->next_due_usec && !expire(worker))
                return false;
        /* Steps that may take long must not delay the reports. */
        if (!STAILQ_EMPTY(&worker->listed))
                worker_report_done(worker);
        if (!poll_listed(worker))
                return false;
        if (!STAILQ_EMPTY(&worker->done) && !done_may_wait(worker))
                worker_report_done(worker);
        free_buried(worker);
        return true;
}

bool worker_is_over(const struct worker *worker) {
        return worker->stopping && LIST_EMPTY(&worker->active) && !worker->to_free;
}

/* Change of threads. */

int worker_open(struct worker *worker, struct stuck_detector *detector, struct channel *away) {
        struct epoll_event event = { .events = EPOLLIN };
        _cleanup_close_ int fd = epoll_create1(EPOLL_CLOEXEC);

        if (fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, queue_fd(worker->messages), &event) < 0)
                return error_from_errno();
        if (away) {
                struct attempt_run *run = &away->slot->run;

                away->away = true;
                away->events = 0;
                away->slot->away_phase = run->connection == &away->connection ? run->phase : PHASE_QUERY;
        }
        close_fd(&worker->epoll_fd);
        worker->epoll_fd = fd;
        fd = -1;
        worker->detector = detector;
        return 0;
}

static void worker_resume_slot(struct worker *worker, struct slot *slot) {
        enum op op;

        for (size_t i = 0; i < ARRAY_LENGTH(slot->channels); i++) {
                struct channel *channel = &slot->channels[i];

                channel->events = 0;
                if (slot_op(slot, channel, &op) && connection_fd(&channel->connection) >= 0)
                        (void)worker_watch(worker, channel);
        }
}

void worker_resume(struct worker *worker) {
        struct slot *slot;
        size_t position = 0;

        while ((slot = id_map_next(&worker->slots, &position)))
                worker_resume_slot(worker, slot);
        /* Forgotten slots that are not over yet are in no map. */
        LIST_FOREACH(slot, &worker->active, active)
                if (slot->forgotten)
                        worker_resume_slot(worker, slot);
}

int worker_new(struct queue *reports, struct resolver *resolver, struct worker **ret_worker) {
        struct worker *worker = calloc(1, sizeof(*worker));
        int r;

        if (!worker)
                return -ENOMEM;
        worker->epoll_fd = -1;
        worker->reports = reports;
        worker->resolver = resolver;
        STAILQ_INIT(&worker->done);
        STAILQ_INIT(&worker->listed);
        worker->next_due_usec = USEC_INFINITY;
        r = queue_new(sizeof(struct worker_message), &worker->messages);
        if (r < 0)
                return worker_free(worker), r;
        *ret_worker = worker;
        return 0;
}

struct worker *worker_free(struct worker *worker) {
        struct worker_message message;
        struct slot *slot;
        size_t position = 0;

        if (!worker)
                return NULL;
        while (worker->messages && queue_pop(worker->messages, &message) > 0) {
                worker_drop_message(&message);
                if (message.kind == WORKER_RETURNED && slot_is_over(message.channel->slot))
                        slot_free(message.channel->slot);
        }
        while ((slot = id_map_next(&worker->slots, &position)))
                if (!slot_is_away(slot))
                        slot_free(slot);
        id_map_deinit(&worker->slots);
        while ((slot = worker->to_free)) {
                worker->to_free = slot->next_to_free;
                slot_free(slot);
        }
        close_fd(&worker->epoll_fd);
        worker->messages = queue_free(worker->messages);
        free(worker);
        return NULL;
}

int worker_push(struct worker *worker, const struct worker_message *message) {
        return queue_push(worker->messages, message);
}

bool worker_deliver(void *userdata, const struct resolved *answer) {
        const struct worker_message message = { .kind = WORKER_RESOLVED, .database = answer->id, .resolved = *answer };

        return worker_push(userdata, &message) == 0;
}
