/*
 * Threads are started when all that exist are busy, sixteen at most. glibc's own getaddrinfo_a() is no way out: its threads are shared by
 * the whole process, so a few dead names delay all others, and what was queued behind them cannot be taken back.
 *
 * A thread may sit in getaddrinfo() for as long as the system's resolver likes; none is ever waited for. What such a thread still
 * touches when everybody else is gone is this one structure, so the structure is counted: the last who leaves frees it.
 */
#include "probe/resolver.h"

#include "base/error.h"
#include "base/thread.h"

#include <netdb.h>
#include <stdio.h>

#define THREADS_MAX 16
#define STACK_BYTES (256 * 1024)

struct job {
        struct job *next;
        void *asker;
        uint64_t id;
        char host[];
};

struct worker {
        pthread_t thread;
        bool busy; /* inside getaddrinfo(), or on the way to it or from it */
};

struct resolver {
        pthread_mutex_t lock; /* guards everything below */
        pthread_cond_t more;
        resolver_deliver deliver;
        unsigned references; /* the owner and each thread */
        bool closed;
        struct job *first, **last;
        struct worker workers[THREADS_MAX];
        unsigned n_workers;
        unsigned n_idle;  /* those that wait for a job */
        unsigned n_queued;
};

int resolver_new(resolver_deliver deliver, struct resolver **ret_resolver) {
        struct resolver *resolver = calloc(1, sizeof(*resolver));

        if (!resolver)
                return -ENOMEM;
        (void)pthread_mutex_init(&resolver->lock, NULL);
        (void)pthread_cond_init(&resolver->more, NULL);
        resolver->deliver = deliver;
        resolver->references = 1;
        resolver->last = &resolver->first;
        *ret_resolver = resolver;
        return 0;
}

/* Called with the lock, which is gone afterwards. */
static void unref_and_unlock(struct resolver *resolver) {
        bool gone = --resolver->references == 0;

        (void)pthread_mutex_unlock(&resolver->lock);
        if (!gone)
                return;
        (void)pthread_cond_destroy(&resolver->more);
        (void)pthread_mutex_destroy(&resolver->lock);
        free(resolver);
}

/* Waits for a job; NULL when the resolver is closed. With the lock. */
static struct job *take_job(struct resolver *resolver) {
        struct job *job;

        while (!resolver->first && !resolver->closed) {
                resolver->n_idle++;
                (void)pthread_cond_wait(&resolver->more, &resolver->lock);
                resolver->n_idle--;
        }
        job = resolver->closed ? NULL : resolver->first;
        if (!job)
                return NULL;
        resolver->first = job->next;
        if (!resolver->first)
                resolver->last = &resolver->first;
        resolver->n_queued--;
        return job;
}

static struct worker *find_worker(struct resolver *resolver) {
        for (unsigned i = 0; i < resolver->n_workers; i++)
                if (pthread_equal(resolver->workers[i].thread, pthread_self()))
                        return &resolver->workers[i];
        return NULL;
}

static void *work(void *userdata) {
        struct resolver *resolver = userdata;
        struct worker *self;
        struct job *job;

        (void)pthread_mutex_lock(&resolver->lock);
        self = find_worker(resolver);
        while ((job = take_job(resolver))) {
                struct resolved answer = { .id = job->id };

                self->busy = true;
                (void)pthread_mutex_unlock(&resolver->lock);
                answer.eai = addresses_resolve(job->host, &answer.addresses);
                (void)pthread_mutex_lock(&resolver->lock);
                /* With the lock: after resolver_free() the asker is gone. */
                if (resolver->closed || !resolver->deliver(job->asker, &answer))
                        free(answer.addresses);
                self->busy = false;
                free(job);
        }
        unref_and_unlock(resolver);
        return NULL;
}

/* With the lock: the thread finds itself in the list once it gets it. */
static int start_worker(struct resolver *resolver) {
        struct worker *worker = &resolver->workers[resolver->n_workers];
        char name[THREAD_NAME_MAX];
        int r;

        (void)snprintf(name, sizeof(name), "resolver-%u", resolver->n_workers);
        r = thread_start(name, STACK_BYTES, work, resolver, &worker->thread);
        if (r < 0)
                return r;
        resolver->n_workers++;
        resolver->references++;
        return 0;
}

int resolver_ask(struct resolver *resolver, const char *host, void *asker, uint64_t id) {
        size_t size = strlen(host) + 1;
        struct job *job = malloc(sizeof(*job) + size);
        int r = 0;

        if (!job)
                return -ENOMEM;
        job->next = NULL;
        job->asker = asker;
        job->id = id;
        memcpy(job->host, host, size);

        (void)pthread_mutex_lock(&resolver->lock);
        if (resolver->n_idle <= resolver->n_queued && resolver->n_workers < THREADS_MAX)
                r = start_worker(resolver);
        /* Without any thread it would never be answered; with one it only waits longer. */
        if (resolver->n_workers > 0) {
                *resolver->last = job;
                resolver->last = &job->next;
                resolver->n_queued++;
                job = NULL;
                r = 0;
                (void)pthread_cond_signal(&resolver->more);
        }
        (void)pthread_mutex_unlock(&resolver->lock);
        free(job);
        return r;
}

unsigned resolver_threads(struct resolver *resolver) {
        unsigned n;

        (void)pthread_mutex_lock(&resolver->lock);
        n = resolver->n_workers;
        (void)pthread_mutex_unlock(&resolver->lock);
        return n;
}

static void drop_jobs(struct resolver *resolver) {
        for (struct job *job = resolver->first, *next; job; job = next) {
                next = job->next;
                free(job);
        }
        resolver->first = NULL;
        resolver->last = &resolver->first;
}

struct resolver *resolver_free(struct resolver *resolver) {
        pthread_t idle[THREADS_MAX];
        unsigned n_idle = 0;

        if (!resolver)
                return NULL;
        (void)pthread_mutex_lock(&resolver->lock);
        resolver->closed = true;
        drop_jobs(resolver);
        for (unsigned i = 0; i < resolver->n_workers; i++)
                if (resolver->workers[i].busy)
                        (void)pthread_detach(resolver->workers[i].thread);
                else
                        idle[n_idle++] = resolver->workers[i].thread;
        (void)pthread_cond_broadcast(&resolver->more);
        (void)pthread_mutex_unlock(&resolver->lock);
        /* These end at once: closed, they take no job any more. */
        for (unsigned i = 0; i < n_idle; i++)
                (void)pthread_join(idle[i], NULL);
        (void)pthread_mutex_lock(&resolver->lock);
        unref_and_unlock(resolver);
        return NULL;
}
