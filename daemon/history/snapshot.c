#include "history/snapshot.h"

#include "base/clock.h"
#include "base/macro.h"
#include "base/text.h"

#include <stdio.h>

static const char *const prefixes[] = {
        [COUNTER_ATTEMPTS] = "attempts.",
        [COUNTER_FAILURES] = "failures.",
        [COUNTER_WAKES] = "wakes.",
};

const char *counter_name(char *name, const struct counter *counter) {
        unsigned index = counter->index;

        *name = '\0';
        switch ((enum counter_kind)counter->kind) {
        case COUNTER_ATTEMPTS:
                (void)snprintf(name, COUNTER_NAME_MAX, "%s%s.%s", prefixes[COUNTER_ATTEMPTS],
                               check_name((enum check)(index / _REASON_CLASS_MAX)),
                               reason_class_name((enum reason_class)(index % _REASON_CLASS_MAX)));
                break;
        case COUNTER_FAILURES:
                (void)snprintf(name, COUNTER_NAME_MAX, "%s%s", prefixes[COUNTER_FAILURES], reason_slug((enum reason)index));
                break;
        case COUNTER_WAKES:
                (void)snprintf(name, COUNTER_NAME_MAX, "%s%s", prefixes[COUNTER_WAKES], wake_cause_name((enum wake_cause)index));
                break;
        case COUNTER_LATENCY:
        case COUNTER_PHASES:
                break;
        }
        return name;
}

static bool set_counter(struct counter *counter, enum counter_kind kind, unsigned index) {
        *counter = (struct counter){.kind = (uint16_t)kind, .index = (uint16_t)index};
        return true;
}

/* Reads "login.transient". */
static bool read_attempts_name(const char *words, struct counter *ret_counter) {
        for (unsigned check = 0; check < _CHECK_MAX; check++) {
                size_t n = starts_with(words, check_name((enum check)check));

                if (n == 0 || words[n] != '.')
                        continue;
                for (unsigned class = 0; class < _REASON_CLASS_MAX; class++)
                        if (streq(words + n + 1, reason_class_name((enum reason_class)class)))
                                return set_counter(ret_counter, COUNTER_ATTEMPTS, check * _REASON_CLASS_MAX + class);
        }
        return false;
}

bool counter_from_name(const char *name, struct counter *ret_counter) {
        enum wake_cause cause;
        enum reason reason;
        size_t n;

        if ((n = starts_with(name, prefixes[COUNTER_ATTEMPTS])) > 0)
                return read_attempts_name(name + n, ret_counter);
        if ((n = starts_with(name, prefixes[COUNTER_FAILURES])) > 0)
                return reason_from_slug(name + n, &reason) >= 0 && set_counter(ret_counter, COUNTER_FAILURES, reason);
        if ((n = starts_with(name, prefixes[COUNTER_WAKES])) > 0)
                return wake_cause_from_name(name + n, &cause) >= 0 && set_counter(ret_counter, COUNTER_WAKES, cause);
        return false;
}

uint32_t counter_key(const struct counter *counter) {
        return (uint32_t)counter->kind << 16 | counter->index;
}

/* The value in a struct memory of a counter of each kind. */
static uint64_t counter_value(const struct memory *memory, enum counter_kind kind, size_t index) {
        switch (kind) {
        case COUNTER_ATTEMPTS:
                return memory->counts.attempts[index / _REASON_CLASS_MAX][index % _REASON_CLASS_MAX];
        case COUNTER_FAILURES:
                return memory->counts.failures_by_reason[index];
        case COUNTER_WAKES:
                return memory->counts.wakes_by_cause[index];
        case COUNTER_LATENCY:
                return memory->wake_latency.buckets[index];
        case COUNTER_PHASES:
                break; /* only in hours */
        }
        return 0;
}

