#include "config/conninfo.h"

#include "base/error.h"
#include "config/conninfo-draft.h"

static struct conninfo *conninfo_free(struct conninfo *conninfo) {
        for (size_t i = 0; i < conninfo->n; i++)
                secret_free(conninfo->values[i]);
        secret_free(conninfo->password);
        free(conninfo->keywords);
        free(conninfo->values);
        free(conninfo->notes);
        free(conninfo);
        return NULL;
}

struct conninfo *conninfo_ref(struct conninfo *conninfo) {
        atomic_fetch_add_explicit(&conninfo->references, 1, memory_order_relaxed);
        return conninfo;
}

struct conninfo *conninfo_unref(struct conninfo *conninfo) {
        if (conninfo && atomic_fetch_sub_explicit(&conninfo->references, 1, memory_order_acq_rel) == 1)
                conninfo_free(conninfo);
        return NULL;
}

static bool is_frozen(const struct conninfo_draft *draft, size_t i) {
        enum keyword_use use = keyword_at(i)->use;

        return draft->values[i] && *draft->values[i] && (use == KEYWORD_KEPT || use == KEYWORD_SECRET);
}

static size_t count_frozen(const struct conninfo_draft *draft) {
        size_t n = 0;

        for (size_t i = 0; keyword_at(i); i++)
                n += is_frozen(draft, i);
        return n;
}

int conninfo_new(struct conninfo_draft *draft, char *password, enum conninfo_password_source source, struct conninfo **ret_conninfo) {
        struct conninfo *conninfo = calloc(1, sizeof(*conninfo));
        size_t n = count_frozen(draft);

        if (!conninfo) {
                secret_free(password);
                return -ENOMEM;
        }
        atomic_init(&conninfo->references, 1);
        conninfo->password = password;
        conninfo->password_source = source;
        conninfo->keywords = calloc(n + 1, sizeof(*conninfo->keywords));
        conninfo->values = calloc(n + 1, sizeof(*conninfo->values));
        conninfo->notes = calloc(n + 1, sizeof(*conninfo->notes));
        if (!conninfo->keywords || !conninfo->values || !conninfo->notes) {
                conninfo_free(conninfo);
                return -ENOMEM;
        }
        for (size_t i = 0; keyword_at(i); i++) {
                if (!is_frozen(draft, i))
                        continue;
                conninfo->keywords[conninfo->n] = keyword_at(i)->name;
                conninfo->values[conninfo->n] = steal_pointer(&draft->values[i]);
                conninfo->notes[conninfo->n++] = draft->notes[i];
        }
        *ret_conninfo = conninfo;
        return 0;
}

const char *conninfo_get(const struct conninfo *conninfo, const char *keyword) {
        for (size_t i = 0; i < conninfo->n; i++)
                if (streq(conninfo->keywords[i], keyword))
                        return conninfo->values[i];
        return NULL;
}

bool conninfo_is_socket(const struct conninfo *conninfo) {
        const char *host = conninfo_get(conninfo, "host");

        return host && (*host == '/' || *host == '@') && !conninfo_get(conninfo, "hostaddr");
}

void conninfo_endpoint(const struct conninfo *conninfo, struct buffer *buffer) {
        const char *host = conninfo_get(conninfo, "host"), *port = conninfo_get(conninfo, "port"),
                   *dbname = conninfo_get(conninfo, "dbname");

        if (!host)
                host = conninfo_get(conninfo, "hostaddr");
        if (!conninfo_is_socket(conninfo) && strchr(host, ':'))
                buffer_printf(buffer, "[%s]:%s/%s", host, port, dbname);
        else
                buffer_printf(buffer, "%s:%s/%s", host, port, dbname);
}

static bool text_equal(const char *a, const char *b) {
        return a && b ? streq(a, b) : a == b;
}

bool conninfo_equal(const struct conninfo *a, const struct conninfo *b) {
        if (!a || !b)
                return a == b;
        if (a->n != b->n || !text_equal(a->password, b->password))
                return false;
        /* Both stand in the table's order. */
        for (size_t i = 0; i < a->n; i++)
                if (!streq(a->keywords[i], b->keywords[i]) || !streq(a->values[i], b->values[i]))
                        return false;
        return true;
}

static void format_value(const char *value, struct buffer *buffer) {
        bool plain = *value && !value[strcspn(value, " \t\r\n\f\v'\\")];

        if (plain) {
                buffer_append_string(buffer, value);
                return;
        }
        buffer_append_string(buffer, "'");
        for (const char *p = value; *p; p++) {
                if (*p == '\'' || *p == '\\')
                        buffer_append_string(buffer, "\\");
                buffer_append(buffer, p, 1);
        }
        buffer_append_string(buffer, "'");
}

void conninfo_format(const struct conninfo *conninfo, struct buffer *buffer) {
        const char *separator = "";

        for (size_t i = 0; i < conninfo->n; i++) {
                if (keyword_at((size_t)keyword_find(conninfo->keywords[i]))->use != KEYWORD_KEPT)
                        continue;
                buffer_printf(buffer, "%s%s=", separator, conninfo->keywords[i]);
                format_value(conninfo->values[i], buffer);
                separator = " ";
        }
}

const char *conninfo_password_source_name(enum conninfo_password_source source) {
        switch (source) {
        case CONNINFO_PASSWORD_NONE:
                return NULL;
        case CONNINFO_PASSWORD_INLINE:
                return "conninfo";
        case CONNINFO_PASSWORD_SERVICE:
                return "service file";
        case CONNINFO_PASSWORD_CREDENTIAL:
                return "credential";
        case CONNINFO_PASSWORD_FILE:
                return "file";
        case CONNINFO_PASSWORD_ENV_FILE:
                return "env file";
        case CONNINFO_PASSWORD_ENVIRONMENT:
                return "environment";
        }
        return NULL;
}
