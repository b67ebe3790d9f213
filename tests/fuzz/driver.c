/*
 * Runs a fuzzer without libFuzzer: the same damaged texts at every run, and TAP about it.
 *
 *      FUZZER                 as `make check` runs it
 *      FUZZER --seconds N     from a start of its own, until the time is over
 *      FUZZER FILE...         these texts, such as one that failed
 *
 * A text at which it fails is left in "fuzz-failed" in the current folder.
 */
#include "base/clock.h"
#include "base/macro.h"
#include "base/random.h"
#include "fuzz.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define TEXT_MAX 4096
#define ROUNDS 200000

static char current[TEXT_MAX + 1];
static volatile size_t current_size;

static void on_failure(int number) {
        FILE *file = fopen("fuzz-failed", "we");

        if (file) {
                (void)fwrite(current, 1, current_size, file);
                (void)fclose(file);
        }
        (void)signal(number, SIG_DFL);
        (void)raise(number);
}

static size_t size_of(const struct fuzz_text *text) {
        return text->size ? text->size : strlen(text->text);
}

static size_t count(const struct fuzz_text *texts) {
        size_t n = 0;

        while (texts[n].text)
                n++;
        return n;
}

/* Puts TEXT in at AT, as far as there is room. */
static void insert(size_t at, const char *text, size_t length) {
        length = MIN(length, TEXT_MAX - current_size);
        memmove(current + at + length, current + at, current_size - at);
        memcpy(current + at, text, length);
        current_size += length;
}

static void damage(uint64_t *random, size_t n_seeds, size_t n_pieces) {
        const struct fuzz_text *other = &fuzz_seeds[random_next(random) % n_seeds];
        size_t at = current_size ? random_next(random) % (current_size + 1) : 0, length = random_next(random) % 16;
        char copied[TEXT_MAX];

        switch (random_next(random) % 6) {
        case 0:
                if (at < current_size)
                        current[at] = (char)random_next(random);
                return;
        case 1:
                length = MIN(length, current_size - at);
                memmove(current + at, current + at + length, current_size - at - length);
                current_size -= length;
                return;
        case 2:
                length = MIN(length * 8, current_size - at);
                memcpy(copied, current + at, length);
                insert(random_next(random) % (current_size + 1), copied, length);
                return;
        case 3:
                insert(at, other->text, size_of(other));
                return;
        default:
                other = &fuzz_pieces[random_next(random) % n_pieces];
                insert(at, other->text, size_of(other));
        }
}

static void run_one(uint64_t *random, size_t n_seeds, size_t n_pieces) {
        const struct fuzz_text *seed = &fuzz_seeds[random_next(random) % n_seeds];
        uint8_t *exact;

        current_size = MIN(size_of(seed), (size_t)TEXT_MAX);
        memcpy(current, seed->text, current_size);
        for (uint64_t n = random_next(random) % 8; n-- > 0;)
                damage(random, n_seeds, n_pieces);
        /* A block of its own size, so that a sanitizer sees the first byte behind it. */
        exact = malloc(current_size ? current_size : 1);
        if (!exact)
                exit(EXIT_FAILURE);
        memcpy(exact, current, current_size);
        (void)LLVMFuzzerTestOneInput(exact, current_size);
        free(exact);
}

static int run_file(const char *path) {
        FILE *file = fopen(path, "re");

        if (!file) {
                perror(path);
                return EXIT_FAILURE;
        }
        current_size = fread(current, 1, TEXT_MAX, file);
        (void)fclose(file);
        (void)LLVMFuzzerTestOneInput((const uint8_t *)current, current_size);
        return EXIT_SUCCESS;
}

static void run_for(uint64_t random, uint64_t seconds) {
        uint64_t end = clock_boot_usec() + seconds * USEC_PER_SEC, rounds = 0;

        for (; clock_boot_usec() < end; rounds++)
                run_one(&random, count(fuzz_seeds), count(fuzz_pieces));
        printf("%" PRIu64 " texts in %" PRIu64 " s\n", rounds, seconds);
}

int main(int argc, char **argv) {
        static const int failures[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
        uint64_t random = 42;
        int status = EXIT_SUCCESS;

        for (size_t i = 0; i < ARRAY_LENGTH(failures); i++)
                (void)signal(failures[i], on_failure);
        if (argc == 3 && streq(argv[1], "--seconds")) {
                run_for(clock_real_usec() | 1, strtoull(argv[2], NULL, 10));
                return EXIT_SUCCESS;
        }
        if (argc > 1) {
                for (int i = 1; i < argc; i++)
                        status = run_file(argv[i]) ? EXIT_FAILURE : status;
                return status;
        }
        puts("1..1");
        for (size_t i = 0; i < ROUNDS; i++)
                run_one(&random, count(fuzz_seeds), count(fuzz_pieces));
        printf("ok 1 - %d damaged texts\n", ROUNDS);
        return EXIT_SUCCESS;
}
