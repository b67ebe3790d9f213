#include "http/listing.h"

#include "base/text.h"
#include "http/answer.h"
#include "http/slices.h"

struct progress {
        struct slices slices;
        struct listing listing;
        char last[TEXT_NAME_MAX + 1]; /* the name of the last database that was looked at */
        bool any;
};

static bool compose_slice(struct slices *slices) {
        struct progress *progress = container_of(slices, struct progress, slices);
        const struct listing *listing = &progress->listing;
        const struct registry *registry = engine_registry(listing->server->engine);
        struct instant now = clock_now();
        struct json_writer w = {.buffer = &slices->text, .comma = progress->any};
        const struct database *database, *last = NULL;
        size_t i = registry_place_after(registry, progress->last);

        for (; (database = registry_at(registry, i)) && slices_step(slices); i++) {
                last = database;
                if (listing->wants && !listing->wants(listing, database))
                        continue;
                listing->describe(listing, &w, database, now);
                progress->any = true;
        }
        if (!database)
                buffer_append_string(&slices->text, listing->tail);
        else if (last)
                (void)text_copy(progress->last, sizeof(progress->last), last->config->name);
        return database;
}

static void free_progress(struct slices *slices) {
        free(container_of(slices, struct progress, slices));
}

void listing_answer(const struct listing *listing, struct exchange *exchange, const struct reply *head) {
        struct progress *progress = calloc(1, sizeof(*progress));
        struct buffer text = listing->text;

        if (!progress) {
                buffer_deinit(&text);
                answer_unavailable(listing->server, exchange, RETRY_UNKNOWN_SEC, "no_memory",
                                   "no memory is left for this answer");
                return;
        }
        progress->listing = *listing;
        progress->slices = (struct slices){.text = text, .compose = compose_slice, .free = free_progress};
        slices_answer(&progress->slices, exchange, head);
}
