/*
 * A lease and its coming back: as long as the stream of POST /lease/NAME is open the lease is ours, and a stream that ends is opened anew.
 *
 * Until lease_client_settle() whatever stands in the way ends it; a daemon that was there may be restarted meanwhile. After it only
 * somebody who ends the lease on purpose does: what the lease is for goes on, and is told what happens.
 */
#pragma once

#include "pgwake/event-stream.h"
#include "pgwake/request.h"

enum lease_stage {
        LEASE_ASKING, /* it is asked for, or will be */
        LEASE_HELD,
        LEASE_LEFT,   /* somebody ended it on purpose */
};

/* Why there is no lease. */
struct lease_loss {
        bool passes;   /* a restart, too much to do: asked again soon */
        char slug[64]; /* of a refusal, or "" */
        char text[512];
};

struct lease_client {
        struct context *context;
        const char *name;
        char *path;
        enum lease_stage stage;
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
        struct lease_loss end;    /* what the stream said of its end */
        struct lease_loss loss;   /* the last one */
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

/*
 * Until lease_client_settle() it ends at DEADLINE_BOOT_USEC (USEC_INFINITY: never), and is PATIENT with a daemon that is listened for but
 * does not answer yet. Answers 0 or a negative errno.
 */
int lease_client_init(struct lease_client *client, struct context *context, const char *name, const char *owner, bool patient,
                      uint64_t deadline_boot_usec);
/* Ends the lease. */
void lease_client_deinit(struct lease_client *client);
/* From now on it comes back. */
void lease_client_settle(struct lease_client *client);
/* To be called after every client_turn(). Answers 0, or an exit code when it is over (it was told). */
int lease_client_turn(struct lease_client *client, uint64_t now_boot_usec);
/* When it is to be called at the latest; USEC_INFINITY for not by itself. */
uint64_t lease_client_next(const struct lease_client *client);
