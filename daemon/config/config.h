/*
 * The configuration: the main file, the files of conf.d beside it, and the defaults, read and checked as a whole.
 *
 * Immutable once loaded. A reload loads a second one and compares the two (database_config_equal()).
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
        POLICY_AUTO, /* the provider's usual one */
        POLICY_KEEP_AWAKE,
        POLICY_ON_DEMAND,
        POLICY_OBSERVE,
};

enum ready_on {
        READY_ON_AWAKE,
        READY_ON_VERDICT,
        READY_ON_START,
};

/* The place of a value. */
struct config_source {
        uint32_t file; /* 0: none, the value is the default; else config_source_file() names it */
        uint32_t line;
};

/* The number of options of a database and of the daemon; config/option.c asserts that they match its table. */
#define CONFIG_DATABASE_OPTIONS 38
#define CONFIG_GLOBAL_OPTIONS 15

struct expect {
        bool has_primary, primary;
        bool has_read_only, read_only;
        uint64_t max_lag_usec; /* 0: not checked */
        char *query;           /* NULL: not checked */
        char *value;           /* NULL: any answer will do */
};

/* The names of an application's settings in its env_file; NULL: the usual name (env_field_name()). */
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
        /* How the connection is configured; conninfo_text may hold a password, and is freed after the load. */
        char *conninfo_text;
        char *service;
        char *env_file;
        struct env_names env_names;
        bool from_environment; /* of this process: --from-env */
        char *password_credential;
        char *password_file;

        const char *provider; /* "auto" or a provider's name; a constant of the table, not owned */
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
        uint64_t linger_usec;        /* 0: none */
        uint64_t lease_grace_usec;   /* 0: none */
        uint64_t fresh_for_usec;     /* 0: 2.5 intervals of the check that renews the verdict */
        uint64_t suspend_after_usec; /* 0: the provider's */
        bool wake_at_start;
        struct expect expect;
        bool required;
        uint64_t budget_awake_usec; /* per month; 0: none */

        struct config_source source;                           /* of the entry itself */
        struct config_source sources[CONFIG_DATABASE_OPTIONS]; /* by the index of the option in the table for databases */
};

struct config {
        char *status_socket;
        char *control_socket;
        bool sockets_optional; /* --from-env in a container: the daemon goes on without a socket that it cannot have */
        char *awake_dir; /* "": none */
        char **listen;   /* each as address_parse() (config/address.h) takes it */
        size_t n_listen;
        char **allowed_hosts; /* names, beside localhost, that requests to loopback listeners may use */
        size_t n_allowed_hosts;
        char **agent_listen; /* for HAProxy's agent-check */
        size_t n_agent_listen;
        uint64_t agent_ramp_usec; /* 0: full weight at once */
        char *history_path;         /* "": no history */
        uint64_t history_keep_usec; /* USEC_INFINITY: forever */
        uint64_t history_max_bytes;
        enum log_format log_format;
        int log_level;
        enum ready_on ready_on;
        uint64_t ready_timeout_usec; /* USEC_INFINITY: waits forever */
        unsigned attempts_in_flight;

        struct database_config *databases; /* in the order of the files */
        size_t n_databases;

        struct config_source sources[CONFIG_GLOBAL_OPTIONS];
        struct database_config **by_name; /* the same, sorted */
        char **files;                     /* config_source.file is an index that begins at 1 */
        size_t n_files;
};

/*
 * Loads PATH and the *.conf files of conf.d beside it; with ENVIRONMENT's from_env the environment instead (PATH is not used). Adds every
 * error and warning to COMPLAINTS, sorted. Returns 0 (possibly with warnings); -EINVAL if there was an error; -ENOMEM.
 */
int config_load(const char *path, const struct config_environment *environment, struct complaints *complaints, struct config **ret_config);
/* Returns NULL; takes NULL. */
struct config *config_free(struct config *config);

/* NULL if there is none of that name. */
const struct database_config *config_database(const struct config *config, const char *name);
/* The file's path, or NULL for a default. */
const char *config_source_file(const struct config *config, struct config_source source);
/* Whether both have the same server and login, whatever their other settings: knowledge about one is valid for the other. */
bool database_config_same_server(const struct database_config *a, const struct database_config *b);
/* Whether both have the same expectations. */
bool database_config_same_expectations(const struct database_config *a, const struct database_config *b);
/*
 * Same name, connection (the password's bytes included) and settings, wherever they are configured: the running database may stay as it is.
 */
bool database_config_equal(const struct database_config *a, const struct database_config *b);

/*
 * Writes the whole configuration in the syntax of its file: every value with its source or "default", without secrets. It can be loaded
 * again, unless it contained passwords.
 */
void config_dump(const struct config *config, struct buffer *buffer);

static inline void config_freep(struct config **config) {
        config_free(*config);
}
