/* Judges an answer by the expectations. */
#include "witness.h"

#include "base/macro.h"
#include "clocks.h"

static bool answered_last(const struct witness *w, const struct server *server) {
        return w->answered_by == server && w->answered_start == server->starts && w->answered_in_recovery == server->in_recovery;
}

/* A standby cannot be further behind than the time since it had replayed everything; another server's state says nothing about it. */
static uint64_t true_lag(const struct witness *w, const struct server_info *info, const struct server *server) {
        bool known = w->caught_up_usec && answered_last(w, server);

        return known ? MIN(info->lag_usec, clock_boot_usec() - w->caught_up_usec) : info->lag_usec;
}

void witness_note_replayed(struct witness *w, const struct server_info *info, const struct server *server) {
        if (info->lag_usec == 0)
                w->caught_up_usec = clock_boot_usec();
        else if (!answered_last(w, server))
                w->caught_up_usec = 0;
        w->answered_by = NULL;
        w->answered_by = server;
        w->answered_start = server->starts;
        w->answered_in_recovery = server->in_recovery;
}

enum reason witness_judge(const struct witness *w, const struct server_info *info, const struct server *server) {
        const struct expect *expect = &w->config->expect;

        if (expect->has_primary && expect->primary == info->in_recovery)
                return REASON_EXPECT_PRIMARY;
        if (expect->has_read_only && expect->read_only != info->read_only)
                return REASON_EXPECT_READ_ONLY;
        if (expect->max_lag_usec && info->in_recovery && true_lag(w, info, server) > expect->max_lag_usec)
                return REASON_EXPECT_LAG;
        return REASON_NONE;
}
