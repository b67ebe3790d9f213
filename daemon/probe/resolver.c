/*
 * glibc's getaddrinfo_a() is no alternative: the whole process shares its threads, so a few dead names delay all others, and equal
 * questions are not merged.
 *
 * A thread may stay in getaddrinfo() for as long as the system's resolver likes. So the threads are shared out by what is known of a name:
 * some are reserved for names that were answered quickly the last time, and names that were not may together hold only a part of the rest.
 * Equal names share one look-up, and a look-up that nobody waits for any longer is not begun.
 *
 * No thread is ever waited for. A thread in getaddrinfo() needs its name and this structure even when all others are gone, so the structure
 * counts references: the last to leave frees it.
 */
#include "probe/resolver.h"

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/id-map.h"
#include "base/process.h"

#include <netdb.h>
#include <stdio.h>
#include <sys/queue.h>

/* Started on demand. The unit's TasksMax leaves as many again for probers. */
#define THREADS_MAX 48
#define KEPT_FOR_QUICK 8
#define SLOW_MAX 20
#define STACK_BYTES (256 * 1024)
/* A look-up that takes longer is slow: much for a name server, and little for a machine that is merely busy. */
#define SLOW_USEC USEC_PER_SEC
/* Above this, the names that have been unused for longest are forgotten. */
#define REMEMBERED_MAX 16384

/* What is known of a name. Names are served in this order. */
enum grade {
        GRADE_QUICK, /* it was answered quickly the last time, or never needs the network */
        GRADE_NEW,
        GRADE_SLOW, /* it failed the last time, or took long */
        _GRADE_MAX,
};

struct waiter {
        struct waiter *next;
        void *asker;
        uint64_t id;
        uint64_t attempt;
};

struct name_list {
        TAILQ_HEAD(, name) names;
        unsigned n;
};

struct name {
        TAILQ_ENTRY(name) link;
        struct name_list *list; /* the list that it is in; NULL: a thread is looking it up */
        struct waiter *waiters;
        enum grade grade;
        uint64_t key;
        char host[];
};

struct resolver_thread {
        pthread_t thread;
        bool busy; /* inside getaddrinfo(), or just before or after it */
};

struct resolver {
        pthread_mutex_t lock; /* guards everything below */
        pthread_cond_t more;
        resolver_deliver deliver;
        unsigned references; /* the owner's, and one for each thread */
        bool closed;

        struct id_map names;                   /* by key */
        struct name_list queued[_GRADE_MAX];  /* waiting for a thread */
        struct name_list claimed;             /* assigned to a thread, which has not taken it yet */
        struct name_list remembered;          /* unused at present, the oldest first */

        struct resolver_thread threads[THREADS_MAX];
        unsigned n_threads;
        unsigned n_running; /* look-ups that have a thread */
        unsigned n_slow;    /* those of names that were slow before */
};

/* Lists. */

static void list_remove(struct name *name) {
        struct name_list *list = name->list;

        if (!list)
                return;
        TAILQ_REMOVE(&list->names, name, link);
        list->n--;
        name->list = NULL;
}

static void list_append(struct name_list *list, struct name *name) {
        list_remove(name);
        TAILQ_INSERT_TAIL(&list->names, name, link);
        list->n++;
        name->list = list;
}

static void list_free(struct name_list *list) {
        for (struct name *name; (name = TAILQ_FIRST(&list->names));) {
                list_remove(name);
                for (struct waiter *waiter; (waiter = name->waiters);) {
                        name->waiters = waiter->next;
                        free(waiter);
                }
                free(name);
        }
}

/* Names. */

/* These need no name server (RFC 6761), however slow a busy machine made them. */
static bool is_local(const char *host) {
        static const char local[] = "localhost";
        size_t length = strlen(host), tail = strlen(local);

        return length >= tail && streq(host + length - tail, local) && (length == tail || host[length - tail - 1] == '.');
}

/* FNV-1a; never 0. */
static uint64_t hash(const char *host) {
        uint64_t key = UINT64_C(0xcbf29ce484222325);

        for (; *host; host++)
                key = (key ^ (unsigned char)*host) * UINT64_C(0x100000001b3);
        return key >> 1 | 1;
}

