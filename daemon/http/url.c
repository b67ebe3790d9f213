#include "http/url.h"

#include <strings.h>

static int hex_value(char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that "%XX" at P means, or -1. */
static int percent_value(const char *p) {
        int high = hex_value(p[1]), low = high < 0 ? -1 : hex_value(p[2]);

        return low < 0 ? -1 : high * 16 + low;
}

bool url_is_plain(const char *url) {
        bool in_query = false;

        for (const char *p = url; *p; p++) {
                int value;

                if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f)
                        return false;
                in_query = in_query || *p == '?';
                if (*p != '%')
                        continue;
                value = percent_value(p);
                if (value < 0x20 || value == 0x7f || (value > 0x7f && !in_query))
                        return false;
        }
        return true;
}

size_t url_path_offset(const char *url) {
        size_t scheme = strlen(URL_SCHEME), authority;

        if (strncasecmp(url, URL_SCHEME, scheme) != 0)
                return 0;
        authority = strcspn(url + scheme, "/?#%@");
        return authority == 0 || (url[scheme + authority] && strchr("#%@", url[scheme + authority])) ? 0 : scheme + authority;
}
