/* --dump-config. */
#include "config/option-value.h"

#include "config/keyword.h"

/* Of what stands in an entry of `databases`. */
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

/* Closes the group that is open and opens that of PATH, where they differ. Answers what follows the group's name. */
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

                /* The name and the connection were said already. */
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

/* What was not given, with the reason why it is there, and the secrets by their names. */
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
        /* Behind a service or an env_file it is what these led to. */
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
