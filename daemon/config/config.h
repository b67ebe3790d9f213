/*
 * What the operator asked for: the main file, the files of conf.d beside it, and the defaults, read and checked as a whole.
 *
 * Immutable once loaded. A reload loads a second one beside it and compares (database_config_equal).
 */
#pragma once

#include "base/buffer.h"
#include "base/log.h"
#include "config/complaint.h"
#include "config/conninfo.h"
#include "config/environment.h"

#include <stdint.h>

#define CONFIG_DATABASES_MAX 10000
#define CONFIG_AGENTS_MAX 16 /* addresses of status.agent_listen */

enum policy {
        POLICY_AUTO, /* what suits the provider */
        POLICY_KEEP_AWAKE,
        POLICY_ON_DEMAND,
        POLICY_OBSERVE,
};

enum ready_on {
        READY_ON_AWAKE,
        READY_ON_VERDICT,
        READY_ON_START,
};

/* Where a value stands. */
struct config_source {
        uint32_t file; /* 0: nowhere, it is the default; else config_source_file() names it */
        uint32_t line;
};

/* The number of rows of the option table that a database has, and that the daemon has; config/option.c holds itself against them. */
#define CONFIG_DATABASE_OPTIONS 38
#define CONFIG_GLOBAL_OPTIONS 15

struct expect {
        bool has_primary, primary;
        bool has_read_only, read_only;
        uint64_t max_lag_usec; /* 0: not asked */
        char *query;           /* NULL: not asked */
        char *value;           /* NULL: any answer will do */
};

/* What an application calls the settings of its env_file; NULL: as usual (env_field_name()). */
struct env_names {
        char *url;
        char *user;
        char *password;
        char *host;
        char *port;
        char *database;
};

/* One entry of `databases`, completed by `defaults` and the table's own defaults. */
struct database_config {
        char *name;
        struct conninfo *conninfo;
        /* How the connection was given; conninfo_text may hold a password and is gone after the load. */
        char *conninfo_text;
        char *service;
        char *env_file;
        struct env_names env_names;
        bool from_environment; /* of this process: --from-env */
        char *password_credential;
        char *password_file;

        const char *provider; /* "auto" or a provider's name; one of the table's choices, not owned */
        enum policy policy;
        uint64_t ping_interval_usec;
        uint64_t login_interval_usec;
        uint64_t door_interval_usec; /* 0: never */
        uint64_t retry_interval_usec;
        uint64_t down_interval_usec;
        uint64_t blocked_interval_usec;
        unsigned jitter_permille;
        uint64_t attempt_timeout_usec;
        uint64_t slow_usec;
        uint64_t wake_timeout_usec;
        unsigned rise;
        unsigned fall;
        uint64_t linger_usec;        /* 0: not at all */
        uint64_t lease_grace_usec;   /* 0: not at all */
        uint64_t fresh_for_usec;     /* 0: 2.5 intervals of what renews the verdict */
        uint64_t suspend_after_usec; /* 0: the provider's */
        bool wake_at_start;
        struct expect expect;
        bool required;
        uint64_t budget_awake_usec; /* a month; 0: none */

        struct config_source source;                           /* of the entry itself */
        struct config_source sources[CONFIG_DATABASE_OPTIONS]; /* in the order of the option table's rows for a database */
};

struct config {
        char *status_socket;
        char *control_socket;
        bool sockets_optional; /* the two are not worth an end where they cannot be had: --from-env in a container */
        char *awake_dir; /* "": none */
        char **listen;   /* each as address_parse() (config/address.h) takes it */
        size_t n_listen;
        char **allowed_hosts; /* names by which what listens on loopback is asked */
        size_t n_allowed_hosts;
        char **agent_listen; /* for HAProxy's agent-check */
        size_t n_agent_listen;
        uint64_t agent_ramp_usec; /* 0: full weight at once */
        char *history_path;         /* "": no history */
        uint64_t history_keep_usec; /* USEC_INFINITY: for ever */
        uint64_t history_max_bytes;
        enum log_format log_format;
        int log_level;
        enum ready_on ready_on;
        uint64_t ready_timeout_usec; /* USEC_INFINITY: waits for ever */
        unsigned attempts_in_flight;

        struct database_config *databases; /* in the order of the files */
        size_t n_databases;

        struct config_source sources[CONFIG_GLOBAL_OPTIONS];
        struct database_config **by_name; /* the same, sorted */
        char **files;                     /* what config_source.file counts from 1 */
        size_t n_files;
};

/*
 * Loads PATH and the *.conf files of conf.d beside it; or, with ENVIRONMENT's from_env, what stands there instead (PATH is not used). Every error and warning of every file is added to COMPLAINTS, sorted.
 * Answers 0 (warnings may have been added); -EINVAL when there was an error: COMPLAINTS says which; -ENOMEM.
 */
int config_load(const char *path, const struct config_environment *environment, struct complaints *complaints, struct config **ret_config);
/* Answers NULL; takes NULL. */
struct config *config_free(struct config *config);

/* NULL when there is none of that name. */
const struct database_config *config_database(const struct config *config, const char *name);
/* The file's path, or NULL for a default. */
const char *config_source_file(const struct config *config, struct config_source source);
/* Whether both are of one server and one login, whatever else is set: what is known of the one is known of the other. */
bool database_config_same_server(const struct database_config *a, const struct database_config *b);
/* Whether the same is expected of both. */
bool database_config_same_expectations(const struct database_config *a, const struct database_config *b);
/* Same name, connection (the password's bytes included) and settings, wherever they stand: the running database may stay as it is. */
bool database_config_equal(const struct database_config *a, const struct database_config *b);

/*
 * The whole configuration in the form of its file: every value with the place it comes from or "default", secrets left out. It could be
 * loaded again, but for passwords that stood in it.
 */
void config_dump(const struct config *config, struct buffer *buffer);

static inline void config_freep(struct config **config) {
        config_free(*config);
}
