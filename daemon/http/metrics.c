/*
 * GET /metrics: family by family, and in each the databases by their names. Ten thousand of them are some hundred thousand lines, composed
 * in slices. Between two slices databases come and go: in each family one stands at most once, and its samples there are of one moment.
 */
#include "http/metrics.h"

#include "base/text.h"
#include "http/accept.h"
#include "http/answer.h"
#include "http/handlers.h"
#include "http/slices.h"

static const struct media_type offers[] = {
        [EXPOSITION_TEXT] = {"text", "plain", "0.0.4"},
        [EXPOSITION_OPEN_METRICS] = {"application", "openmetrics-text", "1.0.0"},
};

static const char *const content_types[] = {
        [EXPOSITION_TEXT] = "text/plain; version=0.0.4; charset=utf-8",
        [EXPOSITION_OPEN_METRICS] = "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

struct scrape {
        struct slices slices;
        struct exposition exposition;
        struct server *server;
        struct metrics_facts facts;
        size_t family;                /* of the databases: the one that is being written */
        bool begun;                   /* its head is written */
        char last[TEXT_NAME_MAX + 1]; /* the name of the last database in it */
};

static void compose_daemon(struct scrape *scrape) {
        const struct metric *metric;

        for (size_t i = 0; (metric = metrics_of_daemon(i)); i++) {
                exposition_begin(&scrape->exposition, &metric->family);
                metric->daemon(&scrape->exposition, &scrape->facts);
        }
        exposition_end(&scrape->exposition);
}

/* Goes on with METRIC; answers whether that was all of it. */
static bool compose_databases(struct scrape *scrape, const struct metric *metric) {
        const struct registry *registry = engine_registry(scrape->server->engine);
        struct instant now = clock_now();
        const struct database *database, *last = NULL;
        size_t i = registry_place_after(registry, scrape->last);

        for (; (database = registry_at(registry, i)) && slices_step(&scrape->slices); i++) {
                last = database;
                metric->database(&scrape->exposition, database, now);
        }
        if (database && last)
                (void)text_copy(scrape->last, sizeof(scrape->last), last->config->name);
        return !database;
}

static bool compose_slice(struct slices *slices) {
        struct scrape *scrape = container_of(slices, struct scrape, slices);
        const struct metric *metric;

        while ((metric = metrics_of_databases(scrape->family)) && slices_step(slices)) {
                if (!scrape->begun)
                        exposition_begin(&scrape->exposition, &metric->family);
                scrape->begun = true;
                if (!compose_databases(scrape, metric))
                        return true;
                scrape->family++;
                scrape->begun = false;
                scrape->last[0] = '\0';
        }
        if (!metric)
                compose_daemon(scrape);
        return metric;
}

static void free_scrape(struct slices *slices) {
        free(container_of(slices, struct scrape, slices));
}

static void gather_facts(const struct server *server, struct metrics_facts *facts) {
        facts->server = server;
        engine_stats(server->engine, &facts->engine);
        process_usage(&facts->process);
        if (server->hooks.facts)
                server->hooks.facts(server->hooks.userdata, &facts->daemon);
}

void metrics_get(struct request *request) {
        size_t format = accept_choose(exchange_header(request->exchange, "Accept"), offers, ARRAY_LENGTH(offers));
        struct scrape *scrape = calloc(1, sizeof(*scrape));

        if (!scrape) {
                answer_unavailable(request->server, request->exchange, RETRY_UNKNOWN_SEC, "no_memory",
                                   "no memory is left for this answer");
                return;
        }
        scrape->server = request->server;
        scrape->slices = (struct slices){.compose = compose_slice, .free = free_scrape};
        scrape->exposition = (struct exposition){.text = &scrape->slices.text, .format = (enum exposition_format)format};
        gather_facts(request->server, &scrape->facts);
        slices_answer(&scrape->slices, request->exchange, &(struct reply){.status = 200, .content_type = content_types[format]});
}
