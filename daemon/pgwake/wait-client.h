/*
 * Waits for one database. Up to two requests are in progress for it: the held one (/readyz/NAME?wait= or POST /wake/NAME), which the daemon
 * answers at the decisive moment, and a look (/status/NAME), which shows the progress meanwhile.
 */
#pragma once

#include "pgwake/request.h"

enum wait_stage {
        WAIT_PENDING,
        WAIT_REACHED,
        WAIT_OVER, /* the time is over, or the database was removed from the configuration */
};

/* What to wait for. */
struct wait_aim {
        const char *state; /* NULL: ready */
        bool wake;
        const char *spread;    /* as given; NULL: released at once */
        uint64_t spread_usec;  /* its parsed value */
        uint64_t deadline_boot_usec; /* USEC_INFINITY: none */
};

struct wait_client {
        struct context *context;
        const struct wait_aim *aim;
        const char *name;
        enum wait_stage stage;
        struct exchange *held, *look;
        bool held_wanted, look_wanted;
        bool woken;              /* the daemon accepted the wake */
        bool was_connected;      /* the daemon was there before: its absence may be a restart */
        uint64_t ask_boot_usec;  /* the earliest time of the next request */
        uint64_t lost_boot_usec; /* since when the daemon does not answer, or 0 */
        bool noted;              /* the obstacle was reported */
        char *state, *reason, *message;
        uint64_t expected_boot_usec;
};

void wait_client_init(struct wait_client *client, struct context *context, const struct wait_aim *aim, const char *name);
void wait_client_deinit(struct wait_client *client);

/* Starts the requests that are due. Returns 0 or a negative errno. */
int wait_client_start(struct wait_client *client, uint64_t now_boot_usec);
/* When it needs its next request; USEC_INFINITY: not by time. */
uint64_t wait_client_next(const struct wait_client *client);
/* Handles answers. Returns 0, or the exit code with which the whole wait ends (reported). */
int wait_client_turn(struct wait_client *client, uint64_t now_boot_usec);
/* Takes the state from an event. */
int wait_client_learn(struct wait_client *client, const char *state, const char *reason, const char *message);
