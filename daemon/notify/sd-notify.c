#include "notify/sd-notify.h"

#include "base/descriptor.h"
#include "base/error.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/message-id.h"
#include "base/outbox.h"
#include "base/timer.h"
#include "notify/ready-gate.h"

#include <inttypes.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

/* Interval of asking the manager for more time, and how much it is asked for. */
#define EXTEND_INTERVAL_USEC (5 * USEC_PER_SEC)
#define EXTEND_BY_USEC (15 * USEC_PER_SEC)
/* Ten thousand databases that change at once must not cause ten thousand messages to the manager. READY=1 never waits. */
#define STATUS_INTERVAL_USEC (100 * USEC_PER_MSEC)

struct notify {
        struct engine *engine;
        struct observer observer;
        struct ready_gate gate;
        sd_event_source *tell_source;    /* at the end of a loop iteration in which something changed */
        struct timer timeout; /* ready.timeout */
        struct timer extend;
        struct timer put_off; /* for a STATUS that came too soon after the last */
        struct buffer said;             /* the last STATUS */
        uint64_t said_boot_usec;
        bool listened_to; /* there is a $NOTIFY_SOCKET */
        int ready_fd;     /* -1: none, or told */
        bool ready;
        bool reloading;
        bool stopping;
};

static bool notify_say(const struct notify *notify, const char *text) {
        return !notify->listened_to || service_manager_tell(text);
}

static void compose_status(const struct notify *notify, struct buffer *status) {
        const struct registry *registry = engine_registry(notify->engine);

        if (!notify->ready)
                summary_waiting(status, registry, &notify->gate, clock_now());
        else
                summary_running(status, registry);
}

/* PREFIX is awaited, and takes no memory; the status follows as soon as there is some. */
static void say_without_status(struct notify *notify, const char *prefix) {
        if (*prefix)
                (void)notify_say(notify, prefix);
        timer_set_after(&notify->put_off, STATUS_INTERVAL_USEC);
}

/* PREFIX is complete lines, or "". Sends nothing if nothing is new. */
static void send_status(struct notify *notify, const char *prefix) {
        _cleanup_(buffer_deinit) struct buffer status = {0}, message = {0};

        if (!notify->listened_to)
                return;
        compose_status(notify, &status);
        if (buffer_finish(&status) < 0) {
                say_without_status(notify, prefix);
                return;
        }
        if (!*prefix && notify->said.data && streq(notify->said.data, status.data))
                return;
        buffer_printf(&message, "%sSTATUS=%s", prefix, status.data);
        if (buffer_finish(&message) < 0 || !notify_say(notify, message.data)) {
                say_without_status(notify, prefix);
                return;
        }
        notify->said_boot_usec = clock_boot_usec();
        buffer_deinit(&notify->said);
        notify->said = status;
        status = (struct buffer){0};
}

/* Ready. */

static void log_ready(const struct ready_gate *gate, const char *status) {
        if (gate->n > 0)
                log_entry(LOG_WARNING, MESSAGE_ID_READY, NULL, 0, "ready.timeout is over: ready all the same, still %s", status);
        else if (gate->given_up > 0)
                log_entry(LOG_WARNING, MESSAGE_ID_READY, NULL, 0, "ready, though %zu of those that were to be awake never %s: %s",
                          gate->given_up, gate->given_up == 1 ? "was" : "were", status);
        else
                log_entry(LOG_INFO, MESSAGE_ID_READY, NULL, 0, "ready: %s", status);
}

static void tell_ready_fd(struct notify *notify) {
        int r = descriptor_tell_ready(notify->ready_fd);

        notify->ready_fd = -1;
        if (r < 0)
                log_warning("Cannot tell --ready-fd that pgwaked is ready: %s", strerror(-r));
}

