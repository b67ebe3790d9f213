/*
 * Answers of a daemon as pgwake reads and draws them. The first byte says which: the table of all databases, the detail of one, a report (a
 * picture and a list), or a refusal; and how wide the terminal is.
 */
#include "fuzz.h"

#include "pgwake/report.h"
#include "pgwake/request.h"
#include "pgwake/sanitize.h"
#include "pgwake/status-view.h"

static void check_lines(const struct buffer *buffer) {
        struct buffer line = {0};

        fuzz_check(buffer_finish(buffer) == 0, "a text that is not whole");
        for (const char *p = buffer->data ? buffer->data : ""; *p; p += strcspn(p, "\n"), p += *p == '\n') {
                buffer_clear(&line);
                buffer_append(&line, p, strcspn(p, "\n"));
                fuzz_check(sanitize_is_clean(line.data ? line.data : ""), "a line that can move the cursor");
        }
        buffer_deinit(&line);
}

static void draw_report(const struct context *context, json_t *json) {
        struct buffer picture = {0}, list = {0};
        struct report report;
        struct drawing drawing;
        char wrong[DECODE_PATH_MAX] = "";

        drawing_init(&drawing, &context->out);
        if (report_read(json, &report, wrong) == 0) {
                report_draw(&picture, &drawing, &report);
                report_list(&list, &report);
                check_lines(&picture);
                check_lines(&list);
        } else
                fuzz_check(*wrong || !json_is_object(json), "a refusal that says nothing");
        report_deinit(&report);
        buffer_deinit(&picture);
        buffer_deinit(&list);
}

static void compose(struct context *context, json_t *json, bool one) {
        struct buffer text = {0};

        if ((one ? status_compose_detail(context, json, &text) : status_compose_table(context, json, context->out.columns % 8, &text)) == 0)
                check_lines(&text);
        buffer_deinit(&text);
}

static void read_answer(struct context *context, json_t *json, uint8_t which) {
        const struct answer answer = {.status = 404, .json = json};

        switch (which) {
        case 0:
        case 1:
                compose(context, json, which == 1);
                break;
        case 2:
                draw_report(context, json);
                break;
        default:
                (void)tell_refusal(context, &answer, "main");
        }
}

/* What is said on stderr goes nowhere. */
static struct client *begin_once(void) {
        static struct client *client;

        if (!client) {
                complain_to(fopen("/dev/null", "we"), "pgwake: ");
                fuzz_check(client_new("/nonexistent", &client) == 0, "no client");
        }
        return client;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct context context = {.out = {.file = stdout}, .err = {.file = stderr}, .client = begin_once()};
        json_t *json;

        if (size < 1 || !(json = json_loadb((const char *)data + 1, size - 1, JSON_REJECT_DUPLICATES, NULL)))
                return 0;
        context.out.columns = data[0] / 4 * 2;
        context.out.is_terminal = context.out.columns > 0;
        if (sanitize_json(json) == 0)
                read_answer(&context, json, data[0] % 4);
        json_decref(json);
        return 0;
}
