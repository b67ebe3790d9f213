#include "config/config.h"

#include "base/error.h"
#include "config/address.h"
#include "config/database.h"
#include "config/file.h"
#include "config/keyword.h"
#include "config/option-value.h"

#include <dirent.h>
#include <stdio.h>

static void loader_deinit(struct loader *loader) {
        database_config_deinit(&loader->defaults);
        config_free(loader->config);
        free(loader->exposed);
}

static int store_defaults(enum option_scope scope, void *base) {
        for (size_t i = 0; i < option_count(scope); i++) {
                int r;

                r = option_store_default(option_at(scope, i), base);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* "/etc/pgwaked/conf.d" for "/etc/pgwaked/pgwaked.conf". */
static int folder_beside(const char *path, char **ret_folder) {
        const char *slash = strrchr(path, '/');
        int length = slash ? (int)(slash - path) + 1 : 0;

        return asprintf(ret_folder, "%.*sconf.d", length, path) < 0 ? -ENOMEM : 0;
}

static int is_configuration(const struct dirent *entry) {
        size_t length = strlen(entry->d_name);

        return entry->d_name[0] != '.' && length > strlen(".conf") && streq(entry->d_name + length - strlen(".conf"), ".conf");
}

static int compare_entries(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_folder(struct loader *loader, const char *folder) {
        struct dirent **entries = NULL;
        char error[FILE_ERROR_MAX];
        int n, r = 0;

        n = scandir(folder, &entries, is_configuration, compare_entries);
        if (n < 0 && errno == ENOMEM)
                return -ENOMEM;
        if (n < 0 && errno != ENOENT)
                complain_error(loader->complaints, folder, 0, "this folder cannot be read: %s", file_error(-errno, error));
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *path = NULL;

                if (r == 0 && asprintf(&path, "%s/%s", folder, entries[i]->d_name) < 0) {
                        path = NULL;
                        r = -ENOMEM;
                }
                if (r == 0)
                        r = loader_read(loader, path, LOADER_DATABASES);
                free(entries[i]);
        }
        free(entries);
        return r;
}

static int read_files(struct loader *loader, const char *path) {
        _cleanup_free_ char *folder = NULL;
        int r;

        r = loader_read(loader, path, LOADER_MAIN);
        if (r == 0)
                r = folder_beside(path, &folder);
        return r < 0 ? r : read_folder(loader, folder);
}

static int compare_names(const void *left, const void *right) {
        const struct database_config *a = *(struct database_config *const *)left, *b = *(struct database_config *const *)right;
        int r = strcmp(a->name, b->name);

        /* Equal names in the order of the files: all are elements of one array. */
        return r ? r : (a > b) - (a < b);
}

static void complain_duplicate(const struct loader *loader, const struct database_config *first, const struct database_config *again) {
        int row = option_find(OPTION_DATABASE, "name");
        struct config_source here = again->sources[row], there = first->sources[row];

        complain_error(loader->complaints, config_source_file(loader->config, here), here.line,
                       "name: \"%s\" is taken by %s:%u; expected a name of its own", again->name, config_source_file(loader->config, there),
                       there.line);
}

static int index_names(struct loader *loader) {
        struct config *config = loader->config;
        size_t n = 0;

        config->by_name = calloc(config->n_databases + 1, sizeof(*config->by_name));
        if (!config->by_name)
                return -ENOMEM;
        for (size_t i = 0; i < config->n_databases; i++)
                if (config->databases[i].name)
                        config->by_name[n++] = &config->databases[i];
        qsort(config->by_name, n, sizeof(*config->by_name), compare_names);
        for (size_t i = 1, first = 0; i < n; i++) {
                if (streq(config->by_name[i]->name, config->by_name[first]->name))
                        complain_duplicate(loader, config->by_name[first], config->by_name[i]);
                else
                        first = i;
        }
        return 0;
}

static void check_agents(const struct loader *loader) {
        const struct config *config = loader->config;
        struct config_source source = config->sources[option_find(OPTION_GLOBAL, "status.agent_listen")];

        for (size_t i = 0; i < config->n_agent_listen; i++)
                for (size_t k = 0; k < config->n_listen; k++)
                        if (address_collides(config->agent_listen[i], config->listen[k]))
                                complain_error(loader->complaints, config_source_file(config, source), source.line,
                                               "status.agent_listen: \"%s\" cannot be listened on beside \"%s\" of status.listen or "
                                               "--listen; expected an address or a port of its own",
                                               config->agent_listen[i], config->listen[k]);
}

static void check_sockets(const struct loader *loader) {
        const struct config *config = loader->config;
        struct config_source source = config->sources[option_find(OPTION_GLOBAL, "status.control")];

        if (!streq(config->status_socket, config->control_socket))
                return;
        if (!source.file)
                source = config->sources[option_find(OPTION_GLOBAL, "status.socket")];
        complain_error(loader->complaints, config_source_file(config, source), source.line,
                       "status.socket and status.control are the same; expected a path of its own for each");
}

static int finish_databases(struct loader *loader, const struct config_environment *environment) {
        _cleanup_(service_catalog_freep) struct service_catalog *services = NULL;
        int r;

        r = service_catalog_new(environment, &services);
        for (size_t i = 0; r == 0 && i < loader->config->n_databases; i++)
                r = database_config_finish(&loader->config->databases[i],
                                           &(struct database_finish){.loader = loader, .environment = environment, .services = services});
        return r;
}

static int config_load_from(struct loader *loader, const char *path, const struct config_environment *environment) {
        int r;

        r = store_defaults(OPTION_GLOBAL, loader->config);
        if (r == 0)
                r = store_defaults(OPTION_DATABASE, &loader->defaults);
        if (r == 0)
                r = environment->from_env ? loader_from_environment(loader) : read_files(loader, path);
        if (r == 0 && environment->n_listen)
                r = loader_listen(loader, environment->listen, environment->n_listen);
        if (r == 0)
                r = finish_databases(loader, environment);
        if (r < 0)
                return r;
        check_sockets(loader);
        check_agents(loader);
        return index_names(loader);
}

int config_load(const char *path, const struct config_environment *environment, struct complaints *complaints, struct config **ret_config) {
        _cleanup_(loader_deinit) struct loader loader = {.complaints = complaints};
        size_t n_errors = complaints->n_errors;
        int r;

        loader.config = calloc(1, sizeof(*loader.config));
        if (!loader.config)
                return -ENOMEM;
        r = config_load_from(&loader, path, environment);
        complaints_sort(complaints);
        if (r < 0)
                return r;
        if (complaints->failed)
                return -ENOMEM;
        if (complaints->n_errors > n_errors)
                return -EINVAL;
        *ret_config = steal_pointer(&loader.config);
        return 0;
}

struct config *config_free(struct config *config) {
        if (!config)
                return NULL;
        for (size_t i = 0; i < config->n_databases; i++)
                database_config_deinit(&config->databases[i]);
        for (size_t i = 0; i < option_count(OPTION_GLOBAL); i++)
                option_clear(option_at(OPTION_GLOBAL, i), config);
        for (size_t i = 0; i < config->n_files; i++)
                free(config->files[i]);
        free(config->files);
        free(config->databases);
        free(config->by_name);
        free(config);
        return NULL;
}

static int compare_to_database(const void *name, const void *database) {
        return strcmp(name, (*(struct database_config *const *)database)->name);
}

const struct database_config *config_database(const struct config *config, const char *name) {
        struct database_config *const *found = config->n_databases == 0 ? NULL : bsearch(name, config->by_name, config->n_databases,
                                                                                         sizeof(*config->by_name), compare_to_database);

        return found ? *found : NULL;
}

const char *config_source_file(const struct config *config, struct config_source source) {
        return source.file ? config->files[source.file - 1] : NULL;
}

/* Whether OPTION says where the connection is configured; the connection itself is compared separately. */
static bool is_connection(const struct option *option) {
        static const char *const paths[] = {"conninfo", "service", "env_file", "password_credential", "password_file"};

        if (starts_with(option->path, "env_names."))
                return true;
        for (size_t i = 0; i < ARRAY_LENGTH(paths); i++)
                if (streq(option->path, paths[i]))
                        return true;
        return false;
}

bool database_config_same_server(const struct database_config *a, const struct database_config *b) {
        return streq(a->provider, b->provider) && conninfo_equal(a->conninfo, b->conninfo);
}

bool database_config_same_expectations(const struct database_config *a, const struct database_config *b) {
        for (size_t i = 0; i < option_count(OPTION_DATABASE); i++) {
                const struct option *option = option_at(OPTION_DATABASE, i);

                if (starts_with(option->path, "expect.") && !option_equal(option, a, b))
                        return false;
        }
        return true;
}

bool database_config_equal(const struct database_config *a, const struct database_config *b) {
        for (size_t i = 0; i < option_count(OPTION_DATABASE); i++) {
                const struct option *option = option_at(OPTION_DATABASE, i);

                if (!is_connection(option) && !option_equal(option, a, b))
                        return false;
        }
        return conninfo_equal(a->conninfo, b->conninfo);
}

/* -- Writing it down ------------------------------------------------------------------------------------------------------------------- */

/* --dump-config. */

/* The indentation inside an entry of `databases`. */
#define INDENT "                "

static void append_source(const struct config *config, struct config_source source, struct buffer *buffer) {
        const char *file = config_source_file(config, source);

        if (file && source.line)
                buffer_printf(buffer, " // %s:%u\n", file, (unsigned)source.line);
        else if (file)
                buffer_printf(buffer, " // %s\n", file);
        else
                buffer_append_string(buffer, " // default\n");
}

static size_t group_length(const char *path) {
        const char *dot = strchr(path, '.');

        return dot ? (size_t)(dot - path) : 0;
}

/* Closes the open group and opens that of PATH, if they differ. Returns the rest of PATH after the group's name. */
static const char *enter_group(const char **open, const char *path, const char *indent, struct buffer *buffer) {
        size_t length = group_length(path), before = *open ? group_length(*open) : 0;

        if (length == before && (!length || strncmp(path, *open, length) == 0)) {
                *open = path;
                return length ? path + length + 1 : path;
        }
        if (before)
                buffer_printf(buffer, "%s};\n", indent);
        if (length)
                buffer_printf(buffer, "%s%.*s = {\n", indent, (int)length, path);
        *open = path;
        return length ? path + length + 1 : path;
}

static void leave_group(const char *open, const char *indent, struct buffer *buffer) {
        if (open && group_length(open))
                buffer_printf(buffer, "%s};\n", indent);
}

static void append_scope(const struct config *config, enum option_scope scope, const void *base, const struct config_source *sources,
                         const char *indent, struct buffer *buffer) {
        const char *open = NULL;

        for (size_t i = 0; i < option_count(scope); i++) {
                const struct option *option = option_at(scope, i);
                const char *word;

                /* The name and the connection are written already. */
                if (!option_is_set(option, base) || (scope == OPTION_DATABASE && streq(option->path, "name")))
                        continue;
                word = enter_group(&open, option->path, indent, buffer);
                buffer_printf(buffer, "%s%s%s = ", indent, word == option->path ? "" : "        ", word);
                (void)option_format(option, base, buffer);
                buffer_append_string(buffer, ";");
                append_source(config, sources[i], buffer);
        }
        leave_group(open, indent, buffer);
}

/* Values that were not given, with the reason for them, and secrets by name only. */
static void append_notes(const struct conninfo *conninfo, struct buffer *buffer) {
        const char *password = conninfo_password_source_name(conninfo->password_source);

        for (size_t i = 0; i < conninfo->n; i++) {
                const struct keyword *keyword = keyword_at((size_t)keyword_find(conninfo->keywords[i]));

                if (keyword->use == KEYWORD_SECRET)
                        buffer_printf(buffer, INDENT "// %s: hidden\n", keyword->name);
                else if (conninfo->notes[i])
                        buffer_printf(buffer, INDENT "// %s: %s\n", keyword->name, conninfo->notes[i]);
        }
        if (password)
                buffer_printf(buffer, INDENT "// password: hidden, from the %s\n", password);
}

static void append_connection(const struct config *config, const struct database_config *database, struct buffer *buffer) {
        _cleanup_(buffer_deinit) struct buffer text = {0};

        const char *way = database->service ? "service" : database->env_file ? "env_file" : "conninfo";
        bool is_elsewhere = !streq(way, "conninfo");

        conninfo_format(database->conninfo, &text);
        /* With a service or an env_file, this is the connection that they led to. */
        buffer_printf(buffer, INDENT "%s = ", is_elsewhere ? "// connection" : "conninfo");
        option_quote(text.data ? text.data : "", buffer);
        buffer_append_string(buffer, is_elsewhere ? "" : ";");
        append_source(config, database->sources[option_find(OPTION_DATABASE, way)], buffer);
        append_notes(database->conninfo, buffer);
}

static void append_database(const struct config *config, const struct database_config *database, bool is_last, struct buffer *buffer) {
        buffer_append_string(buffer, "        {");
        append_source(config, database->source, buffer);
        buffer_printf(buffer, INDENT "name = \"%s\";", database->name);
        append_source(config, database->sources[option_find(OPTION_DATABASE, "name")], buffer);
        append_connection(config, database, buffer);
        append_scope(config, OPTION_DATABASE, database, database->sources, INDENT, buffer);
        buffer_printf(buffer, "        }%s\n", is_last ? "" : ",");
}

void config_dump(const struct config *config, struct buffer *buffer) {
        append_scope(config, OPTION_GLOBAL, config, config->sources, "", buffer);
        buffer_append_string(buffer, "databases = (\n");
        for (size_t i = 0; i < config->n_databases; i++)
                append_database(config, &config->databases[i], i + 1 == config->n_databases, buffer);
        buffer_append_string(buffer, ");\n");
}
