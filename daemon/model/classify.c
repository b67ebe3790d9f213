#include "model/classify.h"

#include "base/macro.h"
#include "model/classify-tables.h"
#include "model/provider.h"

#include <netdb.h>

#define PRIMARY_MAX 512

/* A message and its code. */
struct words {
        char sqlstate[SQLSTATE_LENGTH + 1]; /* or "" */
        char primary[PRIMARY_MAX];
        const char *text; /* the primary message, or libpq's text after "connection to server at ... failed: " */
};

/* libpq begins a line for each try of a connection (sslmode=prefer makes two); the last one is the final failure. */
static const char *skip_preamble(const char *text) {
        static const char preamble[] = "connection to server ", end[] = " failed: ";
        const char *rest = text;

        for (const char *line = text; line; line = strchr(line, '\n')) {
                const char *behind;

                line += *line == '\n';
                behind = starts_with(line, preamble) ? strstr(line, end) : NULL;
                if (behind)
                        rest = behind + strlen(end);
        }
        return rest;
}

static void words_read(struct words *w, const struct failure *e) {
        char severity[SEVERITY_MAX];
        bool parsed = classify_parse_message(e->text, severity, w->sqlstate, w->primary, sizeof(w->primary));

        if (e->sqlstate && strlen(e->sqlstate) == SQLSTATE_LENGTH)
                memcpy(w->sqlstate, e->sqlstate, sizeof(w->sqlstate));
        w->text = parsed ? w->primary : skip_preamble(e->text);
}

/*
 * Whether the code carries no meaning: proxies and poolers put XX000 or 08P01 on whatever they relay, and a provider that relays every
 * error has been seen to use 28000 for it.
 */
static bool is_mute(const char *sqlstate, const struct provider *provider) {
        if (sqlstate[0] == '\0' || streq(sqlstate, "XX000") || starts_with(sqlstate, "08"))
                return true;
        return provider->login_every_error_is_relayed && starts_with(sqlstate, "28");
}

/* A bare end of a held session is session.lost, whatever its errno; an end with a message is session.cut. */
static enum reason classify_session(const struct words *w, enum phase phase) {
        if (w->sqlstate[0] || classify_server_text(w->text) != REASON_NONE)
                return REASON_SESSION_CUT;
        if (classify_libpq_text(w->text, phase) == REASON_PROTOCOL_GARBAGE)
                return REASON_PROTOCOL_GARBAGE;
        return REASON_SESSION_LOST;
}

/* Classifies by the text: there is no code, or it does not decide. */
static enum reason classify_mute(const struct words *w, enum phase phase) {
        enum reason reason = classify_server_text(w->text);

        if (reason != REASON_NONE)
                return reason;
        if (w->sqlstate[0] == '\0')
                return classify_libpq_text(w->text, phase);
        /* A 28xxx without a known text must not count as blocked: it stays unclassified. */
        if (phase != PHASE_QUERY && starts_with(w->sqlstate, "28"))
                return REASON_NONE;
        return classify_server_code(w->sqlstate, w->text, phase);
}

static enum reason classify_libpq(const struct failure *e, const struct provider *provider) {
        struct words w = {};
        enum reason reason = REASON_NONE;
        bool mute;

        words_read(&w, e);
        if (e->session)
                return classify_session(&w, e->phase);
        mute = is_mute(w.sqlstate, provider);
        /* If the probe query failed with a meaningful code, the error is the database's own: the provider's texts do not apply to it. */
        if (mute || e->phase != PHASE_QUERY)
                reason = provider_text_reason(provider->texts, w.text);
        if (reason == REASON_NONE)
                reason = mute ? classify_mute(&w, e->phase) : classify_server_code(w.sqlstate, w.text, e->phase);
        if (reason == REASON_NONE)
                reason = classify_errno(e->error);
        return reason;
}

static enum reason classify_system(const struct failure *e) {
        return e->session ? REASON_SESSION_LOST : classify_errno(e->error);
}

/*
 * Every EAI code that is not about us is dns.failed, EAI_AGAIN too: a resolver that says "not now" has answered. dns.timeout means that our
 * own deadline passed. Detecting a fault of our own network needs the code itself.
 */
static enum reason classify_resolve(const struct failure *e) {
        if (e->eai == EAI_MEMORY || (e->eai == EAI_SYSTEM && classify_errno(e->error) == REASON_HOST_RESOURCES))
                return REASON_HOST_RESOURCES;
        return REASON_DNS_FAILED;
}

enum reason classify(const struct failure *e, const struct provider *provider) {
        enum reason reason = REASON_NONE;

