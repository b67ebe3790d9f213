/*
 * A lease and its coming back: as long as the stream of POST /lease/NAME is open the lease is ours, and a stream that ends is opened anew.
 *
 * Until holder_settle() whatever stands in the way ends it; a daemon that was there may be restarted meanwhile. After it nothing does, but
 * that somebody ended the lease on purpose: what the lease is for goes on, and is told what happens.
 */
#pragma once

#include "pgwake/request.h"
#include "pgwake/event-stream.h"

enum holder_stage {
        HOLDER_ASKING, /* it is asked for, or will be */
        HOLDER_HELD,
        HOLDER_LEFT,   /* somebody ended it on purpose */
};

/* Why there is no lease. */
struct holder_loss {
        bool passes;   /* a restart, too much to do: asked again soon */
        char slug[64]; /* of a refusal, or "" */
        char text[512];
};

struct holder {
        struct context *context;
        const char *name;
        char *path;
        enum holder_stage stage;
        bool settled;
        bool patient;       /* until it is settled, a daemon that is listened for but does not answer yet is waited for */
        bool was_connected; /* the daemon was there once: its absence may be a restart */
        struct sse sse;
        struct exchange *exchange; /* the stream */
        uint64_t answer_boot_usec; /* until when it must have begun */
        uint64_t retry_boot_usec;  /* without a stream: when to ask for the next */
        unsigned failures;
        uint64_t held_boot_usec;   /* since when the lease is held */
        uint64_t lost_boot_usec;   /* since when there is none, 0 before the first loss and while there is one */
        struct holder_loss end;    /* what the stream said of its end */
        struct holder_loss loss;   /* the last one */
        char told[64];             /* which loss was told: a slug, "-" for a daemon that is gone, "" for none */
        uint64_t deadline_boot_usec;

        /* What is known of the lease and its database. */
        json_t *lease;
        uint64_t id;
        bool ready;
        char state[32], reason[64], message[512];
        uint64_t expected_boot_usec;
        struct exchange *look; /* at what a terminal shows meanwhile */
        bool look_wanted;
        bool missed; /* events: the look tells what they said */
};

/* DEADLINE_BOOT_USEC is for what comes before holder_settle(); USEC_INFINITY for none. Answers 0 or a negative errno. */
int holder_init(struct holder *holder, struct context *context, const char *name, const char *owner, uint64_t deadline_boot_usec);
/* Ends the lease. */
void holder_deinit(struct holder *holder);
/* From now on it comes back. */
void holder_settle(struct holder *holder);
/* To be called after every client_turn(). Answers 0, or an exit code when it is over (it was told). */
int holder_turn(struct holder *holder, uint64_t now_boot_usec);
/* When it is to be called at the latest; USEC_INFINITY for not by itself. */
uint64_t holder_next(const struct holder *holder);
/* What to do about the reason SLUG (or NULL), for people; NULL when there is nothing to say. */
const char *holder_advice(const char *slug);
