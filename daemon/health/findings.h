/*
 * What is known of a database and from where: the last finding by each source, with its reason and its time on CLOCK_BOOTTIME. Every
 * claim ("a login must clear that", "it sleeps", "a person must act") is derived from here, and kept nowhere else. Pure.
 *
 * What is about us (our network, our descriptors) is no finding about the database, and is not noted.
 */
#pragma once

#include "model/reason.h"

#include <stdbool.h>
#include <stdint.h>

enum found_by {
        FOUND_BY_LOGIN,   /* a fresh connection and its query */
        FOUND_BY_DOOR,    /* everything before a password */
        FOUND_BY_SESSION, /* the held session: the answer that began it, its pings, and its end */
        _FOUND_BY_MAX,
};

struct finding {
        uint64_t boot_usec; /* 0: never */
        enum reason reason; /* REASON_NONE: good */
};

struct findings {
        struct finding last[_FOUND_BY_MAX];
        bool cut_like_suspend; /* the session ended with the provider's signature at a fitting time, and was not seen unreachable since */
        bool door_lets_in;     /* a door check was let in without a password: it is no door */
};

void findings_note(struct findings *findings, enum found_by source, enum reason reason, uint64_t boot_usec);
/* The session ended; LIKE_SUSPEND: as this provider's suspend ends it, no sooner than it may. */
void findings_session_ended(struct findings *findings, enum reason reason, bool like_suspend, uint64_t boot_usec);

/* What is expected of answers is another: those that were met or not met are none any more. */
void findings_forget_answers(struct findings *findings);

/* Whether a login or a session said anything yet. */
bool findings_asked(const struct findings *findings);
/* The newest finding of all; boot_usec 0 when there is none. */
struct finding findings_newest(const struct findings *findings);
/* Whether the newest finding is a good answer at the door. */
bool findings_good_door(const struct findings *findings);
/* The last login found what only a person can change, and no login has cleared it: its reason; else REASON_NONE. */
enum reason findings_blocked(const struct findings *findings);
/* The last answer on the session did not meet an expectation: its reason; else REASON_NONE. */
enum reason findings_unmet(const struct findings *findings);
/*
 * What a login found, only a login clears: whether the last login or ping failed by the database's own fault, and nothing newer disproves
 * that. A sleep that was seen later does, but not what blocks.
 */
bool findings_needs_login(const struct findings *findings);
/* The session was cut like a suspend cuts it, the door was good after that, and no query was answered or refused since. */
bool findings_slept(const struct findings *findings);
