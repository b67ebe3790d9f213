#include "config-thread.h"

#include "advice.h"
#include "base/clock.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/process.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

/* As much as the main thread has, which reads the first one. */
#define STACK_BYTES ((size_t)8 * 1024 * 1024)

struct config_thread {
        pthread_t thread;
        const char *path;
        const struct config_environment *environment;
        struct config_found found; /* its config is also the one to be freed */
        int fd;                    /* written at the end */
        sd_event_source *source;
        void (*on_end)(void *userdata, struct config_found *found);
        void *userdata;
};

static void found_deinit(struct config_found *found) {
        found->config = config_free(found->config);
        complaints_deinit(&found->complaints);
}

static void *config_thread_run_load(void *userdata) {
        struct config_thread *thread = userdata;
        struct config_found *found = &thread->found;

        found->result = config_load(thread->path, thread->environment, &found->complaints, &found->config);
        if (found->result >= 0)
                advice_complain(found->config, &found->complaints);
        (void)eventfd_write(thread->fd, 1);
        return NULL;
}

static void *config_thread_run_discard(void *userdata) {
        struct config_thread *thread = userdata;

        found_deinit(&thread->found);
        (void)eventfd_write(thread->fd, 1);
        return NULL;
}

static struct config_thread *config_thread_free(struct config_thread *thread) {
        (void)sd_event_source_disable_unref(thread->source);
        close_fd(&thread->fd);
        found_deinit(&thread->found);
        free(thread);
        return NULL;
}

static int on_written(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct config_thread *thread = userdata;

        (void)source;
        (void)fd;
        (void)revents;
        (void)pthread_join(thread->thread, NULL);
        (void)sd_event_source_set_enabled(thread->source, SD_EVENT_OFF);
        thread->on_end(thread->userdata, &thread->found);
        (void)config_thread_free(thread);
        return 0;
}

static int config_thread_start(struct config_thread *thread, sd_event *event, const char *name, void *(*run)(void *userdata)) {
        int r;

        thread->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = thread->fd < 0 ? error_from_errno() : sd_event_add_io(event, &thread->source, thread->fd, EPOLLIN, on_written, thread);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(thread->source, name);
        return thread_start(name, STACK_BYTES, run, thread, &thread->thread);
}

int config_thread_load(sd_event *event, const char *path, const struct config_environment *environment,
                       void (*found)(void *userdata, struct config_found *found), void *userdata, struct config_thread **ret_thread) {
        struct config_thread *thread = calloc(1, sizeof(*thread));
        int r;

        if (!thread)
                return -ENOMEM;
        *thread = (struct config_thread){.path = path, .environment = environment, .on_end = found, .userdata = userdata};
        r = config_thread_start(thread, event, "config", config_thread_run_load);
        if (r < 0) {
                (void)config_thread_free(thread);
                return r;
        }
        *ret_thread = thread;
        return 0;
}

struct config_thread *config_thread_discard(sd_event *event, struct config *config, void (*gone)(void *userdata, struct config_found *found),
                                            void *userdata) {
        struct config_thread *thread = calloc(1, sizeof(*thread));

        if (!thread) {
                (void)config_free(config);
                return NULL;
        }
        *thread = (struct config_thread){.found.config = config, .on_end = gone, .userdata = userdata};
        return config_thread_start(thread, event, "config-free", config_thread_run_discard) < 0 ? config_thread_free(thread) : thread;
}

struct config_thread *config_thread_end(struct config_thread *thread, uint64_t timeout_usec) {
        struct pollfd over = {.events = POLLIN};

        if (!thread)
                return NULL;
        (void)sd_event_source_disable_unref(steal_pointer(&thread->source));
        over.fd = thread->fd;
        if (poll(&over, 1, (int)(timeout_usec / USEC_PER_MSEC)) > 0) {
                (void)pthread_join(thread->thread, NULL);
                return config_thread_free(thread);
        }
        (void)pthread_detach(thread->thread);
        process_exit_without_handlers();
        return NULL;
}