void snapshot_set_counter(struct memory *memory, const struct counter *counter) {
        size_t index = counter->index;

        switch ((enum counter_kind)counter->kind) {
        case COUNTER_ATTEMPTS:
                memory->counts.attempts[index / _REASON_CLASS_MAX][index % _REASON_CLASS_MAX] = counter->value;
                break;
        case COUNTER_FAILURES:
                memory->counts.failures_by_reason[index] = counter->value;
                break;
        case COUNTER_WAKES:
                memory->counts.wakes_by_cause[index] = counter->value;
                break;
        case COUNTER_LATENCY:
                memory->wake_latency.buckets[index] = (uint32_t)MIN(counter->value, (uint64_t)UINT32_MAX);
                break;
        case COUNTER_PHASES:
                break;
        }
}

static const size_t lengths[] = {
        [COUNTER_ATTEMPTS] = (size_t)_CHECK_MAX * _REASON_CLASS_MAX,
        [COUNTER_FAILURES] = _REASON_MAX,
        [COUNTER_WAKES] = _WAKE_CAUSE_MAX,
        [COUNTER_LATENCY] = HISTOGRAM_BUCKETS,
};

/* With COUNTERS NULL it only counts them. */
static size_t collect(const struct memory *memory, struct counter *counters) {
        size_t n = 0;

        for (size_t kind = 0; kind < ARRAY_LENGTH(lengths); kind++)
                for (size_t index = 0; index < lengths[kind]; index++) {
                        uint64_t value = counter_value(memory, (enum counter_kind)kind, index);

                        if (value == 0)
                                continue;
                        if (counters)
                                counters[n] = (struct counter){.kind = (uint16_t)kind, .index = (uint16_t)index, .value = value};
                        n++;
                }
        return n;
}

struct snapshot *snapshot_new(const char *name, const struct memory *memory, const struct lease_record *leases, size_t n_leases,
                              const struct timing *timings, size_t n_timings) {
        size_t n = collect(memory, NULL);
        struct snapshot *snapshot =
                malloc(sizeof(*snapshot) + n_leases * sizeof(*leases) + n * (sizeof(struct counter) + sizeof(uint64_t)) +
                       n_timings * sizeof(*timings));

        if (!snapshot)
                return NULL;
        *snapshot = (struct snapshot){
                .saved_real_usec = memory->saved_real_usec,
                .held = memory->held,
                .leases_dirty = true,
                .state = memory->state,
                .reason = memory->reason,
                .since_real_usec = memory->since_real_usec,
                .generation = memory->counts.generation,
                .server_started_real_usec = memory->counts.server_started_real_usec,
                .last_success_real_usec = memory->counts.last_success_real_usec,
                .paused_until_real_usec = memory->paused_until_real_usec,
                .last_wake = memory->counts.last_wake,
                .latency_count = memory->wake_latency.count,
                .latency_sum_usec = memory->wake_latency.sum_usec,
                .latency_max_usec = memory->wake_latency.max_usec,
                .account = memory->account,
                .n_leases = n_leases,
                .n_counters = n,
                .n_timings = n_timings,
        };
        (void)text_copy(snapshot->name, sizeof(snapshot->name), name);
        snapshot->leases = (struct lease_record *)(snapshot + 1);
        snapshot->counters = (struct counter *)(snapshot->leases + n_leases);
        if (n_leases > 0)
                memcpy(snapshot->leases, leases, n_leases * sizeof(*leases));
        snapshot->pending = (uint64_t *)(snapshot->counters + n);
        snapshot->timings = (struct timing *)(snapshot->pending + n);
        if (n_timings > 0)
                memcpy(snapshot->timings, timings, n_timings * sizeof(*timings));
        (void)collect(memory, snapshot->counters);
        snapshot_compare(snapshot, NULL);
        return snapshot;
}

