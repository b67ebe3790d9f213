#include "history/store.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/text.h"
#include "history/history.h"
#include "history/reader.h"
#include "history/rows.h"
#include "history/shelf.h"
#include "history/writer.h"

#include <poll.h>

/* A disk that takes longer than this to read a few rows shall not keep the databases from being watched. */
#define READ_TIMEOUT_MSEC 5000
/* Who answers looks up every few microseconds whether it shall go on. */
#define ANSWER_TIMEOUT_USEC USEC_PER_SEC

struct store {
        struct writer *writer; /* NULL: nothing is kept */
        struct reader *reader;
        struct shelf past; /* of databases that nobody watches (yet) */
        struct lease_record *leases;
        size_t n_leases;
};

/* Of two of one name the later counts; without memory for it, nothing is known of it. */
static void keep(struct store *store, struct snapshot *snapshot) {
        if (shelf_put(&store->past, snapshot, false) < 0)
                free(snapshot);
}

static void keep_leases(struct store *store, const struct snapshot *snapshot) {
        struct lease_record *leases = reallocarray(store->leases, store->n_leases + snapshot->n_leases, sizeof(*leases));

        if (!leases)
                return;
        memcpy(leases + store->n_leases, snapshot->leases, snapshot->n_leases * sizeof(*leases));
        store->leases = leases;
        store->n_leases += snapshot->n_leases;
}

bool store_take_past(struct store *store) {
        struct snapshot *past;

        if (!writer_past(store->writer, &past))
                return false;
        while (past) {
                struct snapshot *next = past->next;

                if (past->n_leases > 0)
                        keep_leases(store, past);
                keep(store, past);
                past = next;
        }
        return true;
}

static void wait_for_past(struct store *store, const char *path) {
        struct pollfd fd = {.fd = writer_past_fd(store->writer), .events = POLLIN};

        (void)poll(&fd, 1, READ_TIMEOUT_MSEC);
        if (!store_take_past(store))
                log_warning("The history in %s takes long to be read; the watching goes on, and from what is in it as soon as that is known", path);
}

/* In the reader's thread. */
static void on_damaged(void *userdata) {
        writer_doubt(userdata);
}

int store_open(const char *path, const struct store_bounds *bounds, struct store **ret_store) {
        struct store *store = calloc(1, sizeof(*store));
        int r;

        if (!store)
                return -ENOMEM;
        if (*path) {
                r = writer_new(path, bounds, &store->writer);
                if (r < 0)
                        return (void)store_close(store, 0), r;
                r = reader_new(path, on_damaged, store->writer, &store->reader);
                if (r < 0)
                        return (void)store_close(store, 0), r;
                wait_for_past(store, path);
        }
        *ret_store = store;
        return 0;
}

struct store *store_close(struct store *store, uint64_t timeout_usec) {
        if (!store)
                return NULL;
        /* One that hangs may still call for the writer: then that is left to it. */
        if (!reader_free(store->reader, ANSWER_TIMEOUT_USEC))
                (void)writer_flush(store->writer, timeout_usec);
        else
                store->writer = writer_free(store->writer, timeout_usec);
        shelf_deinit(&store->past);
        free(store->leases);
        free(store);
        return NULL;
}

int store_past_fd(const struct store *store) {
        return store->writer ? writer_past_fd(store->writer) : -1;
}

bool store_recall(void *userdata, const char *name, struct memory *ret_memory) {
        struct store *store = userdata;
        struct snapshot *snapshot = shelf_take(&store->past, name);

        if (!snapshot)
                return false;
        snapshot_expand(snapshot, ret_memory);
        snapshot->is_recalled = true;
        if (store->writer)
                (void)writer_put(store->writer, snapshot);
        else
                free(snapshot);
        return true;
}

int store_each_lease(struct store *store, int (*each)(void *userdata, const struct lease_record *lease), void *userdata) {
        int r = 0;

        for (size_t i = 0; i < store->n_leases && r >= 0; i++)
                r = each(userdata, &store->leases[i]);
        free(steal_pointer(&store->leases));
        store->n_leases = 0;
        if (store->writer)
                writer_all_recalled(store->writer);
        return MIN(r, 0);
}

int store_put_timed(struct store *store, const char *name, const struct memory *memory, const struct lease_record *leases, size_t n_leases,
                    const struct timing *timings, size_t n_timings) {
        struct snapshot *snapshot;

        if (!store->writer)
                return 0;
        snapshot = snapshot_new(name, memory, leases, n_leases, timings, n_timings);
        return snapshot ? writer_put(store->writer, snapshot) : -ENOMEM;
}

int store_put(struct store *store, const char *name, const struct memory *memory, const struct lease_record *leases, size_t n_leases) {
        return store_put_timed(store, name, memory, leases, n_leases, NULL, 0);
}

int store_tell(struct store *store, struct happening *happening) {
        if (store->writer && !writer_is_behind(store->writer))
                return writer_tell(store->writer, happening);
        free(happening);
        return store->writer ? -ENOBUFS : 0;
}

int store_put_away(struct store *store, const char *name, const struct memory *memory) {
        struct snapshot *snapshot = snapshot_new(name, memory, NULL, 0, NULL, 0);

        if (!snapshot)
                return -ENOMEM;
        keep(store, snapshot);
        snapshot = store->writer ? snapshot_new(name, memory, NULL, 0, NULL, 0) : NULL;
        if (!snapshot)
                return store->writer ? -ENOMEM : 0;
        snapshot->is_put_away = true;
        return writer_put(store->writer, snapshot);
}

bool store_is_behind(struct store *store) {
        return store->writer && writer_is_behind(store->writer);
}

void store_limit(struct store *store, const struct store_bounds *bounds) {
        if (store->writer)
                writer_limit(store->writer, bounds);
        /* The writer forgets them too, when it has the time for it. */
        shelf_drop_before(&store->past, usec_sub(clock_real_usec(), MAX(bounds->keep_usec, HISTORY_GONE_USEC)));
}

int store_flush(struct store *store, uint64_t timeout_usec) {
        return store->writer ? writer_flush(store->writer, timeout_usec) : 0;
}

enum store_health store_health(struct store *store, char *ret_sentence, size_t size) {
        if (store->writer)
                return writer_health(store->writer, ret_sentence, size);
        (void)text_copy(ret_sentence, size, "");
        return STORE_NONE;
}

int store_ask(struct store *store, const struct ask *ask, void (*answered)(void *userdata, struct ask_answer *answer), void *userdata,
              struct question **ret_question) {
        return store->reader ? reader_ask(store->reader, ask, answered, userdata, ret_question) : -ENODATA;
}

void store_cancel(struct question *question) {
        reader_cancel(question);
}

int store_answers_fd(const struct store *store) {
        return store->reader ? reader_fd(store->reader) : -1;
}

void store_take_answers(struct store *store) {
        reader_take_answers(store->reader);
}
