#include "api/event.h"

#define MEMBER(member) offsetof(struct event_status, member)

const struct field event_fields[] = {
        {"sequence", FIELD_COUNT, MEMBER(sequence), 0, NULL},
        {"kind", FIELD_TEXT, MEMBER(kind), FIELD_REQUIRED, NULL},
        {"at", FIELD_TIME, MEMBER(at_real_usec), 0, NULL},
        {"database", FIELD_TEXT, MEMBER(database), FIELD_REQUIRED, NULL},
        {"state", FIELD_TEXT, MEMBER(state), 0, NULL},
        {"previous", FIELD_TEXT, MEMBER(previous), 0, NULL},
        {"reason", FIELD_TEXT, MEMBER(reason), 0, NULL},
        {"message", FIELD_TEXT, MEMBER(message), 0, NULL},
        {"ready", FIELD_BOOL, MEMBER(ready), 0, NULL},
        {"generation", FIELD_COUNT, MEMBER(generation), 0, NULL},
        {"latency_seconds", FIELD_SECONDS, MEMBER(latency_usec), 0, NULL},
        {"cause", FIELD_TEXT, MEMBER(cause), 0, NULL},
        {"cold", FIELD_TRISTATE, MEMBER(cold), 0, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct gap_status, member)

const struct field gap_fields[] = {
        {"message", FIELD_TEXT, MEMBER(message), 0, NULL},
        {"last_seen", FIELD_COUNT, MEMBER(last_seen), 0, NULL},
        {"oldest", FIELD_COUNT, MEMBER(oldest), 0, NULL},
        {"newest", FIELD_COUNT, MEMBER(newest), 0, NULL},
        {0},
};
