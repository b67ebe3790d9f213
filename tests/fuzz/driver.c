/*
 * Runs a fuzzer without libFuzzer, over each file of its corpus once, and tells it as TAP. With arguments: over these files, such as a
 * finding of ./dev fuzz.
 */
#include "base/macro.h"
#include "fuzz.h"

#include <dirent.h>

/* As ./dev fuzz bounds them. */
#define INPUT_MAX (64 * 1024)

static void run_file(const char *path) {
        FILE *file = fopen(path, "re");
        uint8_t *input = malloc(INPUT_MAX);
        uint8_t *exact;
        size_t size;

        fuzz_check(file && input, path);
        size = fread(input, 1, INPUT_MAX, file);
        (void)fclose(file);
        /* A block of its own size, so that a sanitizer sees the first byte behind it. */
        exact = realloc(input, size ? size : 1);
        fuzz_check(exact != NULL, path);
        (void)LLVMFuzzerTestOneInput(exact, size);
        free(exact);
}

static unsigned run_corpus(const char *name) {
        const char *top = getenv("top_srcdir");
        char folder[1024], path[2048];
        struct dirent *entry;
        unsigned n = 0;
        DIR *dir;

        (void)snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus/%s", top ? top : ".", name);
        dir = opendir(folder);
        fuzz_check(dir != NULL, folder);
        while ((entry = readdir(dir))) {
                if (entry->d_name[0] == '.')
                        continue;
                (void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
                run_file(path);
                n++;
        }
        (void)closedir(dir);
        fuzz_check(n > 0, "the corpus is empty");
        return n;
}

int main(int argc, char **argv) {
        const char *name = strrchr(argv[0], '-');

        for (int i = 1; i < argc; i++)
                run_file(argv[i]);
        if (argc > 1 || !name)
                return EXIT_SUCCESS;
        puts("1..1");
        (void)fflush(stdout);
        printf("ok 1 - %u inputs of the corpus\n", run_corpus(name + 1));
        return EXIT_SUCCESS;
}
