#include "reload.h"

#include "api/answer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/message-id.h"
#include "config/option.h"
#include "history/store.h"
#include "notify/sd-notify.h"

#define STEP_ACCURACY_USEC 1
/* It only computes. */
#define DISCARD_TIMEOUT_USEC (10 * USEC_PER_SEC)

static bool next_complaint(struct field_rows *rows, void *ret_row) {
        const struct complaints *complaints = rows->of;
        const struct complaint *complaint = &complaints->items[rows->index];

        if (rows->index == complaints->n)
                return false;
        rows->index++;
        *(struct complaint_status *)ret_row = (struct complaint_status){
                .file = complaint->file,
                .line = complaint->line,
                .severity = complaint->severity == COMPLAINT_ERROR ? "error" : "warning",
                .message = complaint->text,
        };
        return true;
}

static struct field_rows complaint_rows(const struct complaints *complaints) {
        return (struct field_rows){.next = next_complaint, .of = complaints};
}

/* Remembers the options in force that only a start applies: before the first reload, the configuration is still that of the start. */
static void remember_start(struct reload *reload) {
        const struct option *option;

        for (size_t i = 0; !reload->remembers && (option = option_at(OPTION_GLOBAL, i)); i++) {
                struct buffer text = {0};

                if (option->flags & OPTION_RELOADABLE)
                        continue;
                (void)option_format(option, reload->config, &text);
                reload->at_start[i] = buffer_steal(&text);
        }
        reload->remembers = true;
}

/* Sockets and folders are set up at start: a change is reported at every reload, instead of being silently postponed. */
static void complain_of_what_needs_a_restart(const struct reload *reload, const struct config *config,
                                             struct complaints *complaints) {
        const struct option *option;

        for (size_t i = 0; (option = option_at(OPTION_GLOBAL, i)); i++) {
                /* A key that was removed has no place of its own. */
                const char *file = config_source_file(config, config->sources[i]);
                struct buffer buffer = {0};
                _cleanup_free_ char *text = NULL;

                if (option->flags & OPTION_RELOADABLE)
                        continue;
                (void)option_format(option, config, &buffer);
                text = buffer_steal(&buffer);
                if (text && reload->at_start[i] && !streq(text, reload->at_start[i]))
                        complain_warning(complaints, file ? file : reload->path, config->sources[i].line,
                                         "%s takes force only at the next restart", option->path);
        }
}

static unsigned reload_refuse(struct complaints *complaints, struct buffer *answer, size_t n_running) {
        struct json_writer w = {.buffer = answer};
        struct reload_refused_answer refused = {
                .refusal = {"config.invalid", "The new configuration has errors and is not used; the old one goes on"},
        };

        complaints_sort(complaints);
        complaints_log(complaints);
        log_entry(LOG_ERR, MESSAGE_ID_RELOAD_FAILED, NULL, 0,
                  "The new configuration has %zu %s and is not used; the old one with its %zu databases goes on", complaints->n_errors,
                  complaints->n_errors == 1 ? "error" : "errors", n_running);
        refused.complaints = complaint_rows(complaints);
        field_write_object(&w, NULL, reload_refused_fields, &refused, false);
        return 422;
}

static unsigned break_off(struct buffer *answer, int error) {
        struct json_writer w = {.buffer = answer};

        log_entry(LOG_ERR, MESSAGE_ID_RELOAD_FAILED, NULL, 0, "The configuration could not be reloaded: %s", strerror(-error));
        field_write_object(&w, NULL, refusal_fields, &(struct refusal_answer){"internal", strerror(-error)}, false);
        return 500;
}

static unsigned report_success(const struct reload_summary *summary, struct complaints *complaints, struct buffer *answer) {
        struct json_writer w = {.buffer = answer};

        complaints_sort(complaints);
        complaints_log(complaints);
        log_entry(LOG_INFO, MESSAGE_ID_RELOADED, NULL, 0,
                  "The configuration was reloaded: %zu added, %zu removed, %zu changed, %zu unchanged",
                  summary->added, summary->removed, summary->changed, summary->unchanged);
        field_write_object(&w, NULL, reload_fields,
                           &(struct reload_answer){
                                   .ok = true,
                                   .complaints = complaint_rows(complaints),
                                   .added = summary->added,
                                   .removed = summary->removed,
                                   .changed = summary->changed,
                                   .unchanged = summary->unchanged,
                           },
                           false);
        return 200;
}

/* An empty configuration is more likely a failed deployment than intended: leases would end, and their databases would sleep. */
static void complain_of_removing_all(const struct reload *reload, const struct config *config, struct complaints *complaints) {
        size_t n = registry_count(engine_registry(reload->engine));

        if (n > 0 && config->n_databases == 0)
                complain_error(complaints, reload->path, 0,
                               "no database is left, and %zu %s watched; to remove all of them: pgwake reload --remove-all "
                               "(POST /reload?remove=all)",
                               n, n == 1 ? "is" : "are");
}

static void answer_all(struct reload_call **calls, unsigned status, const struct buffer *body) {
        while (*calls) {
                struct reload_call *call = *calls;

                *calls = call->next;
                call->done(call, status, body);
        }
}

/* Calls with the same intention share a reload. */
static void take_calls(struct reload *reload) {
        struct reload_call **last = &reload->answered;

        while (reload->waiting && (!reload->answered || reload->waiting->remove_all == reload->answered->remove_all)) {
                *last = reload->waiting;
                reload->waiting = reload->waiting->next;
                last = &(*last)->next;
        }
        *last = NULL;
}