/* *RET_KEY is the key of the name or, if it returns NULL, a free key for it. */
static struct name *find_name(const struct resolver *resolver, const char *host, uint64_t *ret_key) {
        struct name *name;
        uint64_t key = hash(host);

        while ((name = id_map_get(&resolver->names, key)) && !streq(name->host, host))
                key++;
        *ret_key = key;
        return name;
}

static struct name *add_name(struct resolver *resolver, const char *host) {
        size_t size = strlen(host) + 1;
        uint64_t key;
        struct name *name = find_name(resolver, host, &key);

        if (name)
                return name;
        name = calloc(1, sizeof(*name) + size);
        if (!name)
                return NULL;
        name->key = key;
        name->grade = is_local(host) ? GRADE_QUICK : GRADE_NEW;
        memcpy(name->host, host, size);
        if (id_map_put(&resolver->names, key, name) < 0) {
                free(name);
                return NULL;
        }
        list_append(&resolver->remembered, name);
        return name;
}

/* Nobody waits for NAME, and no thread is looking it up: keeps what is known of it. */
static void remember_name(struct resolver *resolver, struct name *name) {
        list_append(&resolver->remembered, name);
        if (resolver->remembered.n <= REMEMBERED_MAX)
                return;
        name = TAILQ_FIRST(&resolver->remembered.names);
        list_remove(name);
        (void)id_map_take(&resolver->names, name->key);
        free(name);
}

static int add_waiter(struct name *name, void *asker, uint64_t id, uint64_t attempt) {
        struct waiter *waiter = malloc(sizeof(*waiter));

        if (!waiter)
                return -ENOMEM;
        *waiter = (struct waiter){ .next = name->waiters, .asker = asker, .id = id, .attempt = attempt };
        name->waiters = waiter;
        return 0;
}

/* Threads. All functions need the lock. */

static struct resolver_thread *find_own_thread(struct resolver *resolver) {
        for (unsigned i = 0; i < resolver->n_threads; i++)
                if (pthread_equal(resolver->threads[i].thread, pthread_self()))
                        return &resolver->threads[i];
        return NULL;
}

static void *work(void *userdata);

/* The thread finds its entry once it gets the lock. */
static int start_thread(struct resolver *resolver) {
        struct resolver_thread *thread = &resolver->threads[resolver->n_threads];
        char name[THREAD_NAME_MAX];
        int r;

        (void)snprintf(name, sizeof(name), "resolver-%u", resolver->n_threads & 0xFF);
        r = thread_start(name, STACK_BYTES, work, resolver, &thread->thread);
        if (r < 0)
                return r;
        resolver->n_threads++;
        resolver->references++;
        return 0;
}

static bool resolver_has_place(const struct resolver *resolver, enum grade grade) {
        if (grade == GRADE_SLOW && resolver->n_slow >= SLOW_MAX)
                return false;
        return resolver->n_running < (grade == GRADE_QUICK ? THREADS_MAX : THREADS_MAX - KEPT_FOR_QUICK);
}

/* Gives NAME a thread. -EBUSY: none is free for it; any other errno: none could be started. */
static int claim_thread(struct resolver *resolver, struct name *name) {
        int r = resolver_has_place(resolver, name->grade) ? 0 : -EBUSY;

        if (r == 0 && resolver->n_running == resolver->n_threads)
                r = start_thread(resolver);
        if (r < 0)
                return r;
        resolver->n_running++;
        resolver->n_slow += name->grade == GRADE_SLOW;
        list_append(&resolver->claimed, name);
        (void)pthread_cond_signal(&resolver->more);
        return 0;
}

static void tell_begun(struct resolver *resolver, const struct name *name) {
        uint64_t now_usec = clock_monotonic_usec();

        for (const struct waiter *waiter = name->waiters; waiter; waiter = waiter->next)
                (void)resolver->deliver(waiter->asker, &(struct resolved){ .id = waiter->id, .attempt = waiter->attempt, .begun = true,
                                                                           .begun_usec = now_usec });
}

static void begin_queued(struct resolver *resolver) {
        for (size_t grade = 0; grade < _GRADE_MAX; grade++)
                for (struct name *name; (name = TAILQ_FIRST(&resolver->queued[grade].names)) && claim_thread(resolver, name) == 0;)
                        tell_begun(resolver, name);
}

static struct addresses *copy_addresses(const struct addresses *addresses) {
        struct addresses *copy = malloc(sizeof(*copy));

