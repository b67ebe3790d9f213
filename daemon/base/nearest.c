#include "base/nearest.h"

#define FAR UINT8_MAX

void nearest_init(struct nearest *nearest, const char *word) {
        nearest->found = NULL;
        nearest->steps_left = SIZE_MAX;
        nearest->word = word;
        nearest->length = strlen(word);
        nearest->edits = MIN(MAX(nearest->length / 3, (size_t)1), (size_t)NEAREST_EDITS_MAX) + 1;
        nearest->previous = "";
        nearest->depth = 0;
        nearest->is_far = false;
        for (size_t j = 0; j <= NEAREST_WORD_MAX; j++)
                nearest->rows[0][j] = (uint8_t)j;
}

/* Whether the last two letters of both are the same, swapped. */
static bool is_swap(const char *word, size_t j, const char *candidate, size_t i) {
        return i > 1 && j > 1 && candidate[i - 1] == word[j - 2] && candidate[i - 2] == word[j - 1];
}

static uint8_t cell(const struct nearest *nearest, const char *candidate, size_t i, size_t j) {
        const uint8_t *row = nearest->rows[i], *above = nearest->rows[i - 1];
        unsigned edits = MIN(MIN(above[j], row[j - 1]) + 1u, above[j - 1] + (candidate[i - 1] != nearest->word[j - 1] ? 1u : 0u));

        if (is_swap(nearest->word, j, candidate, i))
                edits = MIN(edits, nearest->rows[i - 2][j - 2] + 1u);
        return (uint8_t)MIN(edits, (unsigned)FAR);
}

/*
 * Computes the edits (optimal string alignment) from CANDIDATE's first I characters to each beginning of the word whose length differs by
 * no more than allowed, with FAR on both sides. Returns the least.
 */
static uint8_t compute_row(struct nearest *nearest, const char *candidate, size_t i) {
        size_t first = i > NEAREST_EDITS_MAX ? i - NEAREST_EDITS_MAX : 1, last = MIN(nearest->length, i + NEAREST_EDITS_MAX);
        uint8_t *row = nearest->rows[i], least;

        if (first > nearest->length + 1)
                return FAR;
        row[first - 1] = least = i <= NEAREST_EDITS_MAX ? (uint8_t)i : FAR;
        for (size_t j = first; j <= last; j++) {
                row[j] = cell(nearest, candidate, i, j);
                least = MIN(least, row[j]);
        }
        row[last + 1] = FAR;
        return least;
}

/*
 * The length of the common beginning of A and B, up to MOST. In a sorted list it is mostly everything, or everything but the last
 * character.
 */
static size_t count_common(const char *a, const char *b, size_t most) {
        size_t n = 0;

        if (most > 0 && strncmp(a, b, most - 1) == 0)
                return most - (a[most - 1] != b[most - 1]);
        while (n < most && a[n] == b[n])
                n++;
        return n;
}

static bool nearest_take_step(struct nearest *nearest) {
        if (nearest->steps_left == 0)
                return false;
        nearest->steps_left--;
        return true;
}

void nearest_try(struct nearest *nearest, const char *candidate) {
        size_t i = count_common(candidate, nearest->previous, nearest->depth);

        if (!nearest_take_step(nearest) || nearest->length > NEAREST_WORD_MAX || (nearest->is_far && i == nearest->depth))
                return;
        nearest->previous = candidate;
        nearest->is_far = false;
        while (candidate[i] && !nearest->is_far && nearest_take_step(nearest)) {
                i++;
                nearest->is_far = compute_row(nearest, candidate, i) >= nearest->edits;
        }
        nearest->depth = i;
        if (candidate[i] || nearest->is_far || MAX(i, nearest->length) - MIN(i, nearest->length) > NEAREST_EDITS_MAX ||
            nearest->rows[i][nearest->length] >= nearest->edits)
                return;
        nearest->edits = nearest->rows[i][nearest->length];
        nearest->found = candidate;
}
