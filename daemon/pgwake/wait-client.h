/*
 * The waiting for one database. Two questions may be under way for it: the held one (/readyz/NAME?wait= or POST /wake/NAME), which the
 * daemon answers in the moment that matters, and a look (/status/NAME), which tells what is going on meanwhile.
 */
#pragma once

#include "pgwake/request.h"

enum wait_stage {
        WAIT_PENDING,
        WAIT_REACHED,
        WAIT_OVER, /* the time is over, or the database went from the configuration */
};

/* What is waited for. */
struct wait_aim {
        const char *state; /* NULL: ready */
        bool wake;
        const char *spread;    /* as it was written; NULL: released at once */
        uint64_t spread_usec;  /* ... and how long that may be */
        uint64_t deadline_boot_usec; /* USEC_INFINITY for none */
};

struct wait_client {
        struct context *context;
        const struct wait_aim *aim;
        const char *name;
        enum wait_stage stage;
        struct exchange *held, *look;
        bool held_wanted, look_wanted;
        bool woken;              /* the daemon took the wake */
        bool was_connected;      /* the daemon was there once: its absence may be a restart */
        uint64_t ask_boot_usec;  /* not before */
        uint64_t lost_boot_usec; /* since when the daemon does not answer, or 0 */
        bool noted;              /* it was said what stands in the way */
        char *state, *reason, *message;
        uint64_t expected_boot_usec;
};

void wait_client_init(struct wait_client *client, struct context *context, const struct wait_aim *aim, const char *name);
void wait_client_deinit(struct wait_client *client);

/* Asks what is to be asked now. Answers 0 or a negative errno. */
int wait_client_start(struct wait_client *client, uint64_t now_boot_usec);
/* When it wants to ask again; USEC_INFINITY for not by itself. */
uint64_t wait_client_next(const struct wait_client *client);
/* Takes what was answered. Answers 0, or the exit code with which the whole waiting ends (it was told). */
int wait_client_turn(struct wait_client *client, uint64_t now_boot_usec);
/* An event told its state. */
int wait_client_learn(struct wait_client *client, const char *state, const char *reason, const char *message);
