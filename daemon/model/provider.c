#include "model/provider.h"

#include "base/clock.h"
#include "base/macro.h"
#include "base/text.h"

#include <ctype.h>
#include <strings.h>

static const char *const no_suffixes[] = { NULL };
static const char *const neon_suffixes[] = { ".neon.tech", ".neon.build", NULL };
static const char *const aurora_suffixes[] = { ".rds.amazonaws.com", ".rds.amazonaws.com.cn", NULL };
static const char *const supabase_suffixes[] = { ".supabase.co", ".supabase.com", NULL };

/* None: a plain server's SQLSTATEs say enough. */
static const struct provider_text provider_texts_none[] = {
        { .contains = NULL },
};

/*
 * Neon's proxy, from its public source; the most specific text first. The hosted service may change its texts: an unknown one is reported
 * as unclassified, with the text as detail.
 */
static const struct provider_text provider_texts_neon[] = {
        /* The operator's settings. */
        { .contains = "Endpoint ID is not specified", .reason = REASON_PROVIDER_CONFIG },
        { .contains = "Inconsistent project name", .reason = REASON_PROVIDER_CONFIG },
        { .contains = "Project name (", .and_contains = "must contain only", .reason = REASON_PROVIDER_CONFIG },
        { .contains = "endpoint cannot be found", .reason = REASON_PROVIDER_CONFIG },
        { .contains = "could not be found, or you don't have access", .reason = REASON_PROVIDER_CONFIG },
        { .contains = "connection is insecure", .reason = REASON_PROVIDER_CONFIG },
        { .contains = "This IP address", .and_contains = "is not allowed", .reason = REASON_PROVIDER_CONFIG },
        { .contains = "from a blocked network", .reason = REASON_PROVIDER_CONFIG },
        { .contains = "unsupported startup parameter", .reason = REASON_PROVIDER_CONFIG },
        /* PostgreSQL writes double quotes there. Neon sends the same for a role or an endpoint that does not exist. */
        { .contains = "password authentication failed for user '", .reason = REASON_AUTH_PASSWORD },
        /* Disabled by the provider. */
        { .contains = "endpoint is disabled", .reason = REASON_PROVIDER_DISABLED },
        { .contains = "endpoint has been disabled", .reason = REASON_PROVIDER_DISABLED },
        { .contains = "temporarily disabled", .reason = REASON_PROVIDER_DISABLED },
        /* Rate limits and quotas. */
        { .contains = "exceeded the rate limit", .reason = REASON_PROVIDER_THROTTLED },
        { .contains = "Too many connections attempts", .reason = REASON_PROVIDER_THROTTLED },
        { .contains = "Too many connections to this endpoint", .reason = REASON_PROVIDER_THROTTLED },
        { .contains = "limit of concurrently active endpoints", .reason = REASON_PROVIDER_THROTTLED },
        { .contains = "active endpoints limit exceeded", .reason = REASON_PROVIDER_THROTTLED },
        { .contains = "exceeded the compute time for this branch", .reason = REASON_PROVIDER_QUOTA },
        { .contains = "exceeded the", .and_contains = "quota", .reason = REASON_PROVIDER_QUOTA },
        /* Transient trouble. The first text means maintenance or a quota; only waiting tells which. */
        { .contains = "endpoint is temporarily unavailable. Check your quotas", .reason = REASON_PROVIDER_TRANSIENT },
        { .contains = "already has running operations", .reason = REASON_PROVIDER_TRANSIENT },
        { .contains = "Failed to acquire permit to connect to the database", .reason = REASON_PROVIDER_TRANSIENT },
        { .contains = "Couldn't connect to compute node", .reason = REASON_PROVIDER_TRANSIENT },
        { .contains = "Control plane request failed", .ends_there = true, .reason = REASON_PROVIDER_TRANSIENT },
        { .contains = "Console request failed", .ends_there = true, .reason = REASON_PROVIDER_TRANSIENT },
        { .contains = "Authentication timed out", .reason = REASON_PROVIDER_TRANSIENT },
        { .contains = "Internal error", .reason = REASON_PROVIDER_TRANSIENT },
        { .contains = NULL },
};

/*
 * Supabase's pooler, from its users' reports, not from its source. It sends "Tenant or user not found" for a wrong pooler host, for a user
 * name without the project's name, and for a project that is paused or gone: a person must act in each case.
 */
static const struct provider_text provider_texts_supabase[] = {
        { .contains = "Tenant or user not found", .reason = REASON_PROVIDER_CONFIG },
        { .contains = "tenant/user", .and_contains = "not found", .reason = REASON_PROVIDER_CONFIG },
        { .contains = "no tenant identifier provided", .reason = REASON_PROVIDER_CONFIG },
        { .contains = "max clients reached", .reason = REASON_SERVER_FULL },
        { .contains = "Max client connections reached", .reason = REASON_SERVER_FULL },
        { .contains = NULL },
};

/* The first row is the default for unknown hosts. */
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
                /* The proxy answers everything up to the password by itself, and wakes the database only after a correct one. */
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
                 * suffix and never suspends; an instance endpoint inside a cluster looks like plain RDS. A provisioned Aurora cluster and a
                 * Multi-AZ RDS cluster have such endpoints too and do not suspend: their operator sets provider = "postgres".
                 */
                .name = "aurora",
                .host_suffixes = aurora_suffixes,
                .host_part = ".cluster-",
                .suspends = true,
                .suspend_after_usec = 5 * USEC_PER_MINUTE,
                .usual_wake_usec = 15 * USEC_PER_SEC, /* "approximately 15 seconds" in its manual; longer after days */
                /*
                 * Any connection attempt wakes it, and an open connection keeps it awake: no free door check, no held session, and so no
                 * signature.
                 */
                .door_is_free = false,
                .session_keeps_awake = true,
                .connect_hangs_in_wake = true,
                .direct_signature = CUT_NONE,
                .pooled_signature = CUT_NONE,
                .texts = provider_texts_none,
        },
        {
                /* A free project is paused after days, and no login wakes it: that is not asleep, since a person must act. */
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

/* A path ('/') or an abstract socket ('@') could end like a provider's host; an address cannot. */
const struct provider *provider_by_host(const char *host) {
        size_t length;

        if (!host || host[0] == '/' || host[0] == '@')
                return &providers[0];
        length = text_host_length(host);
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

static bool is_blank(const char *text) {
        while (isspace((unsigned char)*text))
                text++;
        return *text == '\0';
}

bool provider_text_matches(const struct provider_text *row, const char *text) {
        for (const char *found = strcasestr(text, row->contains); found; found = strcasestr(found + 1, row->contains)) {
                const char *behind = found + strlen(row->contains);

                if (row->and_contains && !strcasestr(behind, row->and_contains))
                        return false;
                if (!row->ends_there || is_blank(behind))
                        return true;
        }
        return false;
}

enum reason provider_text_reason(const struct provider_text *texts, const char *text) {
        for (const struct provider_text *row = texts; row->contains; row++)
                if (provider_text_matches(row, text))
                        return row->reason;
        return REASON_NONE;
}
