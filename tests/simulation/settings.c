#include "settings.h"

#include "base/macro.h"
#include "config/option-value.h"

#include <stdio.h>

struct settings {
        struct config config;
        struct database_config databases[DATABASES_MAX];
        struct database_config *by_name[DATABASES_MAX];
        struct conninfo conninfos[DATABASES_MAX];
        const char *keywords[DATABASES_MAX][5];
        char *values[DATABASES_MAX][5];
        const char *notes[5];
        char hosts[DATABASES_MAX][ROUTE_HOST_MAX];
        char names[DATABASES_MAX][WORLD_NAME_MAX];
};

void settings_host(const char *name, enum server_kind kind, char ret_host[ROUTE_HOST_MAX]) {
        static const char *const formats[_SERVER_KIND_MAX] = {
                [SERVER_PLAIN] = "%s.example.net",
                [SERVER_STANDBY] = "%s.example.net",
                [SERVER_NEON] = "ep-%s.eu-central-1.aws.neon.tech",
                [SERVER_NEON_POOLED] = "ep-%s-pooler.eu-central-1.aws.neon.tech",
                [SERVER_SUPABASE] = "%s.pooler.supabase.com",
                [SERVER_AURORA] = "%s.cluster-abc.eu-central-1.rds.amazonaws.com",
        };

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(ret_host, ROUTE_HOST_MAX, formats[kind], name);
#pragma GCC diagnostic pop
}

/* As libconfig would return it. */
static struct option_value value_of(const struct option *option, const char *text) {
        switch (option->type) {
        case OPTION_BOOL:
                return (struct option_value){.type = OPTION_VALUE_BOOL, .truth = streq(text, "true")};
        case OPTION_UNSIGNED:
                return (struct option_value){.type = OPTION_VALUE_INTEGER, .integer = atoi(text)};
        case OPTION_HOURS:
                return (struct option_value){.type = OPTION_VALUE_FLOAT, .real = atof(text)};
        case OPTION_STRING:
        case OPTION_ADDRESSES:
        case OPTION_HOSTS:
        case OPTION_DURATION:
        case OPTION_SIZE:
        case OPTION_PERCENT:
        case OPTION_CHOICE:
        case OPTION_WORD:
                break;
        }
        return (struct option_value){.type = OPTION_VALUE_TEXT, .text = text};
}

static int store(struct database_config *config, const char *key, const char *text, struct complaints *complaints) {
        const struct complaint_place place = {.complaints = complaints, .file = "scenario", .key = key};
        int i = option_find(OPTION_DATABASE, key);
        const struct option *option = i < 0 ? NULL : option_at(OPTION_DATABASE, (size_t)i);
        struct option_value value;

        if (!option || option->type == OPTION_STRING) {
                place_error(&place, "no setting of a simulated database");
                return -1;
        }
        value = value_of(option, text);
        return option_store(option, &value, config, &place);
}

bool settings_accept(const char *key, const char *value) {
        struct complaints complaints = {0};
        struct database_config config = {0};
        bool accepted = store(&config, key, value, &complaints) == 0;

        for (size_t i = 0; i < complaints.n; i++)
                (void)fprintf(stderr, "%s\n", complaints.items[i].text);
        complaints_deinit(&complaints);
        return accepted;
}

static void make_connection(struct settings *settings, size_t i, enum server_kind kind) {
        static char port[] = "5432", user[] = "app", dbname[] = "app";

        settings_host(settings->names[i], kind, settings->hosts[i]);
        memcpy(settings->keywords[i], (const char *[]){"host", "port", "user", "dbname", NULL}, sizeof(settings->keywords[i]));
        memcpy(settings->values[i], (char *[]){settings->hosts[i], port, user, dbname, NULL}, sizeof(settings->values[i]));
        settings->conninfos[i] = (struct conninfo){
                .references = 1, .n = 4, .keywords = settings->keywords[i], .values = settings->values[i], .notes = settings->notes};
        settings->databases[i].conninfo = &settings->conninfos[i];
}

static void make_database(struct settings *settings, const struct plan_of_world *plan, const struct planned_database *planned) {
        size_t i = settings->config.n_databases++;
        struct database_config *config = &settings->databases[i];
        struct complaints complaints = {0};

        for (size_t o = 0; o < option_count(OPTION_DATABASE); o++)
                (void)option_store_default(option_at(OPTION_DATABASE, o), config);
        for (unsigned s = 0; s < planned->n_settings; s++)
                (void)store(config, planned->settings[s].key, planned->settings[s].value, &complaints);
        complaints_deinit(&complaints);
        memcpy(settings->names[i], planned->name, sizeof(settings->names[i]));
        config->name = settings->names[i];
        make_connection(settings, i, plan->servers[planned->server].kind);
        settings->by_name[i] = config;
}

static int compare_names(const void *a, const void *b) {
        return strcmp((*(struct database_config *const *)a)->name, (*(struct database_config *const *)b)->name);
}

struct settings *settings_make(const struct plan_of_world *plan, const bool present[DATABASES_MAX]) {
        struct settings *settings = calloc(1, sizeof(*settings));

        if (!settings)
                abort();
        settings->config.attempts_in_flight = plan->attempts_in_flight;
        for (unsigned i = 0; i < plan->n_databases; i++)
                if (present[i])
                        make_database(settings, plan, &plan->databases[i]);
        qsort(settings->by_name, settings->config.n_databases, sizeof(settings->by_name[0]), compare_names);
        settings->config.databases = settings->databases;
        settings->config.by_name = settings->by_name;
        return settings;
}

struct settings *settings_free(struct settings *settings) {
        free(settings);
        return NULL;
}

const struct config *settings_config(const struct settings *settings) {
        return &settings->config;
}

const struct database_config *settings_database(const struct settings *settings, const char *name) {
        return config_database(&settings->config, name);
}
