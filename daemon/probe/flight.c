#include "probe/flight.h"

#include "base/macro.h"

struct flight *flight_new(void) {
        struct flight *flight = calloc(1, sizeof(*flight));

        if (flight)
                atomic_init(&flight->references, 2);
        return flight;
}

struct flight *flight_unref(struct flight *flight) {
        if (flight && atomic_fetch_sub_explicit(&flight->references, 1, memory_order_acq_rel) == 1)
                free(flight);
        return NULL;
}
