#include "config/option.h"

#include "base/clock.h"
#include "base/duration.h"
#include "base/text.h"
#include "config/option-value.h"
#include "model/provider.h"

#include <inttypes.h>

#define GLOBAL(field) .scope = OPTION_GLOBAL, .offset = offsetof(struct config, field)
#define DATABASE(field) .scope = OPTION_DATABASE, .offset = offsetof(struct database_config, field)
#define PRESENT(field) .present_offset = offsetof(struct database_config, field)
#define BETWEEN(low, high) .minimum = (low), .maximum = (high)
/* From benchmarks to intervals of a month. */
#define TIMING BETWEEN(10 * USEC_PER_MSEC, 30 * USEC_PER_DAY)

static const struct option_choice log_format_choices[] = {
        {"auto", LOG_FORMAT_AUTO}, {"journal", LOG_FORMAT_JOURNAL}, {"logfmt", LOG_FORMAT_LOGFMT}, {"json", LOG_FORMAT_JSON}, {0},
};

static const struct option_choice log_level_choices[] = {
        {"emerg", LOG_EMERG}, {"alert", LOG_ALERT},     {"crit", LOG_CRIT},
        {"err", LOG_ERR},     {"warning", LOG_WARNING}, {"notice", LOG_NOTICE},
        {"info", LOG_INFO},   {"debug", LOG_DEBUG},     {0},
};

static const struct option_choice ready_on_choices[] = {
        {"awake", READY_ON_AWAKE},
        {"verdict", READY_ON_VERDICT},
        {"start", READY_ON_START},
        {0},
};

static const struct option_choice policy_choices[] = {
        {"auto", POLICY_AUTO}, {"keep-awake", POLICY_KEEP_AWAKE}, {"on-demand", POLICY_ON_DEMAND}, {"observe", POLICY_OBSERVE}, {0},
};

/* "auto", then the rows of model/provider.c. */
static const char *provider_word(size_t i) {
        const struct provider *provider = i > 0 ? provider_at(i - 1) : NULL;

        return i == 0 ? "auto" : provider ? provider->name : NULL;
}

static const struct option global_options[] = {
        {"status.socket", OPTION_STRING, GLOBAL(status_socket), .flags = OPTION_ABSOLUTE | OPTION_SOCKET,
         .default_text = "/run/pgwaked/status.sock", .help = "UNIX socket that answers questions; everybody on the machine may read it."},
        {"status.control", OPTION_STRING, GLOBAL(control_socket), .flags = OPTION_ABSOLUTE | OPTION_SOCKET,
         .default_text = "/run/pgwaked/control.sock", .help = "UNIX socket that also takes orders; for root and the group pgwake."},
        {"status.awake_dir", OPTION_STRING, GLOBAL(awake_dir), .flags = OPTION_ABSOLUTE | OPTION_EMPTY,
         .default_text = "/run/pgwaked/awake", .help = "Folder with a file for each database while it is awake; \"\" for none."},
        {"status.listen", OPTION_ADDRESSES, GLOBAL(listen), .example = "[ \"127.0.0.1:9817\" ]",
         .help = "TCP addresses that answer questions and take no orders, encrypted by nobody; none by default."},
        {"status.allowed_hosts", OPTION_HOSTS, GLOBAL(allowed_hosts), .example = "[ \"db-status.example.com\" ]",
         .help = "Names, beside localhost, by which what listens on loopback may be asked; none by default."},
        {"status.agent_listen", OPTION_ADDRESSES, GLOBAL(agent_listen), BETWEEN(0, CONFIG_AGENTS_MAX), .example = "[ \"127.0.0.1:9818\" ]",
         .help = "TCP addresses that answer HAProxy's agent-check, one line a connection; none by default."},
        {"status.agent_ramp", OPTION_DURATION, GLOBAL(agent_ramp_usec), .flags = OPTION_ZERO, TIMING, .default_text = "30s",
         .help = "After a wake the weight told to HAProxy grows from 10% to 100% over this time; \"0s\" for 100% at once."},
        {"history.path", OPTION_STRING, GLOBAL(history_path), .flags = OPTION_ABSOLUTE | OPTION_EMPTY,
         .default_text = "/var/lib/pgwaked/history.db", .help = "File that keeps what happened, and counters and leases over a restart; \"\" keeps nothing."},
        {"history.keep", OPTION_DURATION, GLOBAL(history_keep_usec), .flags = OPTION_RELOADABLE | OPTION_INFINITY,
         BETWEEN(USEC_PER_HOUR, 3650 * USEC_PER_DAY), .default_text = "90d", .help = "What happened before that is dropped from the history."},
        {"history.max_size", OPTION_SIZE, GLOBAL(history_max_bytes), .flags = OPTION_RELOADABLE,
         BETWEEN(UINT64_C(1000000), UINT64_C(1000000000000)), .default_text = "256MB", .help = "The history never grows past this size; the oldest makes room."},
        {"log.format", OPTION_CHOICE, GLOBAL(log_format), .flags = OPTION_RELOADABLE, .choices = log_format_choices, .default_text = "auto",
         .help = "Where entries go: auto is the journal where stderr is connected to it, else logfmt lines."},
        {"log.level", OPTION_CHOICE, GLOBAL(log_level), .flags = OPTION_RELOADABLE, .choices = log_level_choices, .default_text = "info",
         .help = "The least important level that is logged. \"debug\" says each attempt, what became of the verdict, and what is due next."},
        {"ready.on", OPTION_CHOICE, GLOBAL(ready_on), .choices = ready_on_choices, .default_text = "awake",
         .help = "When the service manager is told READY: every required database was awake once, has a first verdict, or at once."},
        {"ready.timeout", OPTION_DURATION, GLOBAL(ready_timeout_usec), .flags = OPTION_INFINITY, TIMING, .default_text = "90s",
         .help = "READY is told at this time in any case, with the names of who is missing."},
        {"limits.attempts_in_flight", OPTION_UNSIGNED, GLOBAL(attempts_in_flight), .flags = OPTION_RELOADABLE, BETWEEN(1, 1024),
         .default_text = "64", .help = "At most so many attempts run at the same time; a ping on a held session needs no place."},
};