        switch (e->kind) {
        case FAILURE_DEADLINE:
                reason = e->session ? REASON_SESSION_LOST : classify_deadline(e->phase);
                break;
        case FAILURE_RESOLVE:
                reason = classify_resolve(e);
                break;
        case FAILURE_SYSTEM:
                reason = classify_system(e);
                break;
        case FAILURE_LIBPQ:
                reason = classify_libpq(e, provider);
                break;
        }
        return reason == REASON_NONE ? REASON_UNCLASSIFIED : reason;
}

/* -- Parsing the messages of libpq and servers ----------------------------------------------------------------------------------------- */

#define SEVERITY_LONGEST 48 /* translated ones: "ÖLÜMCÜL (FATAL)" */

/* A piece of a text, not terminated. */
struct piece {
        const char *start;
        size_t length;
};

struct finding {
        struct piece severity;
        struct piece sqlstate;
        struct piece primary;
};

/* Labels that libpq writes at the start of a line, with the same two spaces after the colon. */
static const char *const labels[] = {
        "DETAIL", "HINT", "QUERY", "CONTEXT", "SCHEMA NAME", "TABLE NAME", "COLUMN NAME", "DATATYPE NAME", "CONSTRAINT NAME", "LOCATION",
};

/* Copies what fits, cut at the boundary of a UTF-8 character. */
static void piece_copy(char *destination, size_t size, struct piece piece) {
        size_t length = piece.length;

        if (size == 0)
                return;
        if (length >= size) {
                length = size - 1;
                while (length > 0 && ((unsigned char)piece.start[length] & 0xC0) == 0x80)
                        length--;
        }
        if (length)
                memcpy(destination, piece.start, length);
        destination[length] = '\0';
}

static bool piece_is(struct piece piece, const char *text) {
        return piece.length == strlen(text) && memcmp(piece.start, text, piece.length) == 0;
}

bool classify_begins_with_sqlstate(const char *text) {
        return strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == SQLSTATE_LENGTH;
}

static bool is_severity(struct piece piece) {
        for (size_t i = 0; i < ARRAY_LENGTH(labels); i++)
                if (piece_is(piece, labels[i]))
                        return false;
        return piece.length > 0 && piece.length <= SEVERITY_LONGEST;
}

/* The severity ends at COLON. It begins with the line, or after libpq's "connection to server at ... failed: ". */
static struct piece severity_before(const char *line, const char *colon) {
        static const char end[] = " failed: ";
        const char *start = line, *found;

        while ((found = memmem(start, (size_t)(colon - start), end, strlen(end))))
                start = found + strlen(end);
        return (struct piece){ start, (size_t)(colon - start) };
}

/* Reads LINE as "SEVERITY:  SQLSTATE: primary message". */
static bool line_read(const char *line, size_t length, struct finding *ret_finding) {
        static const char gap[] = ":  ", code_end[] = ": ";
        const char *end = line + length, *colon = line;

        for (; (colon = memmem(colon, (size_t)(end - colon), gap, strlen(gap))); colon++) {
                const char *code = colon + strlen(gap), *primary = code + SQLSTATE_LENGTH + strlen(code_end);
                struct piece severity = severity_before(line, colon);

                if (primary > end || !classify_begins_with_sqlstate(code) || !starts_with(code + SQLSTATE_LENGTH, code_end) || !is_severity(severity))
                        continue;
                *ret_finding = (struct finding){ severity, { code, SQLSTATE_LENGTH }, { primary, (size_t)(end - primary) } };
                return true;
        }
        return false;
}

/*
 * Two tries (sslmode=prefer, allow) leave two errors. The last one counts, except that "no pg_hba.conf entry" (28000) of the try without
 * TLS does not hide the server's message in the try with it.
 */
static bool is_better(const struct finding *next, const struct finding *now) {
        return !now->sqlstate.start || !piece_is(next->sqlstate, "28000");
}

bool classify_parse_message(const char *text, char ret_severity[SEVERITY_MAX], char ret_sqlstate[SQLSTATE_LENGTH + 1],
                            char *ret_primary, size_t primary_size) {
        struct finding best = {}, next;

        for (const char *line = text; *line;) {
                size_t length = strcspn(line, "\n");

                if (line_read(line, length, &next) && is_better(&next, &best))
                        best = next;
                line += length + (line[length] == '\n');
        }
        piece_copy(ret_severity, SEVERITY_MAX, best.severity);
        piece_copy(ret_sqlstate, SQLSTATE_LENGTH + 1, best.sqlstate);
        piece_copy(ret_primary, primary_size, best.primary);
        return best.sqlstate.start;
}
