#include "advice.h"

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/duration.h"
#include "base/macro.h"
#include "health/policy.h"

#include <inttypes.h>

#define HOURS_A_MONTH 730u /* 365.25 days / 12 */
#define DAYS_A_MONTH 30.4

static const struct provider *provider_of(const struct database_config *database) {
        const struct provider *provider = provider_by_name(database->provider);

        return provider ? provider : provider_by_host(conninfo_get(database->conninfo, "host"));
}

static uint64_t suspend_after(const struct database_config *database, const struct provider *provider) {
        return database->suspend_after_usec ? database->suspend_after_usec : provider->suspend_after_usec;
}

/*
 * Hours per month that our own checks keep DATABASE awake: each query holds it awake for the provider's suspend time, so a shorter interval
 * means always.
 */
static unsigned hours_awake(const struct database_config *database, const struct provider *provider) {
        uint64_t interval = MIN(database->ping_interval_usec, database->login_interval_usec), awake;

        if (policy_choose(database->policy, provider) != POLICY_KEEP_AWAKE)
                return 0;
        if (provider->session_keeps_awake)
                interval = database->login_interval_usec;
        awake = suspend_after(database, provider);
        return interval <= awake ? HOURS_A_MONTH : (unsigned)(HOURS_A_MONTH * ((double)awake / (double)interval) + 0.5);
}

static void advise_on_cost(const struct config *config, const struct database_config *database, const struct provider *provider,
                           struct complaints *complaints) {
        unsigned hours = hours_awake(database, provider);

        if (provider->suspends && hours == HOURS_A_MONTH)
                complain_warning(complaints, config_source_file(config, database->source), database->source.line,
                                 "database \"%s\": policy \"keep-awake\" keeps it awake for all of %u hours a month, though %s would let it "
                                 "sleep; \"on-demand\" would wake it only when somebody needs it",
                                 database->name, hours, provider->name);
}

/* A lease relies on pings to keep the database awake. */
static void advise_on_pings(const struct config *config, const struct database_config *database, const struct provider *provider,
                            struct complaints *complaints) {
        uint64_t interval = provider->session_keeps_awake ? database->login_interval_usec : database->ping_interval_usec;
        char every[DURATION_MAX], after[DURATION_MAX];

        if (!provider->suspends || interval < suspend_after(database, provider))
                return;
        complain_warning(complaints, config_source_file(config, database->source), database->source.line,
                         "database \"%s\": a lease would not keep it awake: %s %s is not below the %s after which %s suspends it",
                         database->name, provider->session_keeps_awake ? "login_interval" : "ping_interval",
                         duration_format(every, interval), duration_format(after, suspend_after(database, provider)), provider->name);
}

static void advise_on_budget(const struct config *config, const struct database_config *database, const struct provider *provider,
                             struct complaints *complaints) {
        unsigned hours = hours_awake(database, provider);
        double budget = (double)database->budget_awake_usec / (double)USEC_PER_HOUR;

        if (database->budget_awake_usec == 0)
                return;
        if (!provider->suspends)
                complain_warning(complaints, config_source_file(config, database->source), database->source.line,
                                 "database \"%s\": budget.awake_hours would stop its checks, and save nothing: %s does not suspend it",
                                 database->name, provider->name);
        else if (budget < hours)
                complain_warning(complaints, config_source_file(config, database->source), database->source.line,
                                 "database \"%s\": policy \"keep-awake\" spends the budget of %g hours by day %u of the month", database->name,
                                 budget, (unsigned)(budget * DAYS_A_MONTH / hours) + 1);
}

static void advise_on_tls(const struct config *config, const struct database_config *database, const struct provider *provider,
                          struct complaints *complaints) {
        const char *mode = conninfo_get(database->conninfo, "sslmode");

        if (!provider->tls_required || (mode && (streq(mode, "require") || starts_with(mode, "verify-"))))
                return;
        complain_warning(complaints, config_source_file(config, database->source), database->source.line,
                         "database \"%s\": %s requires TLS, and sslmode %s%s does not; expected sslmode=require, or better verify-full",
                         database->name, provider->name, mode ? "" : "is not given: ", mode ? mode : "prefer");
}

/* Each database may hold a session, and a login beside it. */
static void advise_on_descriptors(const struct config *config, struct complaints *complaints) {
        uint64_t limit = descriptor_limit(), clients = descriptor_clients(limit, 1);
        uint64_t reserve = descriptor_reserve(DESCRIPTOR_CONNECTION, limit);
        uint64_t needed = config->n_databases + config->attempts_in_flight + clients + reserve;

        if (config->n_databases == 0 || needed <= limit)
                return;
        complain_warning(complaints, config_source_file(config, config->databases[0].source), 0,
                         "up to %" PRIu64 " file descriptors are needed (%zu sessions, %u attempts in flight, %" PRIu64
                         " HTTP connections, %" PRIu64 " in reserve), and RLIMIT_NOFILE is %" PRIu64
                         "; raise LimitNOFILE: a database without one is host.resources",
                         needed, config->n_databases, config->attempts_in_flight, clients, reserve, limit);
}

void advice_complain(const struct config *config, struct complaints *complaints) {
        for (size_t i = 0; i < config->n_databases; i++) {
                const struct database_config *database = &config->databases[i];
                const struct provider *provider = provider_of(database);

                advise_on_cost(config, database, provider, complaints);
                advise_on_pings(config, database, provider, complaints);
                advise_on_budget(config, database, provider, complaints);
                advise_on_tls(config, database, provider, complaints);
        }
        advise_on_descriptors(config, complaints);
}

/* The cost of one use beyond its own duration: the linger, and the provider's idle time after the last query. */
static void print_wake(const struct database_config *database, const struct provider *provider, FILE *file) {
        char usec[DURATION_MAX], linger[DURATION_MAX], suspend[DURATION_MAX];
        uint64_t after = suspend_after(database, provider);

        fprintf(file, "; a wake for somebody is at least %s (linger %s, then %s until it sleeps)",
                duration_format(usec, usec_add(database->linger_usec, after)), duration_format(linger, database->linger_usec),
                duration_format(suspend, after));
}

void advice_print(const struct config *config, FILE *file) {
        size_t sleepers = 0;

        for (size_t i = 0; i < config->n_databases; i++) {
                const struct database_config *database = &config->databases[i];
                const struct provider *provider = provider_of(database);
                enum policy policy = policy_choose(database->policy, provider);

                if (!provider->suspends)
                        continue;
                sleepers++;
                fprintf(file, "%s: %s, %s: our own checks keep it awake for %u hours a month", database->name, provider->name,
                        policy_name(policy), hours_awake(database, provider));
                if (policy != POLICY_KEEP_AWAKE)
                        print_wake(database, provider, file);
                if (database->budget_awake_usec > 0)
                        fprintf(file, "; budget %g hours", (double)database->budget_awake_usec / (double)USEC_PER_HOUR);
                (void)fputc('\n', file);
        }
        fprintf(file, "The configuration is good: %zu %s, %zu of which may sleep.\n", config->n_databases,
                config->n_databases == 1 ? "database" : "databases", sleepers);
}