static const struct option database_options[] = {
        {"name", OPTION_STRING, DATABASE(name), .flags = OPTION_OWN, .example = "main",
         .help = "What the database is called everywhere: a-z, 0-9, _ and -, beginning with a letter or digit, at most 63."},
        {"conninfo", OPTION_STRING, DATABASE(conninfo_text), .flags = OPTION_OWN | OPTION_RELOADABLE,
         .example = "postgresql://app@db.example.com/app?sslmode=require&channel_binding=require",
         .help = "How it is reached: a URI or key=value, as libpq reads it, with one host."},
        {"service", OPTION_STRING, DATABASE(service), .flags = OPTION_OWN | OPTION_RELOADABLE, .example = "main",
         .help = "Instead of conninfo: a section of pg_service.conf."},
        {"env_file", OPTION_STRING, DATABASE(env_file), .flags = OPTION_OWN | OPTION_ABSOLUTE | OPTION_RELOADABLE, .example = "/srv/app/.env",
         .help = "Instead of conninfo: a dotenv file with DATABASE_URL, or POSTGRES_USER, _PASSWORD, _HOST, _PORT and _DATABASE_NAME."},
        {"env_names.url", OPTION_STRING, DATABASE(env_names.url), .flags = OPTION_RELOADABLE, .example = "DATABASE_URL",
         .help = "What env_file calls the URL."},
        {"env_names.user", OPTION_STRING, DATABASE(env_names.user), .flags = OPTION_RELOADABLE, .example = "POSTGRES_USER",
         .help = "What env_file calls the user."},
        {"env_names.password", OPTION_STRING, DATABASE(env_names.password), .flags = OPTION_RELOADABLE, .example = "POSTGRES_PASSWORD",
         .help = "What env_file calls the password."},
        {"env_names.host", OPTION_STRING, DATABASE(env_names.host), .flags = OPTION_RELOADABLE, .example = "POSTGRES_HOST",
         .help = "What env_file calls the host."},
        {"env_names.port", OPTION_STRING, DATABASE(env_names.port), .flags = OPTION_RELOADABLE, .example = "POSTGRES_PORT",
         .help = "What env_file calls the port, which it may lack."},
        {"env_names.database", OPTION_STRING, DATABASE(env_names.database), .flags = OPTION_RELOADABLE, .example = "POSTGRES_DATABASE_NAME",
         .help = "What env_file calls the database."},
        {"password_credential", OPTION_STRING, DATABASE(password_credential), .flags = OPTION_RELOADABLE, .example = "main.password",
         .help = "The password is the content of this file in $CREDENTIALS_DIRECTORY (LoadCredential= of the unit)."},
        {"password_file", OPTION_STRING, DATABASE(password_file), .flags = OPTION_ABSOLUTE | OPTION_RELOADABLE,
         .example = "/etc/pgwaked/main.password",
         .help = "The password is the content of this file, which others must not be able to read."},
        {"provider", OPTION_WORD, DATABASE(provider), .flags = OPTION_RELOADABLE, .words = provider_word, .default_text = "auto",
         .help = "Who runs it; auto looks at the host name."},
        {"policy", OPTION_CHOICE, DATABASE(policy), .flags = OPTION_RELOADABLE, .choices = policy_choices, .default_text = "auto",
         .help = "When we may log in; auto is keep-awake for a provider that never suspends, else on-demand."},
        {"ping_interval", OPTION_DURATION, DATABASE(ping_interval_usec), .flags = OPTION_RELOADABLE, TIMING, .default_text = "10s",
         .help = "From one probe query on the held session to the next."},
        {"login_interval", OPTION_DURATION, DATABASE(login_interval_usec), .flags = OPTION_RELOADABLE, TIMING, .default_text = "60s",
         .help = "From one fresh login to the next."},
        {"door_interval", OPTION_DURATION, DATABASE(door_interval_usec), .flags = OPTION_RELOADABLE | OPTION_ZERO, TIMING,
         .default_text = "30s",
         .help = "From one check of everything before a password to the next, where these are free; \"0s\" for never."},
        {"retry_interval", OPTION_DURATION, DATABASE(retry_interval_usec), .flags = OPTION_RELOADABLE, TIMING, .default_text = "1s",
         .help = "Before the next attempt while something is changing; grows by doubling to down_interval."},
        {"down_interval", OPTION_DURATION, DATABASE(down_interval_usec), .flags = OPTION_RELOADABLE, TIMING, .default_text = "15s",
         .help = "Between attempts on a database that is down."},
        {"blocked_interval", OPTION_DURATION, DATABASE(blocked_interval_usec), .flags = OPTION_RELOADABLE, TIMING, .default_text = "5min",
         .help = "Between attempts where a person must act first."},
        {"jitter", OPTION_PERCENT, DATABASE(jitter_permille), .flags = OPTION_RELOADABLE, BETWEEN(0, 500), .default_text = "10%",
         .help = "Every interval is moved at random by at most this share."},
        {"attempt_timeout", OPTION_DURATION, DATABASE(attempt_timeout_usec), .flags = OPTION_RELOADABLE, TIMING, .default_text = "30s",
         .help = "One attempt takes at most this long, all addresses and phases together."},
        {"slow", OPTION_DURATION, DATABASE(slow_usec), .flags = OPTION_RELOADABLE, TIMING, .default_text = "500ms",
         .help = "An attempt that takes longer may be waking the database."},
        {"wake_timeout", OPTION_DURATION, DATABASE(wake_timeout_usec), .flags = OPTION_RELOADABLE, TIMING, .default_text = "3min",
         .help = "A wake that takes longer has failed."},
        {"rise", OPTION_UNSIGNED, DATABASE(rise), .flags = OPTION_RELOADABLE, BETWEEN(1, 100), .default_text = "1",
         .help = "So many successes in a row make it awake after failures."},
        {"fall", OPTION_UNSIGNED, DATABASE(fall), .flags = OPTION_RELOADABLE, BETWEEN(1, 100), .default_text = "3",
         .help = "So many failures in a row make it down."},
        {"linger", OPTION_DURATION, DATABASE(linger_usec), .flags = OPTION_RELOADABLE | OPTION_ZERO, TIMING, .default_text = "60s",
         .help = "Demand goes on for so long after its end."},
        {"lease_grace", OPTION_DURATION, DATABASE(lease_grace_usec), .flags = OPTION_RELOADABLE | OPTION_ZERO, TIMING, .default_text = "10s",
         .help = "After a restart of the daemon those who held a lease have so long to come back before it may sleep."},
        {"fresh_for", OPTION_DURATION, DATABASE(fresh_for_usec), .flags = OPTION_RELOADABLE | OPTION_AUTO, TIMING, .default_text = "auto",
         .help = "A verdict is believed for so long; auto is 2.5 intervals of what renews it."},
        {"suspend_after", OPTION_DURATION, DATABASE(suspend_after_usec), .flags = OPTION_RELOADABLE | OPTION_AUTO, TIMING,
         .default_text = "auto", .help = "The idle time after which the provider suspends it; auto is the provider's default."},
        {"wake_at_start", OPTION_BOOL, DATABASE(wake_at_start), .flags = OPTION_RELOADABLE, .default_text = "true",
         .help = "The daemon's start is a demand: it is woken once, then may sleep."},
        {"expect.primary", OPTION_BOOL, DATABASE(expect.primary), PRESENT(expect.has_primary), .flags = OPTION_RELOADABLE,
         .example = "true", .help = "Whether the server must be a primary (true) or a standby (false); not asked by default."},
        {"expect.read_only", OPTION_BOOL, DATABASE(expect.read_only), PRESENT(expect.has_read_only), .flags = OPTION_RELOADABLE,
         .example = "false", .help = "Whether a transaction must be read-only by default or must not; not asked by default."},
        {"expect.max_lag", OPTION_DURATION, DATABASE(expect.max_lag_usec), .flags = OPTION_RELOADABLE, TIMING, .example = "10s",
         .help = "How far a standby may be behind; not asked by default."},
        {"expect.query", OPTION_STRING, DATABASE(expect.query), .flags = OPTION_RELOADABLE, .example = "SELECT count(*) > 0 FROM pg_class",
         .help = "A query of your own that must be answered."},
        {"expect.value", OPTION_STRING, DATABASE(expect.value), .flags = OPTION_RELOADABLE | OPTION_EMPTY, .example = "t",
         .help = "The text that expect.query must answer in its first column; any by default."},
        {"required", OPTION_BOOL, DATABASE(required), .flags = OPTION_RELOADABLE, .default_text = "true",
         .help = "Whether /readyz without a name and ready.on wait for it."},
        {"budget.awake_hours", OPTION_HOURS, DATABASE(budget_awake_usec), .flags = OPTION_RELOADABLE, BETWEEN(0, 744), .default_text = "0",
         .help = "When it was awake for so many hours of a calendar month (UTC), we neither wake it nor keep it awake; 0 for no limit."},
};

