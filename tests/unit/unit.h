/* Included first by every unit test: cmocka, and the headers that it needs before it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macro.h"

#define UNIT_TEST(f) cmocka_unit_test(f)
#define UNIT_RUN(tests) cmocka_run_group_tests(tests, NULL, NULL)
