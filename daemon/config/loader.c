#include "config/loader.h"

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"
#include "config/address.h"
#include "config/file.h"
#include "config/option-value.h"
#include "config/scan.h"

#include <libconfig.h>
#include <stdio.h>
#include <sys/stat.h>

/* Enough for 10,000 databases of a kilobyte each, several times over. */
#define FILE_BYTES_MAX (32 * 1024 * 1024)
/* The most that libconfig takes: see expect_memory(). */
#define TREE_MIN_BYTES ((size_t)256 * 1024)
#define TREE_BYTES_PER_CHARACTER 48

/* The file that is being read. */
struct reading {
        struct loader *loader;
        const char *path;
        uint32_t file; /* its number in struct config */
};

/* The destination of a group's values. */
struct destination {
        enum option_scope scope;
        void *base;
        struct config_source *sources;
        bool is_defaults;
};

static unsigned line_of(const config_setting_t *setting) {
        return config_setting_source_line(setting);
}

#define complain_at(reading, setting, ...) complain_error((reading)->loader->complaints, (reading)->path, line_of(setting), __VA_ARGS__)

/* Searching for similar words takes time. */
static bool loader_has_room(const struct reading *reading) {
        return complaints_have_room(reading->loader->complaints, reading->path);
}

static void complain_unknown(const struct reading *reading, config_setting_t *setting, const char *word, const char *nearest) {
        if (nearest)
                complain_at(reading, setting, "unknown key \"%s\", did you mean \"%s\"?", word, nearest);
        else
                complain_at(reading, setting, "unknown key \"%s\"; pgwaked.conf(5) lists the known ones", word);
}

static struct option_value to_value(config_setting_t *setting) {
        struct option_value value = {.type = OPTION_VALUE_GROUP};

        switch (config_setting_type(setting)) {
        case CONFIG_TYPE_INT:
        case CONFIG_TYPE_INT64:
                value.type = OPTION_VALUE_INTEGER;
                value.integer = config_setting_get_int64(setting);
                break;
        case CONFIG_TYPE_FLOAT:
                value.type = OPTION_VALUE_FLOAT;
                value.real = config_setting_get_float(setting);
                break;
        case CONFIG_TYPE_BOOL:
                value.type = OPTION_VALUE_BOOL;
                value.truth = config_setting_get_bool(setting);
                break;
        case CONFIG_TYPE_STRING:
                value.type = OPTION_VALUE_TEXT;
                value.text = config_setting_get_string(setting);
                break;
        case CONFIG_TYPE_ARRAY:
        case CONFIG_TYPE_LIST:
                value.type = OPTION_VALUE_LIST;
                value.n = (size_t)config_setting_length(setting);
                break;
        default:
                break;
        }
        return value;
}

static int store(const struct reading *reading, const struct option *option, config_setting_t *setting, void *base) {
        const struct complaint_place place = {reading->loader->complaints, reading->path, line_of(setting), option->path};
        struct option_value value = to_value(setting);
        _cleanup_free_ struct option_value *items = NULL;
        int r;

        if (value.type == OPTION_VALUE_LIST) {
                items = calloc(value.n + 1, sizeof(*items));
                if (!items)
                        return -ENOMEM;
                for (size_t i = 0; i < value.n; i++)
                        items[i] = to_value(config_setting_get_elem(setting, (unsigned)i));
                value.items = items;
        }
        r = option_store(option, &value, base, &place);
        return r == -EINVAL ? 0 : r;
}

static int walk_group(const struct reading *reading, const struct destination *to, config_setting_t *group, const char *prefix);

static int walk_setting(const struct reading *reading, const struct destination *to, config_setting_t *setting, const char *path) {
        char nearest[OPTION_WORD_MAX];
        int i = option_find(to->scope, path), r;

        if (i >= 0 && to->is_defaults && (option_at(to->scope, (size_t)i)->flags & OPTION_OWN)) {
                complain_at(reading, setting, "%s: this belongs to one database; expected in its own entry of databases", path);
                return 0;
        }
        if (i >= 0) {
                /* Even a refused value counts as given: it must not be reported as missing too. */
                to->sources[i] = (struct config_source){reading->file, line_of(setting)};
                r = store(reading, option_at(to->scope, (size_t)i), setting, to->base);
                return r;
        }
        if (option_is_group(to->scope, path)) {
                if (config_setting_is_group(setting))
                        return walk_group(reading, to, setting, path);
                complain_at(reading, setting, "%s: this is no group; expected %s = { ... }", path, path);
                return 0;
        }
        complain_unknown(reading, setting, config_setting_name(setting), loader_has_room(reading) && option_nearest(to->scope, path, nearest) ? nearest : NULL);
        return 0;
}

