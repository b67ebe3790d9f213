#include "app.h"

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/log.h"
#include "base/message-id.h"
#include "history/store.h"
#include "http/server.h"
#include "listeners.h"
#include "notify/awake-files.h"
#include "notify/journal.h"
#include "notify/recorder.h"
#include "notify/sd-notify.h"
#include "notify/watchdog.h"
#include "reload.h"
#include "scheduler/engine.h"
#include "scheduler/lease.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

/*
 * SIGTERM ends the daemon within a second, even if servers hang. It takes longer only for servers that respond slowly, so that no session
 * is cut and no login reset: at most this long, or twice that on a machine that is slow itself, which is less than the service manager's
 * limit (TimeoutStopSec=).
 */
#define STOP_TIMEOUT_USEC (4 * USEC_PER_SEC)
/* If a disk hangs for longer, what is not in the file by then is lost: the last second of counters, pauses and leases. */
#define STORE_TIMEOUT_USEC (1500 * USEC_PER_MSEC)
/* It can use the time in which the sessions end too, and has at least this long after that. */
#define STORE_TIMEOUT_MIN_USEC (750 * USEC_PER_MSEC)
/* A configuration that is being read from a disk that hangs is not waited for. */
#define LOAD_TIMEOUT_USEC (300 * USEC_PER_MSEC)
/* A log reader or service manager that hangs misses the last messages. */
#define TELL_TIMEOUT_USEC (300 * USEC_PER_MSEC)
/* Twice what the daemon itself has open, since sessions get half of the limit, and some more; and for each TCP address. */
#define DESCRIPTORS_MIN 64
#define DESCRIPTORS_PER_ADDRESS 6

struct app {
        sd_event *event;
        int ready_fd;
        struct reload reload;
        struct store *store;
        sd_event_source *past;
        struct engine *engine;
        struct recorder *recorder;
        struct server *server;
        struct journal *journal;
        struct notify *notify;
        struct watchdog *watchdog;
        struct awake_files *awake_files;
};

static int on_end(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        (void)info;
        (void)userdata;
        return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        struct app *app = userdata;

        (void)source;
        (void)info;
        reload_on_hangup(&app->reload);
        return 0;
}

static void on_reload_request(void *userdata, struct reload_call *call) {
        struct app *app = userdata;

        reload_begin(&app->reload, call);
}

static bool on_progress(void *userdata) {
        struct app *app = userdata;

        return watchdog_engine_moves(app->engine);
}

static void on_facts(void *userdata, struct server_facts *ret_facts) {
        struct app *app = userdata;
        char sentence[256];
        enum store_health health = store_health(app->store, sentence, sizeof(sentence));

        *ret_facts = (struct server_facts){
                .reload_successful = !app->reload.failed,
                .reloaded_real_usec = app->reload.loaded_real_usec,
                .history = store_health_name(health),
                .history_healthy = health == STORE_GOOD || health == STORE_NONE,
        };
}

/* Signals are blocked before the first thread starts, so that only the loop's signalfd receives them. */
static int watch_signals(struct app *app) {
        static const int ends[] = {SIGTERM, SIGINT};
        sigset_t set;
        int r = 0;

        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGTERM);
        (void)sigaddset(&set, SIGINT);
        (void)sigaddset(&set, SIGHUP);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return error_from_errno();
        (void)signal(SIGPIPE, SIG_IGN);
        /* The size limit of a file is an error like any other: of the log, or of the history. */
        (void)signal(SIGXFSZ, SIG_IGN);
        /* The first process of a container inherits orphans; the daemon waits for no child. */
        if (getpid() == 1)
                (void)signal(SIGCHLD, SIG_IGN);
        for (size_t i = 0; i < ARRAY_LENGTH(ends) && r >= 0; i++)
                r = sd_event_add_signal(app->event, NULL, ends[i], on_end, app);
        if (r >= 0)
                r = sd_event_add_signal(app->event, NULL, SIGHUP, on_hangup, app);
        return r;
}

static int app_refused(const char *what, const char *where, int r) {
        log_error("Cannot %s %s: %s", what, where, strerror(-r));
        return r;
}

static int restore_lease(void *userdata, const struct lease_record *lease) {
        struct app *app = userdata;
        int r;

        r = lease_restore(app->engine, lease);
        /* There are more than allowed now: the others are kept all the same. */
        return r == -ENOSPC ? 0 : r;
}

/* State from before the start is known only now: the watched databases continue from it. */
static int on_past(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct app *app = userdata;

        (void)source;
        (void)fd;
        (void)revents;
        if (!store_take_past(app->store) || store_past_is_to_come(app->store))
                return 0;
        engine_recall(app->engine);
        (void)store_each_lease(app->store, restore_lease, app);
        return 0;
}

static int watch_past(struct app *app) {
        int fd = store_past_fd(app->store);

        return fd < 0 ? 0 : sd_event_add_io(app->event, &app->past, fd, EPOLLIN, on_past, app);
}