static void become_ready(struct notify *notify) {
        _cleanup_(buffer_deinit) struct buffer status = {0};

        timer_set(&notify->timeout, USEC_INFINITY);
        timer_set(&notify->extend, USEC_INFINITY);
        /* After the timeout the status names the missing databases, so it is composed as if not ready. */
        notify->ready = notify->gate.n == 0;
        compose_status(notify, &status);
        send_status(notify, "READY=1\n");
        tell_ready_fd(notify);
        notify->ready = true;
        if (buffer_finish(&status) == 0)
                log_ready(&notify->gate, status.data);
        ready_gate_deinit(&notify->gate);
}

static void on_timeout(void *userdata) {
        struct notify *notify = userdata;

        if (!notify->ready && !notify->stopping)
                become_ready(notify);
}

static void extend(struct notify *notify) {
        char prefix[sizeof("EXTEND_TIMEOUT_USEC=18446744073709551615\n")];

        (void)snprintf(prefix, sizeof(prefix), "EXTEND_TIMEOUT_USEC=%" PRIu64 "\n", EXTEND_BY_USEC);
        send_status(notify, prefix);
}

static void on_extend(void *userdata) {
        struct notify *notify = userdata;

        if (!service_manager_is_behind())
                extend(notify);
        timer_set_after(&notify->extend, EXTEND_INTERVAL_USEC);
}

/* After changes. */

static int on_tell(sd_event_source *source, void *userdata) {
        struct notify *notify = userdata;
        uint64_t next = notify->said_boot_usec + STATUS_INTERVAL_USEC;

        (void)source;
        if (notify->stopping || notify->reloading)
                return 0;
        if (!notify->ready && notify->gate.n == 0) {
                become_ready(notify);
                return 0;
        }
        if (!notify->listened_to)
                return 0;
        if (clock_boot_usec() < next || service_manager_is_behind())
                timer_set(&notify->put_off, next);
        else
                send_status(notify, "");
        return 0;
}

static void on_status(void *userdata) {
        struct notify *notify = userdata;

        if (notify->stopping || notify->reloading)
                return;
        if (service_manager_is_behind())
                timer_set_after(&notify->put_off, STATUS_INTERVAL_USEC);
        else
                send_status(notify, "");
}

static void notify_tell(struct notify *notify) {
        if (notify->listened_to || !notify->ready)
                (void)sd_event_source_set_enabled(notify->tell_source, SD_EVENT_ONESHOT);
}

static void notify_on_event(void *userdata, const struct event *event, const struct database *database) {
        struct notify *notify = userdata;

        /* If memory runs out, a database that a reload added is not waited for. */
        if (!notify->ready)
                (void)ready_gate_note(&notify->gate, event, database);
        notify_tell(notify);
}

static void notify_on_touched(void *userdata, const struct database *database) {
        struct notify *notify = userdata;

        size_t n = notify->gate.n;

        if (notify->ready || n == 0)
                return;
        ready_gate_look(&notify->gate, database);
        if (notify->gate.n < n)
                notify_tell(notify);
}

/* The interface. */

bool notify_is_ready(const struct notify *notify) {
        return notify->ready;
}

void notify_reloading(struct notify *notify) {
        char text[sizeof("RELOADING=1\nMONOTONIC_USEC=18446744073709551615")];

        /* Before READY=1 the manager does not know of reloads, and the READY=1 that ends this one would come too soon. */
        if (!notify->ready || notify->stopping)
                return;
        notify->reloading = true;
        (void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_monotonic_usec());
        (void)notify_say(notify, text);
}

void notify_reloaded(struct notify *notify) {
        if (!notify->ready)
                ready_gate_sweep(&notify->gate, engine_registry(notify->engine));
        if (notify->reloading)
                send_status(notify, "READY=1\n");
        notify->reloading = false;
        notify_tell(notify);
}

void notify_stopping(struct notify *notify) {
        notify->stopping = true;
        (void)notify_say(notify, "STOPPING=1\nSTATUS=stopping");
}

/* Life cycle. */

