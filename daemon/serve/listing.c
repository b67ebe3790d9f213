#include "serve/listing.h"

#include "base/text.h"

/* Where to go on: the first database whose name stands behind LAST. */
static size_t position_behind(const struct registry *registry, const char *last) {
        size_t low = 0, high = registry_count(registry);

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (strcmp(registry_at(registry, middle)->config->name, last) <= 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static void compose_slice(struct listing *listing) {
        const struct registry *registry = engine_registry(listing->site->engine);
        struct instant now = clock_now();
        struct json_writer w = {.buffer = &listing->text, .comma = listing->any};
        size_t i = position_behind(registry, listing->last);

        for (unsigned n = 0; n < LISTING_SLICE; i++) {
                const struct target *target = registry_at(registry, i);

                if (!target) {
                        buffer_append_string(&listing->text, listing->tail);
                        listing->complete = true;
                        return;
                }
                (void)text_copy(listing->last, sizeof(listing->last), target->config->name);
                if (listing->wants && !listing->wants(listing, target))
                        continue;
                listing->describe(listing, &w, target, now);
                listing->any = true;
                n++;
        }
}

static ssize_t read_listing(void *userdata, char *buffer, size_t size) {
        struct listing *listing = userdata;
        size_t n;

        while (listing->sent == listing->text.size) {
                if (listing->complete)
                        return STREAM_ENDS;
                buffer_clear(&listing->text);
                listing->sent = 0;
                compose_slice(listing);
        }
        if (buffer_finish(&listing->text) < 0)
                return STREAM_BREAKS;
        n = MIN(size, listing->text.size - listing->sent);
        memcpy(buffer, listing->text.data + listing->sent, n);
        listing->sent += n;
        return (ssize_t)n;
}

static void free_listing(void *userdata) {
        struct listing *listing = userdata;

        buffer_deinit(&listing->text);
        free(listing);
}

void listing_answer(const struct listing *listing, struct exchange *exchange, const struct reply *head) {
        struct listing *copy = malloc(sizeof(*copy)), whole = *listing;
        struct reply reply = *head;

        if (copy && registry_count(engine_registry(listing->site->engine)) > LISTING_SLICE) {
                *copy = *listing;
                exchange_stream(exchange, head, false, &(struct stream){.read = read_listing, .free = free_listing, .userdata = copy});
                return;
        }
        free(copy);
        while (!whole.complete)
                compose_slice(&whole);
        reply.body = &whole.text;
        exchange_reply(exchange, &reply);
        buffer_deinit(&whole.text);
}