        if (copy)
                *copy = *addresses;
        return copy;
}

static void tell_answer(const struct resolver *resolver, struct name *name, const struct resolved *answer) {
        for (struct waiter *waiter; (waiter = name->waiters); free(waiter)) {
                struct resolved own = *answer;

                name->waiters = waiter->next;
                own.id = waiter->id;
                own.attempt = waiter->attempt;
                own.addresses = answer->addresses ? copy_addresses(answer->addresses) : NULL;
                if (answer->addresses && !own.addresses)
                        own.eai = EAI_MEMORY;
                if (!resolver->deliver(waiter->asker, &own))
                        free(own.addresses);
        }
}

static void end_look_up(struct resolver *resolver, struct name *name, const struct resolved *answer, uint64_t took_usec) {
        resolver->n_running--;
        resolver->n_slow -= name->grade == GRADE_SLOW;
        /* A failure for want of our own resources says nothing about the name. */
        if (answer->error == 0 && answer->eai != EAI_MEMORY)
                name->grade = (answer->eai == 0 && took_usec < SLOW_USEC) || is_local(name->host) ? GRADE_QUICK : GRADE_SLOW;
        tell_answer(resolver, name, answer);
        remember_name(resolver, name);
        begin_queued(resolver);
}

/* Without a descriptor getaddrinfo() reports arbitrary errors: no such name, or try again later. */
static void resolver_look_up(const char *host, struct resolved *ret_answer) {
        int r = descriptor_check(DESCRIPTOR_LOOKUP);

        if (r == 0) {
                ret_answer->eai = addresses_resolve(host, &ret_answer->error, &ret_answer->addresses);
                if (ret_answer->eai == 0)
                        return;
                r = descriptor_check(DESCRIPTOR_ESSENTIAL);
        }
        if (r < 0) {
                ret_answer->eai = EAI_SYSTEM;
                ret_answer->error = -r;
        }
}

/* Waits for a name to look up; NULL if the resolver is closed. */
static struct name *take_name(struct resolver *resolver) {
        struct name *name;

        while (TAILQ_EMPTY(&resolver->claimed.names) && !resolver->closed)
                (void)pthread_cond_wait(&resolver->more, &resolver->lock);
        if (resolver->closed)
                return NULL;
        name = TAILQ_FIRST(&resolver->claimed.names);
        list_remove(name);
        return name;
}

/* Releases the lock. */
static void unref_and_unlock(struct resolver *resolver) {
        bool gone = --resolver->references == 0;

        (void)pthread_mutex_unlock(&resolver->lock);
        if (!gone)
                return;
        (void)pthread_cond_destroy(&resolver->more);
        (void)pthread_mutex_destroy(&resolver->lock);
        free(resolver);
}

static void *work(void *userdata) {
        struct resolver *resolver = userdata;
        struct resolver_thread *self;
        struct name *name;
        bool late = false;

        (void)pthread_mutex_lock(&resolver->lock);
        self = find_own_thread(resolver);
        while ((name = take_name(resolver))) {
                uint64_t began_usec = clock_monotonic_usec();
                struct resolved answer = {};

                self->busy = true;
                (void)pthread_mutex_unlock(&resolver->lock);
                resolver_look_up(name->host, &answer);
                (void)pthread_mutex_lock(&resolver->lock);
                /* Under the lock: after resolver_free() there are no waiters, and only this thread still has the name. */
                late = resolver->closed;
                if (late)
                        free(name);
                else
                        end_look_up(resolver, name, &answer, usec_sub(clock_monotonic_usec(), began_usec));
                free(answer.addresses);
                self->busy = false;
        }
        unref_and_unlock(resolver);
        /* The process is about to end: a thread that ended now would seem to leak what the C library keeps for it. */
        while (late)
                (void)pause();
        return NULL;
}

/* Asking. */

static int ask_with_lock(struct resolver *resolver, const char *host, void *asker, uint64_t id, uint64_t attempt) {
        struct name *name = add_name(resolver, host);
        int r = name ? add_waiter(name, asker, id, attempt) : -ENOMEM;

        if (r < 0)
                return r;
        if (name->list != &resolver->remembered)
                return name->list == &resolver->queued[name->grade]; /* a look-up is there: 1 if it still waits */
        r = claim_thread(resolver, name);
        if (r == 0)
                return 0;
        /* Without any thread it would never be answered; with one it only waits longer. */
        if (resolver->n_threads == 0) {
                free(name->waiters);
                name->waiters = NULL;
                return r;
        }
        list_append(&resolver->queued[name->grade], name);
        return 1;
}

