/* The buffer, and JSON written into it: jansson must read back the original values. */
#include "unit.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/random.h"

#include <jansson.h>

static void a_buffer_grows_and_starts_anew(void **state) {
        struct buffer buffer = {0};
        char *text;

        (void)state;
        buffer_append(&buffer, NULL, 0);
        assert_string_equal(buffer.data, "");
        for (unsigned i = 0; i < 1000; i++)
                buffer_printf(&buffer, "%u,", i);
        assert_int_equal(buffer.size, strlen(buffer.data));
        assert_int_equal(buffer_finish(&buffer), 0);
        buffer_clear(&buffer);
        assert_int_equal(buffer.size, 0);
        buffer_append_string(&buffer, "x");
        text = buffer_steal(&buffer);
        assert_string_equal(text, "x");
        free(text);
        assert_null(buffer.data);
        text = buffer_steal(&buffer);
        assert_string_equal(text, "");
        free(text);
        buffer_deinit(&buffer);
        buffer.failed = true;
        buffer_append_string(&buffer, "lost");
        assert_true(buffer_finish(&buffer) < 0);
        assert_null(buffer_steal(&buffer));
}

static json_t *read_back(struct buffer *buffer) {
        json_error_t error;
        json_t *root;

        assert_int_equal(buffer_finish(buffer), 0);
        root = json_loadb(buffer->data, buffer->size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
        if (!root)
                fail_msg("%s in: %s", error.text, buffer->data);
        return root;
}

static void every_kind_of_value(void **state) {
        _cleanup_(buffer_deinit) struct buffer buffer = {0};
        struct json_writer w = {.buffer = &buffer};
        json_t *root, *list;

        (void)state;
        json_begin_object(&w, NULL);
        json_begin_object(&w, "empty");
        json_end_object(&w);
        json_begin_array(&w, "list");
        json_unsigned(&w, NULL, 1);
        json_begin_array(&w, NULL);
        json_end_array(&w);
        json_begin_object(&w, NULL);
        json_bool(&w, "yes", true);
        json_bool(&w, "no", false);
        json_end_object(&w);
        json_absent(&w, NULL);
        json_end_array(&w);
        json_text(&w, "text", "a\"b\\c\n");
        json_text(&w, "nothing", NULL);
        json_seconds(&w, "short", 1);
        json_seconds(&w, "long", 90 * USEC_PER_SEC + 250000);
        json_seconds(&w, "ever", USEC_INFINITY);
        json_time(&w, "then", 1);
        json_time(&w, "never", 0);
        json_time(&w, "ever_after", USEC_INFINITY);
        json_end_object(&w);

        root = read_back(&buffer);
        assert_int_equal(json_object_size(root), 10);
        list = json_object_get(root, "list");
        assert_int_equal(json_array_size(list), 4);
        assert_true(json_is_true(json_object_get(json_array_get(list, 2), "yes")));
        assert_string_equal(json_string_value(json_object_get(root, "text")), "a\"b\\c\n");
        assert_true(json_is_null(json_object_get(root, "nothing")));
        assert_true(json_real_value(json_object_get(root, "short")) == 0.000001);
        assert_true(json_real_value(json_object_get(root, "long")) == 90.25);
        assert_true(json_is_null(json_object_get(root, "ever")));
        assert_string_equal(json_string_value(json_object_get(root, "then")), "1970-01-01T00:00:00.000001Z");
        assert_true(json_is_null(json_object_get(root, "never")));
        assert_true(json_is_null(json_object_get(root, "ever_after")));
        json_decref(root);
}

static void check_string(const char *text, const char *expected) {
        _cleanup_(buffer_deinit) struct buffer buffer = {0};
        json_t *root;

        json_append_string(&buffer, text);
        root = read_back(&buffer);
        if (expected)
                assert_string_equal(json_string_value(root), expected);
        json_decref(root);
}

#define LOST "\xef\xbf\xbd"

static void hostile_bytes_become_replacement_characters(void **state) {
        (void)state;
        check_string("", "");
        check_string("\x01\x1f\x7f\t\r\n\b", "\x01\x1f\x7f\t\r\n\b");
        check_string("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\xb4", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\xb4");
        check_string("\xff", LOST);
        check_string("\x80", LOST);
        check_string("\xc3", LOST);                                 /* cut short by the end */
        check_string("\xe2\x82", LOST LOST);                        /* cut short by the end */
        check_string("\xf0\x9f\x98", LOST LOST LOST);               /* cut short by the end */
        check_string("\xc3(", LOST "(");                            /* cut short by another */
        check_string("\xc0\xaf", LOST LOST);                        /* overlong "/" */
        check_string("\xe0\x80\xaf", LOST LOST LOST);               /* overlong "/" */
        check_string("\xf0\x80\x80\xaf", LOST LOST LOST LOST);      /* overlong "/" */
        check_string("\xed\xa0\x80", LOST LOST LOST);               /* a surrogate */
        check_string("\xf4\x90\x80\x80", LOST LOST LOST LOST);      /* past U+10FFFF */
        check_string("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf");
}

static void any_bytes_at_all_are_valid_json(void **state) {
        uint64_t random = 3;

        (void)state;
        for (unsigned round = 0; round < 5000; round++) {
                /* On the heap at its exact length, so that a step past the end is found. */
                size_t length = random_next(&random) % 20;
                char *text = malloc(length + 1);

                for (size_t i = 0; i < length; i++)
                        text[i] = (char)(1 + random_next(&random) % 255);
                text[length] = '\0';
                check_string(text, NULL);
                free(text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                UNIT_TEST(a_buffer_grows_and_starts_anew),
                UNIT_TEST(every_kind_of_value),
                UNIT_TEST(hostile_bytes_become_replacement_characters),
                UNIT_TEST(any_bytes_at_all_are_valid_json),
        };

        return UNIT_RUN(tests);
}
