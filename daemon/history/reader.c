#include "history/reader.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/process.h"
#include "base/queue.h"
#include "history/query.h"
#include "history/schema.h"

#include <stdatomic.h>
#include <sys/stat.h>

/* Waiting questions, and the one in progress. */
#define QUESTIONS_MAX 16
/* A question is given up this long after it was asked. A year of a million rows takes less than a fifth of it. */
#define DEADLINE_USEC (10 * USEC_PER_SEC)

_Static_assert(QUESTIONS_MAX <= QUEUE_MIN, "an answer always has room");

struct question {
        struct question *next; /* of those that wait */
        struct reader *reader;
        struct history_query query;
        struct query_answer answer;
        uint64_t deadline_boot_usec;
        atomic_bool cancelled;
        void (*answered)(void *userdata, struct query_answer *answer);
        void *userdata;
};

struct reader {
        char *path;
        void (*damaged)(void *userdata);
        void *userdata;
        struct queue *answers; /* of questions */
        size_t n, n_ordinary;  /* questions not answered to the caller yet: the main thread's count */
        bool started;
        pthread_t thread;

        /* Shared by both threads. */
        pthread_mutex_t lock;
        pthread_cond_t changed;
        struct question *first;
        atomic_uint n_urgent; /* of those that wait */
        bool ended;
        atomic_bool ending;
};

static bool is_in_vain(struct question *question) {
        return atomic_load(&question->cancelled) || atomic_load(&question->reader->ending) ||
               clock_boot_usec() >= question->deadline_boot_usec;
}

/* A question that is not urgent is interrupted for one that is, and started again afterwards. */
static bool gives_way(const struct question *question) {
        return !question->query.urgent && atomic_load(&question->reader->n_urgent) > 0;
}

static bool is_to_end(void *userdata) {
        return is_in_vain(userdata) || gives_way(userdata);
}

static int reader_read_in_mode(struct question *question, enum sqlite_mode mode) {
        struct sqlite *sqlite = NULL;
        int r;

        r = sqlite_open(question->reader->path, mode, &sqlite);
        if (r < 0)
                return r;
        sqlite_interrupt_when(sqlite, is_to_end, question);
        r = schema_look(sqlite);
        if (r >= 0)
                r = r == SCHEMA_GOOD ? query_run(sqlite, &question->query, &question->answer.content) : -EINVAL;
        (void)sqlite_close(sqlite);
        return r;
}

static int read_answer(struct question *question) {
        struct stat st;
        int r;

        if (stat(question->reader->path, &st) < 0)
                return error_from_errno();
        /* Opening a pipe would wait for its writer. */
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        r = reader_read_in_mode(question, SQLITE_READER);
        /* In a read-only folder SQLite cannot make the files beside ours, but nobody writes there either. */
        if (r == -ENOENT || r == -EACCES || r == -EROFS)
                r = reader_read_in_mode(question, SQLITE_IMMUTABLE);
        return r;
}

static enum query_result result_of(int r) {
        switch (r) {
        case 0:
                return QUERY_ANSWERED;
        case 1:
                return QUERY_UNKNOWN;
        case -EINTR:
                return QUERY_LATE;
        default:
                return QUERY_FAILED;
        }
}

/* Returns whether the question is answered; if not, it gave way to another. */
static bool answer(struct question *question) {
        int r = is_in_vain(question) ? -EINTR : read_answer(question);

        if (r == -EINTR && !is_in_vain(question)) {
                buffer_deinit(&question->answer.content);
                return false;
        }
        question->answer.result = result_of(r);
        question->answer.error = r;
        if (question->answer.result != QUERY_ANSWERED)
                buffer_deinit(&question->answer.content);
        if (question->answer.result == QUERY_FAILED)
                question->reader->damaged(question->reader->userdata);
        return true;
}

static void question_free(struct question *question) {
        buffer_deinit(&question->answer.content);
        free(question);
}

/* NULL: the thread is to end. */
static struct question *wait_for_question(struct reader *reader) {
        struct question *question = NULL;

        (void)pthread_mutex_lock(&reader->lock);
        while (!reader->first && !atomic_load(&reader->ending))
                (void)pthread_cond_wait(&reader->changed, &reader->lock);
        if (!atomic_load(&reader->ending)) {
                question = reader->first;
                reader->first = question->next;
                atomic_fetch_sub(&reader->n_urgent, question->query.urgent ? 1 : 0);
        }
        (void)pthread_mutex_unlock(&reader->lock);
        return question;
}

/* Urgent ones come first, then those that were asked first. */
static bool comes_before(const struct question *a, const struct question *b) {
        return a->query.urgent != b->query.urgent ? a->query.urgent : a->deadline_boot_usec <= b->deadline_boot_usec;
}

static void reader_let_wait(struct reader *reader, struct question *question) {
        struct question **place = &reader->first;

        (void)pthread_mutex_lock(&reader->lock);
        while (*place && comes_before(*place, question))
                place = &(*place)->next;
        question->next = *place;
        *place = question;
        atomic_fetch_add(&reader->n_urgent, question->query.urgent ? 1 : 0);
        (void)pthread_cond_signal(&reader->changed);
        (void)pthread_mutex_unlock(&reader->lock);
}

