#include "history/shelf.h"

#include "base/error.h"
#include "base/macro.h"

/* While the file cannot be written: some megabytes. */
#define HAPPENINGS_MAX 16384
#define HOURS_MAX 24
/* Of all databases together, some 8 kB each at worst; one hour of each database stays. */
#define HOURS_TOTAL_MAX 8192

static void drop_happening(struct shelf *shelf) {
        struct happening *happening = shelf->first_happening;

        shelf->first_happening = happening->next;
        if (!shelf->first_happening)
                shelf->last_happening = NULL;
        shelf->n_happenings--;
        free(happening);
}

static void free_place(struct shelf_place *place) {
        free(place->snapshot);
        (void)hours_free(place->hours);
        free(place);
}

void shelf_deinit(struct shelf *shelf) {
        for (size_t i = 0; i < shelf->n; i++)
                free_place(shelf->places[i]);
        while (shelf->first_happening)
                drop_happening(shelf);
        free(shelf->places);
        *shelf = (struct shelf){0};
}

/* The first place whose name is not below NAME. */
static size_t search(const struct shelf *shelf, const char *name) {
        size_t low = 0, high = shelf->n;

        /* They mostly come in their order. */
        if (high > 0 && strcmp(shelf->places[high - 1]->snapshot->name, name) < 0)
                return high;
        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (strcmp(shelf->places[middle]->snapshot->name, name) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static bool is_at(const struct shelf *shelf, size_t i, const char *name) {
        return i < shelf->n && streq(shelf->places[i]->snapshot->name, name);
}

static int make_room(struct shelf *shelf) {
        size_t allocated = shelf->allocated ? 2 * shelf->allocated : 4;
        struct shelf_place **places;

        if (shelf->n < shelf->allocated)
                return 0;
        places = reallocarray(shelf->places, allocated, sizeof(*places));
        if (!places)
                return -ENOMEM;
        shelf->places = places;
        shelf->allocated = allocated;
        return 0;
}

static int add_place(struct shelf *shelf, size_t i, struct snapshot *snapshot) {
        struct shelf_place *place;

        if (make_room(shelf) < 0)
                return -ENOMEM;
        place = calloc(1, sizeof(*place));
        if (!place)
                return -ENOMEM;
        place->snapshot = snapshot;
        memmove(shelf->places + i + 1, shelf->places + i, (shelf->n - i) * sizeof(struct shelf_place *));
        shelf->places[i] = place;
        shelf->n++;
        return 0;
}

static void let_wait(struct shelf *shelf, struct shelf_place *place) {
        if (place->waits)
                return;
        place->waits = true;
        place->next = NULL;
        if (shelf->last)
                shelf->last->next = place;
        else
                shelf->first = place;
        shelf->last = place;
}

static void count(const struct shelf *shelf, struct shelf_place *place, const struct snapshot *old) {
        hours_count(&place->hours, old, place->snapshot);
        if (place->waits)
                hours_limit(place->hours, MIN(MAX(HOURS_TOTAL_MAX / shelf->n, (size_t)1), (size_t)HOURS_MAX));
}

int shelf_put(struct shelf *shelf, struct snapshot *snapshot, bool waits) {
        size_t i = search(shelf, snapshot->name);
        struct snapshot *old = NULL;

        if (is_at(shelf, i, snapshot->name)) {
                old = shelf->places[i]->snapshot;
                snapshot_follow(snapshot, old);
                shelf->places[i]->snapshot = snapshot;
        } else {
                int r = add_place(shelf, i, snapshot);

                if (r < 0)
                        return r;
        }
        if (waits) {
                shelf->places[i]->watched = !snapshot->is_put_away;
                count(shelf, shelf->places[i], old);
                let_wait(shelf, shelf->places[i]);
        }
        free(old);
        return 0;
}

struct snapshot *shelf_take(struct shelf *shelf, const char *name) {
        size_t i = search(shelf, name);
        struct snapshot *snapshot;

        if (!is_at(shelf, i, name))
                return NULL;
        snapshot = steal_pointer(&shelf->places[i]->snapshot);
        free_place(shelf->places[i]);
        shelf->n--;
        memmove(shelf->places + i, shelf->places + i + 1, (shelf->n - i) * sizeof(struct shelf_place *));
        return snapshot;
}

void shelf_drop(struct shelf *shelf, const char *name) {
        free(shelf_take(shelf, name));
}

void shelf_watch(struct shelf *shelf, const char *name) {
        size_t i = search(shelf, name);

        if (is_at(shelf, i, name))
                shelf->places[i]->watched = true;
}

bool shelf_is_watched(const struct shelf *shelf, const char *name) {
        size_t i = search(shelf, name);

        return is_at(shelf, i, name) && (shelf->places[i]->watched || shelf->places[i]->waits);
}

void shelf_drop_before(struct shelf *shelf, uint64_t since_real_usec) {
        size_t n = 0;

        for (size_t i = 0; i < shelf->n; i++)
                if (shelf->places[i]->snapshot->saved_real_usec < since_real_usec)
                        free_place(shelf->places[i]);
                else
                        shelf->places[n++] = shelf->places[i];
        shelf->n = n;
}

int shelf_learn(struct shelf *shelf, struct snapshot *past) {
        size_t i = search(shelf, past->name);
        struct snapshot *sum;

        if (!is_at(shelf, i, past->name))
                return add_place(shelf, i, past);
        sum = snapshot_add(shelf->places[i]->snapshot, past);
        if (!sum)
                return -ENOMEM;
        free(shelf->places[i]->snapshot);
        free(past);
        shelf->places[i]->snapshot = sum;
        return 0;
}

void shelf_compare(struct shelf *shelf, const struct snapshot *snapshots) {
        for (size_t i = 0; i < shelf->n; i++) {
                snapshot_compare(shelf->places[i]->snapshot, NULL);
                let_wait(shelf, shelf->places[i]);
        }
        for (; snapshots; snapshots = snapshots->next) {
                size_t i = search(shelf, snapshots->name);

                if (is_at(shelf, i, snapshots->name))
                        snapshot_compare(shelf->places[i]->snapshot, snapshots);
        }
}

void shelf_tell(struct shelf *shelf, struct happening *happening) {
        happening->next = NULL;
        if (shelf->last_happening)
                shelf->last_happening->next = happening;
        else
                shelf->first_happening = happening;
        shelf->last_happening = happening;
        if (++shelf->n_happenings > HAPPENINGS_MAX)
                drop_happening(shelf);
}

bool shelf_waits(const struct shelf *shelf) {
        return shelf->first || shelf->first_happening;
}

void shelf_written(struct shelf *shelf, size_t n, size_t n_happenings) {
        for (; n_happenings > 0; n_happenings--)
                drop_happening(shelf);
        for (; n > 0; n--) {
                struct shelf_place *place = shelf->first;

                snapshot_written(place->snapshot);
                place->waits = false;
                place->hours = hours_free(place->hours);
                shelf->first = place->next;
                if (!shelf->first)
                        shelf->last = NULL;
        }
}
