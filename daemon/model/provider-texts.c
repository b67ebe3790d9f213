#include "model/provider-texts.h"

#include "base/macro.h"

#include <ctype.h>

const struct provider_text provider_texts_none[] = {
        { .contains = NULL },
};

/*
 * Neon's proxy, read in its public source; the most specific first. Its texts may change with the hosted service: what is not found here
 * is told as unclassified with the text beside it.
 */
const struct provider_text provider_texts_neon[] = {
        /* What the operator configured. */
        { .contains = "Endpoint ID is not specified", .reason = REASON_PROVIDER_CONFIG },
        { .contains = "Inconsistent project name", .reason = REASON_PROVIDER_CONFIG },
        { .contains = "Project name (", .and_contains = "must contain only", .reason = REASON_PROVIDER_CONFIG },
        { .contains = "endpoint cannot be found", .reason = REASON_PROVIDER_CONFIG },
        { .contains = "could not be found, or you don't have access", .reason = REASON_PROVIDER_CONFIG },
        { .contains = "connection is insecure", .reason = REASON_PROVIDER_CONFIG },
        { .contains = "This IP address", .and_contains = "is not allowed", .reason = REASON_PROVIDER_CONFIG },
        { .contains = "from a blocked network", .reason = REASON_PROVIDER_CONFIG },
        { .contains = "unsupported startup parameter", .reason = REASON_PROVIDER_CONFIG },
        /* PostgreSQL writes double quotes there. Neon says the same of a role or an endpoint that does not exist. */
        { .contains = "password authentication failed for user '", .reason = REASON_AUTH_PASSWORD },
        /* What the provider has switched off. */
        { .contains = "endpoint is disabled", .reason = REASON_PROVIDER_DISABLED },
        { .contains = "endpoint has been disabled", .reason = REASON_PROVIDER_DISABLED },
        { .contains = "temporarily disabled", .reason = REASON_PROVIDER_DISABLED },
        /* Too often, too many. */
        { .contains = "exceeded the rate limit", .reason = REASON_PROVIDER_THROTTLED },
        { .contains = "Too many connections attempts", .reason = REASON_PROVIDER_THROTTLED },
        { .contains = "Too many connections to this endpoint", .reason = REASON_PROVIDER_THROTTLED },
        { .contains = "limit of concurrently active endpoints", .reason = REASON_PROVIDER_THROTTLED },
        { .contains = "active endpoints limit exceeded", .reason = REASON_PROVIDER_THROTTLED },
        { .contains = "exceeded the compute time for this branch", .reason = REASON_PROVIDER_QUOTA },
        { .contains = "exceeded the", .and_contains = "quota", .reason = REASON_PROVIDER_QUOTA },
        /* Trouble that passes. The first is maintenance or a quota; only waiting tells which. */
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
 * Supabase's pooler, from the reports of its users, not from its source. "Tenant or user not found" is said of a wrong pooler host, of a
 * user name without the project's name, and of a project that is paused or gone: a person must look in each case.
 */
const struct provider_text provider_texts_supabase[] = {
        { .contains = "Tenant or user not found", .reason = REASON_PROVIDER_CONFIG },
        { .contains = "tenant/user", .and_contains = "not found", .reason = REASON_PROVIDER_CONFIG },
        { .contains = "no tenant identifier provided", .reason = REASON_PROVIDER_CONFIG },
        { .contains = "max clients reached", .reason = REASON_SERVER_FULL },
        { .contains = "Max client connections reached", .reason = REASON_SERVER_FULL },
        { .contains = NULL },
};

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
