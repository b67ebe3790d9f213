#include "config/libpq.h"

#include <libpq-fe.h>
#include <string.h>

int libpq_parse(const char *text, libpq_keyword function, void *userdata) {
        PQconninfoOption *options = PQconninfoParse(text, NULL);
        int r = options ? 1 : 0;

        for (const PQconninfoOption *o = options; o && o->keyword; o++) {
                int answer = r == 1 ? function(userdata, o->keyword, o->val, strchr(o->dispchar, '*')) : 0;

                r = answer < 0 ? answer : r;
                if (o->val)
                        explicit_bzero(o->val, strlen(o->val));
        }
        PQconninfoFree(options);
        return r;
}

unsigned libpq_major_version(void) {
        return (unsigned)PQlibVersion() / 10000;
}
