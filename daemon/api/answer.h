/* Answers that are not about a single database: refusals, the head of /status, and the answers to requests on the control socket. */
#pragma once

#include "api/database.h"

/* The key of the list in /status and /readyz, which is written a slice at a time. */
#define API_DATABASES "databases"

/* Every answer with a status of 400 or more. */
struct refusal_answer {
        const char *error, *message;
};

/* 404 for a name that is not configured, and for a path that does not exist. */
struct unknown_name_answer {
        struct refusal_answer refusal;
        struct field_rows known; /* texts */
};

struct unknown_path_answer {
        struct refusal_answer refusal;
        struct field_rows endpoints; /* texts */
};

struct history_status {
        const char *health, *message;
};

/* /status without its list of databases. */
struct status_head {
        const char *version;
        uint64_t now_real_usec;
        bool ready;
        struct history_status history;
};

struct readyz_head {
        bool ready;
        uint64_t count;
};

struct pause_answer {
        const char *name;
        uint64_t paused_until_real_usec;
};

/* The answer to taking a lease. It is also the first event of the lease's stream, so it has the members of an event. */
struct lease_answer {
        const char *kind, *database;
        uint64_t at_real_usec;
        struct lease_status lease;
        struct database_status verdict;
        uint64_t generation;
};

/* The last event of a lease's stream. */
struct lease_end_answer {
        uint64_t id;
        const char *reason, *message;
};

struct lease_deleted_answer {
        uint64_t id;
        bool ended;
};

struct complaint_status {
        const char *file, *severity, *message;
        uint64_t line; /* 0: the file as a whole */
};

struct reload_answer {
        bool ok;
        struct field_rows complaints; /* of struct complaint_status */
        uint64_t added, removed, changed, unchanged;
};

struct reload_refused_answer {
        struct refusal_answer refusal;
        struct field_rows complaints; /* of struct complaint_status */
};

extern const struct field refusal_fields[];
extern const struct field unknown_name_fields[];
extern const struct field unknown_path_fields[];
extern const struct field status_head_fields[];
extern const struct field readyz_head_fields[];
extern const struct field pause_fields[];
extern const struct field lease_answer_fields[];
extern const struct field lease_event_fields[];
extern const struct field lease_end_fields[];
extern const struct field lease_deleted_fields[];
extern const struct field reload_fields[];
extern const struct field reload_refused_fields[];