_Static_assert(ARRAY_LENGTH(global_options) == CONFIG_GLOBAL_OPTIONS, "struct config holds a source for each global option");
_Static_assert(ARRAY_LENGTH(database_options) == CONFIG_DATABASE_OPTIONS, "struct database_config holds a source for each of its options");

const struct option *option_at(enum option_scope scope, size_t i) {
        if (i >= option_count(scope))
                return NULL;
        return scope == OPTION_GLOBAL ? &global_options[i] : &database_options[i];
}

size_t option_count(enum option_scope scope) {
        return scope == OPTION_GLOBAL ? ARRAY_LENGTH(global_options) : ARRAY_LENGTH(database_options);
}

int option_find(enum option_scope scope, const char *path) {
        for (size_t i = 0; i < option_count(scope); i++)
                if (streq(option_at(scope, i)->path, path))
                        return (int)i;
        return -1;
}

bool option_is_group(enum option_scope scope, const char *path) {
        size_t length = strlen(path);

        for (size_t i = 0; i < option_count(scope); i++) {
                const char *known = option_at(scope, i)->path;

                if (strncmp(known, path, length) == 0 && known[length] == '.')
                        return true;
        }
        return false;
}

/* The words at the level of PREFIX: "awake_hours" below "budget.", "budget" at the top. */
static size_t collect_level(enum option_scope scope, const char *prefix, size_t prefix_length, char (*words)[OPTION_WORD_MAX]) {
        size_t n = 0;

        for (size_t i = 0; i < option_count(scope); i++) {
                const char *path = option_at(scope, i)->path, *word = path + prefix_length;
                size_t length;

                if (strncmp(path, prefix, prefix_length) != 0)
                        continue;
                length = MIN(strcspn(word, "."), (size_t)OPTION_WORD_MAX - 1);
                memcpy(words[n], word, length);
                words[n++][length] = '\0';
        }
        return n;
}

