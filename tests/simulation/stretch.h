/* Stretches of being awake: what the account is compared with. */
#pragma once

#include "server.h"

struct witness;

/* A stretch of one server's life in which the database was truly awake, as far as the daemon could know of it. */
struct stretch {
        const struct server *server;
        uint64_t started_usec; /* the postmaster's */
        uint64_t from_usec;    /* since when it can be counted */
        uint64_t seen_usec;    /* when it was first seen */
        uint64_t kept_usec;    /* what was known of it when the history was last written */
        uint64_t unkept_before_usec; /* of the stretch before it, what was not written when this one was first seen */
        uint64_t before_usec;  /* floor_usec, when it was first seen */
        uint64_t floor_usec;   /* no other server counts for what was before */
        uint64_t known_usec;   /* until when it was surely known */
        uint64_t ended_usec;   /* when the postmaster went; 0: it runs */
        uint64_t believed_usec; /* until when the daemon had reason to believe that it runs */
};

/* What a crash loses of it where the history was last written at WRITTEN: what was seen first after that, all of it. */
uint64_t stretch_unkept_usec(const struct stretch *stretch, uint64_t written_usec);

/* A crash: what was seen of it and not written may be counted for another behind the same name. */
void stretch_forget_unwritten(struct stretch *stretch, uint64_t written_usec);

/* The clock of people was set since the account was saved: what passed since cannot be known, and may be taken for more than it was. */
void stretch_restore(struct witness *w);

/* SERVER is seen to be awake, since SINCE_USEC. */
void stretch_see(struct witness *w, const struct server *server, uint64_t since_usec);
/* What was seen until now is over, and what comes counts from now. */
void stretch_begin_anew(struct witness *w);
/* The daemon is told that its session ended. */
void stretch_note_death(struct stretch *s);
/* When its server went; now, if it runs. */
uint64_t stretch_end(const struct stretch *s);
/* Until when the stretch that runs may be counted. */
uint64_t stretch_counts_until(const struct witness *w);
/* It ended, or since the host's sleep nothing was answered. */
bool stretch_is_in_doubt(const struct stretch *s);
