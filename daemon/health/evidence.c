#include "health/evidence.h"

#include "health/wake.h"

/* A login got past whatever blocked logins and doors before it. */
static void forget_block(struct evidence *evidence) {
        evidence->blocked = REASON_NONE;
        if (reason_class(evidence->last[FOUND_BY_DOOR].reason) == CLASS_BLOCKED)
                evidence_forget_door(evidence);
}

/* A login that failed on its way to what blocked the one before it, or without an answer, says nothing of that. */
static void note_blocked(struct evidence *evidence, enum reason reason) {
        enum reason_class class = reason_class(reason);

        if (class == CLASS_BLOCKED)
                evidence->blocked = reason;
        else if (class == CLASS_OK || class == CLASS_DEGRADED || wake_is_said(reason))
                forget_block(evidence);
}

void evidence_note(struct evidence *evidence, enum found_by source, enum reason reason, uint64_t boot_usec) {
        evidence->last[source] = (struct finding){.boot_usec = boot_usec, .reason = reason};
        if (source != FOUND_BY_DOOR)
                evidence->cut_like_suspend = false;
        if (source == FOUND_BY_LOGIN)
                note_blocked(evidence, reason);
}

void evidence_forget_login(struct evidence *evidence) {
        evidence->last[FOUND_BY_LOGIN] = (struct finding){0};
        forget_block(evidence);
}

void evidence_forget_door(struct evidence *evidence) {
        evidence->last[FOUND_BY_DOOR] = (struct finding){0};
}

void evidence_session_ended(struct evidence *evidence, enum reason reason, bool like_suspend, uint64_t boot_usec) {
        /* A session that ends says nothing against new logins, however its end reads. */
        evidence_note(evidence, FOUND_BY_SESSION, reason_class(reason) == CLASS_CUT ? reason : REASON_SESSION_LOST, boot_usec);
        evidence->cut_like_suspend = like_suspend;
}

static bool is_against_database(const struct finding *finding) {
        enum reason_class class = reason_class(finding->reason);

        return class == CLASS_TRANSIENT || class == CLASS_THROTTLED || class == CLASS_FULL || class == CLASS_BLOCKED;
}

void evidence_forget_answers(struct evidence *evidence) {
        for (unsigned source = 0; source < _FOUND_BY_MAX; source++) {
                enum reason_class class = reason_class(evidence->last[source].reason);

                if (source != FOUND_BY_DOOR && (class == CLASS_OK || class == CLASS_DEGRADED))
                        evidence->last[source] = (struct finding){0};
        }
}

struct finding evidence_newest(const struct evidence *evidence) {
        struct finding newest = {0};

        for (unsigned source = 0; source < _FOUND_BY_MAX; source++)
                if (evidence->last[source].boot_usec > newest.boot_usec)
                        newest = evidence->last[source];
        return newest;
}

bool evidence_good_door(const struct evidence *evidence) {
        const struct finding *door = &evidence->last[FOUND_BY_DOOR];

        return door->boot_usec > 0 && door->reason == REASON_NONE && door->boot_usec == evidence_newest(evidence).boot_usec;
}

enum reason evidence_blocked(const struct evidence *evidence) {
        return evidence->blocked;
}

enum reason evidence_unmet(const struct evidence *evidence) {
        enum reason reason = evidence->last[FOUND_BY_SESSION].reason;

        return reason_class(reason) == CLASS_DEGRADED ? reason : REASON_NONE;
}

enum reason evidence_cut(const struct evidence *evidence) {
        enum reason reason = evidence->last[FOUND_BY_SESSION].reason;

        return reason_class(reason) == CLASS_CUT ? reason : REASON_NONE;
}

bool evidence_slept(const struct evidence *evidence) {
        return evidence->cut_like_suspend && evidence_good_door(evidence);
}

bool evidence_needs_login(const struct evidence *evidence) {
        const struct finding *login = &evidence->last[FOUND_BY_LOGIN], *session = &evidence->last[FOUND_BY_SESSION];

        if (is_against_database(session) && session->boot_usec > login->boot_usec)
                return true;
        return evidence->blocked != REASON_NONE || (is_against_database(login) && !evidence_slept(evidence));
}