int resolver_ask(struct resolver *resolver, const char *host, void *asker, uint64_t id, uint64_t attempt) {
        int r;

        (void)pthread_mutex_lock(&resolver->lock);
        r = ask_with_lock(resolver, host, asker, id, attempt);
        (void)pthread_mutex_unlock(&resolver->lock);
        return r;
}

void resolver_cancel(struct resolver *resolver, const char *host, void *asker, uint64_t attempt) {
        struct name *name;
        uint64_t key;

        (void)pthread_mutex_lock(&resolver->lock);
        name = find_name(resolver, host, &key);
        for (struct waiter **link = name ? &name->waiters : NULL; link && *link; link = &(*link)->next)
                if ((*link)->asker == asker && (*link)->attempt == attempt) {
                        struct waiter *waiter = *link;

                        *link = waiter->next;
                        free(waiter);
                        break;
                }
        if (name && !name->waiters && name->list == &resolver->queued[name->grade])
                remember_name(resolver, name);
        (void)pthread_mutex_unlock(&resolver->lock);
}

unsigned resolver_threads(struct resolver *resolver) {
        unsigned n;

        (void)pthread_mutex_lock(&resolver->lock);
        n = resolver->n_threads;
        (void)pthread_mutex_unlock(&resolver->lock);
        return n;
}

unsigned resolver_waiting(struct resolver *resolver) {
        unsigned n = 0;

        (void)pthread_mutex_lock(&resolver->lock);
        for (size_t grade = 0; grade < _GRADE_MAX; grade++)
                n += resolver->queued[grade].n;
        (void)pthread_mutex_unlock(&resolver->lock);
        return n;
}

/* Beginning and end. */

int resolver_new(resolver_deliver deliver, struct resolver **ret_resolver) {
        struct resolver *resolver = calloc(1, sizeof(*resolver));

        if (!resolver)
                return -ENOMEM;
        (void)pthread_mutex_init(&resolver->lock, NULL);
        (void)pthread_cond_init(&resolver->more, NULL);
        resolver->deliver = deliver;
        resolver->references = 1;
        for (size_t grade = 0; grade < _GRADE_MAX; grade++)
                TAILQ_INIT(&resolver->queued[grade].names);
        TAILQ_INIT(&resolver->claimed.names);
        TAILQ_INIT(&resolver->remembered.names);
        *ret_resolver = resolver;
        return 0;
}

/* Names that are being looked up stay with their threads, without waiters. */
static void drop_names(struct resolver *resolver) {
        struct name *name;
        size_t position = 0;

        while ((name = id_map_next(&resolver->names, &position)))
                for (struct waiter *waiter; !name->list && (waiter = name->waiters);) {
                        name->waiters = waiter->next;
                        free(waiter);
                }
        for (size_t grade = 0; grade < _GRADE_MAX; grade++)
                list_free(&resolver->queued[grade]);
        list_free(&resolver->claimed);
        list_free(&resolver->remembered);
        id_map_deinit(&resolver->names);
}

struct resolver *resolver_free(struct resolver *resolver) {
        pthread_t idle[THREADS_MAX];
        unsigned n_idle = 0;

        if (!resolver)
                return NULL;
        (void)pthread_mutex_lock(&resolver->lock);
        resolver->closed = true;
        drop_names(resolver);
        for (unsigned i = 0; i < resolver->n_threads; i++)
                if (resolver->threads[i].busy)
                        (void)pthread_detach(resolver->threads[i].thread);
                else
                        idle[n_idle++] = resolver->threads[i].thread;
        (void)pthread_cond_broadcast(&resolver->more);
        (void)pthread_mutex_unlock(&resolver->lock);
        /* These end at once: a closed resolver has no names for them. */
        for (unsigned i = 0; i < n_idle; i++)
                (void)pthread_join(idle[i], NULL);
        (void)pthread_mutex_lock(&resolver->lock);
        unref_and_unlock(resolver);
        return NULL;
}