void snapshot_expand(const struct snapshot *snapshot, struct memory *ret_memory) {
        *ret_memory = (struct memory){
                .saved_real_usec = snapshot->saved_real_usec,
                .held = snapshot->held,
                .state = snapshot->state,
                .reason = snapshot->reason,
                .since_real_usec = snapshot->since_real_usec,
                .counts.generation = snapshot->generation,
                .counts.server_started_real_usec = snapshot->server_started_real_usec,
                .counts.last_success_real_usec = snapshot->last_success_real_usec,
                .paused_until_real_usec = snapshot->paused_until_real_usec,
                .counts.last_wake = snapshot->last_wake,
                .wake_latency = {
                        .count = snapshot->latency_count,
                        .sum_usec = snapshot->latency_sum_usec,
                        .max_usec = snapshot->latency_max_usec,
                },
                .account = snapshot->account,
        };
        for (size_t i = 0; i < snapshot->n_counters; i++)
                snapshot_set_counter(ret_memory, &snapshot->counters[i]);
}

static bool same_lease(const struct lease_record *a, const struct lease_record *b) {
        return a->id == b->id && a->since_real_usec == b->since_real_usec && a->until_real_usec == b->until_real_usec &&
               streq(a->owner, b->owner);
}

struct snapshot *snapshot_copy(const struct snapshot *snapshot) {
        struct snapshot *copy;
        struct memory memory;

        snapshot_expand(snapshot, &memory);
        copy = snapshot_new(snapshot->name, &memory, snapshot->leases, snapshot->n_leases, NULL, 0);
        if (copy)
                snapshot_written(copy);
        return copy;
}

struct snapshot *snapshot_add(const struct snapshot *snapshot, const struct snapshot *before) {
        size_t n = snapshot->n_leases + before->n_leases;
        _cleanup_free_ struct lease_record *leases = calloc(n + 1, sizeof(*leases));
        struct memory memory, past;
        struct snapshot *sum;

        if (!leases)
                return NULL;
        memcpy(leases, before->leases, before->n_leases * sizeof(*leases));
        memcpy(leases + before->n_leases, snapshot->leases, snapshot->n_leases * sizeof(*leases));
        snapshot_expand(snapshot, &memory);
        snapshot_expand(before, &past);
        memory_add(&memory, &past);
        sum = snapshot_new(snapshot->name, &memory, leases, n, NULL, 0);
        if (sum)
                snapshot_compare(sum, before);
        return sum;
}

uint64_t snapshot_value(const struct snapshot *snapshot, size_t *k, const struct counter *counter) {
        while (*k < snapshot->n_counters && counter_key(&snapshot->counters[*k]) < counter_key(counter))
                ++*k;
        return *k < snapshot->n_counters && counter_key(&snapshot->counters[*k]) == counter_key(counter) ? snapshot->counters[*k].value : 0;
}

void snapshot_follow(struct snapshot *snapshot, const struct snapshot *old) {
        size_t k = 0;

        for (size_t i = 0; i < snapshot->n_counters; i++) {
                const struct counter *counter = &snapshot->counters[i];
                uint64_t value = snapshot_value(old, &k, counter);

                snapshot->pending[i] = usec_sub(counter->value, value) + (value > 0 ? old->pending[k] : 0);
        }
        snapshot->leases_dirty = old->leases_dirty || snapshot->n_leases != old->n_leases;
        for (size_t i = 0; i < snapshot->n_leases && !snapshot->leases_dirty; i++)
                snapshot->leases_dirty = !same_lease(&snapshot->leases[i], &old->leases[i]);
}

void snapshot_compare(struct snapshot *snapshot, const struct snapshot *file) {
        size_t k = 0;

        snapshot->leases_dirty = true;
        for (size_t i = 0; i < snapshot->n_counters; i++) {
                const struct counter *counter = &snapshot->counters[i];

                snapshot->pending[i] = usec_sub(counter->value, file ? snapshot_value(file, &k, counter) : 0);
        }
}

void snapshot_written(struct snapshot *snapshot) {
        snapshot->leases_dirty = false;
        memset(snapshot->pending, 0, snapshot->n_counters * sizeof(*snapshot->pending));
}

void snapshot_list_free(struct snapshot *snapshots) {
        while (snapshots) {
                struct snapshot *next = snapshots->next;

                free(snapshots);
                snapshots = next;
        }
}