bool option_nearest(enum option_scope scope, const char *path, char ret_word[OPTION_WORD_MAX]) {
        char words[CONFIG_DATABASE_OPTIONS + CONFIG_GLOBAL_OPTIONS][OPTION_WORD_MAX];
        const char *candidates[ARRAY_LENGTH(words)], *dot = strrchr(path, '.'), *nearest;
        size_t prefix_length = dot ? (size_t)(dot - path) + 1 : 0, n;

        n = collect_level(scope, path, prefix_length, words);
        for (size_t i = 0; i < n; i++)
                candidates[i] = words[i];
        nearest = text_nearest(path + prefix_length, candidates, n);
        if (!nearest)
                return false;
        (void)text_copy(ret_word, OPTION_WORD_MAX, nearest);
        return true;
}

/* -- Values as text -------------------------------------------------------------------------------------------------------------------- */

/* The text form of values, for the dump, for complaints and for the sample. */

void option_quote(const char *text, struct buffer *buffer) {
        buffer_append_string(buffer, "\"");
        for (const char *p = text; *p; p++) {
                if (*p == '"' || *p == '\\')
                        buffer_printf(buffer, "\\%c", *p);
                else if ((unsigned char)*p < ' ' || *p == 0x7f)
                        buffer_printf(buffer, "\\x%02X", (unsigned char)*p);
                else
                        buffer_append(buffer, p, 1);
        }
        buffer_append_string(buffer, "\"");
}

