#include "view.h"

#include <string.h>

void view_read(const struct database *t, struct instant now, struct view *ret_view) {
        *ret_view = (struct view){
                .state = t->state,
                .reason = t->reason,
                .ready = database_ready(t),
                .ready_or_asleep = database_ready_or_asleep(t),
                .fresh_until_usec = database_fresh_until(t),
                .generation = t->counts.generation,
                .session_held = t->session_held,
                .in_flight = t->in_flight.id,
                .asks = policy_asks(t),
                .budget_spent = t->budget_spent,
                .leases = t->n_leases,
                .wakes = database_wakes(t),
                .last_wake = t->counts.last_wake,
                .account = database_account(t, now),
                .failures = database_failures(t),
        };
        memcpy(ret_view->wakes_by_cause, t->counts.wakes_by_cause, sizeof(t->counts.wakes_by_cause));
}

const char *view_name(const struct database *t) {
        return t->config->name;
}

enum policy view_policy(const struct database *t) {
        return policy_of(t);
}
