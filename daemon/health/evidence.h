/*
 * What is known of a database and from where: the last finding by each source, with its reason and its time on CLOCK_BOOTTIME. Every
 * claim ("a login must clear that", "it sleeps", "a person must act") is derived from here, and kept nowhere else. Pure.
 *
 * What is about us (our network, our descriptors) is no finding about the database, and is not noted.
 */
#pragma once

#include "model/check.h"
#include "model/reason.h"

#include <stdbool.h>
#include <stdint.h>

enum found_by {
        FOUND_BY_DOOR = CHECK_DOOR,    /* everything before a password */
        FOUND_BY_LOGIN = CHECK_LOGIN,  /* a fresh connection and its query */
        FOUND_BY_SESSION = CHECK_PING, /* the held session: the answer that began it, its pings, and its end */
        _FOUND_BY_MAX = _CHECK_MAX,
};

struct finding {
        uint64_t boot_usec; /* 0: never */
        enum reason reason; /* REASON_NONE: good */
};

struct evidence {
        struct finding last[_FOUND_BY_MAX];
        bool cut_like_suspend; /* the session ended with the provider's signature at a fitting time, and was not seen unreachable since */
        bool door_lets_in;     /* a door check was let in without a password: it is no door */
};

void evidence_note(struct evidence *evidence, enum found_by source, enum reason reason, uint64_t boot_usec);
/* The session ended; LIKE_SUSPEND: as this provider's suspend ends it, no sooner than it may. */
void evidence_session_ended(struct evidence *evidence, enum reason reason, bool like_suspend, uint64_t boot_usec);

/* What is expected of answers is another: those that were met or not met are none any more. */
void evidence_forget_answers(struct evidence *evidence);

/* The newest finding of all; boot_usec 0 when there is none. */
struct finding evidence_newest(const struct evidence *evidence);
/* Whether the newest finding is a good answer at the door. */
bool evidence_good_door(const struct evidence *evidence);
/* The last login found what only a person can change, and no login has cleared it: its reason; else REASON_NONE. */
enum reason evidence_blocked(const struct evidence *evidence);
/* The last answer on the session did not meet an expectation: its reason; else REASON_NONE. */
enum reason evidence_unmet(const struct evidence *evidence);
/*
 * What a login found, only a login clears: whether the last login or ping failed by the database's own fault, and nothing newer disproves
 * that. A sleep that was seen later does, but not what blocks.
 */
bool evidence_needs_login(const struct evidence *evidence);
/* The session ended, and was not answered since: how; else REASON_NONE. */
enum reason evidence_cut(const struct evidence *evidence);
/* The session was cut like a suspend cuts it, the door was good after that, and no query was answered or refused since. */
bool evidence_slept(const struct evidence *evidence);
