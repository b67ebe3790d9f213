#include "advice.h"

#include "base/clock.h"
#include "base/duration.h"
#include "base/macro.h"
#include "target/policy.h"

#define HOURS_A_MONTH 730u /* 365.25 days / 12 */

static const struct provider *provider_of(const struct database_config *database) {
        const struct provider *provider = provider_by_name(database->provider);

        return provider ? provider : provider_by_host(conninfo_get(database->conninfo, "host"));
}

/*
 * Hours a month that our own checks keep DATABASE awake: each question holds it awake for the provider's suspend time, so an interval
 * below that means always.
 */
static unsigned hours_awake(const struct database_config *database, const struct provider *provider) {
        uint64_t interval = MIN(database->ping_interval_usec, database->login_interval_usec), awake;

        if (policy_choose(database->policy, provider) != POLICY_IS_KEEP_AWAKE)
                return 0;
        if (provider->session_keeps_awake)
                interval = database->login_interval_usec;
        awake = database->suspend_after_usec ? database->suspend_after_usec : provider->suspend_after_usec;
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

static void advise_on_tls(const struct config *config, const struct database_config *database, const struct provider *provider,
                          struct complaints *complaints) {
        const char *mode = conninfo_get(database->conninfo, "sslmode");

        if (!provider->tls_required || (mode && (streq(mode, "require") || starts_with(mode, "verify-"))))
                return;
        complain_warning(complaints, config_source_file(config, database->source), database->source.line,
                         "database \"%s\": %s requires TLS, and sslmode %s%s does not; expected sslmode=require, or better verify-full",
                         database->name, provider->name, mode ? "" : "is not given: ", mode ? mode : "prefer");
}

void advice_complain(const struct config *config, struct complaints *complaints) {
        for (size_t i = 0; i < config->n_databases; i++) {
                const struct database_config *database = &config->databases[i];
                const struct provider *provider = provider_of(database);

                advise_on_cost(config, database, provider, complaints);
                advise_on_tls(config, database, provider, complaints);
        }
}

void advice_print(const struct config *config, FILE *file) {
        size_t sleepers = 0;

        for (size_t i = 0; i < config->n_databases; i++) {
                const struct database_config *database = &config->databases[i];
                const struct provider *provider = provider_of(database);

                if (!provider->suspends)
                        continue;
                sleepers++;
                fprintf(file, "%s: %s, %s: our own checks keep it awake for %u hours a month\n", database->name, provider->name,
                        policy_name(policy_choose(database->policy, provider)), hours_awake(database, provider));
        }
        fprintf(file, "The configuration is good: %zu %s, %zu of which may sleep.\n", config->n_databases,
                config->n_databases == 1 ? "database" : "databases", sleepers);
}
