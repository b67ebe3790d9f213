#include "config/service.h"

#include "base/array.h"
#include "base/error.h"
#include "config/file.h"

#include <ctype.h>
#include <stdio.h>
#include <sys/stat.h>

/* SYSCONFDIR of Debian's libpq. */
#define SYSTEM_DIR "/etc/postgresql-common"
#define SERVICE_FILE_BYTES_MAX (16 * 1024 * 1024)

/* A "[name]" and the lines up to the next. */
struct section {
        const char *name;
        size_t name_length;
        const char *text;
        size_t size;
        unsigned line; /* of the heading */
        size_t order;
};

struct service_file {
        char *path;
        struct file file;
        int error; /* of reading it */
        unsigned nul_line; /* the line of a NUL byte; 0: there is none */
        struct section *sections;
        size_t n_sections, allocated;
};

struct service_catalog {
        const struct config_environment *environment;
        struct service_file files[2]; /* the user's and the system's */
        bool loaded;
};

int service_catalog_new(const struct config_environment *environment, struct service_catalog **ret_catalog) {
        struct service_catalog *catalog = calloc(1, sizeof(*catalog));

        if (!catalog)
                return -ENOMEM;
        catalog->environment = environment;
        *ret_catalog = catalog;
        return 0;
}

struct service_catalog *service_catalog_free(struct service_catalog *catalog) {
        if (!catalog)
                return NULL;
        for (size_t i = 0; i < ARRAY_LENGTH(catalog->files); i++) {
                free(catalog->files[i].path);
                free(catalog->files[i].sections);
                file_deinit(&catalog->files[i].file);
        }
        free(catalog);
        return NULL;
}

static int compare_name(const char *a, size_t a_length, const char *b, size_t b_length) {
        int r = memcmp(a, b, MIN(a_length, b_length));

        return r ? r : (a_length > b_length) - (a_length < b_length);
}

static int compare_sections(const void *left, const void *right) {
        const struct section *a = left, *b = right;
        int r = compare_name(a->name, a->name_length, b->name, b->name_length);

        return r ? r : (a->order > b->order) - (a->order < b->order);
}

static int add_section(struct service_file *file, const char *name, size_t name_length, unsigned line) {
        if (array_reserve((void **)&file->sections, file->n_sections, &file->allocated, sizeof(*file->sections)) < 0)
                return -ENOMEM;
        file->sections[file->n_sections] =
                (struct section){.name = name, .name_length = name_length, .line = line, .order = file->n_sections};
        file->n_sections++;
        return 0;
}

/* Returns one line without white space at either end, and moves *P to the next one. */
static const char *next_line(const char **p, const char *end, size_t *ret_length) {
        const char *line = *p, *newline = memchr(line, '\n', (size_t)(end - line)), *stop = newline ? newline : end;

        *p = newline ? newline + 1 : end;
        while (line < stop && isspace((unsigned char)*line))
                line++;
        while (stop > line && isspace((unsigned char)stop[-1]))
                stop--;
        *ret_length = (size_t)(stop - line);
        return line;
}

/* Finds where each section begins and ends; its contents are parsed when it is needed. */
static int index_sections(struct service_file *file) {
        const char *end = file->file.text + file->file.size, *p = file->file.text;
        unsigned number = 0;

        while (p < end) {
                const char *start = p, *line, *bracket;
                size_t length;
                int r;

                number++;
                line = next_line(&p, end, &length);
                if (length == 0 || *line != '[')
                        continue;
                if (file->n_sections) {
                        struct section *last = &file->sections[file->n_sections - 1];

                        last->size = (size_t)(start - last->text);
                }
                /* A heading that is not closed ends the section before it and names none, as in libpq. */
                bracket = memchr(line, ']', length);
                r = add_section(file, line + 1, bracket ? (size_t)(bracket - line) - 1 : 0, number);
                if (r < 0)
                        return r;
                file->sections[file->n_sections - 1].text = p;
                file->sections[file->n_sections - 1].size = (size_t)(end - p);
        }
        if (file->n_sections)
                qsort(file->sections, file->n_sections, sizeof(*file->sections), compare_sections);
        return 0;
}

/* A file that we cannot see (~ may be closed to a daemon) is treated as absent, unless it was named explicitly. */
static bool is_absent(int r) {
        return r == -ENOENT || r == -ENOTDIR || r == -EACCES;
}

/* The line of the first NUL byte; 0: there is none. */
static unsigned find_nul(const struct file *file) {
        const char *nul = memchr(file->text, '\0', file->size);
        unsigned line = 1;

        for (const char *p = file->text; nul && p < nul; p++)
                line += *p == '\n';
        return nul ? line : 0;
}