static void *reader_work(void *userdata) {
        struct reader *reader = userdata;
        struct question *question;

        while ((question = wait_for_question(reader))) {
                if (!answer(question))
                        reader_let_wait(reader, question);
                else
                        /* The queue has room for all questions that there may be. */
                        (void)queue_push(reader->answers, &question);
        }
        (void)pthread_mutex_lock(&reader->lock);
        reader->ended = true;
        (void)pthread_cond_broadcast(&reader->changed);
        (void)pthread_mutex_unlock(&reader->lock);
        return NULL;
}

static void reader_make_lock(struct reader *reader) {
        pthread_condattr_t attributes;

        (void)pthread_mutex_init(&reader->lock, NULL);
        (void)pthread_condattr_init(&attributes);
        (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        (void)pthread_cond_init(&reader->changed, &attributes);
        (void)pthread_condattr_destroy(&attributes);
}

int reader_new(const char *path, void (*damaged)(void *userdata), void *userdata, struct reader **ret_reader) {
        struct reader *reader = calloc(1, sizeof(*reader));
        int r;

        if (!reader)
                return -ENOMEM;
        reader->damaged = damaged;
        reader->userdata = userdata;
        reader_make_lock(reader);
        reader->path = strdup(path);
        r = reader->path ? queue_new(sizeof(struct question *), &reader->answers) : -ENOMEM;
        if (r < 0) {
                (void)reader_free(reader, 0);
                return r;
        }
        *ret_reader = reader;
        return 0;
}

static bool reader_end_thread(struct reader *reader, uint64_t timeout_usec) {
        uint64_t at = usec_add(clock_monotonic_usec(), timeout_usec);
        struct timespec deadline = {.tv_sec = (time_t)(at / USEC_PER_SEC), .tv_nsec = (long)(at % USEC_PER_SEC) * 1000};
        bool ended;
        int error = 0;

        (void)pthread_mutex_lock(&reader->lock);
        atomic_store(&reader->ending, true);
        (void)pthread_cond_broadcast(&reader->changed);
        while (reader->started && !reader->ended && error == 0)
                error = pthread_cond_timedwait(&reader->changed, &reader->lock, &deadline);
        ended = reader->ended;
        (void)pthread_mutex_unlock(&reader->lock);
        if (!reader->started)
                return true;
        if (ended)
                (void)pthread_join(reader->thread, NULL);
        else
                (void)pthread_detach(reader->thread);
        return ended;
}

bool reader_free(struct reader *reader, uint64_t timeout_usec) {
        struct question *question;

        if (!reader)
                return true;
        /* A thread that hangs in the disk keeps everything that it needs; the process ends without it. */
        if (!reader_end_thread(reader, timeout_usec))
                return false;
        while (reader->answers && queue_pop(reader->answers, &question) > 0)
                question_free(question);
        while ((question = reader->first)) {
                reader->first = question->next;
                question_free(question);
        }
        reader->answers = queue_free(reader->answers);
        (void)pthread_cond_destroy(&reader->changed);
        (void)pthread_mutex_destroy(&reader->lock);
        free(reader->path);
        free(reader);
        return true;
}

static int reader_start(struct reader *reader) {
        int r;

        if (reader->started)
                return 0;
        r = thread_start("history-reader", SQLITE_STACK_BYTES, reader_work, reader, &reader->thread);
        reader->started = r >= 0;
        return r;
}

int reader_ask(struct reader *reader, const struct history_query *query, void (*answered)(void *userdata, struct query_answer *answer),
               void *userdata, struct question **ret_question) {
        struct question *question;
        int r;

        if (!reader)
                return -ENODATA;
        if (reader->n >= QUESTIONS_MAX || (!query->urgent && reader->n_ordinary >= QUERY_ORDINARY_MAX))
                return -EBUSY;
        r = reader_start(reader);
        if (r < 0)
                return r;
        question = calloc(1, sizeof(*question));
        if (!question)
                return -ENOMEM;
        question->reader = reader;
        question->query = *query;
        question->deadline_boot_usec = usec_add(clock_boot_usec(), DEADLINE_USEC);
        question->answered = answered;
        question->userdata = userdata;
        reader->n++;
        reader->n_ordinary += !query->urgent;
        reader_let_wait(reader, question);
        *ret_question = question;
        return 0;
}

void reader_cancel(struct question *question) {
        atomic_store(&question->cancelled, true);
}

int reader_fd(const struct reader *reader) {
        return reader ? queue_fd(reader->answers) : -1;
}

void reader_take_answers(struct reader *reader) {
        struct question *question;

        while (queue_pop(reader->answers, &question) > 0) {
                reader->n--;
                reader->n_ordinary -= !question->query.urgent;
                if (!atomic_load(&question->cancelled))
                        question->answered(question->userdata, &question->answer);
                question_free(question);
        }
}
