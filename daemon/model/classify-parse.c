#include "model/classify.h"

#include "base/macro.h"

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

/* What libpq writes at the start of a line with the same two spaces behind the colon. */
static const char *const labels[] = {
        "DETAIL", "HINT", "QUERY", "CONTEXT", "SCHEMA NAME", "TABLE NAME", "COLUMN NAME", "DATATYPE NAME", "CONSTRAINT NAME", "LOCATION",
};

/* Copies what fits, cut at a UTF-8 character's edge. */
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

/* The severity ends at COLON; it begins with the line, or behind libpq's "connection to server at ... failed: ". */
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
 * Two tries (sslmode=prefer, allow) leave two errors. The last one counts, except that "no pg_hba.conf entry" (28000) for the try without
 * TLS does not hide what the server said to the one with it.
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
