/* A report on one period of one database: availability, awake time, wakes, outages, and a timeline to draw. */
#pragma once

#include "history/event-rows.h"
#include "history/query.h"

/* Writes the report. DATABASE is its row. 0 or a negative errno. */
int report_write(struct sqlite *sqlite, const struct history_query *query, uint64_t database, uint64_t saved_real_usec,
                 struct json_writer *w);

/* How long PHASE took in HOUR. */
struct phase_report report_phase(const struct hour *hour, enum phase phase);
