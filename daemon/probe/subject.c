#include "probe/subject.h"

#include "base/descriptor.h"
#include "base/error.h"
#include "base/text.h"
#include "probe/pool.h"

struct subject *subject_new(uint64_t id) {
        struct subject *subject = calloc(1, sizeof(*subject));

        if (!subject)
                return NULL;
        subject->id = id;
        for (size_t i = 0; i < ARRAY_LENGTH(subject->lines); i++)
                subject->lines[i].subject = subject;
        return subject;
}

struct subject *subject_free(struct subject *subject) {
        if (!subject)
                return NULL;
        if (subject->run.stage != RUN_IDLE)
                run_clear(&subject->run);
        for (size_t i = 0; i < ARRAY_LENGTH(subject->lines); i++)
                connection_close(&subject->lines[i].connection);
        free(subject);
        return NULL;
}

/* The kernel takes a closed socket out of the epoll set: nobody else has it open. */
void line_close(struct line *line) {
        struct subject *subject = line->subject;

        if (subject->session == line)
                subject->session = NULL;
        line->events = 0;
        line->due = false;
        if (line->away)
                line->stale = true;
        else
                connection_close(&line->connection);
}

struct line *subject_attempt_line(const struct subject *subject) {
        const struct connection *connection = subject->run.connection;

        return connection ? container_of(connection, struct line, connection) : NULL;
}

struct line *subject_spare_line(struct subject *subject) {
        return &subject->lines[subject->session == &subject->lines[0] ? 1 : 0];
}

bool subject_op(const struct subject *subject, const struct line *line, enum op *ret_op) {
        const struct run *run = &subject->run;
        bool running = run->connection == &line->connection;

        if (line->away)
                return false;
        if (running && run->stage == RUN_CONNECTING)
                *ret_op = OP_POLL;
        else if (running && (run->stage == RUN_ASKING || run->stage == RUN_EXPECTING))
                *ret_op = OP_RECEIVE;
        else if (subject->session == line)
                *ret_op = OP_IDLE;
        else
                return false;
        return true;
}

static void hold(struct subject *subject, struct line *line) {
        if (subject->session)
                line_close(subject->session);
        subject->session = line;
        subject->end_reason = REASON_NONE;
        subject->end_sqlstate[0] = '\0';
        connection_forget_received(&line->connection);
        memcpy(subject->session_address, subject->run.attempt.address, sizeof(subject->session_address));
}

void subject_take_session(struct subject *subject) {
        struct run *run = &subject->run;
        struct line *line = subject_attempt_line(subject);
        bool good = line && !line->away && run_may_hold(run) && !subject->forgotten;

        if (good && run->order.check == CHECK_PING)
                good = !subject->drop_session;
        else if (good)
                good = run->order.hold_session && descriptor_leaves_reserve(connection_fd(&line->connection), DESCRIPTOR_SESSION);
        if (good && subject->session != line)
                hold(subject, line);
        else if (!good && line)
                line_close(line);
        if (subject->drop_session && subject->session)
                line_close(subject->session);
        subject->drop_session = false;
        run->attempt.session_held = subject->session;
        run->connection = NULL;
}

void subject_end_session(struct subject *subject, struct probe_report *ret_report) {
        const struct line *line = subject->session;
        const struct connection *connection = &line->connection;
        struct attempt *attempt = &ret_report->attempt;
        struct evidence e;

        *ret_report = (struct probe_report){
                .kind = PROBE_REPORT_SESSION,
                .database = subject->id,
                .bare_eof = connection_ended_by_eof(connection),
                .attempt = {
                        .check = CHECK_PING,
                        .session_ended = true,
                        .started_boot_usec = line->at_boot_usec,
                        .ended_boot_usec = line->at_boot_usec,
                        .started_real_usec = clock_real_usec(),
                },
        };
        connection_evidence(connection, &e);
        e.session = true;
        attempt->last_phase = PHASE_QUERY;
        attempt->reason = classify(&e, subject->provider);
        attempt_set_sqlstate(attempt, e.sqlstate);
        connection_detail(connection, attempt->detail, sizeof(attempt->detail));
        memcpy(attempt->address, subject->session_address, sizeof(attempt->address));

        subject->end_reason = attempt->reason;
        memcpy(subject->end_sqlstate, attempt->sqlstate, sizeof(subject->end_sqlstate));
        line_close(subject->session);
}

bool subject_is_away(const struct subject *subject) {
        return subject->lines[0].away || subject->lines[1].away;
}

bool subject_is_over(const struct subject *subject) {
        return subject->forgotten && !subject->buried && subject->run.stage == RUN_IDLE && !subject->run.connection &&
               !subject_is_away(subject);
}
