#include "reload.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/message-id.h"
#include "conf/option.h"
#include "advice.h"
#include "report/notify.h"
#include "store/store.h"

static void write_complaints(struct json_writer *w, const struct complaints *complaints) {
        json_begin_array(w, "complaints");
        for (size_t i = 0; i < complaints->n; i++) {
                const struct complaint *complaint = &complaints->items[i];

                json_begin_object(w, NULL);
                json_text(w, "file", complaint->file);
                json_unsigned(w, "line", complaint->line);
                json_text(w, "severity", complaint->severity == COMPLAINT_ERROR ? "error" : "warning");
                json_text(w, "message", complaint->text);
                json_end_object(w);
        }
        json_end_array(w);
}

/* What is in force of what only a start takes: the first reload still has the configuration of the start before it. */
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

/* Sockets and folders are taken at start: a change of theirs is said at every reload, not silently put off. */
static void complain_of_what_needs_a_restart(const struct reload *reload, const struct config *config,
                                             struct complaints *complaints) {
        const struct option *option;

        for (size_t i = 0; (option = option_at(OPTION_GLOBAL, i)); i++) {
                /* A key that is gone has no place of its own any more. */
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

void reload_deinit(struct reload *reload) {
        for (size_t i = 0; i < ARRAY_LENGTH(reload->at_start); i++)
                free(reload->at_start[i]);
        reload->config = config_free(reload->config);
}

static unsigned refuse(struct complaints *complaints, struct buffer *answer, size_t n_running) {
        struct json_writer w = {.buffer = answer};

        complaints_sort(complaints);
        complaints_log(complaints);
        log_entry(LOG_ERR, MESSAGE_ID_RELOAD_FAILED, NULL, 0,
                  "The new configuration has %zu %s and is not used; the old one with its %zu databases goes on", complaints->n_errors,
                  complaints->n_errors == 1 ? "error" : "errors", n_running);
        if (!answer)
                return 422;
        json_begin_object(&w, NULL);
        json_text(&w, "error", "config.invalid");
        json_text(&w, "message", "The new configuration has errors and is not used; the old one goes on");
        write_complaints(&w, complaints);
        json_end_object(&w);
        return 422;
}

static unsigned break_off(struct buffer *answer, int error) {
        struct json_writer w = {.buffer = answer};

        log_entry(LOG_ERR, MESSAGE_ID_RELOAD_FAILED, NULL, 0, "The configuration could not be reloaded: %s", strerror(-error));
        if (!answer)
                return 500;
        json_begin_object(&w, NULL);
        json_text(&w, "error", "internal");
        json_text(&w, "message", strerror(-error));
        json_end_object(&w);
        return 500;
}

static unsigned report_success(const struct reload_summary *summary, struct complaints *complaints, struct buffer *answer) {
        struct json_writer w = {.buffer = answer};

        complaints_sort(complaints);
        complaints_log(complaints);
        log_entry(LOG_INFO, MESSAGE_ID_RELOADED, NULL, 0,
                  "The configuration was reloaded: %zu added, %zu removed, %zu changed, %zu unchanged",
                  summary->added, summary->removed, summary->changed, summary->unchanged);
        if (!answer)
                return 200;
        json_begin_object(&w, NULL);
        json_bool(&w, "ok", true);
        write_complaints(&w, complaints);
        json_unsigned(&w, "added", summary->added);
        json_unsigned(&w, "removed", summary->removed);
        json_unsigned(&w, "changed", summary->changed);
        json_unsigned(&w, "unchanged", summary->unchanged);
        json_end_object(&w);
        return 200;
}

/* What a deployment that went wrong leaves is no wish: leases would end, and what they keep awake would sleep. */
static void complain_of_removing_all(const struct reload *reload, const struct config *config, struct complaints *complaints) {
        size_t n = registry_count(engine_registry(reload->engine));

        if (n > 0 && config->n_databases == 0)
                complain_error(complaints, reload->path, 0,
                               "no database is left, and %zu %s watched; to remove all of them: pgwake reload --remove-all "
                               "(POST /reload?remove=all)",
                               n, n == 1 ? "is" : "are");
}

static unsigned take_over(struct reload *reload, bool remove_all, struct buffer *answer) {
        _cleanup_(complaints_deinit) struct complaints complaints = {0};
        _cleanup_(config_freep) struct config *config = NULL;
        struct reload_summary summary;
        int r;

        r = config_load(reload->path, reload->environment, &complaints, &config);
        if (r >= 0 && !remove_all)
                complain_of_removing_all(reload, config, &complaints);
        if (r == -EINVAL || complaints.n_errors > 0)
                return refuse(&complaints, answer, registry_count(engine_registry(reload->engine)));
        if (r < 0)
                return break_off(answer, r);
        advice_complain(config, &complaints);
        remember_start(reload);
        complain_of_what_needs_a_restart(reload, config, &complaints);
        log_open(config->log_format, config->log_level);
        store_limit(reload->store, &(struct store_bounds){config->history_max_bytes, config->history_keep_usec});
        r = engine_reload(reload->engine, config, &summary);
        /* Half taken over for want of memory or not: from here on the targets borrow the new one. */
        (void)config_free(reload->config);
        reload->config = steal_pointer(&config);
        if (r < 0)
                return break_off(answer, r);
        return report_success(&summary, &complaints, answer);
}

unsigned reload_now(struct reload *reload, bool remove_all, struct buffer *answer) {
        unsigned status;

        if (reload->notify)
                notify_reloading(reload->notify);
        status = take_over(reload, remove_all, answer);
        reload->failed = status != 200;
        if (!reload->failed)
                reload->loaded_real_usec = clock_real_usec();
        if (reload->notify)
                notify_reloaded(reload->notify);
        return status;
}
