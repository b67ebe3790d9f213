/* The page for people, page.html, as compiled in: embed-page generates these values. Internal to http/. */
#pragma once

#include <stddef.h>

/* The only style and the only script that the browser may use, as written in a Content-Security-Policy. */
extern const char page_style_hash[];
extern const char page_script_hash[];
/* Quoted; different for every version of the page. */
extern const char page_etag[];
extern const char page_html[];
extern const size_t page_html_size;
