#include "health/findings.h"

void findings_note(struct findings *findings, enum found_by source, enum reason reason, uint64_t boot_usec) {
        findings->last[source] = (struct finding){.boot_usec = boot_usec, .reason = reason};
        if (source != FOUND_BY_DOOR)
                findings->cut_like_suspend = false;
}

void findings_session_ended(struct findings *findings, enum reason reason, bool like_suspend, uint64_t boot_usec) {
        /* A session that ends says nothing against new logins, however its end reads. */
        findings_note(findings, FOUND_BY_SESSION, reason_class(reason) == CLASS_CUT ? reason : REASON_SESSION_LOST, boot_usec);
        findings->cut_like_suspend = like_suspend;
}

static bool is_against_database(const struct finding *finding) {
        switch (reason_class(finding->reason)) {
        case CLASS_TRANSIENT:
        case CLASS_THROTTLED:
        case CLASS_FULL:
        case CLASS_BLOCKED:
                return true;
        case CLASS_OK:
        case CLASS_CUT:
        case CLASS_DEGRADED:
        case CLASS_OURS:
        case _REASON_CLASS_MAX:
                break;
        }
        return false;
}

void findings_forget_answers(struct findings *findings) {
        for (unsigned source = 0; source < _FOUND_BY_MAX; source++)
                if (source != FOUND_BY_DOOR && !is_against_database(&findings->last[source]))
                        findings->last[source] = (struct finding){0};
}

bool findings_asked(const struct findings *findings) {
        return findings->last[FOUND_BY_LOGIN].boot_usec > 0 || findings->last[FOUND_BY_SESSION].boot_usec > 0;
}

struct finding findings_newest(const struct findings *findings) {
        struct finding newest = {0};

        for (unsigned source = 0; source < _FOUND_BY_MAX; source++)
                if (findings->last[source].boot_usec > newest.boot_usec)
                        newest = findings->last[source];
        return newest;
}

bool findings_good_door(const struct findings *findings) {
        const struct finding *last = findings->last, *door = &last[FOUND_BY_DOOR];

        return door->boot_usec > 0 && door->reason == REASON_NONE && door->boot_usec >= last[FOUND_BY_LOGIN].boot_usec &&
               door->boot_usec >= last[FOUND_BY_SESSION].boot_usec;
}

enum reason findings_blocked(const struct findings *findings) {
        enum reason reason = findings->last[FOUND_BY_LOGIN].reason;

        return reason_class(reason) == CLASS_BLOCKED ? reason : REASON_NONE;
}

enum reason findings_unmet(const struct findings *findings) {
        enum reason reason = findings->last[FOUND_BY_SESSION].reason;

        return reason_class(reason) == CLASS_DEGRADED ? reason : REASON_NONE;
}

bool findings_slept(const struct findings *findings) {
        return findings->cut_like_suspend && findings_good_door(findings);
}

bool findings_needs_login(const struct findings *findings) {
        const struct finding *login = &findings->last[FOUND_BY_LOGIN], *session = &findings->last[FOUND_BY_SESSION];

        if (is_against_database(session) && session->boot_usec > login->boot_usec)
                return true;
        return is_against_database(login) && (findings_blocked(findings) != REASON_NONE || !findings_slept(findings));
}
