/* The daemon's statements on a database. The simulator reads `struct database` only here, so that a change of its layout is one edit. */
#pragma once

#include "health/registry.h"

struct view {
        enum state state;
        enum reason reason;
        bool ready, ready_or_asleep;
        uint64_t fresh_until_usec;
        uint64_t generation;
        bool session_held;
        bool in_flight;
        bool asks;         /* we keep it awake */
        bool budget_spent;
        size_t leases;
        uint64_t wakes, wakes_by_cause[_WAKE_CAUSE_MAX];
        struct wake_record last_wake;
        struct account account;
        uint64_t failures;
};

void view_read(const struct database *db, struct instant now, struct view *ret_view);
const char *view_name(const struct database *db);
enum policy view_policy(const struct database *db);