static void begin_next(struct reload *reload);

/* STATUS is the result. */
static void reload_end(struct reload *reload, unsigned status, const struct buffer *answer) {
        complaints_deinit(&reload->complaints);
        reload->next = config_free(reload->next);
        reload->failed = status != 200;
        if (!reload->failed)
                reload->loaded_real_usec = clock_real_usec();
        if (reload->notify)
                notify_reloaded(reload->notify);
        answer_all(&reload->answered, status, answer);
        begin_next(reload);
}

static void end_broken_off(struct reload *reload, int error) {
        _cleanup_(buffer_deinit) struct buffer answer = {0};

        reload_end(reload, break_off(&answer, error), &answer);
}

static void end_refused(struct reload *reload) {
        _cleanup_(buffer_deinit) struct buffer answer = {0};

        reload_end(reload, reload_refuse(&reload->complaints, &answer, registry_count(engine_registry(reload->engine))), &answer);
}

static void on_discarded(void *userdata, struct config_found *found) {
        struct reload *reload = userdata;

        (void)found;
        reload->discarding = NULL;
}

/* Frees the previous configuration. */
static void use_next(struct reload *reload) {
        /* The thread ended long ago, or is freeing a configuration while two more are in memory. */
        reload->discarding = config_thread_end(reload->discarding, DISCARD_TIMEOUT_USEC);
        reload->discarding = config_thread_discard(reload->event, reload->config, on_discarded, reload);
        reload->config = steal_pointer(&reload->next);
}

static void end_taken(struct reload *reload, const struct reload_summary *summary) {
        _cleanup_(buffer_deinit) struct buffer answer = {0};

        use_next(reload);
        log_open(reload->config->log_format, reload->config->log_level);
        store_limit(reload->store, &(struct store_bounds){reload->config->history_max_bytes, reload->config->history_keep_usec});
        reload_end(reload, report_success(summary, &reload->complaints, &answer), &answer);
}

/* By a timer: a deferred source that continues comes before all others. */
static void go_on(struct reload *reload) {
        timer_set(&reload->step, 0);
}

static void on_step(void *userdata) {
        struct reload *reload = userdata;
        struct reload_summary summary;
        int r;

        r = engine_reload_step(reload->engine, &summary);
        if (r > 0)
                go_on(reload);
        else if (r < 0)
                end_broken_off(reload, r);
        else
                end_taken(reload, &summary);
}

static void on_found(void *userdata, struct config_found *found) {
        struct reload *reload = userdata;
        struct complaints *complaints = &reload->complaints;
        int r = found->result;

        reload->thread = NULL;
        reload->next = steal_pointer(&found->config);
        *complaints = found->complaints;
        found->complaints = (struct complaints){0};
        if (r >= 0 && !reload->answered->remove_all)
                complain_of_removing_all(reload, reload->next, complaints);
        if (r == -EINVAL || complaints->n_errors > 0) {
                end_refused(reload);
                return;
        }
        if (r >= 0) {
                remember_start(reload);
                complain_of_what_needs_a_restart(reload, reload->next, complaints);
                r = engine_reload_begin(reload->engine, reload->next);
        }
        if (r < 0)
                end_broken_off(reload, r);
        else
                go_on(reload);
}

static void begin_next(struct reload *reload) {
        int r;

        take_calls(reload);
        if (!reload->answered)
                return;
        if (reload->notify)
                notify_reloading(reload->notify);
        r = config_thread_load(reload->event, reload->path, reload->environment, on_found, reload, &reload->thread);
        if (r < 0)
                end_broken_off(reload, r);
}

void reload_begin(struct reload *reload, struct reload_call *call) {
        struct reload_call **last = &reload->waiting;

        while (*last)
                last = &(*last)->next;
        call->next = NULL;
        *last = call;
        if (!reload->answered)
                begin_next(reload);
}

static void on_hangup_done(struct reload_call *call, unsigned status, const struct buffer *body) {
        (void)status;
        (void)body;
        call->done = NULL;
}

void reload_on_hangup(struct reload *reload) {
        struct reload_call *call = &reload->hangups[reload->hangups[0].done ? 1 : 0];

        /* Both are in use: one of them waits, and will read the file that this signal is about. */
        if (call->done)
                return;
        for (const struct reload_call *waiting = reload->waiting; waiting; waiting = waiting->next)
                if (waiting->done == on_hangup_done)
                        return;
        call->done = on_hangup_done;
        reload_begin(reload, call);
}

int reload_init(struct reload *reload) {
        return timer_init(&reload->step, reload->event, CLOCK_MONOTONIC, STEP_ACCURACY_USEC, "reload", on_step, reload);
}

void reload_stop(struct reload *reload) {
        timer_deinit(&reload->step);
        if (reload->engine && engine_reload_end(reload->engine))
                use_next(reload);
        answer_all(&reload->answered, 0, NULL);
        answer_all(&reload->waiting, 0, NULL);
}

void reload_deinit(struct reload *reload, uint64_t timeout_usec) {
        reload->thread = config_thread_end(reload->thread, timeout_usec);
        reload->discarding = config_thread_end(reload->discarding, DISCARD_TIMEOUT_USEC);
        for (size_t i = 0; i < ARRAY_LENGTH(reload->at_start); i++)
                free(reload->at_start[i]);
        complaints_deinit(&reload->complaints);
        reload->next = config_free(reload->next);
        reload->config = config_free(reload->config);
}
