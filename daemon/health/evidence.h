/*
 * Evidence about a database: the last finding of each source, with its reason and its time on CLOCK_BOOTTIME. Every claim ("only a login
 * can clear that", "asleep", "blocked") is derived from here and stored nowhere else. Pure.
 *
 * Trouble of our own (network, descriptors) is no finding about the database, and is not noted.
 */
#pragma once

#include "model/check.h"
#include "model/reason.h"

#include <stdbool.h>
#include <stdint.h>

enum found_by {
        FOUND_BY_DOOR = CHECK_DOOR,    /* the exchange up to the password request */
        FOUND_BY_LOGIN = CHECK_LOGIN,  /* a new connection and its query */
        FOUND_BY_SESSION = CHECK_PING, /* the held session: the answer that began it, its pings, its end */
        _FOUND_BY_MAX = _CHECK_MAX,
};

struct finding {
        uint64_t boot_usec; /* 0: never */
        enum reason reason; /* REASON_NONE: good */
};

struct evidence {
        struct finding last[_FOUND_BY_MAX];
        enum reason blocked;   /* what a login found that a person must act on, until another login got past it; else REASON_NONE */
        bool cut_like_suspend; /* the session ended as the provider suspends, no sooner than it may, and the database was not down since */
        bool door_lets_in;     /* a door check was admitted without a password, so door checks are of no use */
};

void evidence_note(struct evidence *evidence, enum found_by source, enum reason reason, uint64_t boot_usec);
/* The session ended. LIKE_SUSPEND: as this provider's suspend ends it, and no sooner than it may. */
void evidence_session_ended(struct evidence *evidence, enum reason reason, bool like_suspend, uint64_t boot_usec);

/* A login was answered, but its answer says nothing under the present expectations: forgets what logins found before. */
void evidence_forget_login(struct evidence *evidence);
/* Nobody looked for a while: a good door check from before says nothing any more. */
void evidence_forget_door(struct evidence *evidence);
/* The expectations changed: forgets the answers that were judged by the old ones. */
void evidence_forget_answers(struct evidence *evidence);

/* The newest finding of all; boot_usec 0 when there is none. */
struct finding evidence_newest(const struct evidence *evidence);
/* Whether the newest finding is a good door check. */
bool evidence_good_door(const struct evidence *evidence);
/* The reason, if a login found the database blocked and none got past that since; else REASON_NONE. */
enum reason evidence_blocked(const struct evidence *evidence);
/* The reason, if the last answer on the session failed an expectation; else REASON_NONE. */
enum reason evidence_unmet(const struct evidence *evidence);
/*
 * Whether only a login can clear the last failure: the last login or ping failed by the database's own fault, and nothing newer disproves
 * that. A suspend seen since disproves it, unless the login found the database blocked.
 */
bool evidence_needs_login(const struct evidence *evidence);
/* How the session ended, if nothing on it was answered since; else REASON_NONE. */
enum reason evidence_cut(const struct evidence *evidence);
/* Whether the session was cut as a suspend cuts it, the door was good after that, and no query was answered or refused since. */
bool evidence_slept(const struct evidence *evidence);
