/* What a URL may look like before anybody looks at what it asks for. Pure. */
#pragma once

#include "base/macro.h"

/*
 * Whether URL, as it came, is printable ASCII, and stays so when its percent-encoding is undone; behind the "?" there may be encoded bytes
 * that are no ASCII. The HTTP library hands the decoded URL on as a C string, in which "/readyz%00x" would equal "/readyz".
 */
bool url_is_plain(const char *url);
/*
 * Where the path begins in URL: behind "http://HOST" in one of absolute form, as a proxy writes it; else at 0, also when there is no HOST,
 * or a "%" or "@" in it.
 */
size_t url_path_offset(const char *url);
#define URL_SCHEME "http://"
