/* GET /livez: whether this daemon makes progress. Never depends on a database: restarting pgwaked wakes none. */

#include "http/answer.h"
#include "http/handlers.h"

void livez_get(struct request *request) {
        const struct server_hooks *hooks = &request->server->hooks;
        bool alive = !hooks->progress || hooks->progress(hooks->userdata);
        struct json_writer w = server_compose(request->server);

        json_begin_object(&w, NULL);
        json_bool(&w, "alive", alive);
        json_end_object(&w);
        if (alive)
                answer_body(request->server, request->exchange, 200);
        else
                answer_later(request->server, request->exchange, 1);
}
