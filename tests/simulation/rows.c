/* The linker inserts this before the table (-Wl,--wrap=machine_step), so that the daemon's own code is unchanged. */
#include "rows.h"

#include "base/text.h"
#include "health/state-machine.h"

#include <stdbool.h>

#define ROWS_MAX 64

static bool walked[ROWS_MAX];

const struct machine_row *__real_machine_step(enum state state, enum machine_event event);
const struct machine_row *__wrap_machine_step(enum state state, enum machine_event event);

const struct machine_row *__wrap_machine_step(enum state state, enum machine_event event) {
        const struct machine_row *row = __real_machine_step(state, event);

        walked[row - machine_row_at(0)] = true;
        return row;
}

/*
 * The table has an answer for every event in every state. These are never asked for: time only causes events that change something, and no
 * door check is sent to a database that answers or has demand.
 */
static bool is_never_asked(const struct machine_row *row) {
        const unsigned events = 1u << MACHINE_WAKE_TIMEOUT | 1u << MACHINE_LATE | 1u << MACHINE_SURVIVED | 1u << MACHINE_SLEPT |
                                1u << MACHINE_DOOR_GOOD;

        return row->to == MACHINE_STAYS && row->actions == 0 && events & 1u << row->event;
}

unsigned rows_print_missing(struct buffer *buffer) {
        const struct machine_row *row;
        unsigned missing = 0;

        for (size_t i = 0; (row = machine_row_at(i)); i++)
                if (!walked[i] && !is_never_asked(row)) {
                        buffer_printf(buffer, "# %s: %s\n", machine_event_name(row->event), row->sentence);
                        missing++;
                }
        return missing;
}
