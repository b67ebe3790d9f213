/*
 * A configuration file, loaded as the daemon does. Beyond "nothing crashes": it is refused when, and only when, there is an error to tell;
 * what is taken can be printed; and the same file is the same configuration again.
 */
#include "folder.h"
#include "fuzz.h"

#include "config/config.h"

#include <errno.h>

static struct config *load(const char *path) {
        const struct config_environment environment = {.user = (char *)"tester", .home = (char *)"/nonexistent",
                                                       .pgsysconfdir = (char *)"/nonexistent"};
        struct complaints complaints = {0};
        struct config *config = NULL;
        int r;

        r = config_load(path, &environment, &complaints, &config);
        fuzz_check(r == 0 || r == -EINVAL, "an answer that is none");
        fuzz_check((r < 0) == (complaints.n_errors > 0), "a refusal without a complaint, or the other way round");
        fuzz_check(r < 0 || config, "no configuration");
        complaints_deinit(&complaints);
        return config;
}

static void check_same(struct config *a, struct config *b) {
        struct buffer dump_a = {0}, dump_b = {0};

        fuzz_check(b && a->n_databases == b->n_databases, "the same file is taken once only");
        for (size_t i = 0; i < a->n_databases; i++) {
                fuzz_check(database_config_equal(&a->databases[i], &b->databases[i]), "the same file is another database");
                fuzz_check(config_database(a, a->databases[i].name) == &a->databases[i], "a database is not found by its name");
        }
        config_dump(a, &dump_a);
        config_dump(b, &dump_b);
        fuzz_check(buffer_finish(&dump_a) == 0 && dump_a.size == dump_b.size && memcmp(dump_a.data, dump_b.data, dump_a.size) == 0,
                   "the same file prints otherwise");
        buffer_deinit(&dump_a);
        buffer_deinit(&dump_b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char path[FUZZ_PATH_MAX];
        struct config *config;

        fuzz_write("pgwaked.conf", data, size);
        config = load(fuzz_path(path, "pgwaked.conf"));
        if (config) {
                struct config *again = load(path);

                check_same(config, again);
                config_free(again);
        }
        config_free(config);
        return 0;
}
