/*
 * GET /: the page for people. It is one file, which sends requests to /status, /events and /history of its own daemon and to nothing else.
 *
 * The texts that it shows come from servers and lease owners, and may be anything. The page inserts them as text only. In addition its
 * headers forbid every script but its own, every request to elsewhere, frames around it, and the functions that parse text as markup.
 */
#include "http/page.h"

#include "http/answer.h"
#include "http/route.h"

#include <stdio.h>

#define POLICY_FORMAT \
        "default-src 'none'; script-src '%s'; style-src '%s'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; " \
        "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

/* The client has this page already if its If-None-Match, a list of tags, contains the page's. */
static bool is_known(const struct exchange *exchange) {
        const char *tags = exchange_header(exchange, "If-None-Match");

        return tags && (streq(tags, "*") || strstr(tags, page_etag));
}

/* A 304 sends only the length, which is that of the page (RFC 9110, 8.6). */
static int page_build(bool known, struct prebuilt_reply **ret_prebuilt) {
        _cleanup_(buffer_deinit) struct buffer body = {0};
        char policy[512];
        const struct header headers[] = {
                {"Content-Security-Policy", policy},
                {"ETag", page_etag},
                {"Referrer-Policy", "no-referrer"},
                {"X-Frame-Options", "DENY"},
                {"Cross-Origin-Resource-Policy", "same-origin"},
                {0},
        };

        (void)snprintf(policy, sizeof(policy), POLICY_FORMAT, page_script_hash, page_style_hash);
        buffer_append(&body, page_html, page_html_size);
        return prebuilt_reply_new(&(struct reply){
                                          .status = known ? 304 : 200,
                                          .content_type = "text/html; charset=utf-8",
                                          .cache_control = "no-cache",
                                          .headers = headers,
                                          .body = &body,
                                  },
                                  ret_prebuilt);
}

/* Both are made once: a copy for each client that does not read would take 64 KiB. */
void page_get(struct request *request) {
        bool known = is_known(request->exchange);
        struct prebuilt_reply **page = &request->server->page[known];

        if (*page || page_build(known, page) >= 0)
                exchange_reply_prebuilt(request->exchange, *page);
        else
                answer_unavailable(request->server, request->exchange, RETRY_UNKNOWN_SEC, "no_memory", "no memory is left for the page");
}