/* The past first: a database's first check already builds on it. */
static int start_engine(struct app *app, const struct config *config) {
        struct engine_past past = {.recall = store_recall};
        int r;

        r = store_open(config->history_path, &(struct store_bounds){config->history_max_bytes, config->history_keep_usec}, &app->store);
        if (r < 0)
                return app_refused("start", "the history", r);
        app->reload.store = past.userdata = app->store;
        past.is_to_come = store_past_is_to_come(app->store);
        r = engine_new(app->event, config, &past, &app->engine);
        if (r >= 0)
                r = recorder_new(app->event, app->engine, app->store, &app->recorder);
        if (r >= 0)
                r = store_each_lease(app->store, restore_lease, app);
        if (r >= 0)
                r = watch_past(app);
        return r < 0 ? app_refused("start", "the engine", r) : 0;
}

/* Without a descriptor for a session the daemon would report nothing known about its database for as long as it runs. */
static int check_descriptors(const struct config *config) {
        uint64_t limit = descriptor_limit(), needed = DESCRIPTORS_MIN + (config->n_listen + config->n_agent_listen) * DESCRIPTORS_PER_ADDRESS;

        if (limit >= needed)
                return 0;
        log_error("RLIMIT_NOFILE is %" PRIu64 ", and pgwaked needs at least %" PRIu64 " file descriptors; raise LimitNOFILE= (or ulimit -n)",
                  limit, needed);
        return -EMFILE;
}

static int app_start(struct app *app, const struct config *config) {
        struct server_hooks hooks = {.reload = on_reload_request, .progress = on_progress, .facts = on_facts, .userdata = app};
        int r;

        r = check_descriptors(config);
        if (r >= 0)
                r = start_engine(app, config);
        if (r < 0)
                return r;
        /* A client that comes back with the last number of the previous daemon has missed all events of this one, and is told so. */
        engine_number_from(app->engine, clock_real_usec());
        app->reload.engine = app->engine;
        hooks.store = app->store;
        r = server_new(app->event, app->engine, &hooks, &app->server);
        if (r < 0)
                return app_refused("start", "the server", r);
        r = listeners_open(app->server, config);
        if (r < 0)
                return r;
        r = journal_new(app->engine, &app->journal);
        if (r >= 0)
                r = awake_files_new(app->event, app->engine, config->awake_dir, &app->awake_files);
        if (r >= 0)
                r = notify_new(app->event, app->engine, config, app->ready_fd, &app->notify);
        if (r >= 0)
                r = watchdog_new(app->event, app->engine, &app->watchdog);
        if (r < 0)
                return app_refused("start", "reporting", r);
        app->reload.notify = app->notify;
        return 0;
}

/*
 * The probers end their sessions, which takes longest if there are thousands, while everything else here is done. Observers end first, so
 * that a stop is not reported as a failure of every database. The saved state is that from before the stop: leases that end with the server
 * were held until now.
 */
static void stop(struct app *app) {
        uint64_t store_until;

        if (app->notify)
                notify_stopping(app->notify);
        if (app->engine)
                engine_stop(app->engine);
        app->watchdog = watchdog_free(app->watchdog);
        app->past = sd_event_source_disable_unref(app->past);
        if (app->awake_files)
                awake_files_stop(app->awake_files);
        reload_stop(&app->reload);
        app->recorder = recorder_free(app->recorder);
        app->journal = journal_free(app->journal);
        app->server = server_free(app->server);
        app->notify = notify_free(app->notify);
        app->awake_files = awake_files_free(app->awake_files);
        store_until = usec_add(clock_monotonic_usec(), STORE_TIMEOUT_USEC);
        app->engine = engine_free(app->engine, STOP_TIMEOUT_USEC);
        app->store = store_close(app->store, MAX(usec_sub(store_until, clock_monotonic_usec()), STORE_TIMEOUT_MIN_USEC));
}

int app_run(const char *path, const struct config_environment *environment, int ready_fd, struct config *config) {
        struct app app = {
                .ready_fd = ready_fd,
                .reload = {.path = path, .environment = environment, .config = config, .loaded_real_usec = clock_real_usec()},
        };
        int r;

        /* Ten thousand databases hold ten thousand sessions: use everything that the service manager allows. */
        descriptor_raise_limit();
        r = sd_event_default(&app.event);
        if (r >= 0)
                r = watch_signals(&app);
        app.reload.event = app.event;
        if (r >= 0)
                r = reload_init(&app.reload);
        if (r >= 0)
                r = log_start();
        if (r < 0)
                (void)app_refused("start", "the event loop", r);
        if (r >= 0)
                r = app_start(&app, config);
        if (r >= 0) {
                log_entry(LOG_INFO, MESSAGE_ID_STARTED, NULL, 0, "pgwaked " PACKAGE_VERSION " watches %zu %s", config->n_databases,
                          config->n_databases == 1 ? "database" : "databases");
                r = sd_event_loop(app.event);
                if (r < 0)
                        (void)app_refused("run", "the event loop", r);
                log_entry(LOG_INFO, MESSAGE_ID_STOPPING, NULL, 0, "pgwaked ends");
        }
        stop(&app);
        reload_deinit(&app.reload, LOAD_TIMEOUT_USEC);
        sd_event_unref(app.event);
        service_manager_end(TELL_TIMEOUT_USEC);
        log_end(TELL_TIMEOUT_USEC);
        return r;
}