const char *option_word(const struct option *option, size_t i) {
        return option->words ? option->words(i) : option->choices[i].word;
}

const char *option_choice_word(const struct option_choice *choices, int value) {
        for (; choices->word; choices++)
                if (choices->value == value)
                        return choices->word;
        return "?";
}

static void format_duration(uint64_t usec, struct buffer *buffer) {
        char text[DURATION_MAX];

        buffer_printf(buffer, "\"%s\"", duration_format(text, usec));
}

static void format_size(uint64_t bytes, struct buffer *buffer) {
        static const struct {
                const char *unit;
                uint64_t factor;
        } units[] = {
                {"GiB", UINT64_C(1) << 30},
                {"MiB", UINT64_C(1) << 20},
                {"GB", UINT64_C(1000000000)},
                {"MB", UINT64_C(1000000)},
                {"KiB", UINT64_C(1) << 10},
                {"kB", UINT64_C(1000)},
                {"B", 1},
        };

        for (size_t i = 0; i < ARRAY_LENGTH(units); i++)
                if (bytes % units[i].factor == 0) {
                        buffer_printf(buffer, "\"%" PRIu64 "%s\"", bytes / units[i].factor, units[i].unit);
                        return;
                }
}

static void format_permille(unsigned permille, struct buffer *buffer) {
        if (permille % 10)
                buffer_printf(buffer, "\"%u.%u%%\"", permille / 10, permille % 10);
        else
                buffer_printf(buffer, "\"%u%%\"", permille / 10);
}

/* Thousandths of an hour, 3.6 seconds, are exact enough. */
static void format_hours(uint64_t usec, struct buffer *buffer) {
        uint64_t rest = usec % USEC_PER_HOUR / (USEC_PER_HOUR / 1000);

        buffer_printf(buffer, "%" PRIu64, usec / USEC_PER_HOUR);
        if (rest)
                buffer_printf(buffer, ".%03" PRIu64, rest);
}

static void format_list(char *const *texts, size_t n, struct buffer *buffer) {
        buffer_append_string(buffer, "[ ");
        for (size_t i = 0; i < n; i++) {
                option_quote(texts[i], buffer);
                buffer_append_string(buffer, i + 1 < n ? ", " : " ");
        }
        buffer_append_string(buffer, "]");
}

