#include "model/provider.h"

#include "base/clock.h"
#include "base/macro.h"
#include "model/provider-texts.h"

#include <strings.h>

static const char *const no_suffixes[] = { NULL };
static const char *const neon_suffixes[] = { ".neon.tech", ".neon.build", NULL };
static const char *const aurora_suffixes[] = { ".rds.amazonaws.com", ".rds.amazonaws.com.cn", NULL };
static const char *const supabase_suffixes[] = { ".supabase.co", ".supabase.com", NULL };

/* The first row is what everything unknown is taken for. */
static const struct provider providers[] = {
        {
                .name = "postgres",
                .host_suffixes = no_suffixes,
                .door_is_free = true,
                .texts = provider_texts_none,
        },
        {
                .name = "neon",
                .host_suffixes = neon_suffixes,
                .suspends = true,
                .suspend_after_usec = 5 * USEC_PER_MINUTE,
                .usual_wake_usec = 1800 * USEC_PER_MSEC, /* the median of an outside measurement; p95 was 2.6 s */
                /* Its proxy answers everything up to the password by itself, and wakes the database only after a right one. */
                .door_is_free = true,
                .tls_required = true,
                .login_every_error_is_relayed = true,
                .direct_signature = CUT_ADMIN_SHUTDOWN,
                .pooled_signature = CUT_BARE_EOF,
                .texts = provider_texts_neon,
        },
        {
                /*
                 * A cluster endpoint (NAME.cluster-ID.REGION, NAME.cluster-ro-ID..., NAME.cluster-custom-ID...). Plain RDS has the same
                 * suffix and never sleeps; an instance endpoint inside a cluster looks like plain RDS. A provisioned Aurora cluster
                 * and a Multi-AZ RDS cluster have such endpoints too and do not sleep: their operator says provider = "postgres".
                 */
                .name = "aurora",
                .host_suffixes = aurora_suffixes,
                .host_part = ".cluster-",
                .suspends = true,
                .suspend_after_usec = 5 * USEC_PER_MINUTE,
                .usual_wake_usec = 15 * USEC_PER_SEC, /* "approximately 15 seconds" in its manual; longer after days */
                /* Any connection attempt wakes it, and an open connection keeps it awake: no door, no session, so no signature. */
                .door_is_free = false,
                .session_keeps_awake = true,
                .connect_hangs_in_wake = true,
                .direct_signature = CUT_NONE,
                .pooled_signature = CUT_NONE,
                .texts = provider_texts_none,
        },
        {
                /* A free project is paused after days, but no login ever wakes it: for us that is no sleep, a person must act. */
                .name = "supabase",
                .host_suffixes = supabase_suffixes,
                .door_is_free = true,
                .texts = provider_texts_supabase,
        },
};

const struct provider *provider_at(size_t i) {
        return i < ARRAY_LENGTH(providers) ? &providers[i] : NULL;
}

const struct provider *provider_by_name(const char *name) {
        for (size_t i = 0; i < ARRAY_LENGTH(providers); i++)
                if (streq(name, providers[i].name))
                        return &providers[i];
        return NULL;
}

/* Whether HOST, of LENGTH bytes, is a name below SUFFIX. */
static bool is_below(const char *host, size_t length, const char *suffix) {
        size_t n = strlen(suffix);

        return length > n && strncasecmp(host + length - n, suffix, n) == 0;
}

static bool host_belongs(const char *host, size_t length, const struct provider *provider) {
        if (provider->host_part && !strcasestr(host, provider->host_part))
                return false;
        for (const char *const *suffix = provider->host_suffixes; *suffix; suffix++)
                if (is_below(host, length, *suffix))
                        return true;
        return false;
}

/* A path ('/') or an abstract socket ('@') could end like a host name; an address cannot. */
const struct provider *provider_by_host(const char *host) {
        size_t length;

        if (!host || host[0] == '/' || host[0] == '@')
                return &providers[0];
        length = strlen(host);
        if (length > 0 && host[length - 1] == '.')
                length--; /* the DNS root, written out */
        for (size_t i = 0; i < ARRAY_LENGTH(providers); i++)
                if (host_belongs(host, length, &providers[i]))
                        return &providers[i];
        return &providers[0];
}

unsigned provider_cut_signature(const struct provider *provider, const char *host) {
        static const char pooler[] = "-pooler";
        size_t label = host ? strcspn(host, ".") : 0;

        return is_below(host, label, pooler) ? provider->pooled_signature : provider->direct_signature;
}
