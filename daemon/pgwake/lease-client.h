/*
 * A lease that is renewed after losses: it is ours while the stream of POST /lease/NAME is open, and a stream that ends is opened again.
 *
 * Until lease_client_settle() any obstacle ends it, except a restart of a daemon that was there before. After that only a lease ended on
 * purpose does: the program goes on, and losses are reported.
 */
#pragma once

#include "pgwake/event-stream.h"
#include "pgwake/request.h"

enum lease_stage {
        LEASE_ASKING, /* requested, or about to be */
        LEASE_HELD,
        LEASE_LEFT,   /* it was ended on purpose */
};

/* Why there is no lease. */
struct lease_loss {
        bool passes;   /* temporary (a restart, an overload): to be requested again soon */
        char slug[64]; /* of a refusal, or "" */
        char text[512];
};

struct lease_client {
        struct context *context;
        const char *name;
        char *path;
        enum lease_stage stage;
        bool settled;
        bool patient;       /* until settled, waits for a daemon whose socket exists but which does not answer yet */
        bool was_connected; /* the daemon was there before: its absence may be a restart */
        struct sse sse;
        struct exchange *exchange; /* the stream */
        uint64_t answer_boot_usec; /* when its answer must have begun */
        uint64_t retry_boot_usec;  /* without a stream: when to request the next */
        unsigned failures;
        uint64_t held_boot_usec;   /* since when the lease is held */
        uint64_t lost_boot_usec;   /* since when there is none; 0 before the first loss, and while there is one */
        struct lease_loss end;    /* the end, as the stream reported it */
        struct lease_loss loss;   /* the last one */
        char told[64];             /* the loss that was reported: a slug, "-" for an absent daemon, "" for none */
        uint64_t deadline_boot_usec;

        /* The known state of the lease and its database. */
        json_t *lease;
        uint64_t id;
        bool ready;
        char state[32], reason[64], message[512];
        uint64_t expected_boot_usec;
        struct exchange *look; /* at the state, for a terminal to show meanwhile */
        bool look_wanted;
        bool missed; /* events were missed: the look replaces them */
};

/*
 * Until lease_client_settle() it ends at DEADLINE_BOOT_USEC (USEC_INFINITY: never), and if PATIENT waits for a daemon whose socket exists
 * but which does not answer yet. Returns 0 or a negative errno.
 */
int lease_client_init(struct lease_client *client, struct context *context, const char *name, const char *owner, bool patient,
                      uint64_t deadline_boot_usec);
/* Ends the lease. */
void lease_client_deinit(struct lease_client *client);
/* From now on the lease is renewed after a loss. */
void lease_client_settle(struct lease_client *client);
/* Call after every client_turn(). Returns 0, or an exit code at the end (reported). */
int lease_client_turn(struct lease_client *client, uint64_t now_boot_usec);
/* When it must be called next; USEC_INFINITY: not by time. */
uint64_t lease_client_next(const struct lease_client *client);
