/* Who needs a database, and so the cause of a wake. */
#include "witness.h"

#include "base/macro.h"
#include "clocks.h"
#include "loop.h"

uint64_t witness_wake_end(const struct witness *w) {
        return clock_boot_usec() + usec_add(w->config->wake_timeout_usec, w->config->linger_usec);
}

static bool holds_lease(const struct witness *w) {
        return w->leases > 0 || w->restored_until_real_usec > clock_real_usec();
}

bool witness_surely_needs(struct witness *w) {
        return witness_needs(w) && (holds_lease(w) || w->lingers_unsure_until_usec < clock_boot_usec());
}

void witness_budget_spent(struct witness *w) {
        w->restored_until_real_usec = w->lease_until_usec = w->call_until_usec = w->start_until_usec = w->grace_until_usec = 0;
}

/* From the end of a lease, which is reported late if the host was suspended, and early if the clock was set forward. */
static void linger(struct witness *w, uint64_t until_real_usec, uint64_t due_usec) {
        uint64_t ago = until_real_usec ? MIN(usec_sub(clock_real_usec(), until_real_usec), usec_sub(clock_boot_usec(), due_usec)) : 0;

        w->lease_until_usec = MAX(w->lease_until_usec, usec_sub(usec_add(clock_boot_usec(), w->config->linger_usec), ago));
}

bool witness_needs(struct witness *w) {
        uint64_t now = clock_boot_usec();

        /* The daemon's timer fires at the very moment the lease ends. */
        if (w->restored_until_real_usec && !holds_lease(w)) {
                linger(w, w->restored_until_real_usec, w->restored_due_usec);
                w->restored_until_real_usec = 0;
        }
        return holds_lease(w) || MAX(MAX(w->lease_until_usec, w->call_until_usec), MAX(w->start_until_usec, w->grace_until_usec)) + TOGETHER_USEC > now;
}

/* A request: between two looks there may have been a moment without demand. */
static void need_again(struct witness *w) {
        if (!witness_needs(w) && w->policy != POLICY_KEEP_AWAKE)
                w->needed_since_usec = w->well_since_usec = w->due_since_usec = 0;
        w->requested_usec = clock_boot_usec();
}

void witness_lease(unsigned database) {
        need_again(&witnesses[database]);
        witnesses[database].leases++;
}

void witness_refuse_lease(unsigned database) {
        witnesses[database].leases--;
}

void witness_lease_end(unsigned database, uint64_t until_real_usec, uint64_t due_usec) {
        struct witness *w = &witnesses[database];

        if (w->leases > 0)
                w->leases--;
        if (w->watched)
                linger(w, until_real_usec, due_usec);
        /* The login that follows the end was started before the end is recorded here. */
        if (w->in_flight_usec == clock_boot_usec())
                w->wake_causes |= w->in_flight_causes |= witness_causes_now(w);
}

void witness_restore_lease(unsigned database, uint64_t until_real_usec) {
        struct witness *w = &witnesses[database];

        if (until_real_usec <= MAX(clock_real_usec(), w->restored_until_real_usec))
                return;
        w->restored_until_real_usec = until_real_usec;
        w->restored_due_usec = clock_boot_usec() + until_real_usec - clock_real_usec();
}

uint64_t witness_call(unsigned database, bool ready) {
        struct witness *w = &witnesses[database];
        uint64_t before = w->call_until_usec;

        need_again(w);
        w->call_until_usec = MAX(before, ready ? usec_add(clock_boot_usec(), w->config->linger_usec) : witness_wake_end(w));
        return before;
}

void witness_refuse_call(unsigned database, uint64_t until_usec) {
        witnesses[database].call_until_usec = until_usec;
}

/* Whose demand a login that begins now is for, as bits: every possible cause. */
unsigned witness_causes_now(const struct witness *w) {
        uint64_t now = usec_sub(clock_boot_usec(), TOGETHER_USEC);
        uint64_t until = MAX(MAX(w->lease_until_usec, w->grace_until_usec), MAX(w->call_until_usec, w->start_until_usec));
        unsigned causes = 0;

        /* People and the daemon resume together: whose demand ends first is undefined. */
        if (!w->watched || loop_host_resumed_usec() + TOGETHER_USEC > clock_boot_usec())
                return ALL_CAUSES;
        if (holds_lease(w))
                return 1u << WAKE_LEASE;
        if (MAX(w->lease_until_usec, w->grace_until_usec) > now || w->restored_until_real_usec + TOGETHER_USEC > clock_real_usec())
                causes |= 1u << WAKE_LEASE;
        causes |= w->call_until_usec > now ? 1u << WAKE_CALL : 0;
        causes |= w->start_until_usec > now ? 1u << WAKE_START : 0;
        if (until > clock_boot_usec() && w->lingers_unsure_until_usec <= clock_boot_usec())
                return causes;
        /* Demand that ends at this moment, or had a longer linger before a reload, may be over already. */
        return causes | 1u << (w->answered_usec ? WAKE_INTERVAL : WAKE_START);
}