static int load_file(struct service_file *file, const char *folder, const char *name, bool must_exist) {
        int r;

        if (asprintf(&file->path, "%s%s%s", folder, *name ? "/" : "", name) < 0) {
                file->path = NULL;
                return -ENOMEM;
        }
        r = file_read(file->path, SERVICE_FILE_BYTES_MAX, &file->file);
        if (r == -ENOMEM)
                return r;
        file->error = is_absent(r) && !must_exist ? 0 : r;
        if (r < 0)
                return 0;
        file->nul_line = find_nul(&file->file);
        return index_sections(file);
}

static int service_load(struct service_catalog *catalog) {
        const struct config_environment *environment = catalog->environment;
        int r = 0;

        if (catalog->loaded)
                return 0;
        if (environment->pgservicefile)
                r = load_file(&catalog->files[0], environment->pgservicefile, "", true);
        else if (environment->home)
                r = load_file(&catalog->files[0], environment->home, ".pg_service.conf", false);
        if (r == 0)
                r = load_file(&catalog->files[1], environment->pgsysconfdir ? environment->pgsysconfdir : SYSTEM_DIR, "pg_service.conf",
                              false);
        catalog->loaded = r == 0;
        return r;
}

static int compare_to_section(const void *name, const void *element) {
        const struct section *section = element;

        return compare_name(name, strlen(name), section->name, section->name_length);
}

/* The first section of that name, as in libpq. */
static const struct section *find_section(const struct service_file *file, const char *name) {
        size_t at = sorted_place(name, file->sections, file->n_sections, sizeof(*file->sections), compare_to_section);

        return at < file->n_sections && compare_to_section(name, &file->sections[at]) == 0 ? &file->sections[at] : NULL;
}

/* Parses "keyword=value"; TEXT is a copy that may be cut. */
static int apply_pair(const struct service_file *file, char *text, struct conninfo_draft *draft, const struct complaint_place *place) {
        char *value = strchr(text, '=');
        int i;

        if (!value) {
                place_error(place, starts_with(text, "ldap") ? "a service cannot be looked up by LDAP here; expected keyword=value"
                                                             : "this line is no setting; expected keyword=value");
                return -EINVAL;
        }
        *value++ = '\0';
        i = keyword_find(text);
        if (i < 0) {
                const char *nearest = keyword_nearest(text);

                if (nearest)
                        place_error(place, "unknown keyword, did you mean %s?", nearest);
                else
                        place_error(place, "unknown keyword; expected one of libpq's, without space around it");
                return -EINVAL;
        }
        if (keyword_at((size_t)i)->use == KEYWORD_SERVICE) {
                place_error(place, "a service cannot name another one; expected the connection's own keywords");
                return -EINVAL;
        }
        if (draft->values[i])
                return 0;
        if ((keyword_at((size_t)i)->use == KEYWORD_PASSWORD || keyword_at((size_t)i)->use == KEYWORD_SECRET) &&
            (file->file.mode & (S_IROTH | S_IWOTH))) {
                place_error(place,
                            "a password stands here, and everybody on the machine can read or write the file (mode %04o); expected mode "
                            "0600, or password_credential",
                            (unsigned)file->file.mode);
                return -EINVAL;
        }
        return conninfo_draft_set(draft, text, value, "the service");
}

static int apply_section(const struct service_file *file, const struct section *section, struct conninfo_draft *draft,
                         const struct complaint_place *place) {
        const char *p = section->text, *end = p + section->size;
        struct complaint_place here = *place;
        int result = 0;

        here.file = file->path;
        here.line = section->line;
        here.key = NULL;
        while (p < end) {
                const char *line;
                size_t length;
                char *copy;
                int r;

                here.line++;
                line = next_line(&p, end, &length);
                if (length == 0 || *line == '#')
                        continue;
                copy = malloc(length + 1);
                if (!copy)
                        return -ENOMEM;
                memcpy(copy, line, length);
                copy[length] = '\0';
                r = apply_pair(file, copy, draft, &here);
                explicit_bzero(copy, length);
                free(copy);
                if (r == -ENOMEM)
                        return r;
                result = r < 0 ? r : result;
        }
        return result;
}

int service_apply(struct service_catalog *catalog, const char *name, struct conninfo_draft *draft, const struct complaint_place *place) {
        int r;

        r = service_load(catalog);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ARRAY_LENGTH(catalog->files); i++) {
                const struct service_file *file = &catalog->files[i];
                const struct section *section;
                char error[FILE_ERROR_MAX];

                if (file->error < 0) {
                        place_error(place, "%s cannot be read: %s", file->path, file_error(file->error, error));
                        return -EINVAL;
                }
                if (file->nul_line > 0) {
                        struct complaint_place here = {.complaints = place->complaints, .file = file->path, .line = file->nul_line};

                        place_error(&here, "a NUL byte stands here; expected a text file");
                        return -EINVAL;
                }
                section = find_section(file, name);
                if (section)
                        return apply_section(file, section, draft, place);
        }
        place_error(place, "no such section in %s%s%s; expected [NAME] there", catalog->files[0].path ? catalog->files[0].path : "",
                    catalog->files[0].path ? " or " : "", catalog->files[1].path);
        return -EINVAL;
}
