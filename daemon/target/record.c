#include "target/record.h"

void record_note(struct record *record, enum found_by source, enum reason reason, uint64_t boot_usec) {
        record->last[source] = (struct finding){.boot_usec = boot_usec, .reason = reason};
        if (source != FOUND_BY_DOOR)
                record->cut_like_suspend = false;
}

void record_session_ended(struct record *record, enum reason reason, bool like_suspend, uint64_t boot_usec) {
        /* A session that ends says nothing against new logins, however its end reads. */
        record_note(record, FOUND_BY_SESSION, reason_class(reason) == CLASS_CUT ? reason : REASON_SESSION_LOST, boot_usec);
        record->cut_like_suspend = like_suspend;
}

struct finding record_newest(const struct record *record) {
        struct finding newest = {0};

        for (unsigned source = 0; source < _FOUND_BY_MAX; source++)
                if (record->last[source].boot_usec > newest.boot_usec)
                        newest = record->last[source];
        return newest;
}

bool record_good_door(const struct record *record) {
        const struct finding *last = record->last, *door = &last[FOUND_BY_DOOR];

        return door->boot_usec > 0 && door->reason == REASON_NONE && door->boot_usec >= last[FOUND_BY_LOGIN].boot_usec &&
               door->boot_usec >= last[FOUND_BY_SESSION].boot_usec;
}

enum reason record_blocked(const struct record *record) {
        enum reason reason = record->last[FOUND_BY_LOGIN].reason;

        return reason_class(reason) == CLASS_BLOCKED ? reason : REASON_NONE;
}

enum reason record_unmet(const struct record *record) {
        enum reason reason = record->last[FOUND_BY_SESSION].reason;

        return reason_class(reason) == CLASS_DEGRADED ? reason : REASON_NONE;
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

bool record_slept(const struct record *record) {
        return record->cut_like_suspend && record_good_door(record);
}

bool record_needs_login(const struct record *record) {
        const struct finding *login = &record->last[FOUND_BY_LOGIN], *session = &record->last[FOUND_BY_SESSION];

        if (is_against_database(session) && session->boot_usec > login->boot_usec)
                return true;
        return is_against_database(login) && (record_blocked(record) != REASON_NONE || !record_slept(record));
}