/* PREFIX is NULL at the top of its scope. */
static int walk_group(const struct reading *reading, const struct destination *to, config_setting_t *group, const char *prefix) {
        for (int i = 0; i < config_setting_length(group); i++) {
                config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
                _cleanup_free_ char *path = NULL;
                int r;

                if (asprintf(&path, "%s%s%s", prefix ? prefix : "", prefix ? "." : "", config_setting_name(setting)) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                r = walk_setting(reading, to, setting, path);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int copy_defaults(const struct database_config *defaults, struct database_config *database) {
        for (size_t i = 0; i < option_count(OPTION_DATABASE); i++) {
                int r;

                r = option_copy(option_at(OPTION_DATABASE, i), defaults, database);
                if (r < 0)
                        return r;
                database->sources[i] = defaults->sources[i];
        }
        return 0;
}

static int loader_add_database(struct loader *loader, struct database_config **ret_database) {
        struct config *config = loader->config;

        if (array_reserve((void **)&config->databases, config->n_databases, &loader->databases_allocated, sizeof(*config->databases)) < 0)
                return -ENOMEM;
        *ret_database = &config->databases[config->n_databases++];
        **ret_database = (struct database_config){0};
        return 0;
}

/* An entry's own way to its password overrides the ways that it inherits from `defaults`. */
static void drop_inherited_password(const struct loader *loader, struct database_config *database) {
        static const char *const ways[] = {"password_credential", "password_file"};
        bool own[ARRAY_LENGTH(ways)];

        for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
                int row = option_find(OPTION_DATABASE, ways[i]);

                own[i] = memcmp(&database->sources[row], &loader->defaults.sources[row], sizeof(struct config_source)) != 0;
        }
        for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
                int row = option_find(OPTION_DATABASE, ways[i]);

                if (own[i] || !own[1 - i])
                        continue;
                option_clear(option_at(OPTION_DATABASE, (size_t)row), database);
                database->sources[row] = (struct config_source){0};
        }
}

static int walk_database(const struct reading *reading, config_setting_t *entry) {
        struct loader *loader = reading->loader;
        struct database_config *database;
        int r;

        if (!config_setting_is_group(entry)) {
                complain_at(reading, entry, "databases: this entry is no group; expected { name = \"...\"; conninfo = \"...\"; }");
                return 0;
        }
        r = loader_add_database(loader, &database);
        if (r < 0)
                return r;
        r = copy_defaults(&loader->defaults, database);
        if (r < 0)
                return r;
        database->source = (struct config_source){reading->file, line_of(entry)};
        r = walk_group(reading, &(struct destination){.scope = OPTION_DATABASE, .base = database, .sources = database->sources}, entry,
                       NULL);
        drop_inherited_password(loader, database);
        return r;
}

static int walk_databases(const struct reading *reading, config_setting_t *list) {
        struct loader *loader = reading->loader;

        if (!config_setting_is_list(list) && !(config_setting_is_array(list) && config_setting_length(list) == 0)) {
                complain_at(reading, list, "databases: this is no list of groups; expected databases = ( { name = \"...\"; }, ... )");
                return 0;
        }
        for (int i = 0; i < config_setting_length(list); i++) {
                config_setting_t *entry = config_setting_get_elem(list, (unsigned)i);
                int r;

                if (loader->config->n_databases == CONFIG_DATABASES_MAX) {
                        if (!loader->full)
                                complain_at(reading, entry, "databases: these are too many; expected at most %d", CONFIG_DATABASES_MAX);
                        loader->full = true;
                        return 0;
                }
                r = walk_database(reading, entry);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int walk_defaults(const struct reading *reading, config_setting_t *group) {
        struct loader *loader = reading->loader;
        const struct destination to = {
                .scope = OPTION_DATABASE,
                .base = &loader->defaults,
                .sources = loader->defaults.sources,
                .is_defaults = true,
        };

        if (config_setting_is_group(group))
                return walk_group(reading, &to, group, NULL);
        complain_at(reading, group, "defaults: this is no group; expected defaults = { ping_interval = \"10s\"; }");
        return 0;
}

static void complain_top(const struct reading *reading, config_setting_t *setting, enum loader_kind kind) {
        static const char *const words[] = {"databases", "defaults", "status", "history", "log", "ready", "limits"};
        const char *name = config_setting_name(setting),
                   *nearest = text_nearest(name, words, kind == LOADER_MAIN ? ARRAY_LENGTH(words) : 1);

        if (kind == LOADER_DATABASES && !nearest)
                complain_at(reading, setting, "\"%s\" does not belong here; expected nothing but databases in a file of conf.d", name);
        else if (option_find(OPTION_DATABASE, name) >= 0 || option_is_group(OPTION_DATABASE, name))
                complain_at(reading, setting, "\"%s\" is a key of a database; expected in an entry of databases or in defaults", name);
        else
                complain_unknown(reading, setting, name, nearest);
}

static int walk_top(const struct reading *reading, config_setting_t *setting, enum loader_kind kind) {
        struct config *config = reading->loader->config;
        const char *name = config_setting_name(setting);

        /* Both have their own turn: `defaults` come first, wherever they stand. */
        if (streq(name, "databases") || (kind == LOADER_MAIN && streq(name, "defaults")))
                return 0;
        if (kind == LOADER_MAIN && option_is_group(OPTION_GLOBAL, name))
                return walk_setting(reading, &(struct destination){.scope = OPTION_GLOBAL, .base = config, .sources = config->sources},
                                    setting, name);
        complain_top(reading, setting, kind);
        return 0;
}

static int walk_root(const struct reading *reading, config_setting_t *root, enum loader_kind kind) {
        config_setting_t *defaults = config_setting_get_member(root, "defaults"), *databases = config_setting_get_member(root, "databases");
        int r = 0;

        if (defaults && kind == LOADER_MAIN)
                r = walk_defaults(reading, defaults);
        for (int i = 0; r == 0 && i < config_setting_length(root); i++)
                r = walk_top(reading, config_setting_get_elem(root, (unsigned)i), kind);
        if (r == 0 && databases)
                r = walk_databases(reading, databases);
        return r;
}

static void complain_syntax(const struct reading *reading, const config_t *tree) {
        const char *text = config_error_text(tree);
        unsigned line = config_error_line(tree) > 0 ? (unsigned)config_error_line(tree) : 0;

        if (text && strstr(text, "duplicate"))
                text = "this key stands twice in its group; expected once";
        else if (text && strstr(text, "mismatched"))
                text = "this list mixes kinds of values; expected one kind between [ and ]";
        else
                text = "this is not understood; expected key = value; or key = { ... }; (look at the end of the line before, too)";
        complain_error(reading->loader->complaints, reading->path, line, "%s", text);
}

/*
 * libconfig uses the result of malloc() unchecked, and would crash the daemon or lose a value. So it starts only if there is enough memory:
 * its tree takes some 80 bytes for a setting, of which the shortest ("1,") has two characters.
 */
static int expect_memory(size_t size) {
        void *volatile memory = malloc(TREE_MIN_BYTES + TREE_BYTES_PER_CHARACTER * size);

        if (!memory)
                return -ENOMEM;
        free(memory);
        return 0;
}

static int loader_parse(const struct reading *reading, const struct file *file, enum loader_kind kind) {
        struct buffer text = {0};
        config_t tree;
        int r;

        r = scan_rewrite(file->text, file->size, reading->path, reading->loader->complaints, &text);
        if (r == 0)
                r = expect_memory(text.size);
        if (r == 0) {
                config_init(&tree);
                if (config_read_string(&tree, text.data ? text.data : ""))
                        r = walk_root(reading, config_root_setting(&tree), kind);
                else
                        complain_syntax(reading, &tree);
                config_destroy(&tree);
        }
        if (text.data)
                explicit_bzero(text.data, text.size);
        buffer_deinit(&text);
        return r == -EINVAL ? 0 : r;
}

static int reserve_file(struct loader *loader) {
        struct config *config = loader->config;
        size_t allocated = loader->files_allocated;
        int r;

        r = array_reserve((void **)&config->files, config->n_files, &allocated, sizeof(*config->files));
        if (r < 0)
                return r;
        return array_reserve((void **)&loader->exposed, config->n_files, &loader->files_allocated, sizeof(*loader->exposed));
}

static int add_file(struct loader *loader, const char *path, mode_t mode, uint32_t *ret_file) {
        struct config *config = loader->config;
        int r;

        r = reserve_file(loader);
        if (r < 0)
                return r;
        loader->exposed[config->n_files] = mode & S_IROTH;
        config->files[config->n_files] = strdup(path);
        if (!config->files[config->n_files])
                return -ENOMEM;
        *ret_file = (uint32_t)++config->n_files;
        return 0;
}

/* An empty file was probably caught while it was being written. Write access to the file decides where our passwords are sent. */
static void check_file(const struct loader *loader, const char *path, const struct file *file) {
        if (file->size == 0)
                complain_error(loader->complaints, path, 0, "this file is empty, as if it were being written; expected at least a comment in it");
        if (file->mode & S_IWOTH)
                complain_error(loader->complaints, path, 0, "everybody on the machine can write this file (mode %04o); expected " FILE_PRIVATE,
                               (unsigned)file->mode);
}

int loader_read(struct loader *loader, const char *path, enum loader_kind kind) {
        _cleanup_(file_deinit) struct file file = {0};
        struct reading reading = {.loader = loader, .path = path};
        char error[FILE_ERROR_MAX];
        int r;

        r = file_read(path, FILE_BYTES_MAX, &file);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                complain_error(loader->complaints, path, 0, "this file cannot be read: %s", file_error(r, error));
                return 0;
        }
        check_file(loader, path, &file);
        r = add_file(loader, path, file.mode, &reading.file);
        if (r < 0)
                return r;
        return loader_parse(&reading, &file, kind);
}

static int set(struct loader *loader, const char *path, const char *text, uint32_t file) {
        const struct option_value value = {.type = OPTION_VALUE_TEXT, .text = text};
        const struct complaint_place place = {loader->complaints, "environment", 0, path};
        int i = option_find(OPTION_GLOBAL, path);

        loader->config->sources[i] = (struct config_source){.file = file};
        return option_store(option_at(OPTION_GLOBAL, (size_t)i), &value, loader->config, &place);
}

static int set_for_a_container(struct loader *loader, uint32_t file) {
        int r;

        loader->config->sockets_optional = true;
        r = set(loader, "status.awake_dir", "", file);
        if (r == 0)
                r = set(loader, "history.path", "", file);
        return r < 0 ? r : set(loader, "log.format", log_stderr_is_journal() ? "journal" : "json", file);
}

int loader_from_environment(struct loader *loader) {
        struct database_config *database;
        uint32_t file;
        int r;

        r = add_file(loader, "environment", 0, &file);
        if (r == 0)
                r = set_for_a_container(loader, file);
        if (r == 0)
                r = loader_add_database(loader, &database);
        if (r == 0)
                r = copy_defaults(&loader->defaults, database);
        if (r < 0)
                return r;
        database->name = strdup("main");
        database->from_environment = true;
        database->source.file = file;
        database->sources[option_find(OPTION_DATABASE, "name")].file = file;
        database->sources[option_find(OPTION_DATABASE, "conninfo")].file = file;
        return database->name ? 0 : -ENOMEM;
}

/* Whether ADDRESS is configured already. A collision with another address is a complaint: the start would fail on it. */
static bool has_address(const struct loader *loader, const char *address) {
        const struct config *config = loader->config;
        const char *other = NULL;

        for (size_t i = 0; i < config->n_listen; i++) {
                if (address_same(config->listen[i], address))
                        return true;
                if (address_collides(config->listen[i], address))
                        other = config->listen[i];
        }
        if (other)
                complain_error(loader->complaints, "command line", 0, "--listen %s: \"%s\" of status.listen or --listen cannot be listened on "
                               "beside it; expected one of them", address, other);
        return false;
}

int loader_listen(struct loader *loader, const char *const *addresses, size_t n) {
        struct config *config = loader->config;
        uint32_t file;
        char **listen;
        int r;

        r = add_file(loader, "command line", 0, &file);
        if (r < 0)
                return r;
        listen = reallocarray(config->listen, config->n_listen + n, sizeof(*listen));
        if (!listen)
                return -ENOMEM;
        config->listen = listen;
        for (size_t i = 0; i < n; i++) {
                if (has_address(loader, addresses[i]))
                        continue;
                listen[config->n_listen] = strdup(addresses[i]);
                if (!listen[config->n_listen])
                        return -ENOMEM;
                config->n_listen++;
        }
        config->sources[option_find(OPTION_GLOBAL, "status.listen")] = (struct config_source){.file = file};
        return 0;
}
