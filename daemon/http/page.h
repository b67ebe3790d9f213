/* The page for people, page.html, as it was compiled in: embed-page makes the values. Internal to http/. */
#pragma once

#include <stddef.h>

/* The only style and the only script that the browser may take, as a Content-Security-Policy names them. */
extern const char page_style_hash[];
extern const char page_script_hash[];
/* Quoted; another one for every other page. */
extern const char page_etag[];
extern const char page_html[];
extern const size_t page_html_size;