static void option_format_value(const struct option *option, const void *base, struct buffer *buffer) {
        const void *field = (const char *)base + option->offset;
        uint64_t usec;

        switch (option->type) {
        case OPTION_STRING:
        case OPTION_WORD:
                option_quote(*(char *const *)field, buffer);
                return;
        case OPTION_ADDRESSES:
        case OPTION_HOSTS:
                format_list(*(char **const *)field, *(const size_t *)((char **const *)field + 1), buffer);
                return;
        case OPTION_BOOL:
                buffer_append_string(buffer, *(const bool *)field ? "true" : "false");
                return;
        case OPTION_UNSIGNED:
                buffer_printf(buffer, "%u", *(const unsigned *)field);
                return;
        case OPTION_DURATION:
                usec = *(const uint64_t *)field;
                if (usec == 0 && (option->flags & OPTION_AUTO))
                        buffer_append_string(buffer, "\"auto\"");
                else
                        format_duration(usec, buffer);
                return;
        case OPTION_SIZE:
                format_size(*(const uint64_t *)field, buffer);
                return;
        case OPTION_PERCENT:
                format_permille(*(const unsigned *)field, buffer);
                return;
        case OPTION_HOURS:
                format_hours(*(const uint64_t *)field, buffer);
                return;
        case OPTION_CHOICE:
                buffer_printf(buffer, "\"%s\"", option_choice_word(option->choices, *(const int *)field));
                return;
        }
}

bool option_format(const struct option *option, const void *base, struct buffer *buffer) {
        if (!option_is_set(option, base))
                return false;
        option_format_value(option, base, buffer);
        return true;
}

static void describe_words(const struct option *option, struct buffer *buffer) {
        buffer_append_string(buffer, "one of");
        for (size_t i = 0; option_word(option, i); i++)
                buffer_printf(buffer, "%s \"%s\"", i == 0 ? "" : ",", option_word(option, i));
}

static void describe_duration(const struct option *option, struct buffer *buffer) {
        const char *example = option->default_text ? option->default_text : option->example;

        buffer_append_string(buffer, "a duration from ");
        format_duration(option->minimum, buffer);
        buffer_append_string(buffer, " to ");
        format_duration(option->maximum, buffer);
        if (option->flags & OPTION_ZERO)
                buffer_append_string(buffer, ", or \"0s\"");
        if (option->flags & OPTION_INFINITY)
                buffer_append_string(buffer, ", or \"infinity\"");
        if (option->flags & OPTION_AUTO)
                buffer_append_string(buffer, ", or \"auto\"");
        else
                buffer_printf(buffer, ", as in \"%s\"", example);
}

void option_describe(const struct option *option, struct buffer *buffer) {
        switch (option->type) {
        case OPTION_STRING:
                buffer_append_string(buffer, option->flags & OPTION_ABSOLUTE ? "an absolute path in quotes" : "a text in quotes");
                if (option->flags & OPTION_EMPTY)
                        buffer_append_string(buffer, ", or \"\"");
                return;
        case OPTION_ADDRESSES:
                buffer_append_string(buffer, "a list of ");
                if (option->maximum)
                        buffer_printf(buffer, "at most %" PRIu64 " ", option->maximum);
                buffer_printf(buffer, "numeric addresses with port, as in %s", option->example);
                return;
        case OPTION_HOSTS:
                buffer_printf(buffer, "a list of host names without a port, as in %s", option->example);
                return;
        case OPTION_BOOL:
                buffer_append_string(buffer, "true or false");
                return;
        case OPTION_UNSIGNED:
                buffer_printf(buffer, "a whole number from %" PRIu64 " to %" PRIu64, option->minimum, option->maximum);
                return;
        case OPTION_DURATION:
                describe_duration(option, buffer);
                return;
        case OPTION_SIZE:
                buffer_append_string(buffer, "a size from ");
                format_size(option->minimum, buffer);
                buffer_append_string(buffer, " to ");
                format_size(option->maximum, buffer);
                buffer_printf(buffer, ", as in \"%s\"", option->default_text);
                return;
        case OPTION_PERCENT:
                buffer_append_string(buffer, "a share from ");
                format_permille((unsigned)option->minimum, buffer);
                buffer_append_string(buffer, " to ");
                format_permille((unsigned)option->maximum, buffer);
                buffer_printf(buffer, ", as in \"%s\"", option->default_text);
                return;
        case OPTION_HOURS:
                buffer_printf(buffer, "a number of hours from %" PRIu64 " to %" PRIu64, option->minimum, option->maximum);
                return;
        case OPTION_CHOICE:
        case OPTION_WORD:
                describe_words(option, buffer);
                return;
        }
}
