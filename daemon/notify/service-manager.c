#include "notify/service-manager.h"

#include "base/log.h"
#include "base/macro.h"
#include "base/outbox.h"

#include <inttypes.h>
#include <systemd/sd-daemon.h>

/* News of the moment do not add up, so these are the ends of hundreds of reloads. */
#define WAITING_BYTES_MAX ((size_t)64 * 1024)

struct message {
        struct outbox_item item;
        char text[];
};

static struct outbox *outbox;

static void on_deliver(const struct outbox_item *item) {
        (void)sd_notify(false, container_of(item, struct message, item)->text);
}

static void on_dropped(uint64_t n) {
        log_warning("The service manager took nothing for so long that %" PRIu64 " messages to it were dropped", n);
}

bool service_manager_listens(void) {
        return getenv("NOTIFY_SOCKET") != NULL;
}

int service_manager_start(void) {
        static const struct outbox_hooks hooks = {.deliver = on_deliver, .dropped = on_dropped};

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
