/*
 * A pg_service.conf, of which the section "s" is looked up. Beyond "nothing crashes": a refusal is told, and the same file says the same
 * again.
 */
#include "folder.h"
#include "fuzz.h"

#include "config/service.h"

#include <errno.h>

static int look_up(const char *path, struct conninfo_draft *draft) {
        const struct config_environment environment = {.user = (char *)"tester", .home = (char *)"/nonexistent",
                                                       .pgservicefile = (char *)path, .pgsysconfdir = (char *)"/nonexistent"};
        struct complaints complaints = {0};
        const struct complaint_place place = {&complaints, "pgwaked.conf", 1, "service"};
        struct service_catalog *catalog = NULL;
        int r;

        fuzz_check(service_catalog_new(&environment, &catalog) == 0, "no catalog");
        r = service_apply(catalog, "s", draft, &place);
        fuzz_check(r == 0 || r == -EINVAL, "an answer that is none");
        fuzz_check((r < 0) == (complaints.n_errors > 0), "a refusal without a complaint, or the other way round");
        service_catalog_free(catalog);
        complaints_deinit(&complaints);
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct conninfo_draft draft = {0}, again = {0};
        char path[FUZZ_PATH_MAX];

        fuzz_write("pg_service.conf", data, size);
        if (look_up(fuzz_path(path, "pg_service.conf"), &draft) == 0) {
                fuzz_check(look_up(path, &again) == 0, "the same file is refused");
                for (size_t i = 0; i < KEYWORDS_MAX; i++)
                        fuzz_check(!draft.values[i] == !again.values[i] && (!draft.values[i] || streq(draft.values[i], again.values[i])),
                                   "the same file says something else");
        }
        conninfo_draft_deinit(&draft);
        conninfo_draft_deinit(&again);
        return 0;
}
