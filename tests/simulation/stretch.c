#include "stretch.h"

#include "base/macro.h"
#include "clocks.h"
#include "history.h"
#include "witness.h"

#define TOLD_LATE_USEC USEC_PER_SEC

/* It ended, or nothing was answered since the host was last suspended. */
bool stretch_is_in_doubt(const struct stretch *s) {
        return !s->server || s->ended_usec || loop_host_resumed_usec() > s->known_usec;
}

/* Without a session its end is not seen: an answer is believed for a while, and never longer than the provider's idle time. */
static uint64_t believed_after_answer(const struct witness *w) {
        uint64_t lifetime = w->config->fresh_for_usec ? w->config->fresh_for_usec : w->config->login_interval_usec * 5 / 2;
        uint64_t suspend_after = w->stretch.server->suspend_after_usec;

        return w->answered_usec + (suspend_after ? MIN(lifetime, suspend_after) : lifetime);
}

uint64_t stretch_end(const struct stretch *s) {
        return s->ended_usec ? s->ended_usec : clock_boot_usec();
}

uint64_t stretch_counts_until(const struct witness *w) {
        uint64_t now = clock_boot_usec(), end = MAX(stretch_end(&w->stretch), w->stretch.believed_usec);

        return MIN(now, w->session ? now : MAX(end, believed_after_answer(w)));
}

static void close_stretch(struct witness *w) {
        const struct stretch *s = &w->stretch;

        if (!s->server)
                return;
        w->awake_least_usec += usec_sub(s->known_usec, s->from_usec);
        w->awake_most_usec += usec_sub(stretch_counts_until(w), s->from_usec);
}

void stretch_begin_anew(struct witness *w) {
        close_stretch(w);
        w->stretch = (struct stretch){.known_usec = clock_boot_usec(), .floor_usec = clock_boot_usec()};
}

uint64_t stretch_unkept_usec(const struct stretch *s, uint64_t written_usec) {
        if (!s->server)
                return 0;
        if (s->seen_usec > written_usec)
                return usec_sub(s->known_usec, s->from_usec) + s->unkept_before_usec;
        return usec_sub(s->known_usec, MAX(s->from_usec, MIN(s->kept_usec, written_usec)));
}

void stretch_forget_unwritten(struct stretch *s, uint64_t written_usec) {
        s->floor_usec = MIN(s->floor_usec, s->seen_usec > written_usec ? s->before_usec : s->kept_usec);
}

void stretch_restore(struct witness *w) {
        unsigned database = (unsigned)(w - witnesses);
        uint64_t passed = clock_boot_usec() - history_written_usec(database), expected = history_written_real_usec(database) + passed;
        uint64_t back = usec_sub(expected, clock_real_usec()), forward = usec_sub(clock_real_usec(), expected);

        if (back + forward < USEC_PER_MSEC)
                return;
        w->unsure_least_usec += passed + back;
        w->unsure_most_usec += forward;
}

void stretch_see(struct witness *w, const struct server *server, uint64_t since_usec) {
        struct stretch *s = &w->stretch;
        uint64_t now = clock_boot_usec(), unkept = stretch_unkept_usec(s, history_written_usec((unsigned)(w - witnesses)));

        if (s->server != server || s->started_usec != server->started_usec) {
                uint64_t first = MAX(since_usec, w->watched_since_usec), from = MAX(first, s->known_usec), floor = s->floor_usec;

                close_stretch(w);
                w->unsure_most_usec += from - MAX(first, MIN(floor, s->known_usec));
                *s = (struct stretch){.server = server, .started_usec = server->started_usec, .from_usec = from, .seen_usec = now,
                        .unkept_before_usec = unkept, .before_usec = floor};
        }
        if (s->known_usec <= history_written_usec((unsigned)(w - witnesses)))
                s->kept_usec = s->known_usec;
        s->known_usec = s->floor_usec = now;
}

void stretch_note_death(struct stretch *s) {
        s->believed_usec = clock_boot_usec();
        /*
         * If the end was reported late, its true time cannot be known; neither can that of a session that a suspend of the host put in
         * doubt.
         */
        if (s->server && loop_host_resumed_usec() <= s->known_usec && stretch_end(s) + TOLD_LATE_USEC > clock_boot_usec())
                s->known_usec = s->floor_usec = stretch_end(s);
}