static int notify_add_sources(struct notify *notify, sd_event *event) {
        int r;

        /* Something may be true from the start, without an event: the first look is in the first loop iteration. */
        r = sd_event_add_defer(event, &notify->tell_source, on_tell, notify);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(notify->tell_source, "notify");
        r = timer_init(&notify->put_off, event, CLOCK_BOOTTIME, 10 * USEC_PER_MSEC, "notify-status", on_status, notify);
        if (r >= 0)
                r = timer_init(&notify->timeout, event, CLOCK_BOOTTIME, USEC_PER_MSEC, "notify-ready-timeout", on_timeout, notify);
        if (r >= 0)
                r = timer_init(&notify->extend, event, CLOCK_MONOTONIC, 100 * USEC_PER_MSEC, "notify-extend", on_extend, notify);
        return r;
}

static int notify_start(struct notify *notify, sd_event *event, const struct config *config) {
        int r;

        r = ready_gate_init(&notify->gate, config->ready_on, engine_registry(notify->engine));
        if (r < 0)
                return r;
        r = notify_add_sources(notify, event);
        if (r < 0 || notify->gate.n == 0)
                return r;
        timer_set_after(&notify->timeout, config->ready_timeout_usec);
        if (notify->listened_to)
                timer_set_after(&notify->extend, EXTEND_INTERVAL_USEC);
        extend(notify);
        return 0;
}

int notify_new(sd_event *event, struct engine *engine, const struct config *config, int ready_fd, struct notify **ret_notify) {
        struct notify *notify = calloc(1, sizeof(*notify));
        int r;

        if (!notify)
                return -ENOMEM;
        notify->engine = engine;
        notify->listened_to = service_manager_listens();
        notify->ready_fd = ready_fd;
        r = service_manager_start();
        if (r >= 0)
                r = notify_start(notify, event, config);
        if (r < 0) {
                notify_free(notify);
                return r;
        }
        notify->observer = (struct observer){.notify = notify_on_event, .touched = notify_on_touched, .userdata = notify};
        engine_observe(engine, &notify->observer);
        *ret_notify = notify;
        return 0;
}

struct notify *notify_free(struct notify *notify) {
        if (!notify)
                return NULL;
        if (notify->observer.notify)
                engine_unobserve(notify->engine, &notify->observer);
        sd_event_source_disable_unref(notify->tell_source);
        timer_deinit(&notify->timeout);
        timer_deinit(&notify->extend);
        timer_deinit(&notify->put_off);
        ready_gate_deinit(&notify->gate);
        buffer_deinit(&notify->said);
        free(notify);
        return NULL;
}

/* -- The thread that sends ------------------------------------------------------------------------------------------------------------- */

/* Passing news is held back, so this is the ends of hundreds of reloads. */
#define WAITING_BYTES_MAX ((size_t)64 * 1024)

struct message {
        struct outbox_item item;
        char text[];
};

static struct outbox *outbox;

static void notify_on_deliver(const struct outbox_item *item) {
        (void)sd_notify(false, container_of(item, struct message, item)->text);
}

static void notify_on_dropped(uint64_t n) {
        log_warning("The service manager took nothing for so long that %" PRIu64 " messages to it were dropped", n);
}

bool service_manager_listens(void) {
        return getenv("NOTIFY_SOCKET") != NULL;
}

int service_manager_start(void) {
        static const struct outbox_hooks hooks = {.deliver = notify_on_deliver, .dropped = notify_on_dropped};

        return outbox || !service_manager_listens() ? 0 : outbox_new("notify", WAITING_BYTES_MAX, &hooks, &outbox);
}

bool service_manager_tell(const char *text) {
        size_t bytes = sizeof(struct message) + strlen(text) + 1;
        struct message *message;

        if (!outbox)
                return true;
        message = malloc(bytes);
        if (message) {
                message->item.bytes = bytes;
                memcpy(message->text, text, strlen(text) + 1);
        }
        outbox_put(outbox, message ? &message->item : NULL);
        return message;
}

bool service_manager_is_behind(void) {
        return outbox && !outbox_is_idle(outbox);
}

void service_manager_end(uint64_t timeout_usec) {
        if (outbox)
                (void)outbox_end(outbox, timeout_usec);
}
