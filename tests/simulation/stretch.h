/* Stretches of awake time, with which the account is compared. */
#pragma once

#include "server.h"

struct witness;

/* A period in one server's life in which the database was truly awake, as far as the daemon could know. */
struct stretch {
        const struct server *server;
        uint64_t started_usec; /* the postmaster's */
        uint64_t from_usec;    /* the earliest time from which it can be counted */
        uint64_t seen_usec;    /* when it was first seen */
        uint64_t kept_usec;    /* the end of the part that the history's last record includes */
        uint64_t unkept_before_usec; /* the part of the previous stretch that was not written when this one was first seen */
        uint64_t before_usec;  /* floor_usec at the time it was first seen */
        uint64_t floor_usec;   /* no other server counts before this */
        uint64_t known_usec;   /* until when it was certainly known */
        uint64_t ended_usec;   /* when the postmaster ended; 0: it is running */
        uint64_t believed_usec; /* until when the daemon had reason to believe that it is running */
};

/* The part that a crash loses if the history was last written at WRITTEN: everything, if the stretch was first seen after that. */
uint64_t stretch_unkept_usec(const struct stretch *stretch, uint64_t written_usec);

/* After a crash: a part that was seen and not written may be counted for another server behind the same name. */
void stretch_forget_unwritten(struct stretch *stretch, uint64_t written_usec);

/* The wall clock was set after the account was saved: the time since is unknown, and may be counted as more than it was. */
void stretch_restore(struct witness *w);

/* SERVER is seen awake since SINCE_USEC. */
void stretch_see(struct witness *w, const struct server *server, uint64_t since_usec);
/* Ends the stretch seen so far; later ones count from now. */
void stretch_begin_anew(struct witness *w);
/* The daemon learns that its session ended. */
void stretch_note_death(struct stretch *s);
/* When its server ended; now, if it is running. */
uint64_t stretch_end(const struct stretch *s);
/* Until when the present stretch may be counted. */
uint64_t stretch_counts_until(const struct witness *w);
/* Whether it ended, or nothing was answered since the host was last suspended. */
bool stretch_is_in_doubt(const struct stretch *s);
