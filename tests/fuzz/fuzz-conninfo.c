/*
 * Conninfos as applications write them, read by us and by libpq itself.
 *
 * Beyond "nothing crashes": what both take means the same to both; a refusal is told, once; no complaint holds the word that stands in
 * every password of the seeds; what became of a text that is taken is complete, or told to be wrong.
 */
#include "fuzz.h"

#include "config/conninfo.h"

#include <errno.h>
#include <libpq-fe.h>
#include <stdio.h>

#define SECRET "geheim"

static void check_complaints(const struct complaints *complaints, int r) {
        fuzz_check(r == 0 || r == -EINVAL, "an answer that is none");
        fuzz_check((r < 0) == (complaints->n_errors > 0), "a refusal without a complaint, or the other way round");
        for (size_t i = 0; i < complaints->n; i++)
                fuzz_check(!strstr(complaints->items[i].text, SECRET), "a complaint tells a secret");
}

static void check_as_libpq(const char *text, const struct conninfo_draft *draft) {
        PQconninfoOption *options = PQconninfoParse(text, NULL);

        for (const PQconninfoOption *o = options; o && o->keyword; o++) {
                const char *mine = draft->values[keyword_find(o->keyword)];

                fuzz_check(!o->val == !mine && (!mine || streq(mine, o->val)), "libpq understands something else");
        }
        PQconninfoFree(options);
}

static void read_text(const char *text, bool of_application) {
        const struct config_environment environment = {.user = (char *)"tester", .home = (char *)"/nonexistent"};
        struct complaints complaints = {0};
        const struct complaint_place place = {&complaints, ".env", 1, "DATABASE_URL"};
        struct conninfo_draft draft = {0};
        int r;

        r = of_application ? conninfo_draft_parse_of_application(&draft, text, &place) : conninfo_draft_parse(&draft, text, &place);
        check_complaints(&complaints, r);
        /* `ssl` has no meaning to libpq beyond "true". */
        if (r == 0 && !strstr(text, "ssl"))
                check_as_libpq(text, &draft);
        if (r == 0) {
                r = conninfo_draft_complete(&draft, &environment, true, &place);
                check_complaints(&complaints, r);
                fuzz_check(r < 0 || (conninfo_draft_get(&draft, "user") && conninfo_draft_get(&draft, "port")), "it is not complete");
        }
        conninfo_draft_deinit(&draft);
        complaints_deinit(&complaints);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = malloc(size + 1);

        if (!text)
                return 0;
        memcpy(text, data, size);
        text[size] = '\0';
        read_text(text, false);
        read_text(text, true);
        free(text);
        return 0;
}
